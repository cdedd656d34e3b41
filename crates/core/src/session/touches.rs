//! Uses of sessions that are not stored yet. A request records its use here, without I/O; a background task
//! stores them, many in one statement.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::loaded_session::LoadedSession;
use super::sessions::SessionManager;
use super::store::SessionChange;
use crate::clock;
use crate::credential::SessionKey;
use crate::unavailable::Unavailable;

/// Maximum number of uses that wait to be stored, which also bounds what one flush writes. While it is
/// reached, a use is not recorded; the next one that is not answered from memory is.
const MAX_PENDING: usize = 4_096;
/// Number of sessions in one statement.
const BATCH: usize = 512;
/// Longest time for which a use waits to be stored.
const MAX_FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// Uses that wait to be stored, one for each session.
#[derive(Default)]
pub(super) struct PendingTouches {
    // A mutex of std: it is never held across an await.
    changes: Mutex<HashMap<SessionKey, SessionChange>>,
}

impl PendingTouches {
    /// Returns the time of the use that already waits for this session. An error means that there is no room
    /// for one.
    fn waiting(&self, key: &SessionKey) -> Result<Option<Timestamp>, ()> {
        let changes = self.lock();
        match changes.get(key) {
            Some(change) => Ok(Some(change.at)),
            None if changes.len() < MAX_PENDING => Ok(None),
            None => Err(()),
        }
    }

    /// Adds changes, except of sessions that have one by now.
    fn add(&self, changes: impl IntoIterator<Item = SessionChange>) {
        let mut pending = self.lock();
        for change in changes {
            // Two requests may find room for one use at the same time, so the bound is checked again.
            if pending.len() < MAX_PENDING {
                pending.entry(change.key.clone()).or_insert(change);
            }
        }
    }

    fn take(&self) -> Vec<SessionChange> {
        self.lock().drain().map(|(_, change)| change).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, SessionChange>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionManager {
    /// Records that the session was used, unless that was recorded a short time ago. Waits for nothing: the
    /// next [`flush_touches`](Self::flush_touches) stores it.
    ///
    /// Returns the time of the last use, as it is or will be stored.
    pub fn touch(&self, loaded: &LoadedSession, now: Timestamp) -> Timestamp {
        let stored = loaded.record.last_accessed;
        if clock::after(stored, self.policy.touch_interval()) > now {
            return stored;
        }
        match self.touches.waiting(&loaded.key) {
            Ok(Some(at)) => return at,
            Ok(None) => {}
            Err(()) => return stored,
        }
        let mut record = loaded.record.clone();
        record.last_accessed = now;
        record.access_count = record.access_count.saturating_add(1);
        let next = match self.seal_record(&record, now) {
            Ok(next) => next,
            Err(fault) => {
                tracing::warn!(%fault, "use of a session not recorded");
                return stored;
            }
        };
        self.touches.add([SessionChange {
            key: loaded.key.clone(),
            current: loaded.sealed.clone(),
            next: next.sealed,
            idle_expires_at: next.idle_expires_at,
            at: now,
        }]);
        now
    }

    /// Stores the recorded uses. A session that was changed or ended meanwhile is left as it is (I4).
    ///
    /// # Errors
    /// Fails if the store does not answer. What was not stored waits for the next call.
    pub async fn flush_touches(&self) -> Result<(), Unavailable> {
        let changes = self.touches.take();
        let mut batches = changes.chunks(BATCH);
        while let Some(batch) = batches.next() {
            if let Err(fault) = self.store.replace_many(batch).await {
                let rest = batch.iter().chain(batches.flatten());
                self.touches.add(rest.cloned());
                return Err(fault);
            }
        }
        Ok(())
    }

    /// Returns the time between two flushes of the recorded uses.
    pub fn touch_flush_interval(&self) -> Duration {
        // Not longer than the time in which uses are coalesced, so that a short idle time-out is kept too.
        self.policy.touch_interval().min(MAX_FLUSH_INTERVAL)
    }
}
