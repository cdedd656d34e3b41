//! Accepts that fail, and connections whose requests a handler of another kind than a router answers.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::*;
use crate::events::ListenerEvent;
use crate::peer::PeerAddr;

async fn accepted_after(faults: Vec<io::Error>) -> Duration {
    let start = Instant::now();
    let left = RefCell::new(faults);
    let got = accept_with_backoff(
        || {
            let fault = left.borrow_mut().pop();
            async move { fault.map_or(Ok(7), Err) }
        },
        || (),
    );
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

/// Handler without a framework: answers with the kind of slot and whether the peer is known.
struct Plain;

impl RequestHandler for Plain {
    type Body = Full<Bytes>;
    type Future = Ready<Result<Response<Full<Bytes>>, Infallible>>;

    fn respond(&self, request: Request<Incoming>, slot: SlotKind) -> Self::Future {
        let is_tcp = matches!(request.extensions().get(), Some(PeerAddr::Tcp(_)));
        ready(Ok(Response::new(Full::from(format!("{slot:?} {is_tcp}")))))
    }

    fn unread_limit_response() -> Response<Full<Bytes>> {
        let mut refused = Response::default();
        *refused.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        refused
    }
}

/// Receiver that keeps the events.
#[derive(Debug)]
struct KeptEvents(Mutex<Vec<ListenerEvent>>);

impl ListenerEvents for KeptEvents {
    fn record(&self, event: ListenerEvent) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

#[tokio::test]
async fn a_handler_without_a_framework_answers_and_each_connection_is_reported_twice() {
    static EVENTS: KeptEvents = KeptEvents(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(
        listener,
        Plain,
        ServeLimits::default(),
        &EVENTS,
        stop.clone().cancelled_owned(),
    ));
    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("Regular true"), "{answer}");
    stop.cancel();
    served.await.unwrap().unwrap();
    let events = EVENTS.0.lock().unwrap();
    assert_eq!(
        *events,
        [ListenerEvent::ConnectionOpened, ListenerEvent::ConnectionClosed]
    );
}
