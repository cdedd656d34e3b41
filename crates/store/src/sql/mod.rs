//! The SQL database, PostgreSQL or SQLite: the journal, the audit log, the outbox, workspaces and issued tokens.

mod append;
mod audit;
mod database;
mod held;
mod issued;
mod journal;
mod migrate;
mod outbox;
mod register;
mod value;
mod workspaces;

use std::path::Path;

use maxlab_auth_core::unavailable::{Component, Unavailable};

pub(crate) use database::Database;
pub(crate) use held::{Dialect, Held};
pub(crate) use migrate::Migration;
pub(crate) use value::{Row, Value, escaped, json, values};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    sqlite: include_str!("schema/sqlite/0001_first.sql"),
    postgres: include_str!("schema/postgres/0001_first.sql"),
}];

/// The SQL database: nothing that it acknowledged is lost.
///
/// Implements `Journal`, `AuditLog`, `Outbox`, `Workspaces` and `IssuedTokens`. Cheap to clone. Every operation takes
/// at most 5 seconds; when the server went away and came back, the next one works again.
#[derive(Clone, Debug)]
pub struct SqlDatabase {
    database: Database,
}

impl SqlDatabase {
    /// Opens the SQLite file at `path`, makes it and its folder if they are not there, and brings its tables up to
    /// date.
    ///
    /// # Errors
    /// The file cannot be opened or written.
    pub async fn connect_sqlite(path: &Path) -> Result<Self, Unavailable> {
        Ok(Self {
            database: Database::sqlite(path, Component::Database, MIGRATIONS).await?,
        })
    }

    /// Connects to PostgreSQL (`postgresql://…`) and brings the tables up to date, one instance at a time.
    ///
    /// # Errors
    /// The URL is none, or the server does not answer, or it does not let us make tables. No error holds the URL.
    pub async fn connect_postgres(url: &str) -> Result<Self, Unavailable> {
        Ok(Self {
            database: Database::postgres(url, Component::Database, MIGRATIONS).await?,
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
