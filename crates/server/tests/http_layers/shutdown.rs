//! The end: what is under way is answered, nothing new begins, and it does not take for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use maxlab_auth::http::layers::LayerConfig;
use maxlab_auth::http::serve::{FastResponder, ReceiveInfo, ServeLimits, ServeRoutes};
use maxlab_auth_testkit::RawClient;
use maxlab_auth_testkit::wait::eventually_within;
use tokio::sync::Semaphore;

use crate::Door;

/// `/gated` says when it was reached and answers when it is let.
pub(crate) struct Gate {
    reached: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new() -> (Self, Router) {
        let gate = Self {
            reached: Arc::new(Semaphore::new(0)),
            open: Arc::new(Semaphore::new(0)),
        };
        let (reached, open) = (Arc::clone(&gate.reached), Arc::clone(&gate.open));
        let wait = async move || {
            reached.add_permits(1);
            open.acquire().await.unwrap().forget();
            "through"
        };
        (gate, Router::new().route("/gated", get(wait)))
    }

    /// Waits until so many requests are inside.
    pub(crate) async fn reached(&self, requests: u32) {
        self.reached.acquire_many(requests).await.unwrap().forget();
    }

    /// Lets so many through.
    pub(crate) fn let_through(&self, requests: usize) {
        self.open.add_permits(requests);
    }
}

const GATED: &str = "GET /gated HTTP/1.1\r\nHost: a\r\n\r\n";

/// Polls until new connections are refused.
async fn refuses(door: &Door) {
    let limit = Duration::from_secs(10);
    eventually_within(limit, "it takes no connections", async || {
        RawClient::connect(door.address).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn a_request_under_way_is_answered_and_no_other_begins() {
    let (gate, routes) = Gate::new();
    let mut door = Door::with(LayerConfig::default(), ServeLimits::default(), routes).await;
    let (mut busy, mut idle) = (door.connect().await, door.connect().await);
    idle.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(idle.reply().await.unwrap().status, 200);
    busy.send(GATED).await.unwrap();
    gate.reached(1).await;

    door.stop.cancel();
    refuses(&door).await;
    assert_eq!(
        idle.read_to_end().await.unwrap(),
        b"",
        "an idle connection is closed soon"
    );
    assert!(!door.served.is_finished(), "it waits for what is under way");
    gate.let_through(1);
    let reply = busy.reply().await.unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"through"[..]));
    assert_eq!(
        busy.read_to_end().await.unwrap(),
        b"",
        "then its connection is closed"
    );
    drop((busy, idle));
    (&mut door.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_when_the_drain_is_over() {
    let (gate, routes) = Gate::new();
    let limits = ServeLimits {
        drain_timeout: Duration::from_millis(200),
        ..ServeLimits::default()
    };
    let mut door = Door::with(LayerConfig::default(), limits, routes).await;
    let mut stuck = door.connect().await;
    stuck.send(GATED).await.unwrap();
    gate.reached(1).await;
    let begun = Instant::now();
    door.stop.cancel();
    (&mut door.served).await.unwrap().unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200));
    stuck.reply().await.unwrap_err();
}

#[tokio::test]
async fn a_client_that_just_connected_is_still_heard() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    door.stop.cancel();
    refuses(&door).await;
    client
        .send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.reply().await.unwrap().status, 200);
}

/// Answers every `GET /short` below HTTP.
struct Short;

const SHORT: &str = "GET /short HTTP/1.1\r\nHost: a\r\n\r\n";

impl FastResponder for Short {
    fn try_respond(&self, bytes: &[u8], _: ReceiveInfo, out: &mut Vec<u8>) -> Option<usize> {
        let asked = bytes.starts_with(SHORT.as_bytes());
        asked.then(|| {
            out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            SHORT.len()
        })
    }

    fn may_match(&self, bytes: &[u8]) -> bool {
        SHORT.as_bytes().starts_with(bytes)
    }
}

#[tokio::test]
async fn whoever_keeps_a_connection_is_told_of_its_end_in_an_answer() {
    let routes = ServeRoutes {
        router: Router::new()
            .route("/short", get(|| async { "from the router" }))
            .route("/hello", get(|| async { "hello" })),
        fast_responder: Some(Arc::new(Short)),
        overload_router: Router::new(),
    };
    let mut door = Door::before(routes, ServeLimits::default()).await;
    const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    let (half, rest) = SHORT.split_at(20);
    // What each has asked before, and what is on its way when the end begins.
    let cases = [
        (SHORT, "", SHORT),
        (HELLO, "", SHORT),
        (SHORT, "", HELLO),
        (HELLO, "", HELLO),
        (SHORT, half, rest),
    ];
    let mut clients = Vec::new();
    for (before, begun, last) in cases {
        let mut client = door.connect().await;
        client.send(before).await.unwrap();
        assert_eq!(client.reply().await.unwrap().header("connection"), None);
        client.send(begun).await.unwrap();
        client.wait_until_read().await;
        clients.push((client, last));
    }
    door.stop.cancel();
    refuses(&door).await;
    for (client, last) in &mut clients {
        client.send(*last).await.unwrap();
        let reply = client.reply().await.unwrap();
        assert_eq!(
            (reply.status, reply.header("connection")),
            (200, Some("close")),
            "{last}"
        );
        assert_eq!(client.read_to_end().await.unwrap(), b"");
    }
    drop(clients);
    (&mut door.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_silent_connection_does_not_hold_the_stop() {
    let mut door = Door::open().await;
    let _silent = door.connect().await;
    let begun = Instant::now();
    door.stop.cancel();
    (&mut door.served).await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
