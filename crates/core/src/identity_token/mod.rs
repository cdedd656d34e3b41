//! The gateway's own word on who it is, for the application behind: a short-lived JWT (RFC 7519) that can be checked offline.
//!
//! Each is signed with ES256 and bound to the host and the method of the one request that it goes with, so that it is of no
//! use elsewhere. It is made once for an identity, a host and a method, and then handed out until it grows old.

mod key;
mod mint;

pub use key::{SigningKeyFault, SigningKeys};
pub use mint::{IdentityTokens, TYPE};
