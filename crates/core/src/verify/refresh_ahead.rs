//! Refresh-ahead: verifies a token in use again before its cached verdict expires, in the background.
//!
//! A use of the token shortly before the expiry puts it into a bounded queue. An unused token is not
//! refreshed. A background task drains the queue ([`DueRefreshes`]) and asks the layers again. Until they
//! answer, the old verdict is valid, and never longer than without a refresh. The new verdict counts at once,
//! whether it accepts or rejects. A refresh without an answer is not retried. A request that comes after the
//! expiry waits for a refresh in progress.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{mpsc, watch};

use super::cached_verdict::CachedVerdict;
use crate::credential::PresentedToken;

/// Maximum number of queued tokens. Others are verified again after their verdict has expired.
const QUEUE_CAPACITY: usize = 256;

/// Queue of the tokens whose verdicts are due for a refresh.
#[derive(Debug)]
pub struct DueRefreshes(mpsc::Receiver<PresentedToken>);

impl DueRefreshes {
    /// Waits for the next token. `None` when the chain was dropped.
    pub async fn next(&mut self) -> Option<PresentedToken> {
        self.0.recv().await
    }
}

/// Result of a refresh; `None` while it is in progress.
type RefreshedVerdict = Option<CachedVerdict>;

/// Queue of due refreshes, and the refreshes in progress.
#[derive(Default)]
pub(super) struct RefreshAhead {
    /// Sender of the queue. Unset until a task drains the queue, so that nothing is queued before.
    queue: OnceLock<mpsc::Sender<PresentedToken>>,
    // A mutex of std: it is never held across an await.
    in_flight: Mutex<HashMap<String, watch::Receiver<RefreshedVerdict>>>,
}

impl RefreshAhead {
    /// Returns the receiver of the queue to the first caller, and `None` to others.
    pub(super) fn take_receiver(&self) -> Option<DueRefreshes> {
        let (sender, receiver) = mpsc::channel(QUEUE_CAPACITY);
        self.queue.set(sender).ok().map(|()| DueRefreshes(receiver))
    }

    /// Reserves a slot of the queue. `None` if the queue is full or not drained.
    pub(super) fn try_reserve(&self) -> Option<mpsc::Permit<'_, PresentedToken>> {
        self.queue.get()?.try_reserve().ok()
    }

    /// Announces a refresh. `None` if one of this token is already in progress.
    pub(super) fn try_begin(&self, token: &str) -> Option<InFlightRefresh<'_>> {
        let mut in_flight = self.lock();
        if in_flight.contains_key(token) {
            return None;
        }
        let (sender, receiver) = watch::channel(None);
        in_flight.insert(token.to_owned(), receiver);
        Some(InFlightRefresh {
            refresh_ahead: self,
            token: token.to_owned(),
            answer: sender,
        })
    }

    /// Waits for the refresh of this token. `None` if there is none, or if it ends without a verdict.
    pub(super) async fn wait_for(&self, token: &str) -> Option<CachedVerdict> {
        // The receiver is cloned and the lock released before the wait.
        let mut receiver = self.lock().get(token).cloned()?;
        let answer = receiver.wait_for(Option::is_some).await.ok()?;
        answer.clone()
    }

    /// Locks the map of the refreshes in progress.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<RefreshedVerdict>>> {
        // A panic elsewhere cannot leave the map half changed: each change is one call.
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refresh in progress. If it is dropped without a verdict, the requests that wait
/// for it verify the token themselves.
pub(super) struct InFlightRefresh<'a> {
    refresh_ahead: &'a RefreshAhead,
    token: String,
    answer: watch::Sender<RefreshedVerdict>,
}

impl InFlightRefresh<'_> {
    /// Sends the verdict to the requests that wait.
    pub(super) fn finish(self, verdict: CachedVerdict) {
        // Sent before `drop` takes the token off the map, so that no request finds it gone and unanswered.
        self.answer.send_replace(Some(verdict));
    }
}

impl Drop for InFlightRefresh<'_> {
    fn drop(&mut self) {
        self.refresh_ahead.lock().remove(&self.token);
    }
}
