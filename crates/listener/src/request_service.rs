//! One exchange: the router's answer to a request, and its body until the client has read it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::activity::{ConnectionActivity, InFlightRequest};
use crate::events::{ListenerEvent, ListenerEvents, ShedReason};
use crate::handler::{RequestHandler, SharedBody, SlotKind};
use crate::peer::PeerAddr;
use crate::stream_executor;

/// Most unread bytes of answers of all connections of a server. Above it, connections with more than
/// [`ALWAYS_ALLOWED_UNREAD`] unread bytes get no more answers.
const MAX_UNREAD_TOTAL: usize = 16 * 1024 * 1024;
/// Most unread bytes of one connection: each of its streams can have an answer of 40 KiB.
const MAX_UNREAD_PER_CONNECTION: usize = 4 * 1024 * 1024;
/// Unread bytes that a connection may have even if the total is reached.
const ALWAYS_ALLOWED_UNREAD: usize = 64 * 1024;
/// Estimated bytes of an answer without its body: its headers and the state of its stream.
const RESPONSE_OVERHEAD: usize = 4 * 1024;
/// Size of the pieces in which a body is handed over, in bytes. No more than this is copied ahead of the
/// client.
const CHUNK_SIZE: usize = 16 * 1024;

/// Service of one connection: adds the peer to each request, and tracks each answer.
pub(crate) struct RequestService<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) slot: SlotKind,
    pub(crate) peer: PeerAddr,
    pub(crate) activity: Arc<ConnectionActivity>,
    pub(crate) unread: Arc<UnreadTotal>,
}

impl<H: RequestHandler> hyper::service::Service<Request<Incoming>> for RequestService<H> {
    type Response = Response<TrackedBody<H::Body>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let multiplexed = request.version() == Version::HTTP_2;
        // Here and not in the future: hyper may poll the future later, and the head is complete now.
        let mut exchange = self.activity.begin_request(multiplexed);
        request.extensions_mut().insert(self.peer);
        let answer = self.handler.respond(request, self.slot);
        let unread = Arc::clone(&self.unread);
        Box::pin(async move {
            let mut answer = answer.await?;
            // After the handler: the shutdown may have begun meanwhile.
            if exchange.is_last() {
                let headers = answer.headers_mut();
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            exchange.mark_answered();
            if multiplexed {
                stream_executor::mark_answer_ready(exchange.activity());
            }
            Ok(unread.track(answer, exchange, multiplexed, H::unread_limit_response))
        })
    }
}

/// Number of unread bytes of answers, over all connections of a server.
#[derive(Debug)]
pub(crate) struct UnreadTotal {
    bytes: AtomicUsize,
    events: &'static dyn ListenerEvents,
}

impl UnreadTotal {
    pub(crate) fn new(events: &'static dyn ListenerEvents) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            events,
        })
    }

    /// Counts the body of an answer until it is read. Returns `refusal` in its place if too many bytes are
    /// unread already.
    fn track<B: Body>(
        self: Arc<Self>,
        answer: Response<B>,
        exchange: InFlightRequest,
        multiplexed: bool,
        refusal: impl FnOnce() -> Response<B>,
    ) -> Response<TrackedBody<B>> {
        let events = self.events;
        let shared = answer.extensions().get::<SharedBody>().is_some();
        // Handlers answer with complete bodies, so the lower bound is the length.
        let length = answer.body().size_hint().lower();
        let own = usize::try_from(if shared { 0 } else { length }).unwrap_or(usize::MAX);
        let (answer, unread_bytes) =
            match self.try_count(exchange.activity(), own.saturating_add(RESPONSE_OVERHEAD)) {
                Some(unread_bytes) => (answer, Some(unread_bytes)),
                None => {
                    events.record(ListenerEvent::ConnectionShed(ShedReason::Unread));
                    (refusal(), None)
                }
            };
        answer.map(|body| TrackedBody {
            body,
            rest: Bytes::new(),
            multiplexed,
            _unread_bytes: unread_bytes,
            in_flight: exchange,
        })
    }

    fn try_count(self: Arc<Self>, connection: &Arc<ConnectionActivity>, bytes: usize) -> Option<UnreadBytes> {
        // Added first and checked afterwards, so that answers that come at the same moment see each other.
        let of_connection = connection
            .unread
            .fetch_add(bytes, Ordering::AcqRel)
            .saturating_add(bytes);
        let total = self
            .bytes
            .fetch_add(bytes, Ordering::AcqRel)
            .saturating_add(bytes);
        let unread_bytes = UnreadBytes {
            total: self,
            connection: Arc::clone(connection),
            bytes,
        };
        let fits = of_connection <= ALWAYS_ALLOWED_UNREAD
            || (of_connection <= MAX_UNREAD_PER_CONNECTION && total <= MAX_UNREAD_TOTAL);
        // If it does not fit, the drop of `unread_bytes` subtracts it again.
        fits.then_some(unread_bytes)
    }
}

/// Guard of unread bytes, which are subtracted when it is dropped.
#[derive(Debug)]
struct UnreadBytes {
    total: Arc<UnreadTotal>,
    connection: Arc<ConnectionActivity>,
    bytes: usize,
}

impl Drop for UnreadBytes {
    fn drop(&mut self) {
        self.total.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.connection.unread.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// Body of an answer. Keeps its exchange open until it is handed over or abandoned.
///
/// On HTTP/2, hyper takes a piece as soon as one byte of it fits into the client's window, and then the piece
/// is in h2, where no time limit applies. So the last byte is a piece of its own: when hyper takes it, the
/// client has accepted everything before it (decision 24).
pub(crate) struct TrackedBody<B> {
    body: B,
    /// Bytes taken out of `body` and not handed over yet.
    rest: Bytes,
    multiplexed: bool,
    _unread_bytes: Option<UnreadBytes>,
    in_flight: InFlightRequest,
}

impl<B: Body> TrackedBody<B> {
    fn next_chunk(&mut self) -> Bytes {
        // One byte is kept back only at the end of the body.
        let kept_back = usize::from(self.body.is_end_stream());
        let length = match self.rest.len() {
            length if !self.multiplexed || length <= 1 => length,
            length => CHUNK_SIZE.min(length - kept_back),
        };
        self.rest.split_to(length)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for TrackedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    // Trailers, which have no bytes to split.
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        // A stream of events may last as long as its client reads.
        self.in_flight.mark_progress();
        Poll::Ready(Some(Ok(Frame::data(self.next_chunk()))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use http_body_util::{BodyExt as _, Full};

    use super::*;
    use crate::activity::ConnectionTimeouts;
    use crate::events::IgnoredEvents;

    fn connection() -> Arc<ConnectionActivity> {
        let minute = Duration::from_secs(60);
        ConnectionActivity::new(ConnectionTimeouts {
            header: minute,
            idle: minute,
            exchange: minute,
        })
    }

    fn answer(length: usize) -> Response<Full<Bytes>> {
        Response::new(Full::from(vec![7; length]))
    }

    fn refusal() -> Response<Full<Bytes>> {
        let mut refused = Response::default();
        *refused.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        refused
    }

    async fn pieces(length: usize, multiplexed: bool) -> Vec<usize> {
        let exchange = connection().begin_request(multiplexed);
        let mut body = UnreadTotal::new(&IgnoredEvents)
            .track(answer(length), exchange, multiplexed, refusal)
            .into_body();
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            pieces.push(frame.unwrap().into_data().unwrap().len());
        }
        pieces
    }

    #[tokio::test]
    async fn w3_on_http_2_the_last_byte_is_a_piece_of_its_own() {
        assert_eq!(pieces(0, true).await, [0; 0]);
        assert_eq!(pieces(1, true).await, [1]);
        assert_eq!(pieces(2, true).await, [1, 1]);
        assert_eq!(pieces(CHUNK_SIZE + 1, true).await, [CHUNK_SIZE, 1]);
        assert_eq!(
            pieces(2 * CHUNK_SIZE + 5, true).await,
            [CHUNK_SIZE, CHUNK_SIZE, 4, 1]
        );
        assert_eq!(pieces(2 * CHUNK_SIZE, false).await, [2 * CHUNK_SIZE]);
    }

    #[test]
    fn w3_a_connection_leaves_so_much_unread_and_all_together_so_much() {
        let total = UnreadTotal::new(&IgnoredEvents);
        let half = MAX_UNREAD_PER_CONNECTION / 2;
        let ask = |connection: &Arc<ConnectionActivity>, length| {
            Arc::clone(&total).track(answer(length), connection.begin_request(true), true, refusal)
        };
        let greedy = connection();
        let first = ask(&greedy, half);
        assert_eq!(first.status(), 200);
        assert_eq!(ask(&greedy, half).status(), 503, "both together are too much");
        drop(first);
        let kept = ask(&greedy, half);
        assert_eq!(kept.status(), 200, "the first was taken");
        let others: Vec<_> = (1..MAX_UNREAD_TOTAL / half)
            .map(|_| ask(&connection(), half))
            .collect();
        let refused = others.iter().filter(|answer| answer.status() == 503).count();
        assert_eq!(refused, 1, "the last is too much for all");
        assert_eq!(
            ask(&connection(), ALWAYS_ALLOWED_UNREAD / 2).status(),
            200,
            "who takes little is not refused"
        );
        let mut shared = answer(2 * MAX_UNREAD_PER_CONNECTION);
        shared.extensions_mut().insert(SharedBody);
        assert_eq!(
            Arc::clone(&total)
                .track(shared, connection().begin_request(true), true, refusal)
                .status(),
            200
        );
        drop((kept, others));
        assert_eq!(total.bytes.load(Ordering::Acquire), 0);
    }
}
