//! Who somebody is: one shape from every layer, and nobody without a proper name, issuer and audience.

use maxlab_auth_testkit::{Actor, Lie};
use serde_json::{Value, json};

use crate::gateway::World;

/// A world whose userinfo endpoint says this of every token.
async fn told(claims: Value, extra: &[(&str, &str)]) -> World {
    let mut settings = vec![("VERIFY_LAYERS", "oauth_userinfo"), ("VERIFY_CACHE_SECONDS", "0")];
    settings.extend(extra);
    let world = World::embedded(&settings).await;
    world.auth.on("/oauth/userinfo", Lie::json(200, claims));
    world
}

#[tokio::test]
async fn a_missing_subject_is_nobody() {
    let world = told(json!({ "sub": "user-1" }), &[]).await;
    assert_eq!(world.me("opaque-1").await.status, 200);
    for claims in [
        json!({}),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": " ", "user_id": "x", "email": "a@b" }),
    ] {
        world.auth.on("/oauth/userinfo", Lie::json(200, claims.clone()));
        assert_eq!(
            world.verdict("opaque-1").await,
            (401, "invalid_token".into()),
            "{claims}"
        );
    }
    // A subject that is neither text nor an integer is no answer at all.
    for claims in [
        json!({ "sub": 7.5 }),
        json!({ "sub": ["user-1"] }),
        json!({ "sub": { "id": "user-1" } }),
    ] {
        world.auth.on("/oauth/userinfo", Lie::json(200, claims.clone()));
        assert_eq!(
            world.verdict("opaque-1").await,
            (503, "upstream_unavailable".into()),
            "{claims}"
        );
    }
}

#[tokio::test]
async fn a_signed_token_without_a_subject_is_nobody() {
    let world = World::embedded(&[("VERIFY_LAYERS", "local_jwt")]).await;
    let forge = world.auth.forge();
    for token in [
        forge.access_token("x").without("sub").sign(),
        forge.access_token("").sign(),
        forge.access_token("x").claim("sub", 7).sign(),
        forge.access_token("x").claim("sub", Value::Null).sign(),
    ] {
        assert_eq!(world.verdict(&token).await, (401, "invalid_token".into()));
    }
    assert_eq!(world.me(&forge.access_token("x").sign()).await.status, 200);
}

#[tokio::test]
async fn a_role_that_is_one_string_is_no_substring_match() {
    let world = told(json!({}), &[]).await;
    for (roles, status) in [
        (json!("not-an-admin-at-all"), 403),
        (json!("administrators"), 403),
        (json!(["superadmin"]), 403),
        (json!({ "admin": true }), 403),
        (json!([["admin"]]), 403),
        (json!("admin"), 200),
        (json!(["viewer", "administrator"]), 200),
    ] {
        let claims = json!({ "sub": "user-1", "roles": roles, "groups": "engineering-guests" });
        world.auth.on("/oauth/userinfo", Lie::json(200, claims));
        let bearer = world.bearer("opaque-1");
        assert_eq!(
            bearer.get("/api/v1/auth/access/admin").await.status,
            status,
            "{roles}"
        );
        assert_eq!(
            bearer.get("/api/v1/auth/access/groups/engineering").await.status,
            403
        );
        assert_eq!(
            bearer
                .get("/api/v1/auth/access/groups/engineering-guests")
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn every_layer_gives_one_shape_with_workspaces() {
    let claims = json!({
        "sub": "user-1", "user_id": "user-1", "email": "one@example.test", "name": "One", "picture": "https://p.example/1",
        "avatar_url": "https://p.example/1", "roles": ["editor"], "permissions": ["write"], "groups": ["g1"],
        "workspaces": ["w1", "w2"], "scope": "openid profile", "client_id": "test-app",
    });
    for layer in ["oauth_userinfo", "traditional_auth", "introspection", "local_jwt"] {
        let client = [
            ("OAUTH_CLIENT_ID", "gateway"),
            ("OAUTH_CLIENT_SECRET", "a-secret-of-the-gateway"),
        ];
        let world = World::embedded(&[("VERIFY_LAYERS", layer), client[0], client[1]]).await;
        let mut builder = world.auth.forge().access_token("user-1");
        for (name, value) in claims.as_object().unwrap() {
            builder = builder.claim(name, value.clone());
        }
        let token = builder.clone().sign();
        world.auth.accept_token(&token, builder.claims());
        let me = world.me(&token).await.expect_status(200).json();
        let expected = json!({
            "user_id": "user-1", "email": "one@example.test", "name": "One", "avatar": "https://p.example/1",
            "roles": ["editor"], "permissions": ["write"], "groups": ["g1"], "workspaces": ["w1", "w2"],
            "scope": ["openid", "profile"], "client_id": "test-app", "verification_source": layer,
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&me[name], value, "{layer}: {name}");
        }
        assert!(
            me["verified_at"]
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .is_ok()
        );
    }
}

#[tokio::test]
async fn userinfo_has_the_guides_shape() {
    let world = told(
        json!({ "sub": "user-1", "email": "e@x", "preferred_username": "n", "groups": ["g"] }),
        &[],
    )
    .await;
    let bearer = world.bearer("opaque-1");
    for reply in [
        bearer.get("/oauth/userinfo").await,
        bearer.post("/oauth/userinfo").await,
    ] {
        let body = reply.expect_status(200).json();
        assert_eq!(
            (
                body["sub"].as_str(),
                body["email"].as_str(),
                body["name"].as_str()
            ),
            (Some("user-1"), Some("e@x"), Some("n"))
        );
        assert_eq!(
            (&body["picture"], &body["roles"], &body["permissions"]),
            (&Value::Null, &json!([]), &json!([]))
        );
        assert_eq!(
            (&body["groups"], &body["workspaces"]),
            (&json!(["g"]), &json!([]))
        );
        assert!(body["verified_at"].is_string());
    }
}

#[tokio::test]
async fn claim_paths_are_settings() {
    let claims = json!({
        "sub": "ignored", "uid": "user-1", "roles": ["ignored"], "realm_access": { "roles": ["admin"] },
        "https://example.com/groups": ["g1"], "resource": { "app": { "teams": ["w1"] } },
    });
    let paths = [
        ("CLAIM_USER_ID", "uid"),
        ("CLAIM_ROLES", "realm_access.roles"),
        ("CLAIM_GROUPS", "nowhere,https://example.com/groups"),
        ("CLAIM_WORKSPACES", "resource.app.teams"),
    ];
    let world = told(claims, &paths).await;
    let me = world.me("opaque-1").await.expect_status(200).json();
    assert_eq!(
        (me["user_id"].as_str(), &me["roles"]),
        (Some("user-1"), &json!(["admin"]))
    );
    assert_eq!(
        (&me["groups"], &me["workspaces"]),
        (&json!(["g1"]), &json!(["w1"]))
    );
    assert_eq!(
        world
            .bearer("opaque-1")
            .get("/api/v1/auth/access/admin")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn issuer_and_audience_are_checked() {
    let settings = [
        ("VERIFY_LAYERS", "local_jwt"),
        ("JWT_AUDIENCE", "maxlab-api,other-api"),
    ];
    let world = World::embedded(&settings).await;
    let forge = world.auth.forge();
    let token = || forge.access_token("user-1");
    assert_eq!(world.me(&token().sign()).await.status, 200);
    assert_eq!(
        world
            .me(&token().claim("aud", json!(["x", "other-api"])).sign())
            .await
            .status,
        200
    );
    for bad in [
        token().claim("iss", "https://evil.example"),
        token().claim("iss", format!("{}/", forge.issuer())),
        token().claim("iss", json!([forge.issuer()])),
        token().without("iss"),
        token().claim("aud", "maxlab-api-admin"),
        token().claim("aud", json!([])),
        token().claim("aud", json!({ "maxlab-api": true })),
        token().without("aud"),
    ] {
        assert_eq!(world.verdict(&bad.sign()).await, (401, "invalid_token".into()));
    }
}

#[tokio::test]
async fn only_a_current_access_token_is_one() {
    let settings = [
        ("VERIFY_LAYERS", "local_jwt"),
        ("CLOCK_SKEW_SECONDS", "5"),
        ("JWT_EXPIRE_MINUTES", "10"),
    ];
    let world = World::embedded(&settings).await;
    let (forge, now) = (world.auth.forge(), maxlab_auth_testkit::forge::now());
    let token = || forge.access_token("user-1");
    for (what, builder, code) in [
        ("expired", token().claim("exp", now - 10), "token_expired"),
        (
            "no exp and an old iat",
            token().without("exp").claim("iat", now - 700),
            "token_expired",
        ),
        (
            "no exp, no iat",
            token().without("exp").without("iat"),
            "invalid_token",
        ),
        (
            "exp as text",
            token().claim("exp", (now + 300).to_string()),
            "invalid_token",
        ),
        ("not yet valid", token().claim("nbf", now + 60), "invalid_token"),
        (
            "issued in the future",
            token().claim("iat", now + 60),
            "invalid_token",
        ),
        (
            "an ID token",
            token().typ("JWT").claim("nonce", "n"),
            "invalid_token",
        ),
        ("a logout token", token().typ("logout+jwt"), "invalid_token"),
        ("a jti that is a number", token().claim("jti", 7), "invalid_token"),
    ] {
        assert_eq!(world.verdict(&builder.sign()).await, (401, code.into()), "{what}");
    }
    for (what, builder) in [
        ("within the leeway", token().claim("exp", now - 2)),
        (
            "good for JWT_EXPIRE_MINUTES after iat",
            token().without("exp").claim("iat", now - 500),
        ),
        ("plain typ", token().typ("JWT")),
    ] {
        assert_eq!(world.me(&builder.sign()).await.status, 200, "{what}");
    }
}

#[tokio::test]
async fn a_shared_secret_verifies_and_never_mixes_with_published_keys() {
    let secret = "an-hmac-secret-of-more-than-32-bytes-0123456789";
    let settings = [
        ("VERIFY_LAYERS", "local_jwt"),
        ("JWT_SECRET_KEY", secret),
        ("JWT_ALGORITHM", "HS256"),
    ];
    let world = World::embedded(&settings).await;
    let symmetric = maxlab_auth_testkit::TokenForge::hs256("anybody", secret);
    assert_eq!(
        world.me(&symmetric.access_token("user-1").sign()).await.status,
        200
    );
    let wrong =
        maxlab_auth_testkit::TokenForge::hs256("anybody", "another-hmac-secret-of-more-than-32-bytes-000");
    assert_eq!(world.verdict(&wrong.access_token("user-1").sign()).await.0, 401);
    // Its published keys count for nothing where a secret is set.
    assert_eq!(
        world
            .verdict(&world.auth.forge().access_token("user-1").sign())
            .await
            .0,
        401
    );
}

#[tokio::test]
async fn f12_claim_paths_escape_dots_and_unite_lists() {
    let world = World::embedded(&[
        ("VERIFY_LAYERS", "local_jwt"),
        (
            "CLAIM_ROLES",
            r"realm_access.roles + resource_access.com\.example\.app.roles",
        ),
        ("CLAIM_GROUPS", r"https://app\.example\.com/meta.groups"),
        ("CLAIM_PERMISSIONS", "https://app.example.com/permissions"),
    ])
    .await;
    let token = world
        .auth
        .forge()
        .access_token("user-1")
        .claim("realm_access", json!({ "roles": ["user", "admin"] }))
        .claim(
            "resource_access",
            json!({ "com.example.app": { "roles": ["user", "editor"] } }),
        )
        .claim("https://app.example.com/meta", json!({ "groups": ["staff"] }))
        .claim("https://app.example.com/permissions", json!(["read"]));
    let me = world.me(&token.sign()).await.expect_status(200).json();
    assert_eq!(me["roles"], json!(["user", "admin", "editor"]));
    assert_eq!(me["groups"], json!(["staff"]));
    assert_eq!(me["permissions"], json!(["read"]));
    let one = world.auth.forge().access_token("user-2");
    let one = one.claim("realm_access", json!({ "roles": ["user"] })).sign();
    assert_eq!(
        world.me(&one).await.expect_status(200).json()["roles"],
        json!(["user"])
    );
}
