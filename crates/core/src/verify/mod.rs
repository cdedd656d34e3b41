//! Is it authentic: the layers that a token is shown to, their order, and what their answers add up to.

mod ahead;
mod chain;
mod examined;
mod jwt;
mod key;
mod published;
mod reading;
mod remembered;
mod testimony;

pub use ahead::{DueRenewals, Renewed};
pub use chain::{ChainLimits, VerifyChain, VerifyFault};
pub use examined::Examined;
pub use jwt::{JwtCheck, JwtVerifier, KeySource, KeysInForce, Precheck, Proof};
pub use published::{Fetched, KeyPlace, PublishedKeys};
pub use testimony::{Rejection, Shown, Testimony, Verdict, Verified, Verifier};
