//! Refill of a store that is new or has lost its data: one instance writes the journal into it for all
//! (decision 6).

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use super::journal_entry::JournalEntry;
use super::shared_log::{InstanceId, LogFault, RefillLock, RevocationLog};
use super::storage::Journal;
use crate::unavailable::Unavailable;
use crate::verdict::Term;

/// Journal lines that are read and published at a time.
const REPLAY_BATCH_SIZE: u32 = 1_000;
/// Pause between two looks whether another instance has filled the store.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The refill of one data set from one journal.
pub(super) struct StoreRefill<'m> {
    pub(super) journal: &'m dyn Journal,
    pub(super) log: &'m dyn RevocationLog,
    /// Id of this instance, for the lock.
    pub(super) instance: InstanceId,
    /// Random name of the journal.
    pub(super) journal_id: &'m str,
    /// Term of the data set.
    pub(super) term: &'m Term,
}

impl StoreRefill<'_> {
    /// Writes the journal into the store, or waits until another instance has done so. Returns `false` if the
    /// data set was lost meanwhile.
    #[tracing::instrument(skip_all, fields(term = %self.term))]
    pub(super) async fn run(&self, now: Timestamp) -> Result<bool, Unavailable> {
        loop {
            // Read again in each round: the instance with the lock may have finished, or the store may have
            // lost its data.
            let view = self.log.view(self.journal_id).await?;
            if view.epoch != self.term.epoch {
                return Ok(false);
            }
            if view.filled_mark.as_deref() == Some(&self.term.mark()) {
                return Ok(true);
            }
            if self
                .log
                .acquire_refill_lock(self.journal_id, &self.instance)
                .await?
                == RefillLock::HeldByOther
            {
                sleep(POLL_INTERVAL).await;
                continue;
            }
            // Marked only after the whole replay: with the mark, other instances trust the data set.
            let filled = match self.replay(now).await {
                Ok(()) => self.log.mark_filled(self.journal_id, self.term).await,
                Err(fault) => Err(fault),
            };
            return match filled {
                Ok(()) => Ok(true),
                Err(LogFault::EpochChanged) => Ok(false),
                Err(LogFault::Unavailable(fault)) => Err(fault),
            };
        }
    }

    async fn replay(&self, now: Timestamp) -> Result<(), LogFault> {
        let (mut position, mut count) = (i64::MIN, 0_usize);
        // Lines that are appended meanwhile need no replay: their revokers publish them, or find another term
        // and publish them again.
        loop {
            let lines = self
                .journal
                .unexpired_after(position, REPLAY_BATCH_SIZE, now)
                .await?;
            let Some(last) = lines.last() else { break };
            position = last.position;
            count += lines.len();
            let entries: Vec<JournalEntry> = lines.into_iter().map(|line| line.entry).collect();
            self.log.publish(&self.term.epoch, &entries, now).await?;
            // Extends the lock. A lost lock is no reason to stop: replaying a line twice changes nothing.
            self.log
                .acquire_refill_lock(self.journal_id, &self.instance)
                .await?;
            tracing::info!(lines = count, "journal lines written to the store");
        }
        Ok(())
    }
}
