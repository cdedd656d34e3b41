//! The SQL database, PostgreSQL or SQLite: journal, audit log, outbox, sessions, workspaces and
//! issued tokens.

mod append;
mod audit;
mod data_set_register;
mod database;
mod issued_tokens;
mod journal;
mod journal_line;
mod migrate;
mod outbox;
mod party_credentials;
mod pooled_connection;
mod postgres;
mod sessions;
mod unproven_tokens;
mod used_codes;
mod value;
mod workspaces;

use std::path::Path;

use maxlab_auth_core::unavailable::{GatewayComponent, Unavailable};

pub(crate) use database::PooledDatabase;
pub(crate) use migrate::SchemaMigration;
pub(crate) use pooled_connection::{PooledConnection, SqlDialect};
pub(crate) use value::{SqlRow, SqlValue, escape_text, sql_values, to_json_rows};

// Both texts create the same tables. Types and kinds of indexes differ.
const MIGRATIONS: &[SchemaMigration] = &[SchemaMigration {
    version: 1,
    sqlite: include_str!("schema/sqlite/0001_first.sql"),
    postgres: include_str!("schema/postgres/0001_first.sql"),
}];

/// The SQL database. It loses nothing that it acknowledged.
///
/// Implements `Journal`, `AuditLog`, `Outbox`, `SessionStore`, `WorkspaceStore`, `IssuedTokens`,
/// `UnprovenTokens` and `UsedCodes`. Every operation takes at most 5 seconds. If the server was down, the first operation after
/// its return works again. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqlDatabase {
    database: PooledDatabase,
}

impl SqlDatabase {
    /// Opens the SQLite file at `path` and migrates its tables. Creates a missing file and folder.
    ///
    /// # Errors
    /// The file cannot be opened or written.
    pub async fn connect_sqlite(path: &Path) -> Result<Self, Unavailable> {
        Ok(Self {
            database: PooledDatabase::open_sqlite(path, GatewayComponent::Database, MIGRATIONS).await?,
        })
    }

    /// Connects to PostgreSQL (`postgresql://…`) and migrates the tables, one instance at a time.
    ///
    /// # Errors
    /// The URL is not valid, the server does not answer, or it does not permit creating tables. The error
    /// does not repeat the URL.
    pub async fn connect_postgres(url: &str) -> Result<Self, Unavailable> {
        Ok(Self {
            database: PooledDatabase::open_postgres(url, GatewayComponent::Database, MIGRATIONS).await?,
        })
    }

    /// Checks that the database answers a query.
    ///
    /// # Errors
    /// The database does not answer within the time limit.
    pub async fn ping(&self) -> Result<(), Unavailable> {
        self.database.ping().await
    }
}
