//! One exchange for each refresh token, however many ask for it at once (invariant I7).

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

use super::outcome::Outcome;

/// Tokens that nobody collected, because every client hung up, are kept for so long: a client that comes again gets them
/// instead of the loss of its session.
const UNCOLLECTED: Duration = Duration::from_secs(60);

type Flight = Shared<BoxFuture<'static, Arc<Outcome>>>;

/// The exchanges under way, and those that just ended.
#[derive(Clone, Default)]
pub struct RefreshFlights {
    flights: Arc<Mutex<HashMap<String, Flight>>>,
}

impl std::fmt::Debug for RefreshFlights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefreshFlights").finish_non_exhaustive()
    }
}

impl RefreshFlights {
    /// Joins the exchange of that name, or begins it. It runs to its end even if everybody who waits goes away, so
    /// that no rotated token is lost half-way. `None` if it takes longer than `patience`; it may be joined again.
    pub async fn join<F>(&self, name: String, patience: Duration, exchange: F) -> Option<Arc<Outcome>>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            match flights.get(&name) {
                Some(flight) => flight.clone(),
                None => {
                    let flight = self.begin(name.clone(), exchange);
                    flights.insert(name.clone(), flight.clone());
                    flight
                }
            }
        };
        let outcome = tokio::time::timeout(patience, flight).await.ok()?;
        // Collected: from now on the grant has been used, and whoever presents it again is a stranger to this exchange.
        self.forget(&name);
        Some(outcome)
    }

    fn begin<F>(&self, name: String, exchange: F) -> Flight
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let this = self.clone();
        let (done, landed) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let outcome = Arc::new(exchange.await);
            let keep = if outcome.is_granted() {
                UNCOLLECTED
            } else {
                Duration::ZERO
            };
            let _nobody_waits = done.send(outcome);
            tokio::time::sleep(keep).await;
            this.forget(&name);
        });
        async move { landed.await.unwrap_or_else(|_| Arc::new(Outcome::lost())) }
            .boxed()
            .shared()
    }

    fn forget(&self, name: &str) {
        self.flights
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }
}
