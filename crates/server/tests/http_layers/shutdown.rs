//! The end: what is under way is answered, nothing new begins, and it does not take for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use maxlab_auth::http::layers::LayerConfig;
use maxlab_auth::http::serve::ServeLimits;
use maxlab_auth_testkit::RawClient;
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
    let begun = Instant::now();
    while RawClient::connect(door.address).await.is_ok() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "it still takes connections"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
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
        "an idle connection is closed at once"
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
        drain: Duration::from_millis(200),
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

#[tokio::test]
async fn a_silent_connection_does_not_hold_the_stop() {
    let mut door = Door::open().await;
    let _silent = door.connect().await;
    let begun = Instant::now();
    door.stop.cancel();
    (&mut door.served).await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
