//! Bulk revocations, written directly into the table of the embedded store.

use std::path::Path;

use anyhow::Result;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

/// Revocations of tokens that are never presented, valid for an hour.
const INSERT_REVOCATIONS: &str = "INSERT INTO revoked (kind, name, cutoff_ms, reason, revoked_at_ms, expires_at_ms, user_id)
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < $1)
    SELECT 'token', printf('bench-%08d', n), NULL, 'logout', unixepoch() * 1000, (unixepoch() + 3600) * 1000, NULL
    FROM number";

/// Writes `entries` revocations into the file of a store that is not open elsewhere.
///
/// # Errors
/// The file is not that of a store, or cannot be written.
pub async fn insert_revocations(store: &Path, entries: u64) -> Result<()> {
    // The recursive query yields one row even for none.
    if entries == 0 {
        return Ok(());
    }
    let options = SqliteConnectOptions::new().filename(store);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    // One statement: a million single inserts would take minutes.
    let filled = sqlx::query(INSERT_REVOCATIONS)
        .bind(i64::try_from(entries)?)
        .execute(&mut connection)
        .await;
    // Closed before the result is examined: the caller opens the file next, also after an error.
    connection.close().await?;
    filled?;
    Ok(())
}
