//! Positions up to which the instances have reported the stream as applied.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::ack_barrier::AckBarrier;
use super::lease_state::StreamPosition;
use super::shared_log::InstanceId;

/// Latest reported position of each instance, as the stream delivers the reports.
#[derive(Default)]
pub(super) struct AppliedPositions {
    applied: Mutex<HashMap<InstanceId, StreamPosition>>,
    changed: Notify,
}

impl AppliedPositions {
    pub(super) fn record(&self, applied: Vec<(InstanceId, StreamPosition)>) {
        if applied.is_empty() {
            return;
        }
        let mut positions = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        for (instance, position) in applied {
            let latest = positions.entry(instance).or_default();
            // Reports may arrive out of order; an applied entry stays applied.
            *latest = position.max(*latest);
        }
        // Unlocked first: every waiter locks it as soon as it wakes.
        drop(positions);
        self.changed.notify_waiters();
    }

    /// Forgets all reports. Called at each join, so that the holders of earlier terms do not accumulate.
    pub(super) fn clear(&self) {
        self.applied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Future that ends with the next report. Create it before [`copy_into`](Self::copy_into), so that no
    /// report is missed.
    pub(super) fn changed(&self) -> Notified<'_> {
        // `notify_waiters` wakes every `Notified` that exists, even before its first poll (tokio's
        // documentation).
        self.changed.notified()
    }

    /// Copies all reports into a barrier.
    pub(super) fn copy_into(&self, barrier: &mut AckBarrier) {
        let positions = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        for (instance, position) in positions.iter() {
            barrier.record_applied(instance, *position);
        }
    }
}
