//! An authorization server that answers without end, too slowly, half or not at all: bounded memory, bounded time, and
//! the status that says whose fault it is.

use std::time::{Duration, Instant};

use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, Lie, LyingAuthServer};
use serde_json::{Value, json};

use crate::support::{Answer, Stack, assert_lives, exchange_code, memory, telling, unavailable};

const GIB: u64 = 1 << 30;
/// What the gateway may grow by while it is lied to, in KiB.
const ALLOWANCE: u64 = 48 * 1024;

fn lies(honest: &Value) -> Vec<(&'static str, Lie)> {
    vec![
        ("1 GiB", Lie::huge(GIB)),
        ("a gzip bomb", Lie::gzip_bomb()),
        ("silence", Lie::hang()),
        (
            "a slow drip",
            Lie::slow_drip(200, honest.clone(), Duration::from_millis(200)),
        ),
        ("half a body", Lie::half_body(200, honest.clone())),
        ("no HTTP", Lie::garbage()),
        ("a closed door", Lie::close()),
        ("nothing", Lie::status(200)),
        ("a list", Lie::json(200, json!([honest]))),
        (
            "deep nesting",
            Lie::body(
                200,
                "application/json",
                format!("{{\"a\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000)),
            ),
        ),
        (
            "one MiB and a byte",
            Lie::body(200, "application/json", vec![b' '; 1024 * 1024 + 1]),
        ),
        ("500", Lie::json(500, honest.clone())),
        ("429", Lie::json(429, honest.clone())),
    ]
}

async fn quick() -> Stack {
    quick_with("oauth_userinfo,traditional_auth,introspection").await
}

async fn quick_with(layers: &str) -> Stack {
    quick_and_scripted(layers, |_| {}).await
}

async fn quick_and_scripted(layers: &str, script: impl FnOnce(&LyingAuthServer)) -> Stack {
    let layers = layers.to_owned();
    Stack::scripted(script, |options| {
        options
            .env("UPSTREAM_TIMEOUT_SECONDS", "1")
            .env("VERIFY_LAYERS", layers)
            .env("OAUTH_CLIENT_ID", "gateway")
            .env("OAUTH_CLIENT_SECRET", "a-secret-of-the-gateway-client")
    })
    .await
}

#[tokio::test]
async fn from_what_verifies_it_is_503() {
    let stack = quick().await;
    let claims = json!({ "sub": "ann", "user_id": "ann", "active": true });
    BearerActor::new(&stack.url(), &stack.token("ann"))
        .get("/api/v1/auth/me")
        .await
        .expect_status(200);
    let (before, _) = memory(&stack.gateway);
    let endpoints = ["/oauth/userinfo", "/api/v1/auth/me", "/oauth/introspect"];
    for endpoint in endpoints {
        // The layers before it decline, so that this one decides.
        for other in endpoints {
            stack.auth.on(other, Lie::status(404));
        }
        let mut asking = Vec::new();
        for (what, lie) in lies(&claims) {
            stack.auth.on(endpoint, lie);
            let caller = BearerActor::new(&stack.url(), &format!("opaque-{}", asking.len()));
            let started = Instant::now();
            // What takes its time is asked four times at once.
            let (reply, _, _, _) = tokio::join!(
                caller.get("/api/v1/auth/me"),
                caller.get("/api/v1/auth/me"),
                caller.get("/oauth/userinfo"),
                caller.get("/api/v1/auth/me")
            );
            unavailable(&reply, &format!("{endpoint}: {what}"));
            assert!(
                started.elapsed() < Duration::from_secs(4),
                "{endpoint}: {what}: {:?}",
                started.elapsed()
            );
            asking.push(what);
        }
    }
    assert_bounded(&stack, before);
    stack.auth.clear_scripts();
    let healed = BearerActor::new(&stack.url(), &stack.token("bob"));
    healed.get("/api/v1/auth/me").await.expect_status(200);
    assert_lives(&stack.gateway).await;
}

fn assert_bounded(stack: &Stack, before: u64) {
    let (_, highest) = memory(&stack.gateway);
    assert!(highest < before + ALLOWANCE, "{before} KiB grew to {highest} KiB");
    let sent = stack.auth.body_bytes_sent();
    assert!(
        sent < 400 * 1024 * 1024,
        "{sent} bytes were read of bodies that nobody needs"
    );
}

#[tokio::test]
async fn from_the_token_endpoint_it_is_a_bad_gateway() {
    let stack = quick_with("local_jwt").await;
    let anybody = AnonymousActor::new(&stack.url());
    exchange_code(&anybody, "ann").await.expect_status(200);
    let (before, _) = memory(&stack.gateway);
    for (what, lie) in lies(&json!({ "access_token": "a", "token_type": "Bearer" })) {
        stack.auth.on("POST /oauth/token", lie);
        let started = Instant::now();
        let reply = exchange_code(&anybody, "ann").await;
        let expected: &[u16] = match what {
            "silence" | "a slow drip" => &[504],
            // Whichever limit is met first, that of size or that of time.
            "1 GiB" | "a gzip bomb" => &[502, 504],
            _ => &[502],
        };
        assert!(expected.contains(&reply.code()), "{what}: {}", reply.shown());
        telling(&reply, what);
        assert_eq!(reply.field("set-cookie"), None, "{what}");
        assert!(
            started.elapsed() < Duration::from_secs(4),
            "{what}: {:?}",
            started.elapsed()
        );
    }
    assert_bounded(&stack, before);
    stack
        .auth
        .on("POST /oauth/token", stack.desk.answering(&stack.auth));
    exchange_code(&anybody, "ann").await.expect_status(200);
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn mistyped_token_answers_are_a_bad_gateway() {
    let stack = quick_with("local_jwt").await;
    let anybody = AnonymousActor::new(&stack.url());
    for body in [
        json!({}),
        json!({ "access_token": null }),
        json!({ "access_token": 7 }),
        json!({ "access_token": ["a"] }),
        json!({ "access_token": "" }),
        json!({ "access_token": "a\r\nset-cookie: x=y" }),
    ] {
        stack.auth.on("POST /oauth/token", Lie::json(200, body.clone()));
        let reply = exchange_code(&anybody, "ann").await;
        assert_eq!(reply.code(), 502, "{body}: {}", reply.shown());
        telling(&reply, &body.to_string());
    }
    // The code is spent: what decides nothing does not cost the tokens (decision 33).
    for body in [
        json!({ "access_token": "a b" }),
        json!({ "access_token": "a".repeat(17 * 1024) }),
        json!({ "access_token": "a", "refresh_token": 7 }),
        json!({ "access_token": "a", "expires_in": "300" }),
        json!({ "access_token": "a", "expires_in": -1 }),
        json!({ "access_token": "a", "expires_in": 1.5 }),
    ] {
        stack.auth.on("POST /oauth/token", Lie::json(200, body.clone()));
        let reply = exchange_code(&anybody, "ann").await;
        assert_eq!(reply.code(), 200, "{body}: {}", reply.shown());
        assert_eq!(reply.field("set-cookie"), None, "{body}");
    }
    // A life that ends beyond all calendars is no reason to fail.
    let access = stack.auth.forge().access_token("ann").sign();
    let body = json!({ "access_token": access, "expires_in": u64::MAX });
    stack.auth.on("POST /oauth/token", Lie::json(200, body));
    exchange_code(&anybody, "ann").await.expect_status(200);
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn from_the_key_set_and_the_metadata_it_is_503() {
    // Failed fetches have a cool-down, so each lie gets a gateway of its own.
    let mut tasks = tokio::task::JoinSet::new();
    for (n, endpoint) in ["/.well-known/jwks.json", "/.well-known/openid-configuration"]
        .into_iter()
        .enumerate()
    {
        for (what, lie) in lies(&json!({ "keys": [], "issuer": "x" })) {
            let worth = ["1 GiB", "a gzip bomb", "silence", "half a body", "500"];
            if worth.contains(&what) && (n == 0 || what != "half a body") {
                tasks.spawn(key_source(endpoint, what, lie));
            }
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

async fn key_source(endpoint: &'static str, what: &'static str, lie: Lie) {
    let stack = quick_and_scripted("local_jwt", |auth| auth.on(endpoint, lie)).await;
    let (before, _) = memory(&stack.gateway);
    let started = Instant::now();
    let token = stack.auth.forge().access_token("ann").sign();
    let reply = BearerActor::new(&stack.url(), &token)
        .get("/api/v1/auth/me")
        .await;
    unavailable(&reply, &format!("{endpoint}: {what}"));
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{endpoint}: {what}: {:?}",
        started.elapsed()
    );
    assert_bounded(&stack, before);
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn a_revoke_stands_whatever_it_answers() {
    let stack = quick().await;
    let (before, _) = memory(&stack.gateway);
    for (what, lie) in lies(&json!({})) {
        stack.auth.on("/oauth/revoke", lie);
        let token = stack.token("ann");
        let anybody = AnonymousActor::new(&stack.url());
        anybody
            .post_form("/oauth/revoke", &[("token", &token)])
            .await
            .expect_status(200);
        let reply = BearerActor::new(&stack.url(), &token)
            .get("/api/v1/auth/me")
            .await;
        assert_eq!(
            (reply.code(), reply.error_code().as_str()),
            (401, "token_revoked"),
            "{what}"
        );
    }
    let asked = stack.auth.count_requests("/oauth/revoke");
    stack.auth.wait_for_requests("/oauth/revoke", asked.max(1)).await;
    assert_bounded(&stack, before);
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn a_revoke_is_answered_before_it_is_told() {
    // The time-out is so long that whoever waited for it would be seen to.
    let stack = Stack::start_with(|options| options.env("UPSTREAM_TIMEOUT_SECONDS", "60")).await;
    stack.auth.on("/oauth/revoke", Lie::hang());
    for _ in 0..3 {
        let token = stack.token("ann");
        let anybody = AnonymousActor::new(&stack.url());
        let fields = [("token", token.as_str())];
        let revoked = tokio::time::timeout(
            Duration::from_secs(30),
            anybody.post_form("/oauth/revoke", &fields),
        );
        revoked.await.unwrap().expect_status(200);
        stack.auth.wait_for_requests("/oauth/revoke", 1).await;
    }
}

#[tokio::test]
async fn readiness_tells_and_does_not_wait_long() {
    let stack = quick().await;
    for (what, lie) in lies(&json!({ "status": "healthy" })) {
        stack.auth.on("/health", lie);
        let started = Instant::now();
        let reply = AnonymousActor::new(&stack.url()).get("/health/ready").await;
        assert_eq!(
            reply.code(),
            200,
            "the gateway itself is ready: {}",
            reply.shown()
        );
        let status = reply.json()["components"]["authorization_server"]["status"].clone();
        if ["silence", "1 GiB", "500", "no HTTP", "a closed door"].contains(&what) {
            assert_eq!(status, "unhealthy", "{what}");
        }
        assert!(
            started.elapsed() < Duration::from_secs(4),
            "{what}: {:?}",
            started.elapsed()
        );
    }
}

#[tokio::test]
async fn whoever_waits_for_the_same_silence_waits_once() {
    let stack = quick_with("oauth_userinfo").await;
    stack.auth.on("/oauth/userinfo", Lie::hang());
    let mut tasks = tokio::task::JoinSet::new();
    let started = Instant::now();
    for _ in 0..10 {
        let caller = BearerActor::new(&stack.url(), "one-token");
        tasks.spawn(async move { caller.get("/api/v1/auth/me").await });
    }
    for reply in tasks.join_all().await {
        unavailable(&reply, "silence");
    }
    // The time-out is one second. One after the other they would wait for ten.
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    assert!(
        stack.auth.count_requests("/oauth/userinfo") <= 3,
        "one question for all, or nearly"
    );
}
