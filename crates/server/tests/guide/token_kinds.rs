//! A refresh token, an ID token or another token that is not for calling an application is no credential, at whatever layer.

use maxlab_auth_testkit::{Actor as _, Lie};
use serde_json::{Value, json};

use crate::gateway::World;
use crate::introspection::{CLIENTS, ask};
use crate::issuer::Code;

const OWN: [(&str, &str); 2] = [
    ("OAUTH_CLIENT_ID", "gateway"),
    ("OAUTH_CLIENT_SECRET", "a-secret-of-the-gateway"),
];
const API: Option<(&str, &str)> = Some(("api", "a-secret-of-the-api"));

async fn world(layers: &str) -> World {
    World::embedded(&[
        ("VERIFY_LAYERS", layers),
        ("VERIFY_CACHE_SECONDS", "0"),
        CLIENTS,
        OWN[0],
        OWN[1],
    ])
    .await
}

/// Nobody gets in with it, and the gateway says so to its clients.
async fn is_refused(world: &World, token: &str, why: &str) {
    assert_eq!(world.verdict(token).await, (401, "invalid_token".into()), "{why}");
    let forward = world.bearer(token).get("/auth/verify").await;
    assert_eq!(forward.status, 401, "{why}");
    let said = ask(world, API, token).await.expect_status(200).json();
    assert_eq!(said, json!({ "active": false }), "{why}");
}

#[tokio::test]
async fn s1_an_active_token_of_another_kind_is_no_access_token() {
    let world = world("introspection").await;
    let answer = |more: &Value| {
        let mut answer = json!({ "active": true, "sub": "user-1" });
        answer
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Lie::json(200, answer)
    };
    for more in [
        json!({ "token_use": "refresh_token" }),
        json!({ "typ": "Refresh" }),
        json!({ "typ": "REFRESH", "token_type": "Bearer" }),
        json!({ "typ": "Offline" }),
        json!({ "token_type": "refresh_token" }),
        json!({ "typ": "ID" }),
        json!({ "token_use": "id" }),
    ] {
        world.auth.on("/oauth/introspect", answer(&more));
        is_refused(&world, "opaque-1", &more.to_string()).await;
    }
    for more in [
        json!({ "token_use": "access_token", "token_type": "Bearer" }),
        json!({ "typ": "Bearer" }),
        json!({ "token_type": "urn:pingidentity.com:oauth2:validated_token" }),
    ] {
        world.auth.on("/oauth/introspect", answer(&more));
        assert_eq!(world.me("opaque-1").await.status, 200, "{more}");
        let said = ask(&world, API, "opaque-1").await.expect_status(200).json();
        assert_eq!(said["active"], true, "{more}");
    }
}

#[tokio::test]
async fn s1_a_signed_token_of_another_kind_is_none_either() {
    for layers in ["local_jwt", "oauth_userinfo", "traditional_auth", "introspection"] {
        let world = world(layers).await;
        let builder = || world.auth.forge().access_token("user-1").typ("JWT");
        for (name, kind) in [
            ("typ", "Refresh"),
            ("token_use", "refresh"),
            ("token_type", "refresh"),
            ("type", "refresh"),
        ] {
            let builder = builder().claim(name, kind);
            let token = builder.sign();
            world
                .auth
                .accept_token(&token, json!({ "sub": "user-1", "user_id": "user-1" }));
            is_refused(&world, &token, &format!("{layers} {name}")).await;
        }
        let token = builder().claim("type", "access").sign();
        world
            .auth
            .accept_token(&token, json!({ "sub": "user-1", "user_id": "user-1" }));
        assert_eq!(world.me(&token).await.status, 200, "{layers}");
    }
}

#[tokio::test]
async fn f1_an_access_token_may_have_the_claims_of_an_id_token() {
    for layers in [
        "local_jwt",
        "local_jwt,oauth_userinfo",
        "oauth_userinfo,local_jwt",
        "oauth_userinfo",
    ] {
        let world = world(layers).await;
        let builder = || {
            let builder = world.auth.forge().access_token("user-1").typ("JWT");
            builder.claim("nonce", "n").claim("at_hash", "h")
        };
        let accept = |token: &str| world.auth.accept_token(token, json!({ "sub": "user-1" }));
        // Keycloak before 25, and a token with a scope.
        for token in [
            builder().claim("typ", "Bearer").sign(),
            builder().claim("scope", "openid").sign(),
        ] {
            accept(&token);
            assert_eq!(world.me(&token).await.status, 200, "{layers}");
        }
        for token in [
            builder().claim("typ", "ID").claim("scope", "openid").sign(),
            builder().claim("token_use", "id").sign(),
        ] {
            accept(&token);
            is_refused(&world, &token, layers).await;
        }
        // dex: nothing but the authorization server says what it is.
        let undeclared = builder().sign();
        if layers == "local_jwt" {
            is_refused(&world, &undeclared, layers).await;
            continue;
        }
        accept(&undeclared);
        assert_eq!(world.me(&undeclared).await.status, 200, "{layers}");
        world.auth.reject_token(&undeclared);
        is_refused(&world, &undeclared, layers).await;
        world.auth.on("/oauth/userinfo", Lie::status(500));
        let verdict = world.verdict(&builder().sign()).await;
        assert_eq!(verdict, (503, "upstream_unavailable".into()), "{layers}");
    }
}

/// A login whose access token has the claims of an ID token begins a session.
#[tokio::test]
async fn f1_a_login_with_such_a_token_begins_a_session() {
    let world = world("oauth_userinfo,local_jwt").await;
    let forge = world.auth.forge();
    let access = forge
        .access_token("user-1")
        .typ("JWT")
        .claim("at_hash", "h")
        .sign();
    world.auth.accept_token(&access, json!({ "sub": "user-1" }));
    let code = Code::of("user-1").answer("access_token", access.as_str());
    world.log_in_with(&code).await.is_of("user-1").await;
}

#[tokio::test]
async fn s1_a_refresh_token_of_the_register_is_refused_without_asking_anybody() {
    for layers in [
        "introspection",
        "oauth_userinfo,traditional_auth,local_jwt",
        "local_jwt,oauth_userinfo",
        "local_jwt",
    ] {
        let world = world(layers).await;
        let signed = world
            .auth
            .forge()
            .access_token("user-1")
            .claim("jti", "refresh-1");
        for (refresh, why) in [
            (None, "opaque"),
            (
                Some(signed.clone().typ("JWT").sign()),
                "signed, of no declared kind",
            ),
        ] {
            let mut code = Code::of("user-1");
            if let Some(refresh) = &refresh {
                code = code.answer("refresh_token", refresh.as_str());
            }
            let refresh = world.log_in_with(&code).await.refresh;
            world
                .auth
                .accept_token(&refresh, json!({ "sub": "user-1", "user_id": "user-1" }));
            let asked = world.auth.count_token_requests();
            is_refused(&world, &refresh, &format!("{layers}: {why}")).await;
            assert_eq!(world.auth.count_token_requests(), asked, "{layers}: {why}");
        }
    }
}
