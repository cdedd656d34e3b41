//! JOSE by spec, for a resource server: what makes a JWT valid.
//!
//! ```text
//! text ─shape_of─► CompactJws ─verify(KeySet, allowed)─► AuthenticClaims ─ClaimsPolicy::check─► TokenTimes
//! ```
//!
//! Nothing decodes claims for use without a signature check; what an unverified token tells is named `unverified_*`.

pub mod algorithm;
pub mod claims;
pub mod header;
pub mod json;
pub mod jws;
pub mod key;
pub mod keyset;
pub mod policy;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use claims::{AuthenticClaims, MalformedClaim};
pub use header::UnverifiedHeader;
pub use json::{MalformedJson, parse_object, parse_value};
pub use jws::{CompactJws, CompactParts, MalformedToken, Segment, SignatureFault, TokenShape, shape_of};
pub use key::{SkipReason, VerificationKey};
pub use keyset::{JwksFault, KeySet, SecretFault, SkippedKey};
pub use policy::{ClaimFault, ClaimsPolicy, TokenTimes, TypRule};
