//! Too much of everything: each kind has its own answer, and none takes memory or the process.

use std::time::Duration;

use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, RawClient};

use crate::support::{Answer, Stack, assert_lives, get_with, memory, post_with, raw, refused};

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

#[tokio::test]
async fn a_body_over_64_kib_is_413_however_it_comes() {
    let stack = Stack::start().await;
    let big = vec![b'a'; 65 * 1024];
    for path in [
        "/oauth/token",
        "/oauth/revoke",
        "/oauth/introspect",
        "/oauth/token/validate",
        "/api/v1/auth/logout",
    ] {
        let reply = post_with(stack.addr(), path, FORM, &big).await;
        assert_eq!(
            (reply.status, reply.error_code().as_str()),
            (413, "payload_too_large"),
            "{path}"
        );
        refused(&reply, path);
    }
    // In chunks no length is announced.
    let mut chunked =
        format!("POST /oauth/token HTTP/1.1\r\nhost: x\r\n{FORM}transfer-encoding: chunked\r\n\r\n");
    for _ in 0..66 {
        chunked += &format!("400\r\n{}\r\n", "a".repeat(1024));
    }
    chunked += "0\r\n\r\n";
    assert_eq!(raw(stack.addr(), chunked).await.status, 413);
    // A length that nobody will ever send is answered at once.
    let announced = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: x\r\n{FORM}content-length: 18446744073709551615\r\n\r\n"
    );
    let reply = raw(stack.addr(), announced).await;
    assert!((400..500).contains(&reply.status), "{}", reply.shown());
    let announced =
        format!("POST /oauth/token HTTP/1.1\r\nhost: x\r\n{FORM}content-length: 10000000000\r\n\r\n");
    assert_eq!(raw(stack.addr(), announced).await.status, 413);
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn the_limits_themselves_are_within() {
    let stack = Stack::start().await;
    let body = [b"grant_type=".as_slice(), &vec![b'a'; 64 * 1024 - 11]].concat();
    let reply = post_with(stack.addr(), "/oauth/token", FORM, &body).await;
    assert_eq!(reply.status, 400, "64 KiB are read: {}", reply.shown());
    let longest = "a".repeat(16 * 1024);
    let reply = BearerActor::new(&stack.url(), &longest)
        .get("/api/v1/auth/me")
        .await;
    assert_eq!(reply.code(), 401, "16 KiB are looked at: {}", reply.shown());
    stack
        .auth
        .accept_token(&longest, serde_json::json!({ "sub": "ann" }));
    BearerActor::new(&stack.url(), &longest)
        .get("/api/v1/auth/me")
        .await
        .expect_status(200);
}

#[tokio::test]
async fn a_token_over_16_kib_is_told_so() {
    let stack = Stack::start().await;
    let long = "a".repeat(17 * 1024);
    stack
        .auth
        .accept_token(&long, serde_json::json!({ "sub": "ann" }));
    stack.auth.forget_requests();
    let reply = get_with(
        stack.addr(),
        "/api/v1/auth/me",
        &format!("authorization: Bearer {long}\r\n"),
    )
    .await;
    refused(&reply, "in the header");
    assert!(reply.shown().contains("16 KiB"), "{}", reply.shown());
    let reply = post_with(
        stack.addr(),
        "/oauth/revoke",
        FORM,
        format!("token={long}").as_bytes(),
    )
    .await;
    refused(&reply, "to be revoked");
    assert!(reply.shown().contains("16 KiB"), "{}", reply.shown());
    let body = format!("grant_type=refresh_token&refresh_token={long}");
    refused(
        &post_with(stack.addr(), "/oauth/token", FORM, body.as_bytes()).await,
        "to be refreshed",
    );
    let body = format!("{{\"refresh_token\":\"{long}\"}}");
    let headers = "content-type: application/json\r\n";
    refused(
        &post_with(stack.addr(), "/api/v1/auth/logout", headers, body.as_bytes()).await,
        "at logout",
    );
    let reply = AnonymousActor::new(&stack.url())
        .post_form("/oauth/token/validate", &[("access_token", long.as_str())])
        .await;
    assert_ne!(reply.value()["valid"], true, "{}", reply.shown());
    assert_eq!(
        stack.auth.count_requests("/oauth/userinfo"),
        0,
        "nobody is asked about such a token"
    );
}

#[tokio::test]
async fn heads_and_targets_have_a_length() {
    let stack = Stack::start().await;
    let one = format!("x-filler: {}\r\n", "a".repeat(33 * 1024));
    let many: String = (0..600)
        .map(|n| format!("x-filler-{n}: {}\r\n", "a".repeat(40)))
        .collect();
    let tiny: String = (0..2_000).map(|n| format!("x{n}: \r\n")).collect();
    for (what, headers) in [
        ("one long header", one),
        ("many headers", many),
        ("very many empty headers", tiny),
    ] {
        let reply = get_with(stack.addr(), "/health", &headers).await;
        assert_eq!(reply.status, 431, "{what}: {}", reply.shown());
    }
    for length in [8 * 1024 + 1, 20 * 1024] {
        let reply = get_with(
            stack.addr(),
            &format!("/oauth/authorize?state={}", "a".repeat(length)),
            "",
        )
        .await;
        assert_eq!(reply.status, 414, "{length}: {}", reply.shown());
    }
    let reply = get_with(stack.addr(), &format!("/{}", "a".repeat(70 * 1024)), "").await;
    assert!(matches!(reply.status, 414 | 431), "{}", reply.shown());
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn a_head_without_end_takes_no_memory() {
    let stack = Stack::start().await;
    let (before, _) = memory(&stack.gateway);
    let mut client = RawClient::connect(stack.addr())
        .await
        .unwrap()
        .read_timeout(Duration::from_secs(10));
    client
        .send(format!("GET /health HTTP/1.1\r\nhost: {}\r\n", stack.addr()))
        .await
        .unwrap();
    let piece = format!("x: {}\r\n", "a".repeat(16 * 1024));
    let mut sent = 0;
    while sent < 64 * 1024 * 1024 && client.send(&piece).await.is_ok() {
        sent += piece.len();
    }
    assert!(sent < 64 * 1024 * 1024, "it never stopped reading");
    let (_, highest) = memory(&stack.gateway);
    assert!(highest < before + 32 * 1024, "{before} KiB grew to {highest} KiB");
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn huge_counts_cost_no_time() {
    let stack = Stack::start().await;
    let started = std::time::Instant::now();
    // As many parameters and as many chunk-like cookies as fit: each is looked at once, not with each other.
    let parameters: String = (0..8_000).map(|n| format!("a{n}=1&")).collect();
    refused(
        &post_with(stack.addr(), "/oauth/token", FORM, parameters.as_bytes()).await,
        "8,000 parameters",
    );
    let cookies = "maxlab_session_chunks=99999999; maxlab_session.99999999=x; n=1e999999";
    let reply = get_with(stack.addr(), "/api/v1/auth/me", &format!("cookie: {cookies}\r\n")).await;
    refused(&reply, "chunk counts in cookies");
    let reply = get_with(stack.addr(), "/api/v1/admin/audit?limit=99999999999999999999", "").await;
    refused(&reply, "a huge limit");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn w14_a_head_has_at_most_100_fields() {
    let stack = Stack::start().await;
    // `Host` and `BackendConnection` are of the helper's own.
    for (count, status) in [(98, 200), (99, 431)] {
        let fields: String = (0..count).map(|n| format!("x{n}: 1\r\n")).collect();
        let reply = get_with(stack.addr(), "/health", &fields).await;
        assert_eq!(reply.status, status, "{count}: {}", reply.shown());
    }
}
