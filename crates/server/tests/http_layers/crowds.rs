//! More connections than there are places: who gives way, who is refused, and what is answered still.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use maxlab_auth::http::layers::{LayerConfig, apply, overload_router};
use maxlab_auth::http::serve::{Listener, ServeLimits, ServeRoutes, serve};
use maxlab_auth_testkit::RawClient;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::shutdown::Gate;
use crate::{Door, code};

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
const GATED: &str = "GET /gated HTTP/1.1\r\nHost: a\r\n\r\n";
const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";

fn at_most(max_connections: usize) -> ServeLimits {
    ServeLimits {
        max_connections,
        ..ServeLimits::default()
    }
}

#[tokio::test]
async fn w7_when_all_places_are_taken_the_connection_idle_longest_is_closed_for_a_newcomer() {
    let (gate, routes) = Gate::new();
    let door = Door::with(LayerConfig::default(), at_most(3), routes).await;
    let (mut busy, mut idle, mut fresh) = (door.connect().await, door.connect().await, door.connect().await);
    busy.send(GATED).await.unwrap();
    gate.reached(1).await;
    for client in [&mut idle, &mut fresh] {
        client.send(HELLO).await.unwrap();
        assert_eq!(client.reply().await.unwrap().status, 200);
    }
    assert_eq!(door.ask(HELLO).await.status, 200, "a newcomer");
    assert_eq!(idle.read_to_end().await.unwrap(), b"", "closed without a word");
    fresh.send(HELLO).await.unwrap();
    assert_eq!(
        fresh.reply().await.unwrap().status,
        200,
        "it had been idle for less time"
    );
    gate.let_through(1);
    assert_eq!(busy.reply().await.unwrap().body, b"through", "it was never idle");
}

#[tokio::test]
async fn w7_silent_connections_and_half_requests_shut_nobody_out() {
    let door = Door::with_limits(at_most(8)).await;
    let mut held = Vec::new();
    for beginning in [
        "",
        "GET /hel",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        HELLO,
    ] {
        for _ in 0..30 {
            let mut client = door.connect().await;
            client.send(beginning).await.unwrap();
            held.push(client);
        }
        let reply = door.ask(HELLO).await;
        assert_eq!(
            (reply.status, reply.body.as_slice()),
            (200, &b"hello"[..]),
            "{beginning:?}"
        );
    }
}

#[tokio::test]
async fn w7_while_every_connection_is_busy_health_is_answered_and_the_rest_is_503() {
    let (gate, routes) = Gate::new();
    let health = Router::new().route("/health", get(|| async { "alive" }));
    let served = routes
        .merge(health.clone())
        .route("/hello", get(|| async { "hello" }));
    let door = Door::before(
        ServeRoutes {
            router: apply(served, LayerConfig::default()),
            fast_responder: None,
            overload_router: overload_router(health, LayerConfig::default()),
        },
        at_most(2),
    )
    .await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut client = door.connect().await;
        client.send(GATED).await.unwrap();
        busy.push(client);
    }
    gate.reached(2).await;
    for _ in 0..200 {
        let mut client = door.connect().await;
        client.send(HELLO).await.unwrap();
        let reply = client.reply().await.unwrap();
        assert_eq!((reply.status, code(&reply).as_str()), (503, "overloaded"));
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert_eq!(reply.header("connection"), Some("close"));
        assert_eq!(
            client.read_to_end().await.unwrap(),
            b"",
            "a place of the reserve is for one answer"
        );
    }
    assert_eq!(door.ask(HEALTH).await.body, b"alive");
    gate.let_through(2);
    for client in &mut busy {
        assert_eq!(client.reply().await.unwrap().body, b"through");
    }
    assert_eq!(door.ask(HELLO).await.status, 200);
}

#[tokio::test]
async fn w7_each_listener_has_places_of_its_own() {
    let (gate, routes) = Gate::new();
    let routes = apply(
        routes.route("/hello", get(|| async { "hello" })),
        LayerConfig::default(),
    );
    let listen = || async { TcpListener::bind("127.0.0.1:0").await.unwrap() };
    let (first, second) = (listen().await, listen().await);
    let addresses = [first.local_addr().unwrap(), second.local_addr().unwrap()];
    let stop = CancellationToken::new();
    let both = vec![Listener::Tcp(first), Listener::Tcp(second)];
    let served = tokio::spawn(serve(both, routes, at_most(1), stop.clone().cancelled_owned()));
    let mut busy = RawClient::connect(addresses[0]).await.unwrap();
    busy.send(GATED).await.unwrap();
    gate.reached(1).await;
    let status = async |address| {
        let mut client = RawClient::connect(address).await.unwrap();
        client.send(HELLO).await.unwrap();
        client.reply().await.unwrap().status
    };
    assert_eq!(
        (status(addresses[0]).await, status(addresses[1]).await),
        (503, 200)
    );
    gate.let_through(1);
    assert_eq!(busy.reply().await.unwrap().status, 200);
    stop.cancel();
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn w7_an_address_has_no_more_than_its_share_unless_it_is_a_trusted_proxy() {
    for (trusted, answered) in [("192.0.2.0/24", false), ("127.0.0.0/8", true)] {
        let (gate, routes) = Gate::new();
        let limits = ServeLimits {
            max_connections_per_address: 2,
            trusted_proxies: Arc::new([trusted.parse().unwrap()]),
            ..ServeLimits::default()
        };
        let door = Door::with(LayerConfig::default(), limits, routes).await;
        let mut busy = Vec::new();
        for _ in 0..2 {
            let mut client = door.connect().await;
            client.send(GATED).await.unwrap();
            busy.push(client);
        }
        gate.reached(2).await;
        let mut third = door.connect().await.read_timeout(Duration::from_secs(20));
        let _ = third.send(HELLO).await;
        let status = third.reply().await.map(|reply| reply.status).ok();
        assert_eq!(status, answered.then_some(200), "{trusted}");
        gate.let_through(2);
        for client in &mut busy {
            assert_eq!(client.reply().await.unwrap().status, 200);
        }
    }
}
