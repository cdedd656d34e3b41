//! Accept loops of all listeners: limits on the number and the slowness of connections, and the shutdown.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::ConnectionServer;
use crate::events::{ListenerEvents, OpenConnection};
use crate::handler::{RequestHandler, SlotKind};
use crate::limits::ServeLimits;
use crate::slots::{ConnectionSlots, SlotAdmission};
use crate::sockets::{AcceptedConnection, Listener, ListenerSet};

/// Least pause after a failed accept. It doubles with each failure.
const MIN_ACCEPT_BACKOFF: Duration = Duration::from_millis(10);
/// Longest pause after a failed accept.
const MAX_ACCEPT_BACKOFF: Duration = Duration::from_secs(1);
/// Longest life of a connection in the reserve, which is for one short exchange.
const RESERVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves HTTP/1.1 and HTTP/2 until `shutdown` completes: each request is given to `handler`. Then no
/// connection is accepted, requests in progress are answered, and after [`ServeLimits::drain_timeout`] the
/// connections that are still open are closed. Each listener has [`ServeLimits::max_connections`] of its own.
///
/// # Errors
/// A listener has no address, so it is no open socket. A failed accept is not an error.
pub async fn serve<H: RequestHandler>(
    listeners: impl Into<ListenerSet>,
    handler: H,
    limits: ServeLimits,
    events: &'static dyn ListenerEvents,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let ListenerSet(listeners) = listeners.into();
    for listener in &listeners {
        tracing::info!(address = listener.display_address()?, "listening");
    }
    let drain_timeout = limits.drain_timeout;
    let context = AcceptContext {
        connections: Arc::new(ConnectionServer::new(handler, limits, events)),
        open_connections: TaskTracker::new(),
        stop_accepting: CancellationToken::new(),
    };
    let accepting = join_all(
        listeners
            .into_iter()
            .map(|listener| context.run_accept_loop(listener)),
    );
    let stopping = async {
        shutdown.await;
        tracing::info!(
            open = context.open_connections.len(),
            "shutdown started, no more connections accepted"
        );
        context.stop_accepting.cancel();
    };
    tokio::join!(accepting, stopping);
    context.shut_down(drain_timeout).await;
    Ok(())
}

/// State that the accept loops of all listeners share.
struct AcceptContext<H> {
    connections: Arc<ConnectionServer<H>>,
    open_connections: TaskTracker,
    stop_accepting: CancellationToken,
}

impl<H: RequestHandler> AcceptContext<H> {
    /// Accepts connections at one listener until the shutdown.
    async fn run_accept_loop(&self, listener: Listener) {
        // One table for each listener, so that a full one does not shut out the others (decision 20).
        let slots = ConnectionSlots::new(self.connections.slot_limits(), self.connections.events);
        loop {
            let next = async {
                // Before the accept: without room, clients wait in the queue of the kernel.
                slots.wait_for_room().await;
                accept_with_backoff(|| listener.accept(), || slots.evict_idle()).await
            };
            tokio::select! {
                // The shutdown first: under load there is always a next connection.
                biased;
                () = self.stop_accepting.cancelled() => break,
                accepted = next => self.admit(accepted, &slots),
            }
        }
        // Clients that the kernel has already connected are served. Dropping the listener would reset them.
        while slots.try_make_room()
            && let Some(Ok(accepted)) = listener.accept().now_or_never()
        {
            self.admit(accepted, &slots);
        }
    }

    fn admit(&self, accepted: AcceptedConnection, slots: &Arc<ConnectionSlots>) {
        let activity = self.connections.new_activity();
        let (slot, kind) = match slots.admit(accepted.peer, Arc::clone(&activity)) {
            SlotAdmission::Regular(slot) => (slot, SlotKind::Regular),
            SlotAdmission::Reserve(slot) => (slot, SlotKind::Reserve),
            // Dropping the socket closes it. An answer would cost what the limit protects.
            SlotAdmission::Refused => return,
        };
        let connections = Arc::clone(&self.connections);
        self.open_connections.spawn(async move {
            let _open = OpenConnection::report(connections.events);
            let served = connections.serve(accepted, activity, kind);
            if kind == SlotKind::Reserve {
                // At the time limit the connection is dropped, whatever its state is.
                let _ = timeout(RESERVE_TIMEOUT, served).await;
            } else {
                served.await;
            }
            // Moved into the task and freed only here: the slot counts until the socket is closed.
            drop(slot);
        });
    }

    /// Waits for the open connections, and closes those that have not ended after `drain_timeout`.
    async fn shut_down(self, drain_timeout: Duration) {
        // `wait` returns only for a closed tracker.
        self.open_connections.close();
        self.connections.drain.cancel();
        if timeout(drain_timeout, self.open_connections.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                open = self.open_connections.len(),
                "drain timeout reached, open connections aborted"
            );
            self.connections.abort.cancel();
            self.open_connections.wait().await;
        }
    }
}

/// Accepts the next connection. Failed accepts are retried after a pause that doubles each time.
async fn accept_with_backoff<F, A, T>(accept: F, make_room: impl Fn()) -> T
where
    F: Fn() -> A,
    A: Future<Output = io::Result<T>>,
{
    let mut pause = MIN_ACCEPT_BACKOFF;
    loop {
        let fault = match accept().await {
            Ok(accepted) => return accepted,
            Err(fault) => fault,
        };
        // The client left the queue before the accept. The next one needs no pause.
        let gone = [
            io::ErrorKind::ConnectionAborted,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionRefused,
        ];
        if gone.contains(&fault.kind()) {
            continue;
        }
        tracing::warn!(%fault, "accept failed, retrying");
        // Most likely the process has no file descriptors left: an idle connection is closed for one.
        make_room();
        sleep(pause).await;
        pause = (pause * 2).min(MAX_ACCEPT_BACKOFF);
    }
}

#[cfg(test)]
mod tests;
