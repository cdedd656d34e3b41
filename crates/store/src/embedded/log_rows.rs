//! Rows of the log: its epoch, and numbers that SQLite keeps signed.

use maxlab_auth_core::revocation::LogFault;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::Epoch;

use crate::sql::{PooledConnection, SqlRow, sql_values};

/// Fails if the data set is not that of `epoch`.
pub(super) async fn ensure_epoch(conn: &mut PooledConnection, epoch: &Epoch) -> Result<(), LogFault> {
    if load_meta(conn, "generation").await?.as_deref() == Some(epoch.as_str()) {
        Ok(())
    } else {
        Err(LogFault::EpochChanged)
    }
}

pub(super) async fn load_meta(
    conn: &mut PooledConnection,
    name: &str,
) -> Result<Option<String>, Unavailable> {
    let row = conn
        .fetch_first("SELECT value FROM meta WHERE name = $1", &sql_values![name])
        .await?;
    row.map(|row| row.text(0)).transpose()
}

pub(super) fn read_u64(row: &SqlRow, column: usize) -> Result<u64, Unavailable> {
    u64::try_from(row.int(column)?).map_err(|_| row.decode_error("number"))
}

pub(super) fn to_i64(number: u64) -> i64 {
    // SQLite integers are signed. Counts, positions and microseconds beyond `i64::MAX` do not occur.
    i64::try_from(number).unwrap_or(i64::MAX)
}
