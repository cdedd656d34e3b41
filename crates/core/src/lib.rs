//! The rules of the gateway, without any I/O: credentials, verification, revocation, identity, permissions.
//!
//! Data flows one way. Each step is the only constructor of the type that the next step takes:
//!
//! ```text
//! PresentedToken ─VerifyChain─────────┐
//!                                     ├► Verified ─RevocationGate► ActiveCredential ─Permit► Permit<R>
//! SessionId ──────SessionManager::load┘
//! ```

pub mod access;
pub mod audit;
pub mod clock;
pub mod credential;
pub mod engine;
pub mod error_code;
pub mod events;
pub mod guard;
pub mod identity;
pub mod identity_token;
pub mod issued_tokens;
pub mod login;
pub mod outbox;
pub mod policy;
pub mod random;
pub mod revocation;
pub mod seal;
pub mod session;
mod sync;
pub mod token_endpoint;
pub mod unavailable;
pub mod used_codes;
pub mod verdict;
pub mod verify;
pub mod workspace;
