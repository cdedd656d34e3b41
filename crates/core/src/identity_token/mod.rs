//! Identity tokens: short-lived JWTs (RFC 7519) with which the gateway tells an application who the user is.
//! The application can verify them offline.
//!
//! Each token is signed with ES256 and bound to the host and the method of a request, so that it
//! is useless elsewhere. One token serves all requests with the same identity, host and method
//! until a third of its life is left.

mod issuer;
mod signing_keys;

pub use issuer::{IDENTITY_TOKEN_TYPE, IdentityTokenContents, IdentityTokenIssuer};
pub use signing_keys::{SigningKeyFault, SigningKeys};
