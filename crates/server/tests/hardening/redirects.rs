//! Redirects: those of the authorization server are never followed, and those to the browser lead where it logs in.

use maxlab_auth_testkit::lying::ScriptedResponse;
use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, Lie, LyingAuthServer};
use serde_json::json;

use crate::support::{Answer, Stack, assert_lives, exchange_code, refused, unavailable, vectors};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[tokio::test]
async fn no_redirect_is_followed_to_another_host() {
    let stack = Stack::start_with(|options| {
        options
            .env("OAUTH_CLIENT_ID", "gateway")
            .env("OAUTH_CLIENT_SECRET", "a-secret-of-the-gateway-client")
            .env("VERIFY_LAYERS", "oauth_userinfo,traditional_auth,introspection")
    })
    .await;
    let thief = LyingAuthServer::start().await.unwrap();
    thief.on(
        "*",
        Lie::json(
            200,
            json!({ "sub": "ann", "user_id": "ann", "active": true, "access_token": "a" }),
        ),
    );
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = |path: &str| {
            ScriptedResponse::status(status).header("location", &format!("{}{path}", thief.url()))
        };
        for path in [
            "/oauth/userinfo",
            "/api/v1/auth/me",
            "/oauth/introspect",
            "POST /oauth/token",
            "/oauth/revoke",
            "/health",
        ] {
            stack.auth.on(path, elsewhere(path.trim_start_matches("POST ")));
        }
        let reply = BearerActor::new(&stack.url(), "opaque")
            .get("/api/v1/auth/me")
            .await;
        unavailable(&reply, &format!("{status} from all that verifies"));
        let reply = exchange_code(&AnonymousActor::new(&stack.url()), "ann").await;
        assert_eq!(reply.code(), 502, "{status}: {}", reply.shown());
        let anybody = AnonymousActor::new(&stack.url());
        anybody.get("/health/ready").await.expect_status(200);
    }
    let token = "an-opaque-token-to-be-revoked";
    AnonymousActor::new(&stack.url())
        .post_form("/oauth/revoke", &[("token", token)])
        .await;
    assert_eq!(
        thief.count_all_requests(),
        0,
        "the other host was asked: {:?}",
        thief.requests("/oauth/userinfo")
    );
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn the_outbox_does_not_follow_either() {
    let stack = Stack::start().await;
    let thief = LyingAuthServer::start().await.unwrap();
    stack.auth.on(
        "/oauth/revoke",
        ScriptedResponse::status(307).header("location", &format!("{}/oauth/revoke", thief.url())),
    );
    let token = stack.token("ann");
    AnonymousActor::new(&stack.url())
        .post_form("/oauth/revoke", &[("token", &token)])
        .await
        .expect_status(200);
    stack.auth.wait_for_requests("/oauth/revoke", 2).await;
    assert_eq!(thief.count_all_requests(), 0);
}

#[tokio::test]
async fn keys_and_metadata_are_not_fetched_elsewhere() {
    for path in ["/.well-known/jwks.json", "/.well-known/openid-configuration"] {
        // The thief's documents and keys would do, if only they were fetched.
        let thief = LyingAuthServer::start().await.unwrap();
        let forge = thief.forge().clone();
        let script = |auth: &LyingAuthServer| {
            auth.on(path, Lie::redirect(&format!("{}{path}", thief.url())));
            auth.on(
                "/.well-known/oauth-authorization-server",
                Lie::redirect(&thief.url()),
            );
        };
        let stack = Stack::scripted(script, |options| options.env("VERIFY_LAYERS", "local_jwt")).await;
        let reply = BearerActor::new(&stack.url(), &forge.access_token("ann").sign())
            .get("/api/v1/auth/me")
            .await;
        assert!(matches!(reply.code(), 401 | 503), "{path}: {}", reply.shown());
        assert_eq!(thief.count_all_requests(), 0, "{path}");
    }
}

async fn authorize(stack: &Stack, redirect_uri: &str) -> maxlab_auth_testkit::HttpReply {
    let anybody = AnonymousActor::new(&stack.url());
    let fields = [
        ("response_type", "code"),
        ("client_id", "test-app"),
        ("redirect_uri", redirect_uri),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "s"),
    ];
    let send = anybody.send(http::Method::GET, "/oauth/authorize", |request| {
        request.query(&fields)
    });
    send.await
}

/// Payloads of our own, for the rules that the corpus knows nothing of.
fn own_payloads(allowed: &str) -> Vec<String> {
    let mut payloads: Vec<String> = [
        "",
        "/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "https:evil.example",
        "https:/evil.example",
        "https:///evil.example",
        "http://",
        "https://app.example",
        "https://app.example/callback/",
        "https://app.example/callback?",
        "https://app.example/callback#",
        "https://app.example/callback?x=1",
        "https://app.example/Callback",
        "https://APP.example/callback",
        "https://app.example:443/callback",
        "https://app.example./callback",
        "https://app.example/./callback",
        "https://app.example/x/../callback",
        "https://app.example/%63allback",
        "https://app.example/callback%00",
        "https://app.example@evil.example/callback",
        "https://evil.example/https://app.example/callback",
        "https://app.example.evil.example/callback",
        "https://evilapp.example/callback",
        "https://app.example\\@evil.example/callback",
        "http://app.example/callback",
        "https://xn--app-.example/callback",
        "https://app\u{2024}example/callback",
        "https://app\u{3002}example/callback",
        "https://\u{24d0}pp.example/callback",
        "https://app.example/callback\u{2028}",
    ]
    .map(str::to_owned)
    .into();
    for junk in [
        " ", "\t", "\r\n", "\0", "\u{feff}", "%20", "%0d%0a", "%09", "*", ",", ";",
    ] {
        payloads.push(format!("{allowed}{junk}"));
        payloads.push(format!("{junk}{allowed}"));
    }
    payloads.push(format!("{allowed} https://evil.example/"));
    payloads.push(format!("{allowed},https://evil.example/"));
    payloads
}

/// The redirect corpus, or nothing where the vectors are not there.
fn corpus() -> Vec<String> {
    let Some(document) = vectors("redirects/patt_openredirects.json") else {
        return Vec::new();
    };
    let payloads = document["payloads"].as_array().unwrap();
    assert!(payloads.len() > 100, "the corpus has shrunk");
    payloads
        .iter()
        .map(|payload| payload.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn only_the_redirect_uris_on_the_list_pass() {
    let allowed = "https://app.example/callback";
    let stack = Stack::start_with(|options| options.env("ALLOWED_REDIRECT_URIS", allowed)).await;
    let good = authorize(&stack, allowed).await.expect_status(302);
    assert!(good.header("location").unwrap().starts_with(&stack.auth.url()));
    for payload in corpus().into_iter().chain(own_payloads(allowed)) {
        let reply = authorize(&stack, &payload).await;
        assert_eq!(reply.code(), 400, "{payload:?}: {}", reply.shown());
        refused(&reply, &payload);
        assert_eq!(reply.header("location"), None, "{payload:?}");
    }
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn without_a_list_the_browser_still_goes_nowhere_but_to_the_login() {
    let stack = Stack::start().await;
    for payload in corpus()
        .into_iter()
        .chain(own_payloads("https://app.example/callback"))
    {
        let reply = authorize(&stack, &payload).await;
        match reply.header("location") {
            Some(location) => assert!(
                location.starts_with(&format!("{}/oauth/authorize?", stack.auth.url())),
                "{payload:?}: {location}"
            ),
            None => refused(&reply, &payload),
        }
    }
}

#[tokio::test]
async fn a_lying_login_page_sends_nobody_to_a_script() {
    let script = |auth: &LyingAuthServer| auth.on("/.well-known/openid-configuration", Lie::status(404));
    let stack = Stack::scripted(script, |options| options).await;
    for target in [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "",
        "//",
        "https://",
        "not a url",
        "ftp://x/",
    ] {
        for lie in [
            Lie::json(200, json!({ "authorization_url": target })),
            Lie::redirect(target),
        ] {
            stack.auth.on("/oauth/authorize", lie);
            let reply = authorize(&stack, "https://app.example/callback").await;
            let location = reply.header("location").unwrap_or_default();
            let relative = location.starts_with(&stack.auth.url());
            assert!(
                reply.code() == 502 || (reply.code() == 302 && relative),
                "{target}: {} {location}",
                reply.shown()
            );
        }
    }
    for body in [
        json!({}),
        json!([]),
        json!({ "authorization_url": 7 }),
        json!({ "authorization_url": null }),
    ] {
        stack.auth.on("/oauth/authorize", Lie::json(200, body.clone()));
        let reply = authorize(&stack, "https://app.example/callback").await;
        assert_eq!(reply.code(), 502, "{body}: {}", reply.shown());
    }
    assert_lives(&stack.gateway).await;
}
