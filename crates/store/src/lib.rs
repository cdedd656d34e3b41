//! Storage backends: the embedded store, Redis, and SQL. Each passes the contract suite of its traits.
//!
//! | trait | implementation |
//! |---|---|
//! | `RevocationStore`, `RevocationLog` | [`EmbeddedStore`] (one machine) or [`RedisStore`] (shared) |
//! | `SessionStore` | [`SqlDatabase`], or [`RedisStore`] with `SESSION_STORE=redis` |
//! | `Journal`, `AuditLog`, `Outbox`, `IssuedTokens` and others | [`SqlDatabase`] on SQLite or PostgreSQL |
//!
//! The feature `redis` enables Redis; `sql` enables SQL and the embedded store. A process that only checks
//! credentials reads the shared store through a [`RedisReader`] and needs no SQL.
//!
//! Every call has a time limit and returns `Unavailable` when it passes. Nothing in this crate decides
//! whether a credential is valid.

#[cfg(feature = "sql")]
mod embedded;
mod entry_codec;
mod millis;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sql")]
mod sql;

#[cfg(feature = "sql")]
pub use embedded::EmbeddedStore;
#[cfg(feature = "redis")]
pub use redis::{RedisCaCertificates, RedisNodes, RedisReader, RedisStore};
#[cfg(feature = "sql")]
pub use sql::SqlDatabase;
