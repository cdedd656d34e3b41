//! Secrets that can be recognised go through everything; afterwards they are looked for wherever they must not be.

use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, GatewayOptions, Lie, RedisServer};
use serde_json::json;

use crate::support::{Login, Stack, eventually, get_with, log_in, post_with, raw, refresh};
use crate::traces::{Canaries, Said, every_file_below, redis_dump};

const OPAQUE: &str = "canary-opaque-token";
const CLIENT_SECRET: &str = "canary-client-secret";
/// Settings that are secrets.
const OF_THE_GATEWAY: [(&str, &str); 3] = [
    ("SECRET_KEY", "canary-secret-key-with-enough-bytes-to-be-one"),
    (
        "SESSION_ENCRYPTION_KEY",
        "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
    ),
    ("OAUTH_CLIENT_SECRET", "canary-secret-of-the-gateways-own-client"),
];

/// Good and bad requests that carry secrets; in the end some canaries are still alive in the store.
async fn scenario(stack: &Stack, canaries: &mut Canaries) -> Said {
    let mut said = Said::default();
    for secret in OF_THE_GATEWAY {
        canaries.release("a secret of the gateway", secret.1);
    }
    let login = good(stack, canaries, &mut said).await;
    bad_tokens(stack, canaries, &mut said).await;
    bad_exchanges(stack, canaries, &mut said).await;
    malformed(stack, canaries, &mut said).await;
    endings(stack, canaries, &mut said, &login).await;
    said
}

/// A login that is renewed, and an opaque token.
async fn good(stack: &Stack, canaries: &mut Canaries, said: &mut Said) -> Login {
    let anybody = AnonymousActor::new(&stack.url());
    let login = log_in(&anybody, "ann").await;
    note(canaries, &login);
    let renewed = refresh(&anybody, &login.refresh).await.expect_status(200).json();
    let access = canaries.release(
        "a renewed access token",
        renewed["access_token"].as_str().unwrap(),
    );
    canaries.release(
        "a renewed refresh token",
        renewed["refresh_token"].as_str().unwrap(),
    );
    let opaque = canaries.release("an opaque token", OPAQUE);
    stack.auth.accept_token(&opaque, json!({ "sub": "oda" }));
    for token in [&access, &opaque] {
        let caller = BearerActor::new(&stack.url(), token);
        for path in ["/api/v1/auth/me", "/oauth/userinfo", "/api/v1/auth/sessions"] {
            said.hear(&caller.get(path).await.expect_status(200));
        }
        let fields = [("access_token", token.as_str())];
        said.hear(
            &anybody
                .post_form("/oauth/token/validate", &fields)
                .await
                .expect_status(200),
        );
    }
    login
}

fn note(canaries: &mut Canaries, login: &Login) {
    canaries.release("an access token", &login.access);
    canaries.release("a refresh token", &login.refresh);
    canaries.release("a session cookie", login.cookie.split_once('=').unwrap().1);
}

/// Tokens that are no good, also in places where none belongs, and answers about them that make no sense.
async fn bad_tokens(stack: &Stack, canaries: &mut Canaries, said: &mut Said) {
    let anybody = AnonymousActor::new(&stack.url());
    let junk = canaries.release("a bad token", "canary-bad-token");
    let caller = BearerActor::new(&stack.url(), &junk);
    said.hear(&caller.get("/api/v1/auth/me").await);
    said.hear(
        &anybody
            .post_form("/oauth/token/validate", &[("token", &junk)])
            .await,
    );
    for path in [
        format!("/api/v1/auth/me?access_token={junk}"),
        format!("/{junk}"),
        format!("/oauth/authorize?{junk}=1&client_id={junk}"),
        format!("/health/ready?token={junk}"),
    ] {
        said.hear(&anybody.get(&path).await);
    }
    said.hear(
        &anybody
            .post_json("/oauth/revoke", &json!({ "token": [junk] }))
            .await,
    );
    for lie in [
        Lie::body(200, "application/json", format!("{{\"sub\": {junk}")),
        Lie::json(200, json!({ "sub": { "token": junk } })),
        Lie::redirect(&format!("http://127.0.0.1:9/{junk}")),
        Lie::close(),
    ] {
        stack.auth.on("/oauth/userinfo", lie);
        said.hear(&caller.get("/api/v1/auth/me").await);
    }
    stack.auth.on("/oauth/userinfo", Lie::honest());
}

/// Grants that the authorization server refuses, or fails at.
async fn bad_exchanges(stack: &Stack, canaries: &mut Canaries, said: &mut Said) {
    let anybody = AnonymousActor::new(&stack.url());
    let password = canaries.release("a password", "canary-password");
    let secret = canaries.release("a client's secret", CLIENT_SECRET);
    let fields = [
        ("grant_type", "password"),
        ("username", "ann"),
        ("password", &password),
        ("client_id", "c"),
        ("client_secret", &secret),
    ];
    said.hear(&anybody.post_form("/oauth/token", &fields).await);
    let fields = [("token", "a"), ("client_id", "c"), ("client_secret", &secret)];
    said.hear(&anybody.post_form("/oauth/introspect", &fields).await);
    let (code, verifier) = (
        canaries.release("a code", "canary-code"),
        canaries.release("a verifier", "canary-verifier"),
    );
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code_verifier", &verifier),
        ("client_id", "c"),
    ];
    said.hear(&anybody.post_form("/oauth/token", &fields).await);
    for lie in [
        Lie::garbage(),
        Lie::close(),
        Lie::json(500, json!({})),
        Lie::json(200, json!({ "access_token": 7 })),
    ] {
        stack.auth.on("POST /oauth/token", lie);
        said.hear(&anybody.post_form("/oauth/token", &fields).await);
    }
    stack
        .auth
        .on("POST /oauth/token", stack.desk.answering(&stack.auth));
}

/// Endings, of which the authorization server does not want to hear, and what an administrator sees of it all.
async fn endings(stack: &Stack, canaries: &mut Canaries, said: &mut Said, ann: &Login) {
    let anybody = AnonymousActor::new(&stack.url());
    stack.auth.on("/oauth/revoke", Lie::status(500));
    let fields = [
        ("token", OPAQUE),
        ("client_id", "c"),
        ("client_secret", CLIENT_SECRET),
    ];
    said.hear(&anybody.post_form("/oauth/revoke", &fields).await);
    let eve = log_in(&anybody, "eve").await;
    note(canaries, &eve);
    let caller = BearerActor::new(&stack.url(), &eve.access);
    said.hear(&caller.post("/api/v1/auth/logout").await);
    said.hear(&caller.get("/api/v1/auth/me").await);
    // Not heard: the same answer again, with the renewed tokens, is meant for whoever asks again so soon.
    refresh(&anybody, &ann.refresh).await.expect_status(200);
    let admin = log_in(&anybody, "admin-ann").await;
    let admin = BearerActor::new(&stack.url(), &admin.access);
    for path in [
        "/api/v1/admin/denylist",
        "/api/v1/admin/audit",
        "/metrics",
        "/health/ready",
    ] {
        said.hear(&admin.get(path).await.expect_status(200));
    }
}

/// Requests that do not even parse.
async fn malformed(stack: &Stack, canaries: &mut Canaries, said: &mut Said) {
    let secret = canaries.release("a secret in a malformed request", "canary-malformed");
    let headers = [
        format!("authorization: Bearer {secret} {secret}\r\n"),
        format!("authorization: Bearer {secret}\r\nauthorization: Bearer {secret}\r\n"),
        format!("cookie: maxlab_session={secret}; maxlab_session={secret}\r\n"),
        format!("authorization: Basic {secret}\r\n"),
    ];
    for lines in headers {
        said.0
            .extend(get_with(stack.addr(), "/api/v1/auth/me", &lines).await.body);
        let form = format!("content-type: application/x-www-form-urlencoded\r\n{lines}");
        said.0.extend(
            post_with(stack.addr(), "/oauth/introspect", &form, b"token=a")
                .await
                .body,
        );
    }
    let json = "content-type: application/json\r\n";
    for body in [
        format!("{{\"token\": {secret}}}"),
        format!("{{\"token\":\"{secret}\",\"token\":\"b\"}}"),
        secret.clone(),
    ] {
        said.0.extend(
            post_with(stack.addr(), "/oauth/revoke", json, body.as_bytes())
                .await
                .body,
        );
    }
    let broken = format!("GET /{secret} HTTP/1.1\r\nhost: x\r\n{secret} : x\r\n\r\n");
    said.0.extend(raw(stack.addr(), broken).await.body);
}

/// What the gateway logged. A harmless word that must be there shows that the log is the right place to look.
fn log_of(stack: &Stack) -> String {
    let log = stack.gateway.log();
    assert!(
        log.contains("/oauth/token") && log.contains("DEBUG"),
        "this is no debug log: {log}"
    );
    log
}

async fn hunt(stack: &mut Stack, redis: Option<&RedisServer>) {
    let mut canaries = Canaries::default();
    let said = scenario(stack, &mut canaries).await;
    canaries.none_in(&said.0, "an answer");
    eventually("the outbox tried", || async {
        stack.auth.count_requests("/oauth/revoke") > 0
    })
    .await;
    if let Some(redis) = redis {
        canaries.none_in(&redis_dump(redis).await, "Redis");
    }
    let data = stack.gateway.folder().join("data");
    let mut files = 0;
    every_file_below(&data, &mut |path, bytes| {
        files += 1;
        canaries.none_in(&bytes, &path.display().to_string());
    });
    assert!(files > 0, "no file was looked at");
    assert!(stack.gateway.terminate().await.unwrap().success());
    canaries.none_in(log_of(stack).as_bytes(), "the log");
    every_file_below(&data, &mut |path, bytes| {
        canaries.none_in(&bytes, &path.display().to_string());
    });
    // Upstream, a secret is where it belongs: in a header or a form, never in an address.
    for path in [
        "/oauth/userinfo",
        "/oauth/token",
        "/oauth/revoke",
        "/oauth/introspect",
        "/api/v1/auth/me",
    ] {
        for request in stack.auth.requests(path) {
            canaries.none_in(request.query.as_bytes(), "an address");
        }
    }
}

fn with_secrets(options: GatewayOptions) -> GatewayOptions {
    let options = options.env("OAUTH_CLIENT_ID", "gateway");
    OF_THE_GATEWAY
        .iter()
        .fold(options, |options, (name, value)| options.env(name, value))
}

#[tokio::test]
async fn with_its_own_files_and_a_readable_log() {
    let settings = |options| {
        with_secrets(options)
            .env("LOG_LEVEL", "debug")
            .env("DEBUG", "true")
    };
    let mut stack = Stack::start_with(settings).await;
    hunt(&mut stack, None).await;
}

#[tokio::test]
async fn with_redis_and_a_log_of_everything() {
    let everything = "info,maxlab_auth=trace,maxlab_auth_core=trace,maxlab_auth_store=trace,hyper=debug,reqwest=debug,\
                      sqlx=debug,redis=debug";
    let redis = RedisServer::start().await.unwrap();
    let settings = |options| {
        with_secrets(options)
            .env("LOG_LEVEL", everything)
            .env("REDIS_URL", redis.url())
    };
    let mut stack = Stack::start_with(settings).await;
    hunt(&mut stack, Some(&redis)).await;
}
