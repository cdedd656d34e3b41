//! Single-flight token exchanges: identical requests share one exchange (invariant I7, decision 9).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

use super::ExchangeOutcome;

/// Time for which tokens are kept if every client disconnected before it got them. A client that repeats its
/// request gets them and keeps its session.
const UNCOLLECTED_RETENTION: Duration = Duration::from_secs(60);

/// Cloneable handle to the outcome of an exchange. `Shared` lets any number of requests wait for it.
type PendingExchange = Shared<BoxFuture<'static, Arc<ExchangeOutcome>>>;

/// Outcome of an exchange for one of the requests that share it.
pub(super) struct SharedOutcome {
    pub(super) outcome: Arc<ExchangeOutcome>,
    /// True if another request began the exchange.
    pub(super) is_joined: bool,
}

/// Exchanges in progress, and those whose tokens no client has collected yet.
#[derive(Clone, Default)]
pub(super) struct PendingExchanges {
    pending: Arc<Mutex<HashMap<String, PendingExchange>>>,
}

impl std::fmt::Debug for PendingExchanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingExchanges").finish_non_exhaustive()
    }
}

impl PendingExchanges {
    /// Joins the exchange with this key, or starts it. It runs to its end even if every client disconnects,
    /// so that no rotated token is lost. Returns `None` after `max_wait`; the exchange can be joined again.
    pub(super) async fn join<F>(&self, key: String, max_wait: Duration, exchange: F) -> Option<SharedOutcome>
    where
        F: Future<Output = ExchangeOutcome> + Send + 'static,
    {
        // The lock is held from the look-up to the insertion, so that two requests cannot start one exchange
        // each. It is released before the wait.
        let (outcome, is_joined) = {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            match pending.get(&key) {
                Some(outcome) => (outcome.clone(), true),
                None => {
                    let outcome = self.spawn_exchange(key.clone(), exchange);
                    pending.insert(key.clone(), outcome.clone());
                    (outcome, false)
                }
            }
        };
        let outcome = tokio::time::timeout(max_wait, outcome).await.ok()?;
        // Collected: the grant is used now, and a later request with it must be treated as reuse.
        self.remove(&key);
        Some(SharedOutcome { outcome, is_joined })
    }

    /// Returns the number of requests that wait for an exchange.
    pub(super) fn waiting_requests(&self) -> usize {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        // One handle of each is the map's own. A finished exchange has no count, and nothing waits for it.
        pending
            .values()
            .filter_map(|outcome| outcome.strong_count())
            .map(|handles| handles - 1)
            .sum()
    }

    fn spawn_exchange<F>(&self, key: String, exchange: F) -> PendingExchange
    where
        F: Future<Output = ExchangeOutcome> + Send + 'static,
    {
        let this = self.clone();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        // A task of its own: the request that starts it may be dropped at any time.
        tokio::spawn(async move {
            let outcome = Arc::new(exchange.await);
            // A failure is not kept, so that a repeated request is a new attempt.
            let retention = if outcome.is_granted() {
                UNCOLLECTED_RETENTION
            } else {
                Duration::ZERO
            };
            // Fails only if the receiver is gone: the exchange was collected or removed, and no client waits.
            let _ = sender.send(outcome);
            tokio::time::sleep(retention).await;
            this.remove(&key);
        });
        async move {
            receiver
                .await
                // The task panicked, or the runtime is shutting down.
                .unwrap_or_else(|_| Arc::new(ExchangeOutcome::interrupted()))
        }
        .boxed()
        .shared()
    }

    fn remove(&self, key: &str) {
        self.pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }
}
