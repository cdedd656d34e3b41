//! The stores: embedded, Redis, and SQL, each held to its trait's contract.
//!
//! | what is asked | who answers |
//! |---|---|
//! | `RevocationStore`, `SessionStore` | [`EmbeddedStore`] (one machine) or [`RedisStore`] (shared) |
//! | `Journal`, `AuditLog`, `Outbox`, `Workspaces`, `IssuedTokens` | [`SqlDatabase`] on SQLite or PostgreSQL |
//!
//! Redis comes with the feature `redis`, SQL and the embedded store with `sql`. A process that only checks credentials reads
//! the shared store through a [`RedisReader`] and needs no SQL.
//!
//! Every call has a time limit and answers `Unavailable` when it passes; nothing here decides anything.

#[cfg(feature = "contract")]
pub mod contract;
#[cfg(feature = "sql")]
mod embedded;
mod line;
mod moment;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sql")]
mod sql;

#[cfg(feature = "sql")]
pub use embedded::EmbeddedStore;
#[cfg(feature = "redis")]
pub use redis::{RedisNodes, RedisReader, RedisStore};
#[cfg(feature = "sql")]
pub use sql::SqlDatabase;
