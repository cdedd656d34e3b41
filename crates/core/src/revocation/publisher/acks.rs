//! Marks of acknowledged lines in the journal: at once for cut-offs, later and in groups for revocations by
//! name.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::Publisher;
use crate::revocation::journal_entry::{JournalEntry, JournalLine};
use crate::unavailable::Unavailable;

/// Time for which marks are collected before they are written. Each write competes with revocations for the
/// journal.
const ACK_WRITE_DELAY: Duration = Duration::from_millis(100);

/// Lines that are acknowledged and not marked yet.
#[derive(Default)]
pub(super) struct PendingAcks {
    positions: Vec<i64>,
    /// True while a task writes marks. It checks the list under the same lock before it ends.
    is_writer_running: bool,
}

impl Publisher {
    /// Marks cut-offs as acknowledged, before the answer. A cut-off that is ordered again after its
    /// acknowledgement is a new one with a later time, so the journal must know by then that this one is
    /// done.
    pub(super) async fn acknowledge_cutoffs(&self, lines: &[JournalLine]) -> Result<(), Unavailable> {
        let cutoffs = lines.iter().filter(|line| is_cutoff(line));
        let cutoffs: Vec<_> = cutoffs.map(|line| line.position).collect();
        if cutoffs.is_empty() {
            return Ok(());
        }
        self.journal.mark_acknowledged(&cutoffs).await
    }

    /// Queues revocations by name to be marked as acknowledged. If a mark is lost, the line is published a
    /// second time, which changes nothing.
    pub(super) fn enqueue_acks(self: &Arc<Self>, lines: &[JournalLine]) {
        let named = lines.iter().filter(|line| !is_cutoff(line));
        let mut acks = self.pending_acks.lock().unwrap_or_else(PoisonError::into_inner);
        acks.positions.extend(named.map(|line| line.position));
        if acks.positions.is_empty() {
            return;
        }
        if !std::mem::replace(&mut acks.is_writer_running, true) {
            tokio::spawn(Arc::clone(self).run_ack_writer());
        }
    }

    /// Writes queued marks until there are none.
    async fn run_ack_writer(self: Arc<Self>) {
        loop {
            sleep(ACK_WRITE_DELAY).await;
            let positions = {
                let mut acks = self.pending_acks.lock().unwrap_or_else(PoisonError::into_inner);
                if acks.positions.is_empty() {
                    acks.is_writer_running = false;
                    return;
                }
                std::mem::take(&mut acks.positions)
            };
            // Not retried: the reconciler finds the lines without a mark.
            if let Err(fault) = self.journal.mark_acknowledged(&positions).await {
                tracing::debug!(%fault, "acknowledgements not marked, reconciler publishes the lines again");
            }
        }
    }
}

fn is_cutoff(line: &JournalLine) -> bool {
    matches!(&line.entry, JournalEntry::Revoked(revocation) if revocation.key.is_cutoff())
}
