//! Validity of JWTs, for a resource server: JOSE as the RFCs specify it.
//!
//! ```text
//! text ─shape_of─► CompactJws ─verify(KeySet, allowed)─► AuthenticClaims ─ClaimsPolicy::check─► TokenTimes
//! ```
//!
//! No claim is used without a verified signature. Readers of unverified claims are named `unverified_*`.

pub mod algorithm;
pub mod claims;
pub mod claims_policy;
pub mod declared_kind;
pub mod fault;
pub mod header;
pub mod introspection;
pub mod json;
mod jwk_member;
pub mod jws;
pub mod keyset;
pub mod shape;
mod skip_reason;
pub mod verification_key;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use claims::{AuthenticClaims, MalformedClaim};
pub use claims_policy::{ClaimFault, ClaimsPolicy, TokenTimes, TypRule};
pub use declared_kind::DeclaredKind;
pub use fault::{JwsSegment, MalformedToken, SignatureFault};
pub use header::UnverifiedHeader;
pub use introspection::IntrospectedTimes;
pub use json::{MalformedJson, parse_object, parse_value};
pub use jws::{CompactJws, CompactParts};
pub use keyset::{JwksFault, KeySet, SecretFault, SkippedKey};
pub use shape::{TokenShape, shape_of};
pub use skip_reason::SkipReason;
pub use verification_key::VerificationKey;
