//! Bodies: too long, too slow, broken off.

use std::time::{Duration, Instant};

use maxlab_auth::http::layers::LayerConfig;

use crate::{Door, code};

const LIMIT: usize = 64 * 1024;

#[tokio::test]
async fn a_body_of_64_kib_passes_and_one_byte_more_does_not() {
    let door = Door::open().await;
    let post = |length: usize| {
        format!(
            "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{}",
            "x".repeat(length)
        )
    };
    let reply = door.ask(post(LIMIT)).await;
    assert_eq!((reply.status, reply.body), (200, LIMIT.to_string().into_bytes()));
    for length in [LIMIT + 1, 65 * 1024, 4 * 1024 * 1024] {
        let mut client = door.connect().await;
        // A server that stops reading may reset the rest of the upload; its answer must be readable all the same.
        let _ = client.send(post(length)).await;
        let reply = client.reply().await.unwrap();
        assert_eq!(
            (reply.status, code(&reply).as_str()),
            (413, "payload_too_large"),
            "{length}"
        );
        assert!(reply.header("x-request-id").is_some());
    }
}

#[tokio::test]
async fn a_body_that_does_not_say_its_length_is_counted() {
    let door = Door::open().await;
    let chunked = |chunks: usize| {
        let body = format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(chunks);
        format!("POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n")
    };
    let reply = door.ask(chunked(64)).await;
    assert_eq!((reply.status, reply.body), (200, LIMIT.to_string().into_bytes()));
    let reply = door.ask(chunked(65)).await;
    assert_eq!((reply.status, code(&reply).as_str()), (413, "payload_too_large"));
}

#[tokio::test]
async fn a_length_that_is_too_long_is_refused_before_the_body_is_asked_for() {
    let door = Door::open().await;
    let reply = door
        .ask("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(reply.status, 413);
    let mut client = door.connect().await;
    client
        .send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.reply().await.unwrap().status, 100);
    client.send("ab").await.unwrap();
    assert_eq!(client.reply().await.unwrap().body, b"2");
}

/// A reset in the middle of an upload can lose the answer that explains it (RFC 9112 §9.6).
#[tokio::test]
async fn an_upload_that_goes_on_after_its_refusal_meets_no_reset() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    client
        .send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.reply().await.unwrap().status, 413);
    client
        .send_slowly([b'x'; 10], Duration::from_millis(10))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_body_that_trickles_is_cut() {
    let body_timeout = Duration::from_millis(300);
    let door = Door::with_layers(LayerConfig {
        body_timeout,
        ..LayerConfig::default()
    })
    .await;
    let mut client = door.connect().await;
    let begun = Instant::now();
    client
        .send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        .await
        .unwrap();
    // Ends with an error once the server has gone.
    let _ = client.send_slowly([b'x'; 40], Duration::from_millis(10)).await;
    let reply = client.reply().await.unwrap();
    assert_eq!((reply.status, code(&reply).as_str()), (408, "request_timeout"));
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(client.read_to_end().await.unwrap(), b"");
    assert!(begun.elapsed() >= body_timeout);
}

#[tokio::test]
async fn a_body_in_broken_chunks_is_refused() {
    let door = Door::open().await;
    let reply = door
        .ask("POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n\r\n")
        .await;
    assert_eq!((reply.status, code(&reply).as_str()), (400, "invalid_request"));
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_given_up() {
    use axum::routing::get;
    let more = axum::Router::new().route("/forever", get(std::future::pending::<()>));
    let config = LayerConfig {
        request_timeout: Duration::from_millis(100),
        ..LayerConfig::default()
    };
    let door = Door::with(config, maxlab_auth::http::serve::ServeLimits::default(), more).await;
    let reply = door.ask("GET /forever HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((reply.status, code(&reply).as_str()), (503, "timeout"));
    assert_eq!(reply.header("retry-after"), Some("1"));
}
