//! The rules of the gateway, without any I/O: what a credential is, what makes it good, whether it is revoked,
//! who it stands for and what they may do.
//!
//! Data flows one way, and each step is the only maker of what the next one demands:
//!
//! ```text
//! Credential ─► PresentedToken ──VerifyChain──┐
//!                                             ├─► Verified ──Revocations──► Live ──► Identity ──Guard──► Permit<G>
//! SessionId ───────────────────Sessions::open─┘
//! ```

pub mod audit;
pub mod clock;
pub mod credential;
pub mod engine;
pub mod guard;
pub mod identity;
pub mod identity_token;
pub mod outbox;
pub mod policy;
pub mod random;
pub mod revocation;
pub mod seal;
pub mod session;
pub mod token;
pub mod unavailable;
pub mod verify;
pub mod workspace;
