//! The lying authorization server, over a real client: honest by default, and it lies as scripted.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::{Duration, Instant};

use maxlab_auth_testkit::lying::ScriptedResponse;
use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, Lie, LyingAuthServer, RawClient, ReplyGate};
use serde_json::json;

const GIB: u64 = 1 << 30;

#[tokio::test]
async fn without_scripts_it_accepts_exactly_the_accepted_tokens() {
    let server = LyingAuthServer::start().await.unwrap();
    let built = server.forge().access_token("user-1");
    let token = built.sign();
    server.accept_token(&token, built.claims());
    let (known, unknown) = (
        BearerActor::new(&server.url(), &token),
        BearerActor::new(&server.url(), "another"),
    );

    assert_eq!(
        known.get("/oauth/userinfo").await.expect_status(200).json()["sub"],
        "user-1"
    );
    assert_eq!(
        known.get("/api/v1/auth/me").await.expect_status(200).json()["user_id"],
        "user-1"
    );
    unknown.get("/oauth/userinfo").await.expect_status(401);
    unknown.get("/nowhere").await.expect_status(404);
    let introspected = known
        .post_form("/oauth/introspect", &[("token", &token)])
        .await
        .json();
    assert_eq!(introspected["active"], true);

    let discovered = known.get("/.well-known/openid-configuration").await.json();
    assert_eq!(discovered["issuer"].as_str().unwrap(), server.url());
    let keys = known.get(discovered["jwks_uri"].as_str().unwrap()).await.json();
    assert_eq!(keys, server.forge().jwks());
    known.get("/health").await.expect_status(200);

    known
        .post_form("/oauth/revoke", &[("token", &token)])
        .await
        .expect_status(200);
    known.get("/oauth/userinfo").await.expect_status(401);
}

#[tokio::test]
async fn it_records_every_request() {
    let server = LyingAuthServer::start().await.unwrap();
    let caller = BearerActor::new(&server.url(), "opaque");
    caller
        .post_form(
            "/oauth/token?x=1",
            &[("grant_type", "refresh_token"), ("scope", "a b")],
        )
        .await;
    caller.post_json("/oauth/token", &json!({ "code": "abc" })).await;

    let requests = server.requests("/oauth/token");
    assert_eq!(
        (
            server.count_requests("/oauth/token"),
            server.count_requests("/other"),
            server.count_all_requests()
        ),
        (2, 0, 2)
    );
    assert_eq!(requests[0].form("scope").unwrap(), "a b");
    assert_eq!(
        (requests[0].param("x").as_deref(), requests[0].bearer()),
        (Some("1"), Some("opaque"))
    );
    assert_eq!(requests[1].json().unwrap()["code"], "abc");
    assert_eq!(
        (requests[1].method.as_str(), requests[1].header("Content-Type")),
        ("POST", Some("application/json"))
    );
    server.forget_requests();
    assert_eq!(server.count_all_requests(), 0);
}

#[tokio::test]
async fn its_metadata_can_be_changed_and_it_answers_requests_to_a_proxy() {
    let server = LyingAuthServer::start().await.unwrap();
    server.publish("token_endpoint", "https://elsewhere.example/token");
    let mut proxied = RawClient::connect(server.addr()).await.unwrap();
    proxied
        .send(b"GET http://as.example/.well-known/openid-configuration HTTP/1.1\r\nhost: as.example\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let reply = String::from_utf8(proxied.read_to_end().await.unwrap()).unwrap();
    assert!(reply.contains("https://elsewhere.example/token"), "{reply}");
    assert!(reply.contains("http://as.example/oauth/userinfo"), "{reply}");

    server.send_byte_order_marks();
    let marked = AnonymousActor::new(&server.url()).get("/health").await;
    assert!(marked.body.starts_with(b"\xef\xbb\xbf{"));
}

#[tokio::test]
async fn scripts_answer_by_method_path_token_and_turn() {
    let server = LyingAuthServer::start().await.unwrap();
    let caller = BearerActor::new(&server.url(), "good");
    server.accept_token("good", json!({ "sub": "user-1" }));

    // The most specific script counts; the order of the calls does not matter.
    server.on("*", Lie::status(500));
    server.on("/a", Lie::json(200, json!({ "sub": 7 })));
    server.on("POST /a", Lie::redirect("http://127.0.0.1:9/"));
    assert_eq!(caller.get("/a").await.json()["sub"], 7);
    assert_eq!(
        caller.post("/a").await.expect_status(302).header("location"),
        Some("http://127.0.0.1:9/")
    );
    caller.get("/oauth/userinfo").await.expect_status(500);
    server.clear_scripts();
    caller.get("/oauth/userinfo").await.expect_status(200);

    server.on(
        "/oauth/userinfo",
        Lie::sequence([Lie::status(503), Lie::status(429), Lie::honest()]),
    );
    // One more than the sequence has: its last lie stays.
    for status in [503, 429, 200, 200] {
        caller.get("/oauth/userinfo").await.expect_status(status);
    }
    server.on(
        "/b",
        Lie::by_token(|token| Lie::status(if token == Some("good") { 200 } else { 403 })),
    );
    caller.get("/b").await.expect_status(200);
    AnonymousActor::new(&server.url())
        .get("/b")
        .await
        .expect_status(403);

    server.on(
        "/c",
        Lie::handler(|request| {
            ScriptedResponse::body(201, "text/plain", request.body.clone()).header("x-a", "1")
        }),
    );
    let reply = caller
        .send(http::Method::POST, "/c", |request| request.body("echo"))
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.text().as_str(), reply.header("x-a")),
        (201, "echo", Some("1"))
    );
}

#[tokio::test]
async fn broken_answers_are_errors_to_a_client() {
    let server = LyingAuthServer::start().await.unwrap();
    let caller = AnonymousActor::new(&server.url());
    let body = json!({ "sub": "user-1" });
    for lie in [Lie::garbage(), Lie::close(), Lie::half_body(200, body.clone())] {
        server.on("/x", lie.clone());
        assert!(
            caller
                .try_send(http::Method::GET, "/x", |request| request)
                .await
                .is_err(),
            "{lie:?}"
        );
    }
    server.on("/x", Lie::body(200, "application/json", "{\"sub\":"));
    assert_eq!(caller.get("/x").await.text(), "{\"sub\":");
}

#[tokio::test]
async fn slow_answers_take_as_long_as_scripted() {
    let server = LyingAuthServer::start().await.unwrap();
    let caller = AnonymousActor::new(&server.url());
    let pause = Duration::from_millis(20);
    server.on("/late", Lie::delay(Duration::from_millis(200), Lie::status(204)));
    server.on("/drip", Lie::slow_drip(200, json!("0123456789"), pause));
    server.on("/never", Lie::hang());

    let started = Instant::now();
    caller.get("/late").await.expect_status(204);
    assert!(started.elapsed() >= Duration::from_millis(200));
    let started = Instant::now();
    assert_eq!(caller.get("/drip").await.json(), "0123456789");
    // Ten digits and two quotation marks.
    assert!(started.elapsed() >= pause * 12);
    let hanging = tokio::time::timeout(Duration::from_millis(300), caller.get("/never")).await;
    assert!(hanging.is_err());
    assert_eq!(
        server.count_requests("/never"),
        1,
        "it got the request and did not answer"
    );
}

#[tokio::test]
async fn a_gate_holds_answers_until_it_opens() {
    let server = LyingAuthServer::start().await.unwrap();
    let gate = ReplyGate::closed();
    server.on("/x", Lie::gated(&gate, Lie::status(200)));
    let caller = AnonymousActor::new(&server.url());
    let mut waiting = tokio::spawn(async move { tokio::join!(caller.get("/x"), caller.get("/x")) });
    // Both are there now, so what follows is the gate's doing and not a slow connection.
    server.wait_for_requests("/x", 2).await;
    let early = tokio::time::timeout(Duration::from_millis(200), &mut waiting).await;
    assert!(early.is_err(), "an answer passed the closed gate");
    gate.open();
    let (one, two) = waiting.await.unwrap();
    assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200));
}

/// Returns the largest resident memory that this process ever had, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn a_gibibyte_is_streamed_without_being_held() {
    let server = LyingAuthServer::start().await.unwrap();
    server.on("/huge", Lie::huge(GIB));
    // The peak of the process so far: only what is held beyond it counts.
    let before = peak_memory();
    let mut reply = reqwest::get(format!("{}/huge", server.url())).await.unwrap();
    let (mut total, mut first, mut last) = (0, Vec::new(), Vec::new());
    while let Some(piece) = reply.chunk().await.unwrap() {
        total += u64::try_from(piece.len()).unwrap();
        if first.is_empty() {
            first = piece.to_vec();
        }
        last = piece.to_vec();
    }
    assert_eq!(total, GIB);
    assert_eq!(server.body_bytes_sent(), GIB);
    assert!(first.starts_with(b"{\"sub\":") && last.ends_with(b"\"}"));
    assert!(
        peak_memory() - before < 64 << 20,
        "{} bytes more",
        peak_memory() - before
    );

    // A small one is a complete JSON text of the requested size.
    server.on("/small", Lie::huge(1000));
    let small = AnonymousActor::new(&server.url()).get("/small").await;
    assert_eq!(
        (small.body.len(), small.json()["sub"].as_str()),
        (1000, Some("user-1"))
    );
}

#[tokio::test]
async fn a_client_that_stops_reading_stops_the_body() {
    let server = LyingAuthServer::start().await.unwrap();
    server.on("/huge", Lie::huge(GIB));
    let mut reply = reqwest::get(format!("{}/huge", server.url())).await.unwrap();
    reply.chunk().await.unwrap();
    drop(reply);
    // A new connection: its answer shows that the server has survived the client's end.
    AnonymousActor::new(&server.url())
        .get("/health")
        .await
        .expect_status(200);
    assert!(
        server.body_bytes_sent() < 64 << 20,
        "{}",
        server.body_bytes_sent()
    );
}

#[tokio::test]
async fn the_gzip_bomb_is_small_on_the_wire() {
    let server = LyingAuthServer::start().await.unwrap();
    server.on("/bomb", Lie::gzip_bomb());
    let reply = AnonymousActor::new(&server.url()).get("/bomb").await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert!(reply.body.starts_with(&[0x1f, 0x8b, 8]));
    assert!(reply.body.len() < 8 << 20, "{}", reply.body.len());
    // The last four bytes are the inflated size (RFC 1952 §2.3.1).
    assert_eq!(reply.body[reply.body.len() - 4..], (1u32 << 30).to_le_bytes());
}

#[tokio::test]
async fn stopped_it_refuses_and_started_again_it_remembers() {
    let server = LyingAuthServer::start().await.unwrap();
    let caller = BearerActor::new(&server.url(), "good");
    server.accept_token("good", json!({ "sub": "user-1" }));
    caller.get("/oauth/userinfo").await.expect_status(200);
    let mut open = RawClient::connect(server.addr()).await.unwrap();

    server.stop().await;
    assert_eq!(open.read_to_end().await.unwrap(), b"", "an open connection ends");
    let refused = caller
        .try_send(http::Method::GET, "/health", |request| request)
        .await
        .unwrap_err();
    assert!(refused.is_connect(), "{refused:?}");

    server.restart().await.unwrap();
    caller.get("/oauth/userinfo").await.expect_status(200);
    assert_eq!(server.count_requests("/oauth/userinfo"), 2);
}
