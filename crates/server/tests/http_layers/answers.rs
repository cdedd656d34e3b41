//! What every answer carries, and what is answered where there is nothing to do.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::routing::get;
use maxlab_auth::http::layers::LayerConfig;
use maxlab_auth::http::serve::ServeLimits;
use maxlab_auth_testkit::raw::RawReply;

use crate::{Door, code};

const PAGE: &str = "https://app.example";

fn with_cors() -> LayerConfig {
    LayerConfig {
        cors_origins: vec![HeaderValue::from_static(PAGE)],
        ..LayerConfig::default()
    }
}

fn request_id(reply: &RawReply) -> String {
    reply.header("x-request-id").unwrap().to_owned()
}

#[tokio::test]
async fn every_answer_tells_browsers_to_keep_off() {
    let door = Door::open().await;
    for target in ["/hello", "/nowhere", "/panic"] {
        let reply = door
            .ask(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(reply.header(name), Some(value), "{target} {name}");
        }
        assert_eq!(reply.header("strict-transport-security"), None, "{target}");
        assert_eq!(reply.header("server"), None, "{target}");
    }
}

#[tokio::test]
async fn behind_https_browsers_are_told_to_insist_on_it() {
    let door = Door::with_layers(LayerConfig {
        secure: true,
        ..LayerConfig::default()
    })
    .await;
    for target in ["/hello", "/nowhere"] {
        let reply = door
            .ask(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        let told = reply.header("strict-transport-security").unwrap();
        assert!(told.starts_with("max-age=63072000"), "{told}");
    }
}

#[tokio::test]
async fn a_handler_may_have_its_own_caching_and_policy() {
    let own = [
        (header::CACHE_CONTROL, "max-age=60"),
        (header::CONTENT_SECURITY_POLICY, "script-src 'self'"),
    ];
    let more = Router::new().route("/docs", get(move || async move { (own, "page") }));
    let door = Door::with(LayerConfig::default(), ServeLimits::default(), more).await;
    let reply = door.ask("GET /docs HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(reply.header("cache-control"), Some("max-age=60"));
    assert_eq!(reply.header("content-security-policy"), Some("script-src 'self'"));
}

#[tokio::test]
async fn nothing_is_answered_in_the_one_form() {
    let door = Door::open().await;
    let reply = door.ask("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((reply.status, code(&reply).as_str()), (404, "not_found"));

    let reply = door
        .ask("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!((reply.status, code(&reply).as_str()), (405, "method_not_allowed"));
    assert_eq!(reply.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn head_works_wherever_get_does() {
    let door = Door::open().await;
    let answer = door
        .whole_answer("HEAD /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\r\ncontent-length: 5\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "a body: {answer}");
}

#[tokio::test]
async fn a_panic_is_one_failed_request() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    client
        .send("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let reply = client.reply().await.unwrap();
    assert_eq!((reply.status, code(&reply).as_str()), (500, "internal_error"));
    let detail = reply.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(&request_id(&reply)), "{detail}");
    assert!(!detail.contains("s3cret"), "the panic's own words: {detail}");

    client
        .send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.reply().await.unwrap().status, 200);
}

#[tokio::test]
async fn only_a_trusted_proxy_names_a_request() {
    let trusting = LayerConfig {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..LayerConfig::default()
    };
    let (trusting, wary) = (Door::with_layers(trusting).await, Door::open().await);
    let named = |id: &str| format!("GET /hello HTTP/1.1\r\nHost: a\r\nX-Request-ID: {id}\r\n\r\n");

    assert_eq!(
        request_id(&trusting.ask(named("abc.DEF_1-2")).await),
        "abc.DEF_1-2"
    );
    for forged in ["a b", "x;y", &"x".repeat(65)] {
        assert_ne!(request_id(&trusting.ask(named(forged)).await), forged);
    }
    let own = request_id(&wary.ask(named("abc")).await);
    let own = uuid::Uuid::parse_str(&own).unwrap();
    assert_eq!(own.get_version_num(), 7);
    let other = request_id(&wary.ask("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await);
    assert_ne!(own.to_string(), other);
}

fn preflight(target: &str, origin: &str) -> String {
    format!(
        "OPTIONS {target} HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: DELETE\r\n\
         Access-Control-Request-Headers: authorization\r\n\r\n"
    )
}

#[tokio::test]
async fn a_preflight_from_the_allow_list_is_answered() {
    let door = Door::with_layers(with_cors()).await;
    let reply = door.ask(preflight("/hello", PAGE)).await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("access-control-allow-origin"), Some(PAGE));
    assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(
        reply.header("access-control-allow-methods"),
        Some("GET, POST, DELETE, OPTIONS")
    );
    let allowed = reply.header("access-control-allow-headers").unwrap();
    assert_eq!(
        allowed,
        "authorization, content-type, x-csrf, x-request-id, x-session-id"
    );
    assert!(reply.header("x-request-id").is_some());
    let vary = reply
        .headers
        .iter()
        .filter(|(name, _)| name == "vary")
        .any(|(_, value)| value == "origin");
    assert!(vary, "{:?}", reply.headers);
}

#[tokio::test]
async fn other_origins_get_no_leave() {
    let door = Door::with_layers(with_cors()).await;
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.evil.example",
        "http://app.example",
        "*",
    ] {
        let reply = door.ask(preflight("/hello", origin)).await;
        assert_eq!(reply.status, 405, "{origin}");
        assert_eq!(reply.header("access-control-allow-origin"), None, "{origin}");
        let reply = door
            .ask(format!(
                "GET /hello HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n\r\n"
            ))
            .await;
        assert_eq!(reply.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(
            reply.header("vary"),
            Some("origin"),
            "a cache must not give this answer to {PAGE}"
        );
    }
    let twice =
        format!("GET /hello HTTP/1.1\r\nHost: a\r\nOrigin: {PAGE}\r\nOrigin: https://evil.example\r\n\r\n");
    assert_eq!(door.ask(twice).await.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_page_can_read_answers_and_refusals() {
    let door = Door::with_layers(with_cors()).await;
    for (target, status) in [("/hello", 200), ("/nowhere", 404), ("/panic", 500)] {
        let reply = door
            .ask(format!(
                "GET {target} HTTP/1.1\r\nHost: a\r\nOrigin: {PAGE}\r\n\r\n"
            ))
            .await;
        assert_eq!(reply.status, status);
        assert_eq!(
            reply.header("access-control-allow-origin"),
            Some(PAGE),
            "{target}"
        );
        assert_eq!(
            reply.header("access-control-expose-headers"),
            Some("x-request-id, x-session-id")
        );
    }
}

#[tokio::test]
async fn options_opens_no_door() {
    let door = Door::with_layers(with_cors()).await;
    assert_eq!(
        door.ask(preflight("/auth/verify", PAGE)).await.status,
        401,
        "a proxy would let it in"
    );
    assert_eq!(door.ask(preflight("/nowhere", PAGE)).await.status, 404);
    assert_eq!(
        door.ask("OPTIONS /hello HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .status,
        405
    );
    assert_eq!(
        door.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").await.status,
        404
    );
}
