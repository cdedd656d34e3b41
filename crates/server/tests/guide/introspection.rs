//! Introspection, both ways: as a layer that asks (RFC 7662), and as the endpoint for the configured clients.

use maxlab_auth_testkit::{Actor, HttpReply, Lie};
use reqwest::Method;
use serde_json::json;

use crate::gateway::{World, verdict};

pub(crate) const CLIENTS: (&str, &str) = (
    "INTROSPECTION_CLIENTS",
    "api:a-secret-of-the-api, other:another-secret-of-it",
);

pub(crate) async fn ask(world: &World, client: Option<(&str, &str)>, token: &str) -> HttpReply {
    let anonymous = world.anonymous();
    anonymous
        .send(Method::POST, "/oauth/introspect", |request| {
            let request = request.form(&[("token", token)]);
            match client {
                Some((id, secret)) => request.basic_auth(id, Some(secret)),
                None => request,
            }
        })
        .await
}

#[tokio::test]
async fn a_configured_client_learns_what_a_token_is() {
    let world = World::embedded(&[
        CLIENTS,
        ("REVOCATION_READS", "direct"),
        ("VERIFY_LAYERS", "local_jwt"),
    ])
    .await;
    let builder = world
        .auth
        .forge()
        .access_token("user-1")
        .claim("scope", "openid a")
        .claim("jti", "j-1")
        .claim("roles", json!(["editor"]));
    let (token, exp) = (builder.clone().sign(), builder.claims()["exp"].clone());
    let api = Some(("api", "a-secret-of-the-api"));
    let reply = ask(&world, api, &token).await.expect_status(200);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let said = reply.json();
    let expected = json!({ "active": true, "sub": "user-1", "scope": "openid a", "client_id": "test-app", "jti": "j-1",
        "token_type": "Bearer", "exp": exp, "roles": ["editor"] });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&said[name], value, "{name}");
    }
    let form = [
        ("token", token.as_str()),
        ("client_id", "other"),
        ("client_secret", "another-secret-of-it"),
    ];
    let by_post = world
        .anonymous()
        .post_form("/oauth/introspect", &form)
        .await
        .expect_status(200);
    assert_eq!(by_post.json()["active"], true);
    world.revoke(&token).await.expect_status(200);
    for bad in [
        token.as_str(),
        &world.auth.forge().forged_twin(&token),
        "unknown",
        "no token",
    ] {
        assert_eq!(
            ask(&world, api, bad).await.expect_status(200).json(),
            json!({ "active": false }),
            "{bad}"
        );
    }
    world.lose_store().await;
    assert_eq!(
        ask(&world, api, &world.auth.forge().access_token("u").sign())
            .await
            .status,
        503,
        "unknown is not inactive"
    );
}

#[tokio::test]
async fn nobody_else_learns_anything() {
    let world = World::embedded(&[CLIENTS]).await;
    let token = world.stray_token("user-1");
    let strangers = [
        None,
        Some(("api", "wrong")),
        Some(("api", "another-secret-of-it")),
        Some(("nobody", "a-secret-of-the-api")),
        Some(("api", "")),
    ];
    for client in strangers {
        let reply = ask(&world, client, &token).await;
        assert_eq!(verdict(&reply), (401, "invalid_client".into()), "{client:?}");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Basic"));
    }
    assert_eq!(
        world
            .bearer(&token)
            .post_form("/oauth/introspect", &[("token", &token)])
            .await
            .status,
        401
    );
    let closed = World::embedded(&[]).await;
    assert_eq!(
        ask(&closed, Some(("api", "a-secret-of-the-api")), &token)
            .await
            .status,
        401,
        "without clients it is closed"
    );
}

#[tokio::test]
async fn the_layer_asks_with_the_gateways_own_client() {
    let own = [
        ("OAUTH_CLIENT_ID", "gate way"),
        ("OAUTH_CLIENT_SECRET", "s:e/c+r=e t-of-the-gateway"),
    ];
    let world = World::embedded(&[
        ("VERIFY_LAYERS", "introspection"),
        ("VERIFY_CACHE_SECONDS", "0"),
        own[0],
        own[1],
    ])
    .await;
    let token = world.opaque_token("user-1");
    let me = world.me(&token).await.expect_status(200).json();
    assert_eq!(
        (me["user_id"].as_str(), me["verification_source"].as_str()),
        (Some("user-1"), Some("introspection"))
    );
    let asked = &world.auth.requests("/oauth/introspect")[0];
    // RFC 6749 §2.3.1: id and secret are form-encoded before they are base64.
    let basic = "Basic Z2F0ZSt3YXk6cyUzQWUlMkZjJTJCciUzRGUrdC1vZi10aGUtZ2F0ZXdheQ==";
    assert_eq!(asked.header("authorization"), Some(basic));
    assert_eq!(asked.form("token_type_hint").as_deref(), Some("access_token"));
    assert_eq!(world.verdict("unknown").await, (401, "invalid_token".into()));
}

#[tokio::test]
async fn what_the_layer_makes_of_each_answer() {
    let own = [
        ("OAUTH_CLIENT_ID", "gateway"),
        ("OAUTH_CLIENT_SECRET", "a-secret-of-the-gateway"),
    ];
    let world = World::embedded(&[
        ("VERIFY_LAYERS", "introspection"),
        ("VERIFY_CACHE_SECONDS", "0"),
        own[0],
        own[1],
    ])
    .await;
    let now = maxlab_auth_testkit::forge::now();
    let table = [
        (Lie::json(200, json!({ "active": true, "sub": "user-1" })), 200),
        (Lie::json(200, json!({ "active": false })), 401),
        (Lie::json(200, json!({ "active": true })), 401),
        (
            Lie::json(200, json!({ "active": true, "sub": "user-1", "exp": now - 100 })),
            401,
        ),
        (Lie::json(200, json!({ "sub": "user-1" })), 503),
        (Lie::json(200, json!({ "active": "true", "sub": "user-1" })), 503),
        (Lie::json(200, json!({ "active": 1, "sub": "user-1" })), 503),
        (Lie::json(200, json!({ "active": null, "sub": "user-1" })), 503),
        (Lie::json(200, json!({ "active": true, "sub": 7 })), 503),
        (
            Lie::body(
                200,
                "application/json",
                r#"{"active":false,"active":true,"sub":"u"}"#,
            ),
            503,
        ),
        // About our own client, and not about the token.
        (Lie::status(401), 503),
        (Lie::status(403), 503),
        (Lie::status(429), 503),
        (Lie::status(500), 503),
        (Lie::status(404), 401),
        (Lie::redirect("http://127.0.0.1:1/"), 503),
    ];
    for (lie, status) in table {
        world.auth.on("/oauth/introspect", lie.clone());
        assert_eq!(world.me("opaque-1").await.status, status, "{lie:?}");
    }
}

#[tokio::test]
async fn s3_what_an_answer_says_of_audience_issuer_and_times_counts() {
    let world = World::embedded(&[
        ("VERIFY_LAYERS", "introspection,oauth_userinfo"),
        ("VERIFY_CACHE_SECONDS", "0"),
        ("JWT_AUDIENCE", "maxlab-api"),
        ("CLOCK_SKEW_SECONDS", "10"),
        ("OAUTH_CLIENT_ID", "gateway"),
        ("OAUTH_CLIENT_SECRET", "a-secret-of-the-gateway"),
    ])
    .await;
    let now = maxlab_auth_testkit::forge::now();
    let half_past = |second: i64| format!("{second}.5").parse::<f64>().unwrap();
    let issuer = world.auth.forge().issuer().to_owned();
    let sound = json!({ "aud": ["other-api", "maxlab-api"], "iss": issuer, "nbf": now - 5, "exp": half_past(now + 60), "iat": now - 5 });
    let table = [
        (json!({}), (200, "")),
        (sound, (200, "")),
        (json!({ "aud": [], "iss": null, "exp": null }), (200, "")),
        (json!({ "exp": 253_402_300_799_u64 }), (200, "")),
        (json!({ "aud": ["other-api"] }), (401, "invalid_token")),
        (json!({ "aud": "other-api" }), (401, "invalid_token")),
        (json!({ "iss": "https://other.example" }), (401, "invalid_token")),
        (json!({ "nbf": now + 300 }), (401, "invalid_token")),
        (json!({ "exp": half_past(now - 100) }), (401, "token_expired")),
        (
            json!({ "exp": (now - 100).to_string() }),
            (503, "upstream_unavailable"),
        ),
        (json!({ "exp": "1.5" }), (503, "upstream_unavailable")),
        (json!({ "nbf": "0" }), (503, "upstream_unavailable")),
        (json!({ "aud": 7 }), (503, "upstream_unavailable")),
        (json!({ "iss": ["x"] }), (503, "upstream_unavailable")),
    ];
    world.auth.on("/oauth/userinfo", Lie::status(503));
    for (more, (status, code)) in table {
        let mut answer = json!({ "active": true, "sub": "user-1" });
        answer
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        world.auth.on("/oauth/introspect", Lie::json(200, answer.clone()));
        let asked = world.auth.count_requests("/oauth/userinfo");
        assert_eq!(
            world.verdict("opaque-1").await,
            (status, code.to_owned()),
            "{answer}"
        );
        let others = world.auth.count_requests("/oauth/userinfo") - asked;
        assert_eq!(
            others,
            usize::from(status == 503),
            "{answer}: a no is shown to no other layer"
        );
    }
}

#[tokio::test]
async fn without_a_client_of_its_own_the_layer_steps_aside() {
    let world = World::embedded(&[("VERIFY_LAYERS", "introspection,oauth_userinfo")]).await;
    let me = world
        .me(&world.opaque_token("user-1"))
        .await
        .expect_status(200)
        .json();
    assert_eq!(me["verification_source"], "oauth_userinfo");
    assert_eq!(world.auth.count_requests("/oauth/introspect"), 0);
}
