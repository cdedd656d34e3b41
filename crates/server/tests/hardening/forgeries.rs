//! Forged and altered tokens of every known kind: never a 2xx, whether the authorization server is asked or not.

use maxlab_auth_testkit::lying::ScriptedResponse;
use maxlab_auth_testkit::{Actor, BearerActor, HttpReply, Lie, LyingAuthServer};
use serde_json::{Value, json};

use crate::forged::{by_claims, by_header};
use crate::support::{Answer, Stack, assert_lives, refused};

async fn asked(stack: &Stack, token: &str) -> HttpReply {
    BearerActor::new(&stack.url(), token).get("/api/v1/auth/me").await
}

/// Every forgery is 401 with a word of why, and what passes `/oauth/token/validate` is nothing either.
async fn all_refused(stack: &Stack, forgeries: Vec<(String, String)>) {
    for (what, token) in &forgeries {
        let reply = asked(stack, token).await;
        assert_eq!(reply.code(), 401, "{what}: {}", reply.shown());
        refused(&reply, what);
    }
    let anybody = maxlab_auth_testkit::AnonymousActor::new(&stack.url());
    for (what, token) in forgeries.iter().step_by(5) {
        let reply = anybody
            .post_form("/oauth/token/validate", &[("access_token", token)])
            .await;
        assert_eq!(reply.value()["valid"], false, "{what}: {}", reply.shown());
    }
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn by_signature_alone() {
    let stack = Stack::start_with(|options| {
        options
            .env("VERIFY_LAYERS", "local_jwt")
            .env("JWT_AUDIENCE", "maxlab-api")
    })
    .await;
    let forge = stack.auth.forge().clone();
    asked(&stack, &forge.access_token("ann").sign())
        .await
        .expect_status(200);
    let mut forgeries = by_header(&forge);
    forgeries.extend(by_claims(&forge));
    all_refused(&stack, forgeries).await;
    asked(&stack, &forge.access_token("ann").sign())
        .await
        .expect_status(200);
}

#[tokio::test]
async fn as_a_fallback_in_an_outage() {
    let stack = Stack::start_with(|options| options.env("JWT_AUDIENCE", "maxlab-api")).await;
    let forge = stack.auth.forge().clone();
    for endpoint in ["/oauth/userinfo", "/api/v1/auth/me"] {
        stack.auth.on(endpoint, Lie::status(502));
    }
    asked(&stack, &forge.access_token("ann").sign())
        .await
        .expect_status(200);
    let mut forgeries = by_header(&forge);
    forgeries.extend(by_claims(&forge));
    for (what, token) in forgeries {
        let reply = asked(&stack, &token).await;
        // With remote layers down "nobody knows" is an answer too; what counts is that it is no yes.
        assert!(matches!(reply.code(), 401 | 503), "{what}: {}", reply.shown());
    }
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn after_the_authorization_server_said_no() {
    let stack = Stack::start().await;
    let forge = stack.auth.forge().clone();
    all_refused(&stack, by_header(&forge)).await;
    // Well signed, and revoked at the authorization server: its no is final.
    assert_eq!(asked(&stack, &forge.access_token("ann").sign()).await.code(), 401);
}

#[tokio::test]
async fn keys_come_from_the_issuer_only() {
    let stack = Stack::start_with(|options| options.env("VERIFY_LAYERS", "local_jwt")).await;
    let thief = LyingAuthServer::start().await.unwrap();
    let forge = stack.auth.forge();
    let claims = forge.access_token("ann").claims();
    for parameter in ["jku", "x5u"] {
        let (token, keys) = forge.with_key_url(parameter, &format!("{}/keys", thief.url()), &claims);
        thief.on("/keys", Lie::json(200, keys));
        let reply = asked(&stack, &token).await;
        assert_eq!(reply.code(), 401, "{parameter}: {}", reply.shown());
    }
    assert_eq!(thief.count_all_requests(), 0, "the thief's server is never asked");
}

#[tokio::test]
async fn an_empty_key_set_lets_nobody_in() {
    for keys in [
        json!({ "keys": [] }),
        json!({ "keys": [{ "kty": "oct", "k": "AAAA", "kid": "k" }] }),
    ] {
        let empty = Lie::json(200, keys.clone());
        let script = |auth: &LyingAuthServer| auth.on("/.well-known/jwks.json", empty);
        let stack = Stack::scripted(script, |options| options.env("VERIFY_LAYERS", "local_jwt")).await;
        let forge = stack.auth.forge();
        let claims = forge.access_token("ann").claims();
        // Without a usable key nobody can say whether a signature is good (F2). An unsigned token needs no key.
        for (token, code) in [
            (forge.with_embedded_jwk(&claims), 503),
            (forge.sign(&claims), 503),
            (forge.unsigned(&claims).remove(0), 401),
        ] {
            let reply = asked(&stack, &token).await;
            assert_eq!(reply.code(), code, "{keys}: {}", reply.shown());
        }
    }
}

#[tokio::test]
async fn a_sister_clients_token_is_not_ours() {
    let stack = Stack::start_with(|options| {
        options
            .env("VERIFY_LAYERS", "local_jwt")
            .env("JWT_AUDIENCE", "maxlab-api,maxlab-admin")
    })
    .await;
    let token = |audience: Value| {
        stack
            .auth
            .forge()
            .access_token("ann")
            .claim("aud", audience)
            .sign()
    };
    assert_eq!(asked(&stack, &token(json!("sister-api"))).await.code(), 401);
    assert_eq!(asked(&stack, &token(json!("maxlab-api2"))).await.code(), 401);
    asked(&stack, &token(json!("maxlab-admin")))
        .await
        .expect_status(200);
    asked(&stack, &token(json!(["sister-api", "maxlab-api"])))
        .await
        .expect_status(200);
}

#[tokio::test]
async fn what_userinfo_says_is_read_strictly() {
    let stack = Stack::start_with(|options| options.env("VERIFY_LAYERS", "oauth_userinfo")).await;
    for body in [
        r#"{"sub":"ann","sub":"bob"}"#,
        r#"{"sub":"ann"} x"#,
        r#"{"sub":["ann"]}"#,
        r#"{"sub":7.5}"#,
        r#"{"sub":{"a":"b"}}"#,
        r#"{"sub":null}"#,
        r#"{"sub":""}"#,
        r#"{"email":"a@evil@good.example"}"#,
        "[]",
        "",
        "true",
        "<html>welcome ann</html>",
    ] {
        stack.auth.on(
            "/oauth/userinfo",
            Lie::body(200, "application/json", body.to_owned()),
        );
        let reply = asked(&stack, "opaque-token").await;
        assert!(matches!(reply.code(), 401 | 503), "{body}: {}", reply.shown());
    }
    // A role is one whole word of a list, and what is no list of words is no role.
    for roles in [
        json!("not-admin"),
        json!("administrators"),
        json!(["xadminx"]),
        json!({ "admin": true }),
        json!([["admin"]]),
        json!([1, true, null]),
    ] {
        stack.auth.on(
            "/oauth/userinfo",
            ScriptedResponse::json(200, json!({ "sub": "ann", "roles": roles })),
        );
        let reply = BearerActor::new(&stack.url(), "opaque-token")
            .get("/api/v1/auth/access/admin")
            .await;
        assert_eq!(reply.code(), 403, "{roles}: {}", reply.shown());
    }
}
