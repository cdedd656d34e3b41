//! The accept loop, one for all listeners: how many connections there are, how slow each may be, and how they end.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::metrics;

mod activity;
mod connection;
mod listener;
mod seldom;
pub(crate) mod shortcut;
mod stream;
mod unix;

use connection::Connections;
use listener::Arrival;

pub use listener::{Listener, Listeners};
pub use shortcut::{Arrived, Shortcut};
pub use unix::{SocketFault, UnixDoor};

/// How much a client may take, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeLimits {
    /// Connections open at once. Further ones wait in the kernel's queue until one closes.
    pub max_connections: usize,
    /// From the first byte of a request's head to its last, and from a connection's begin to its first request. A slower
    /// client is cut within twice this time.
    pub header_timeout: Duration,
    /// How long a client may leave an answer unread. (The time for a request's body is
    /// [`super::layers::LayerConfig::body_timeout`].)
    pub body_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub idle_timeout: Duration,
    /// At the shutdown, how long open requests may take to end.
    pub drain: Duration,
    /// The longest head of a request, in bytes: 431 above. At least 8 KiB.
    pub max_header_bytes: usize,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(15),
            // Longer than the 60 s for which common proxies keep a connection, so that they close first.
            idle_timeout: Duration::from_secs(75),
            drain: Duration::from_secs(20),
            max_header_bytes: 32 * 1024,
        }
    }
}

/// What is served.
#[derive(Clone)]
pub struct Routes {
    /// The router, within its layers.
    pub router: Router,
    /// What answers some requests before they reach it.
    pub shortcut: Option<Arc<dyn Shortcut>>,
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

impl From<Router> for Routes {
    fn from(router: Router) -> Self {
        Self {
            router,
            shortcut: None,
        }
    }
}

/// How long an accept that failed is left alone: out of file descriptors, it would fail again at once.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Serves `routes` over HTTP/1.1 and HTTP/2 until `shutdown` is done. Then no new connection is taken, requests under
/// way are answered, and after [`ServeLimits::drain`] whatever is still open is cut. The limits hold for all listeners
/// together.
///
/// # Errors
/// When a listener has no address, that is, is no open socket. An accept that fails ends nothing.
pub async fn serve(
    listeners: impl Into<Listeners>,
    routes: impl Into<Routes>,
    limits: ServeLimits,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let listeners = listeners.into();
    for address in listeners.addresses()? {
        tracing::info!(address, "listening");
    }
    let connections = Connections::new(routes.into(), limits);
    let slots = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
    let open = TaskTracker::new();
    let admit = |arrival: Arrival, slot: OwnedSemaphorePermit| {
        let connections = connections.clone();
        open.spawn(async move {
            let _counted = metrics::Gauged::one_more(metrics::HTTP_CONNECTIONS);
            connections.serve(arrival).await;
            drop(slot);
        });
    };

    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return std::future::pending().await;
            };
            (accept_patiently(|| listeners.accept()).await, slot)
        };
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            (accepted, slot) = next => admit(accepted, slot),
        }
    }

    tracing::info!(open = open.len(), "shutting down: taking no more connections");
    // Clients that the kernel has connected already are served; dropping the listeners would reset them.
    while let Ok(slot) = Arc::clone(&slots).try_acquire_owned()
        && let Some(Ok(accepted)) = listeners.accept().now_or_never()
    {
        admit(accepted, slot);
    }
    drop(listeners);
    open.close();
    connections.drain.cancel();
    if timeout(limits.drain, open.wait()).await.is_err() {
        tracing::warn!(
            open = open.len(),
            "shutting down: connections that did not end in time are cut"
        );
        connections.cut.cancel();
        open.wait().await;
    }
    Ok(())
}

/// The next connection, however often the accept fails meanwhile.
async fn accept_patiently<F, A, T>(accept: F) -> T
where
    F: Fn() -> A,
    A: Future<Output = io::Result<T>>,
{
    let mut pause = SHORTEST_PAUSE;
    loop {
        let fault = match accept().await {
            Ok(accepted) => return accepted,
            Err(fault) => fault,
        };
        // These concern the one connection that is gone; the next is likely good.
        let gone = [
            io::ErrorKind::ConnectionAborted,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionRefused,
        ];
        if gone.contains(&fault.kind()) {
            continue;
        }
        tracing::warn!(%fault, "no connection can be accepted; trying again");
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::time::Instant;

    use super::*;

    async fn accepted_after(faults: Vec<io::Error>) -> Duration {
        let start = Instant::now();
        let left = RefCell::new(faults);
        let got = accept_patiently(|| {
            let fault = left.borrow_mut().pop();
            async move { fault.map_or(Ok(7), Err) }
        });
        assert_eq!(got.await, 7);
        start.elapsed()
    }

    #[tokio::test]
    async fn running_out_of_descriptors_backs_off_and_ends_nothing() {
        let too_many_open_files = || io::Error::from_raw_os_error(24);
        let waited = accepted_after((0..5).map(|_| too_many_open_files()).collect()).await;
        assert!(
            waited >= Duration::from_millis(10 + 20 + 40 + 80 + 160),
            "{waited:?}: it spins"
        );
    }

    #[tokio::test]
    async fn a_client_that_left_the_queue_costs_no_pause() {
        let gone = (0..1000)
            .map(|_| io::ErrorKind::ConnectionAborted.into())
            .collect();
        let waited = accepted_after(gone).await;
        assert!(waited < Duration::from_secs(9), "{waited:?}: a thousand pauses");
    }
}
