//! One connection, from its first byte to its close.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Request, Response, Version, header};
use futures::future::BoxFuture;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::activity::{Activity, Exchange, Patience};
use super::listener::{Accepted, Arrival, Socket};
use super::seldom::Seldom;
use super::shortcut::Shortened;
use super::stream::ClientStream;
use super::{Routes, ServeLimits};
use crate::http::peer::PeerAddr;
use crate::observed;

/// An exchange lasts at most as long as its deadlines (head, body, handler), and then its answer is written. On a
/// connection where none has begun or ended for this long the client is at fault.
const LONGEST_EXCHANGE: Duration = Duration::from_secs(180);
/// How long a connection may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);
/// At a shutdown, how long a connection that nothing is asked on stays open: a request may be on its way, and its answer
/// then says that it is the last.
const LAST_REQUEST: Duration = Duration::from_millis(500);
/// RFC 9113 §5.1.2. More would let one connection have more requests open than the cap on connections means to allow.
const CONCURRENT_STREAMS: u32 = 100;
const H2_PING_INTERVAL: Duration = Duration::from_secs(20);
const H2_PING_TIMEOUT: Duration = Duration::from_secs(10);
/// hyper takes no smaller buffer.
const SMALLEST_BUFFER: usize = 8192;

/// What all connections of a server share.
#[derive(Clone)]
pub(super) struct Connections {
    routes: Routes,
    limits: ServeLimits,
    protocol: Arc<auto::Builder<TokioExecutor>>,
    /// Finish what is open and close.
    pub(super) drain: CancellationToken,
    /// Close at once.
    pub(super) cut: CancellationToken,
}

impl Connections {
    pub(super) fn new(routes: Routes, limits: ServeLimits) -> Self {
        let protocol = Arc::new(protocol(limits.max_header_bytes));
        Self {
            routes,
            limits,
            protocol,
            drain: CancellationToken::new(),
            cut: CancellationToken::new(),
        }
    }

    /// Serves one connection until it closes, outstays its patience, or is cut.
    pub(super) async fn serve(self, arrival: Arrival) {
        let Arrival { socket, peer } = arrival;
        let Some(socket) = self.opened(socket, peer).await else {
            return;
        };
        let activity = Activity::new(Patience {
            header: self.limits.header_timeout,
            idle: self.limits.idle_timeout,
            exchange: LONGEST_EXCHANGE,
        });
        let stream = ClientStream::new(socket, self.limits.body_timeout);
        let Routes { router, shortcut } = self.routes;
        let stream = Shortened::new(stream, Arc::clone(&activity), shortcut, peer);
        let io = TokioIo::new(stream);
        let service = Exchanges {
            router,
            peer,
            activity: Arc::clone(&activity),
        };
        let mut connection = pin!(self.protocol.serve_connection(io, service));
        let mut draining = false;
        loop {
            let mut event = Seldom::new(event(&self.drain, &self.cut, &activity, draining));
            tokio::select! {
                // The busy one last: it may use up what the runtime lets a task do in one go.
                biased;
                event = &mut event => match event {
                    Event::Drain => {
                        draining = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    Event::Overdue => {
                        tracing::debug!(%peer, "connection cut: the client is too slow, or idle");
                        connection.as_mut().graceful_shutdown();
                        let _ = timeout(FAREWELL, connection).await;
                        return;
                    }
                    Event::Cut => return,
                },
                ended = connection.as_mut() => {
                    if let Err(fault) = ended {
                        tracing::debug!(%peer, fault, "connection failed");
                    }
                    return;
                }
            }
        }
    }
}

impl Connections {
    /// The socket after its TLS handshake, where there is one. The client has as long for it as for a request's head.
    async fn opened(&self, accepted: Accepted, peer: PeerAddr) -> Option<Socket> {
        let (socket, acceptor) = match accepted {
            Accepted::Ready(socket) => return Some(socket),
            Accepted::Tls(socket, acceptor) => (socket, acceptor),
        };
        let shaken = tokio::select! {
            shaken = timeout(self.limits.header_timeout, acceptor.accept(socket)) => shaken,
            () = self.cut.cancelled() => return None,
        };
        let fault = match shaken {
            Ok(Ok(stream)) => return Some(Socket::Tls(Box::new(stream))),
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => "it takes too long".to_owned(),
        };
        observed::handshake_failed();
        tracing::debug!(%peer, fault, "no TLS handshake");
        None
    }
}

/// What happens to a connection beside its requests.
enum Event {
    /// The server shuts down.
    Drain,
    /// It has outstayed its patience.
    Overdue,
    /// It is closed at once.
    Cut,
}

async fn event(
    drain: &CancellationToken,
    cut: &CancellationToken,
    activity: &Activity,
    draining: bool,
) -> Event {
    let drain = async {
        drain.cancelled().await;
        activity.drain();
        if !activity.is_multiplexed() {
            sleep(LAST_REQUEST).await;
        }
    };
    tokio::select! {
        () = drain, if !draining => Event::Drain,
        () = activity.overdue() => Event::Overdue,
        () = cut.cancelled() => Event::Cut,
    }
}

/// HTTP/1.1 and HTTP/2 on one port, told apart by the first bytes (RFC 9113 §3.4).
fn protocol(max_header_bytes: usize) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // `Activity` keeps this time, since hyper counts the idle time before a head into it.
        .header_read_timeout(None)
        .max_buf_size(max_header_bytes.max(SMALLEST_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(H2_PING_INTERVAL)
        .keep_alive_timeout(H2_PING_TIMEOUT)
        .max_concurrent_streams(CONCURRENT_STREAMS)
        .max_header_list_size(u32::try_from(max_header_bytes).unwrap_or(u32::MAX));
    builder
}

/// The router, told who is at the other end.
struct Exchanges {
    router: Router,
    peer: PeerAddr,
    activity: Arc<Activity>,
}

impl hyper::service::Service<Request<Incoming>> for Exchanges {
    type Response = Response<Delivery>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let exchange = self.activity.begin(request.version() == Version::HTTP_2);
        request.extensions_mut().insert(self.peer);
        let answer = self.router.clone().call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            if exchange.is_the_last() {
                let headers = answer.headers_mut();
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer.map(|body| Delivery {
                body,
                _exchange: exchange,
            }))
        })
    }
}

/// An answer's body, which keeps its exchange open until it is handed over or given up.
struct Delivery {
    body: Body,
    _exchange: Exchange,
}

impl hyper::body::Body for Delivery {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
