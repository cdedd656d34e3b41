//! Verification: the layers that a token is checked by, their order, and the result of their verdicts.

mod authenticity;
mod budget;
mod cache_key;
mod cached_verdict;
mod chain;
mod claims;
pub mod explain;
mod fault;
mod issuers;
mod jwks_cache;
mod jwt;
mod key_provider;
mod layer;
mod parsed_token;
mod refresh_ahead;

pub use authenticity::{SignedToken, TokenAuthenticity};
pub use budget::{UnlimitedBudget, UpstreamBudget};
pub use chain::{ChainLimits, IdTokenProof, IssuedJwtFault, PersonFault, VerifyChain};
pub use fault::VerifyFault;
pub use issuers::DefaultIssuers;
pub use jwks_cache::{FetchedJwks, JwksCache, JwksSource};
pub use jwt::{JwtCheck, JwtVerifier, PrecheckResult};
pub use key_provider::{KeySetProvider, KeySetVersion};
pub use layer::{LayerClaims, SignatureProof, TokenRejection, TokenVerifier, Verdict, VerifyInput};
pub use parsed_token::ParsedToken;
pub use refresh_ahead::DueRefreshes;
