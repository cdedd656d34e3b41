//! Follows the revocation stream of the embedded store.
//!
//! Only the command line writes to the table from another process. So the follower polls, and queries only if
//! the database file shows a write.

use std::time::Duration;

use async_trait::async_trait;
use maxlab_auth_core::revocation::{LogFault, StreamBatch, StreamEntry, StreamPosition, StreamSubscription};
use maxlab_auth_core::verdict::Epoch;
use tokio::time::{Instant, sleep};

use super::EmbeddedStore;
use super::log_rows::{ensure_epoch, read_u64, to_i64};
use super::wal_probe::WalChangeProbe;
use crate::entry_codec;
use crate::sql::sql_values;

/// Pause between two looks at the file. It bounds how late a revocation by the command line is applied.
const POLL_INTERVAL: Duration = Duration::from_millis(15);
/// Number of entries in one read, so that a long backlog does not become one large answer.
const MAX_ENTRIES_PER_READ: u32 = 1_000;

/// Follows the log table for one process.
pub(super) struct LogTableFollower {
    store: EmbeddedStore,
    epoch: Epoch,
    position: StreamPosition,
    wal_probe: WalChangeProbe,
}

#[async_trait]
impl StreamSubscription for LogTableFollower {
    async fn next(&mut self, patience: Duration) -> Result<StreamBatch, LogFault> {
        let deadline = Instant::now() + patience;
        loop {
            let mut entries = Vec::new();
            if let Some(stamp) = self.wal_probe.check_for_changes() {
                entries = self.read_entries().await?;
                // After a full page there may be more, so the file does not count as read yet.
                if entries.len() < MAX_ENTRIES_PER_READ as usize {
                    self.wal_probe.record_read(stamp);
                }
            }
            if !entries.is_empty() || Instant::now() >= deadline {
                return Ok(StreamBatch {
                    entries,
                    applied: Vec::new(),
                });
            }
            sleep(POLL_INTERVAL).await;
        }
    }
}

impl LogTableFollower {
    /// Creates a follower of the entries behind a position.
    pub(super) fn new(store: &EmbeddedStore, epoch: &Epoch, behind: StreamPosition) -> Self {
        Self {
            store: store.clone(),
            epoch: epoch.clone(),
            position: behind,
            wal_probe: WalChangeProbe::for_database(&store.path),
        }
    }

    async fn read_entries(&mut self) -> Result<Vec<StreamEntry>, LogFault> {
        let mut conn = self.store.database.acquire_reader().await?;
        let rows = conn
            .fetch_all(
                "SELECT position, line FROM log WHERE position > $1 ORDER BY position LIMIT $2",
                &sql_values![to_i64(self.position), MAX_ENTRIES_PER_READ],
            )
            .await?;
        // Only if nothing arrived, to save a query. A changed data set shows at the next empty read.
        if rows.is_empty() {
            ensure_epoch(&mut conn, &self.epoch).await?;
        }
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            let position = read_u64(row, 0)?;
            let entry = entry_codec::decode(&row.text(1)?).ok_or_else(|| row.decode_error("log line"))?;
            // AUTOINCREMENT under SQLite's single writer leaves no gap, so the predecessor is known.
            entries.push(StreamEntry {
                before: position.saturating_sub(1),
                position,
                entry,
            });
            self.position = position;
        }
        Ok(entries)
    }
}
