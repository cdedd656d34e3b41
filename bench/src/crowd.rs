//! Other people's revocations, written where the embedded store keeps them.

use std::path::Path;

use anyhow::Result;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

/// Revocations of tokens that nobody presents, for an hour.
const FILL: &str = "INSERT INTO revoked (kind, name, cutoff_ms, reason, revoked_at_ms, expires_at_ms, user_id)
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < $1)
    SELECT 'token', printf('bench-%08d', n), NULL, 'logout', unixepoch() * 1000, (unixepoch() + 3600) * 1000, NULL
    FROM number";

/// Writes so many into the file of a store, which nobody has open.
///
/// # Errors
/// It is no such file, or can't be written.
pub async fn revoke(store: &Path, entries: u64) -> Result<()> {
    if entries == 0 {
        return Ok(());
    }
    let options = SqliteConnectOptions::new().filename(store);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let filled = sqlx::query(FILL)
        .bind(i64::try_from(entries)?)
        .execute(&mut connection)
        .await;
    connection.close().await?;
    filled?;
    Ok(())
}
