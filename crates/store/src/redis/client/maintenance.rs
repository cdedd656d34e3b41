//! Maintenance of a client's connections: connecting, and giving up connections that are broken, that fail a
//! check after an idle time, or whose servers are not the masters any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use maxlab_auth_core::unavailable::Unavailable;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

use super::RedisClient;
use super::dialer::CONNECT_LIMIT;
use super::failure::{REQUEST_LIMIT, RedisFailure, timed_out};
use super::masters::ConnectedMasters;
use super::topology::{RedisTopology, TopologyError};

/// Pause after a failed attempt to connect, and between two fetches of the slot map. Callers in between get
/// the last error, so that many callers do not flood a server that is down.
pub(super) const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Idle time from which a connection is checked before its next use. A write on a dead connection would fail,
/// and it is not repeated.
const CHECK_AFTER_IDLE: Duration = Duration::from_secs(1);

/// Time limit of that check.
const CHECK_LIMIT: Duration = Duration::from_millis(500);

/// Shared state of the clones of a client.
pub(super) struct RedisClientInner {
    pub(super) topology: Box<dyn RedisTopology>,
    current: Mutex<Option<CurrentMasters>>,
    /// Locked while connecting, so that one caller connects for all. Contains the last failure.
    connecting: tokio::sync::Mutex<Option<(Instant, Unavailable)>>,
    /// Set once the background task that confirms the masters was started.
    is_watching: AtomicBool,
}

/// The masters in use, and the time of their last use.
#[derive(Clone)]
struct CurrentMasters {
    masters: Arc<ConnectedMasters>,
    last_used: Instant,
}

impl RedisClientInner {
    pub(super) fn new(topology: impl RedisTopology + 'static) -> Self {
        Self {
            topology: Box::new(topology),
            current: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            is_watching: AtomicBool::default(),
        }
    }
}

impl RedisClient {
    /// Runs work on these servers. Gives up their connections after a time-out or a connection fault.
    pub(super) async fn run_with_deadline<T>(
        &self,
        servers: &Arc<ConnectedMasters>,
        deadline: Instant,
        work: impl Future<Output = Result<T, RedisFailure>>,
    ) -> Result<T, Unavailable> {
        match timeout_at(deadline, work).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(failure)) => {
                if failure.is_connection_fault {
                    self.discard(servers);
                }
                Err(failure.cause)
            }
            Err(_) => {
                // A server that hangs may be a master that was replaced.
                self.discard(servers);
                Err(timed_out())
            }
        }
    }

    /// Returns connected masters before the deadline. Connects if necessary.
    pub(super) async fn masters_by_deadline(
        &self,
        deadline: Instant,
    ) -> Result<Arc<ConnectedMasters>, Unavailable> {
        timeout_at(deadline, self.connected_masters())
            .await
            .unwrap_or_else(|_| Err(timed_out()))
    }

    async fn connected_masters(&self) -> Result<Arc<ConnectedMasters>, Unavailable> {
        if let Some(servers) = self.current_masters().await {
            return Ok(servers);
        }
        let mut last_failure = self.0.connecting.lock().await;
        // Checked again: another caller may have connected while this one waited for the lock.
        if let Some(servers) = self.current_masters().await {
            return Ok(servers);
        }
        if let Some((at, failure)) = &*last_failure
            && at.elapsed() < RECONNECT_PAUSE
        {
            return Err(failure.clone());
        }
        let connected = timeout(CONNECT_LIMIT, self.0.topology.connect()).await;
        match connected.unwrap_or_else(|_| Err(timed_out())) {
            Ok(servers) => {
                let servers = Arc::new(servers);
                *self.lock() = Some(CurrentMasters {
                    masters: Arc::clone(&servers),
                    last_used: Instant::now(),
                });
                *last_failure = None;
                self.start_confirming();
                Ok(servers)
            }
            Err(failure) => {
                *last_failure = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    /// Returns the masters in use, after a check if they were idle.
    async fn current_masters(&self) -> Option<Arc<ConnectedMasters>> {
        // Cloned out of the lock, which is a blocking one and must not be held across the check.
        let current = self.lock().clone()?;
        if current.last_used.elapsed() > CHECK_AFTER_IDLE && !self.is_still_valid(&current.masters).await {
            self.discard(&current.masters);
            return None;
        }
        if let Some(shared) = self.lock().as_mut() {
            shared.last_used = Instant::now();
        }
        Some(current.masters)
    }

    /// Checks servers after an idle time: they must answer, and they must not have been replaced.
    async fn is_still_valid(&self, servers: &Arc<ConnectedMasters>) -> bool {
        let ping = redis::cmd("PING");
        let answer = timeout(CHECK_LIMIT, servers.query_all(&ping));
        let confirmed = timeout(CHECK_LIMIT, self.confirm_or_discard(servers));
        let (answer, confirmed) = tokio::join!(answer, confirmed);
        // If too few can confirm, the servers stay in use: an outage of Sentinels must not stop the gateway.
        matches!(answer, Ok(Ok(_))) && !matches!(confirmed, Ok(Err(TopologyError::Displaced(_))))
    }

    /// Confirms the servers. Gives up their connections if other servers are the masters now.
    pub(super) async fn confirm_or_discard(
        &self,
        servers: &Arc<ConnectedMasters>,
    ) -> Result<(), TopologyError> {
        let confirmed = self.0.topology.confirm(servers).await;
        if let Err(TopologyError::Displaced(why)) = &confirmed {
            tracing::warn!(%why, "Redis master replaced, reconnecting");
            self.discard(servers);
        }
        confirmed
    }

    /// Starts the task that confirms the masters, if the topology asks for it and it does not run yet.
    fn start_confirming(&self) {
        if let Some(every) = self.0.topology.confirm_interval()
            && !self.0.is_watching.swap(true, Ordering::Relaxed)
        {
            // A weak reference, so that the task does not keep the client alive.
            tokio::spawn(confirm_periodically(Arc::downgrade(&self.0), every));
        }
    }

    /// Gives up the connections to these servers.
    pub(super) fn discard(&self, servers: &Arc<ConnectedMasters>) {
        // Compared by pointer: another caller may have replaced them already, and its connections are good.
        let mut current = self.lock();
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(&current.masters, servers))
        {
            *current = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<CurrentMasters>> {
        // The lock protects one assignment, so a panic elsewhere leaves nothing half written.
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Confirms the masters at each interval until the last clone of the client is dropped.
async fn confirm_periodically(inner: Weak<RedisClientInner>, every: Duration) {
    let mut ticks = interval(every);
    // After a machine slept, one confirmation is enough; missed ones are not made up for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(client) = inner.upgrade().map(RedisClient) else {
            return;
        };
        let servers = client.lock().as_ref().map(|current| Arc::clone(&current.masters));
        if let Some(servers) = servers {
            // The result is ignored: `confirm_or_discard` has given replaced masters up and logged it, and an
            // unknown state changes nothing.
            let _ = timeout(REQUEST_LIMIT, client.confirm_or_discard(&servers)).await;
        }
    }
}
