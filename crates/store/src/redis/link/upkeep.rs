//! The upkeep of a link: connecting, and giving up connections that broke, were not used for long, or lead to servers
//! that are not the masters any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use maxlab_auth_core::unavailable::Unavailable;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

use super::dialer::CONNECT_LIMIT;
use super::servers::Servers;
use super::topology::{Doubt, Topology};
use super::trouble::{Trouble, too_late};
use super::{Link, TRIP_LIMIT};

/// After a failed attempt to connect, nobody tries again for so long; nor does anyone learn a new map of the slots.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// A connection that nobody used for so long is asked whether it still stands, since writes are not repeated.
const DOUBTFUL_AFTER: Duration = Duration::from_secs(1);

const DOUBT_LIMIT: Duration = Duration::from_millis(500);

pub(super) struct Inner {
    pub(super) topology: Box<dyn Topology>,
    current: Mutex<Option<Current>>,
    /// Held while connecting; keeps the last failure.
    connecting: tokio::sync::Mutex<Option<(Instant, Unavailable)>>,
    watched: AtomicBool,
}

#[derive(Clone)]
struct Current {
    servers: Arc<Servers>,
    used: Instant,
}

impl Inner {
    pub(super) fn new(topology: impl Topology + 'static) -> Self {
        Self {
            topology: Box::new(topology),
            current: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            watched: AtomicBool::default(),
        }
    }
}

impl Link {
    /// Does something with these servers, which are given up if they do not answer in time or are of no use any more.
    pub(super) async fn within<T>(
        &self,
        servers: &Arc<Servers>,
        deadline: Instant,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Unavailable> {
        match timeout_at(deadline, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(trouble)) => {
                if trouble.of_the_connection {
                    self.forget(servers);
                }
                Err(trouble.cause)
            }
            Err(_) => {
                self.forget(servers);
                Err(too_late())
            }
        }
    }

    pub(super) async fn servers_by(&self, deadline: Instant) -> Result<Arc<Servers>, Unavailable> {
        timeout_at(deadline, self.servers())
            .await
            .unwrap_or_else(|_| Err(too_late()))
    }

    async fn servers(&self) -> Result<Arc<Servers>, Unavailable> {
        if let Some(servers) = self.current().await {
            return Ok(servers);
        }
        let mut last_failure = self.0.connecting.lock().await;
        if let Some(servers) = self.current().await {
            return Ok(servers);
        }
        if let Some((at, failure)) = &*last_failure
            && at.elapsed() < PAUSE
        {
            return Err(failure.clone());
        }
        let connected = timeout(CONNECT_LIMIT, self.0.topology.connect()).await;
        match connected.unwrap_or_else(|_| Err(too_late())) {
            Ok(servers) => {
                let servers = Arc::new(servers);
                *self.lock() = Some(Current {
                    servers: Arc::clone(&servers),
                    used: Instant::now(),
                });
                *last_failure = None;
                self.watch();
                Ok(servers)
            }
            Err(failure) => {
                *last_failure = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    async fn current(&self) -> Option<Arc<Servers>> {
        let current = self.lock().clone()?;
        if current.used.elapsed() > DOUBTFUL_AFTER && !self.stands(&current.servers).await {
            self.forget(&current.servers);
            return None;
        }
        if let Some(shared) = self.lock().as_mut() {
            shared.used = Instant::now();
        }
        Some(current.servers)
    }

    /// Whether servers that nobody asked for a while answer, and have not been replaced, as far as can be known.
    async fn stands(&self, servers: &Arc<Servers>) -> bool {
        let ping = redis::cmd("PING");
        let answer = timeout(DOUBT_LIMIT, servers.everywhere(&ping));
        let confirmed = timeout(DOUBT_LIMIT, self.confirmed(servers));
        let (answer, confirmed) = tokio::join!(answer, confirmed);
        matches!(answer, Ok(Ok(_))) && !matches!(confirmed, Ok(Err(Doubt::Displaced(_))))
    }

    /// Confirms servers, which are given up if others are the masters now.
    pub(super) async fn confirmed(&self, servers: &Arc<Servers>) -> Result<(), Doubt> {
        let confirmed = self.0.topology.confirm(servers).await;
        if let Err(Doubt::Displaced(why)) = &confirmed {
            tracing::warn!(%why, "the connections to Redis are made anew");
            self.forget(servers);
        }
        confirmed
    }

    /// Confirms the servers again and again from now on, where the topology wants it.
    fn watch(&self) {
        if let Some(every) = self.0.topology.watched_every()
            && !self.0.watched.swap(true, Ordering::Relaxed)
        {
            tokio::spawn(watch(Arc::downgrade(&self.0), every));
        }
    }

    pub(super) fn forget(&self, servers: &Arc<Servers>) {
        let mut current = self.lock();
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(&current.servers, servers))
        {
            *current = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends with the last link.
async fn watch(inner: Weak<Inner>, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(link) = inner.upgrade().map(Link) else {
            return;
        };
        let servers = link.lock().as_ref().map(|current| Arc::clone(&current.servers));
        if let Some(servers) = servers {
            // It gives them up by itself; what is not known changes nothing.
            let _ = timeout(TRIP_LIMIT, link.confirmed(&servers)).await;
        }
    }
}
