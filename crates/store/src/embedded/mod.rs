//! The embedded store: one SQLite file, which `serve` and the command line use at the same time.

mod log;
mod log_follower;
mod log_rows;
mod revocations;
mod snapshot;
mod wal_probe;

use std::path::Path;
use std::sync::Arc;

use maxlab_auth_core::unavailable::{GatewayComponent, Unavailable};

use crate::sql::{PooledDatabase, SchemaMigration};

const MIGRATIONS: &[SchemaMigration] = &[
    // The embedded store exists on SQLite only, so the PostgreSQL text is never run.
    SchemaMigration {
        version: 1,
        sqlite: include_str!("schema/0001_first.sql"),
        postgres: "",
    },
    SchemaMigration {
        version: 2,
        sqlite: include_str!("schema/0002_log.sql"),
        postgres: "",
    },
];

/// Revocations in an SQLite file, for one machine.
///
/// Implements `RevocationStore` and `RevocationLog`. Nothing is cached in memory, so that the
/// writes of another process take effect at once. Every write is synced. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EmbeddedStore {
    database: PooledDatabase,
    // For the follower, which watches the file for writes.
    path: Arc<Path>,
}

impl EmbeddedStore {
    /// Opens the file at `path`. Creates the file and its folder if they do not exist.
    ///
    /// # Errors
    /// The file cannot be opened or written.
    pub async fn open(path: &Path) -> Result<Self, Unavailable> {
        Ok(Self {
            database: PooledDatabase::open_sqlite(path, GatewayComponent::Store, MIGRATIONS).await?,
            path: path.into(),
        })
    }

    /// Checks that the file answers a query.
    ///
    /// # Errors
    /// The file does not answer within the time limit.
    pub async fn ping(&self) -> Result<(), Unavailable> {
        self.database.ping().await
    }
}
