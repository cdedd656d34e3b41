//! Is it authentic: the layers that a token is shown to, their order, and what their answers add up to.

mod chain;
mod jwt;
mod published;
mod reading;
mod testimony;

pub use chain::{ChainLimits, VerifyChain, VerifyFault};
pub use jwt::{JwtCheck, JwtVerifier, KeySource, Precheck};
pub use published::{Fetched, KeyPlace, PublishedKeys};
pub use testimony::{Rejection, Testimony, Verdict, Verified, Verifier};
