//! Schema migrations at the start: one instance at a time, and all missing steps in one transaction.

use std::time::Duration;

use maxlab_auth_core::unavailable::Unavailable;

use super::pooled_connection::{PooledConnection, SqlDialect};
use super::value::sql_values;

/// One step of the schema. It is run once on each database.
pub(crate) struct SchemaMigration {
    /// Number of the step. A database records the numbers that it has run.
    pub(crate) version: i64,
    /// Statements for SQLite.
    pub(crate) sqlite: &'static str,
    /// Statements for PostgreSQL.
    pub(crate) postgres: &'static str,
}

/// Time limit of a migration and of the wait for one. Longer than an operation's: a step may rewrite a table.
const MIGRATION_LIMIT: Duration = Duration::from_secs(60);

/// Takes the advisory lock for migrations. The number is arbitrary; no other program is likely to use it.
const POSTGRES_LOCK: &str = "
    SET LOCAL statement_timeout = '60s';
    SET LOCAL lock_timeout = '60s';
    SELECT pg_advisory_xact_lock(7022113045118801);
";

/// Runs the steps that the database has not run yet, in the write transaction of `conn`.
pub(super) async fn migrate(
    mut conn: PooledConnection,
    migrations: &[SchemaMigration],
) -> Result<(), Unavailable> {
    conn.set_time_limit(MIGRATION_LIMIT);
    let dialect = conn.dialect();
    // SQLite needs no lock of its own: BEGIN IMMEDIATE admits one writer.
    if dialect == SqlDialect::Postgres {
        conn.execute_batch(POSTGRES_LOCK).await?;
    }
    conn.execute_batch("CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY)")
        .await?;
    let newest = conn
        .fetch_first("SELECT coalesce(max(version), 0) FROM schema_versions", &[])
        .await?;
    let applied = newest.map_or(Ok(0), |row| row.int(0))?;
    let known = migrations.iter().map(|m| m.version).max().unwrap_or(0);
    // Only a warning: during a rolling upgrade an old version runs on newer tables (docs/OPERATIONS.md).
    if applied > known {
        tracing::warn!(found = applied, known, "database schema newer than this program");
    }
    for migration in migrations.iter().filter(|m| m.version > applied) {
        conn.execute_batch(match dialect {
            SqlDialect::Postgres => migration.postgres,
            SqlDialect::Sqlite => migration.sqlite,
        })
        .await?;
        conn.execute(
            "INSERT INTO schema_versions (version) VALUES ($1)",
            &sql_values![migration.version],
        )
        .await?;
    }
    conn.commit().await
}
