//! Brings the tables up to date at the start: one instance at a time, all of a database's steps or none.

use std::time::Duration;

use maxlab_auth_core::unavailable::Unavailable;

use super::database::Database;
use super::held::Dialect;
use super::value::values;

/// One step: what the tables are changed by, once.
pub(crate) struct Migration {
    /// Its number; a database keeps the numbers of the steps it has taken.
    pub(crate) version: i64,
    /// In the words of SQLite.
    pub(crate) sqlite: &'static str,
    /// In the words of PostgreSQL.
    pub(crate) postgres: &'static str,
}

/// How long the start may wait for another instance that migrates.
const LIMIT: Duration = Duration::from_secs(60);

/// The advisory lock of 'maxlab-auth', an arbitrary number that no other program is likely to use.
const LOCK_POSTGRES: &str = "
    SET LOCAL statement_timeout = '60s';
    SET LOCAL lock_timeout = '60s';
    SELECT pg_advisory_xact_lock(7022113045118801);
";

pub(super) async fn migrate(database: &Database, migrations: &[Migration]) -> Result<(), Unavailable> {
    let mut held = database.begin().await?;
    held.allow(LIMIT);
    let dialect = held.dialect();
    if dialect == Dialect::Postgres {
        held.script(LOCK_POSTGRES).await?;
    }
    held.script("CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY)")
        .await?;
    let newest = held
        .row("SELECT coalesce(max(version), 0) FROM schema_versions", &[])
        .await?;
    let done = newest.map_or(Ok(0), |row| row.int(0))?;
    let known = migrations.iter().map(|m| m.version).max().unwrap_or(0);
    if done > known {
        tracing::warn!(found = done, known, "the tables are newer than this program");
    }
    for migration in migrations.iter().filter(|m| m.version > done) {
        held.script(match dialect {
            Dialect::Postgres => migration.postgres,
            Dialect::Sqlite => migration.sqlite,
        })
        .await?;
        held.execute(
            "INSERT INTO schema_versions (version) VALUES ($1)",
            &values![migration.version],
        )
        .await?;
    }
    held.commit().await
}
