//! The embedded store: one SQLite file that `serve` and the command line can use side by side, and that survives
//! `kill -9`.

mod glance;
mod log;
mod revocations;
mod sessions;
mod snapshot;

use std::path::Path;
use std::sync::Arc;

use maxlab_auth_core::unavailable::{Component, Unavailable};

use crate::sql::{Database, Migration};

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        sqlite: include_str!("schema/0001_first.sql"),
        postgres: "",
    },
    Migration {
        version: 2,
        sqlite: include_str!("schema/0002_log.sql"),
        postgres: "",
    },
];

/// Revocations and sessions in an SQLite file, for one machine.
///
/// Implements `RevocationStore` and `SessionStore`. It keeps nothing in memory: what another process wrote counts at
/// once. Every write is synced before it is answered. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EmbeddedStore {
    database: Database,
    path: Arc<Path>,
}

impl EmbeddedStore {
    /// Opens the file at `path`; makes it and its folder if they are not there.
    ///
    /// # Errors
    /// The file cannot be opened or written.
    pub async fn open(path: &Path) -> Result<Self, Unavailable> {
        Ok(Self {
            database: Database::sqlite(path, Component::Store, MIGRATIONS).await?,
            path: path.into(),
        })
    }

    /// Asks whether it answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), Unavailable> {
        self.database.ping().await
    }
}
