//! The same door over HTTP/2, which it speaks on the same port.

use std::time::{Duration, Instant};

use maxlab_auth::http::layers::LayerConfig;
use maxlab_auth::http::serve::ServeLimits;
use reqwest::{Client, Version};

use crate::Door;
use crate::shutdown::Gate;

fn client() -> Client {
    Client::builder()
        .http2_prior_knowledge()
        .no_proxy()
        .build()
        .unwrap()
}

#[tokio::test]
async fn it_answers_with_the_same_layers() {
    let door = Door::open().await;
    let url = |path: &str| format!("http://{}{path}", door.address);
    let client = client();
    let reply = client.get(url("/hello")).send().await.unwrap();
    assert_eq!((reply.version(), reply.status().as_u16()), (Version::HTTP_2, 200));
    assert!(reply.headers().contains_key("x-request-id"));
    assert_eq!(reply.text().await.unwrap(), "hello");

    let reply = client
        .post(url("/length"))
        .body("x".repeat(65 * 1024))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 413);
    assert_eq!(client.get(url("/panic")).send().await.unwrap().status(), 500);
    assert_eq!(client.get(url("/hello")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn handlers_find_the_host_where_http1_has_it() {
    let door = Door::open().await;
    let reply = client()
        .get(format!("http://{}/host", door.address))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.text().await.unwrap(), door.address.to_string());
}

#[tokio::test]
async fn a_host_other_than_the_authority_is_refused() {
    let door = Door::open().await;
    let request = client()
        .get(format!("http://{}/hello", door.address))
        .header("host", "b.example");
    assert_eq!(request.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_head_over_32_kib_is_refused() {
    let door = Door::open().await;
    let request = client()
        .get(format!("http://{}/hello", door.address))
        .header("x-long", "x".repeat(33 * 1024));
    // The server's 431, or our own client holding itself to the limit that the server announced.
    match request.send().await {
        Ok(reply) => assert_eq!(reply.status(), 431),
        Err(fault) => assert!(fault.is_request(), "{fault:?}"),
    }
}

#[tokio::test]
async fn a_preface_without_requests_is_cut() {
    let limits = ServeLimits {
        header_timeout: Duration::from_millis(200),
        ..ServeLimits::default()
    };
    let door = Door::with_limits(limits).await;
    let mut client = door.connect().await;
    let begun = Instant::now();
    // The preface and an empty SETTINGS frame (RFC 9113 §3.4, §6.5), and then nothing.
    client
        .send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    client.read_to_end().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn streams_under_way_are_answered_at_the_end() {
    let (gate, routes) = Gate::new();
    let mut door = Door::with(LayerConfig::default(), ServeLimits::default(), routes).await;
    let client = client();
    let gated = format!("http://{}/gated", door.address);
    let many: Vec<_> = (0..50).map(|_| client.get(&gated).send()).collect();
    let many = tokio::spawn(futures::future::join_all(many));
    gate.reached(50).await;
    door.stop.cancel();
    gate.let_through(50);
    for reply in many.await.unwrap() {
        assert_eq!(reply.unwrap().status(), 200);
    }
    (&mut door.served).await.unwrap().unwrap();
}
