//! Connections: how many there are, how slow each may be.

use maxlab_auth_testkit::wait::eventually;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::get;
use maxlab_auth::http::layers::LayerConfig;
use maxlab_auth::http::serve::ServeLimits;

use crate::Door;

const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn headers_that_trickle_are_cut() {
    let header_timeout = Duration::from_millis(300);
    let door = Door::with_limits(ServeLimits {
        header_timeout,
        ..ServeLimits::default()
    })
    .await;
    // From the first byte on, within a head, in what may become HTTP/2, and on a connection that was good before.
    for (before, slow) in [
        ("", ""),
        ("", "GET /hello HTTP/1.1\r\nX-Slow: "),
        ("", "PRI * HT"),
        (HELLO, "GET "),
    ] {
        let mut begun = Instant::now();
        let mut client = door.connect().await;
        if !before.is_empty() {
            client.send(before).await.unwrap();
            assert_eq!(client.reply().await.unwrap().status, 200);
            begun = Instant::now();
        }
        client.send(slow).await.unwrap();
        let tail = if slow.ends_with(' ') {
            &[b'x'; 100][..]
        } else {
            &[]
        };
        let _ = client.send_slowly(tail, Duration::from_millis(10)).await;
        assert_eq!(client.read_to_end().await.unwrap(), b"", "{slow}");
        let lived = begun.elapsed();
        assert!(lived >= Duration::from_millis(250), "{slow}: cut after {lived:?}");
        assert!(lived < Duration::from_secs(10), "{slow}: cut after {lived:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_outlives_the_header_timeout_but_not_the_idle_timeout() {
    let limits = ServeLimits {
        header_timeout: Duration::from_millis(100),
        idle_timeout: Duration::from_secs(2),
        ..ServeLimits::default()
    };
    let door = Door::with_limits(limits).await;
    let mut client = door.connect().await;
    for _ in 0..2 {
        client.send(HELLO).await.unwrap();
        assert_eq!(client.reply().await.unwrap().body, b"hello");
        // Twice the time limit of a head has passed when it has cut two silent connections, one after the other.
        for _ in 0..2 {
            let mut silent = door.connect().await;
            assert_eq!(silent.read_to_end().await.unwrap(), b"");
        }
    }
    client.send(HELLO).await.unwrap();
    assert_eq!(client.reply().await.unwrap().body, b"hello");
    let begun = Instant::now();
    assert_eq!(client.read_to_end().await.unwrap(), b"");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_head_over_32_kib_is_refused() {
    let door = Door::open().await;
    let get = |length: usize| {
        format!(
            "GET /hello HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n",
            "x".repeat(length)
        )
    };
    assert_eq!(door.ask(get(31 * 1024)).await.status, 200);
    for length in [33 * 1024, 200 * 1024] {
        let mut client = door.connect().await;
        let _ = client.send(get(length)).await;
        assert_eq!(client.reply().await.unwrap().status, 431, "{length}");
    }
    let many = format!(
        "GET /hello HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: y\r\n".repeat(1000)
    );
    assert_eq!(door.ask(many).await.status, 431);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut() {
    let long = Bytes::from(vec![b'x'; 64 * 1024 * 1024]);
    let more = Router::new().route("/long", get(move || async move { long }));
    let limits = ServeLimits {
        max_connections: 1,
        body_timeout: Duration::from_millis(200),
        ..ServeLimits::default()
    };
    let door = Door::with(LayerConfig::default(), limits, more).await;
    let mut deaf = door.connect().await;
    deaf.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    // It holds the only place until it is cut.
    eventually("its place is free", async || door.ask(HELLO).await.status == 200).await;
    deaf.reply().await.unwrap_err();
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    client
        .send(format!("{HELLO}GET /things/7 HTTP/1.1\r\nHost: a\r\n\r\n{HELLO}"))
        .await
        .unwrap();
    for expected in ["hello", "a thing", "hello"] {
        assert_eq!(client.reply().await.unwrap().body, expected.as_bytes());
    }
}
