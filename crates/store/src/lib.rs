//! The stores: embedded, Redis, and SQL, each held to its trait's contract.
//!
//! | what is asked | who answers |
//! |---|---|
//! | `RevocationStore`, `SessionStore` | [`EmbeddedStore`] (one machine) or [`RedisStore`] (shared) |
//! | `Journal`, `AuditLog`, `Outbox`, `Workspaces`, `IssuedTokens` | [`SqlDatabase`] on SQLite or PostgreSQL |
//!
//! Every call has a time limit and answers `Unavailable` when it passes; nothing here decides anything.

#[cfg(feature = "contract")]
pub mod contract;
mod embedded;
mod line;
mod moment;
mod redis;
mod sql;

pub use embedded::EmbeddedStore;
pub use redis::{RedisNodes, RedisStore};
pub use sql::SqlDatabase;
