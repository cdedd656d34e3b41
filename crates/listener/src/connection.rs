//! One connection, from its first byte to its close.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::activity::{ConnectionActivity, ConnectionTimeouts};
use crate::client_stream::ClientStream;
use crate::events::{ListenerEvent, ListenerEvents};
use crate::fast_path_stream::FastPathStream;
use crate::frame_meter::FrameMeter;
use crate::handler::{RequestHandler, SlotKind};
use crate::limits::ServeLimits;
use crate::peer::PeerAddr;
use crate::poll_on_wake::PollOnWake;
use crate::request_service::{RequestService, UnreadTotal};
use crate::slots::SlotLimits;
use crate::sockets::{AcceptedConnection, ClientSocket, PendingSocket};
use crate::stream_executor::StreamExecutor;

/// Time for the close of a connection that another one waits for, or the end of the server.
const EVICTION_GRACE: Duration = Duration::from_millis(100);
/// Time for the close of a connection that has reached a deadline.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// Time for which a connection without a request stays open at a shutdown. A request may be on its way, and
/// its answer then says that it is the last.
const LAST_REQUEST_GRACE: Duration = Duration::from_millis(500);
/// Most open streams of an HTTP/2 connection (RFC 9113 §5.1.2). With more, one connection could have more
/// open requests than the limit of connections is meant to allow.
const MAX_CONCURRENT_STREAMS: u32 = 100;
/// Most bytes that a stream buffers for a client that opens its window and does not read its socket.
const STREAM_SEND_BUFFER: usize = 32 * 1024;
/// Time between two pings on HTTP/2.
const H2_PING_INTERVAL: Duration = Duration::from_secs(20);
/// Time in which a client must answer a ping.
const H2_PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Smallest buffer that hyper accepts, in bytes.
const MIN_BUFFER_SIZE: usize = 8192;

/// Stack of an HTTP connection: hyper, above the frame meter, above the fast path, above the socket.
type HttpConnection<'a, H> = auto::Connection<
    'a,
    TokioIo<FrameMeter<FastPathStream<ClientStream>>>,
    RequestService<H>,
    StreamExecutor,
>;

/// State that all connections of a server share.
pub(crate) struct ConnectionServer<H> {
    handler: Arc<H>,
    limits: ServeLimits,
    pub(crate) events: &'static dyn ListenerEvents,
    protocol: auto::Builder<StreamExecutor>,
    unread: Arc<UnreadTotal>,
    /// Makes connections answer their open requests and close.
    pub(crate) drain: CancellationToken,
    /// Closes connections immediately.
    pub(crate) abort: CancellationToken,
}

impl<H: RequestHandler> ConnectionServer<H> {
    pub(crate) fn new(handler: H, limits: ServeLimits, events: &'static dyn ListenerEvents) -> Self {
        let protocol = protocol_builder(&limits, events);
        Self {
            handler: Arc::new(handler),
            limits,
            events,
            protocol,
            unread: UnreadTotal::new(events),
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
        }
    }

    /// Returns the limits of one listener's slots.
    pub(crate) fn slot_limits(&self) -> SlotLimits {
        SlotLimits {
            max_connections: self.limits.max_connections,
            max_per_address: self.limits.max_connections_per_address,
            exempt_networks: Arc::clone(&self.limits.trusted_proxies),
        }
    }

    /// Creates the activity of a connection that was just accepted.
    pub(crate) fn new_activity(&self) -> Arc<ConnectionActivity> {
        ConnectionActivity::new(ConnectionTimeouts {
            header: self.limits.header_timeout,
            idle: self.limits.idle_timeout,
            exchange: self.limits.exchange_timeout,
        })
    }

    /// Serves one connection until it closes, reaches a deadline, is evicted, or is aborted. In the reserve
    /// it is answered once.
    pub(crate) async fn serve(
        self: Arc<Self>,
        accepted: AcceptedConnection,
        activity: Arc<ConnectionActivity>,
        slot: SlotKind,
    ) {
        let AcceptedConnection { socket, peer } = accepted;
        // A handshake holds a slot too, so it can be evicted like an idle connection.
        let opened = tokio::select! {
            opened = self.finish_handshake(socket, peer) => opened,
            () = activity.evicted() => None,
        };
        let Some(socket) = opened else { return };
        let responder = match slot {
            SlotKind::Regular => self.handler.fast_responder(),
            SlotKind::Reserve => {
                // The first answer is the last one.
                activity.start_draining();
                None
            }
        };
        let stream = ClientStream::new(socket, Arc::clone(&activity), self.limits.body_timeout);
        let stream = FastPathStream::new(stream, Arc::clone(&activity), responder, peer);
        let io = TokioIo::new(FrameMeter::new(stream, self.events));
        let service = RequestService {
            handler: Arc::clone(&self.handler),
            slot,
            peer,
            activity: Arc::clone(&activity),
            unread: Arc::clone(&self.unread),
        };
        let connection = pin!(self.protocol.serve_connection(io, service));
        self.run(connection, &activity, peer).await;
    }

    /// Runs a connection to its end, and reacts to the events that are not requests.
    async fn run(
        &self,
        mut connection: Pin<&mut HttpConnection<'_, H>>,
        activity: &ConnectionActivity,
        peer: PeerAddr,
    ) {
        let mut draining = false;
        loop {
            let mut event = PollOnWake::new(next_event(&self.drain, &self.abort, activity, draining));
            tokio::select! {
                // The connection last: while it is busy it may use up the task's budget in each poll, and
                // events would wait.
                biased;
                event = &mut event => match event {
                    ConnectionEvent::Drain => {
                        draining = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    ConnectionEvent::TimedOut => {
                        tracing::debug!(%peer, "connection closed, client too slow or idle");
                        connection.as_mut().graceful_shutdown();
                        let grace = if draining { EVICTION_GRACE } else { CLOSE_GRACE };
                        // Only a chance to close in order. After it, dropping the connection closes the
                        // socket.
                        let _ = timeout(grace, connection).await;
                        return;
                    }
                    ConnectionEvent::Evicted => {
                        connection.as_mut().graceful_shutdown();
                        let closed = timeout(EVICTION_GRACE, connection.as_mut()).await.is_ok();
                        if closed || activity.is_not_reading() || activity.idle_since().is_some() {
                            return;
                        }
                        // A request came at the last moment. It is answered, and then the connection closes.
                        draining = true;
                    }
                    ConnectionEvent::Abort => return,
                },
                ended = connection.as_mut() => {
                    if let Err(fault) = ended {
                        // DEBUG: clients cause this, by a reset or by bytes that are not HTTP.
                        tracing::debug!(%peer, fault, "connection failed");
                    }
                    return;
                }
            }
        }
    }

    /// Returns the socket after its TLS handshake, if there is one. The client has as long for it as for a
    /// request head.
    async fn finish_handshake(&self, socket: PendingSocket, peer: PeerAddr) -> Option<ClientSocket> {
        let (socket, acceptor) = match socket {
            PendingSocket::Ready(socket) => return Some(socket),
            PendingSocket::Tls(socket, acceptor) => (socket, acceptor),
        };
        let result = tokio::select! {
            result = timeout(self.limits.header_timeout, acceptor.accept(socket)) => result,
            () = self.abort.cancelled() => return None,
        };
        let fault = match result {
            Ok(Ok(stream)) => return Some(ClientSocket::Tls(Box::new(stream))),
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => "time limit reached".to_owned(),
        };
        self.events.record(ListenerEvent::HandshakeFailed);
        tracing::debug!(%peer, fault, "TLS handshake failed");
        None
    }
}

/// Event of a connection that is not a request.
enum ConnectionEvent {
    /// Shutdown of the server.
    Drain,
    /// The client was too slow, or the connection was idle for too long.
    TimedOut,
    /// Eviction, or too many unread answers.
    Evicted,
    /// End of the time that the shutdown leaves: the connection is closed at once.
    Abort,
}

async fn next_event(
    drain: &CancellationToken,
    abort: &CancellationToken,
    activity: &ConnectionActivity,
    draining: bool,
) -> ConnectionEvent {
    let drain = async {
        drain.cancelled().await;
        activity.start_shutdown();
        // HTTP/2 answers requests that cross with its GOAWAY. HTTP/1.1 would lose them.
        if !activity.is_multiplexed() {
            sleep(LAST_REQUEST_GRACE).await;
        }
    };
    tokio::select! {
        // Once only: the token stays cancelled.
        () = drain, if !draining => ConnectionEvent::Drain,
        () = activity.timed_out() => ConnectionEvent::TimedOut,
        () = activity.evicted() => ConnectionEvent::Evicted,
        () = abort.cancelled() => ConnectionEvent::Abort,
    }
}

/// Configures HTTP/1.1 and HTTP/2 on one port. The first bytes decide which one it is (RFC 9113 §3.4).
fn protocol_builder(
    limits: &ServeLimits,
    events: &'static dyn ListenerEvents,
) -> auto::Builder<StreamExecutor> {
    let max_header_bytes = limits.max_header_bytes;
    let mut builder = auto::Builder::new(StreamExecutor {
        delivery_timeout: limits.body_timeout,
        events,
    });
    builder
        .http1()
        .timer(TokioTimer::new())
        // `ConnectionActivity` has this limit. hyper would count the idle time before a head as a part of it.
        .header_read_timeout(None)
        .max_buf_size(max_header_bytes.max(MIN_BUFFER_SIZE));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(H2_PING_INTERVAL)
        .keep_alive_timeout(H2_PING_TIMEOUT)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_send_buf_size(STREAM_SEND_BUFFER)
        .max_header_list_size(u32::try_from(max_header_bytes).unwrap_or(u32::MAX));
    builder
}
