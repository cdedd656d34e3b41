//! The guide's last layer reads a token without checking its signature, even after the authorization server said no.

use maxlab_auth_testkit::{Lie, TokenForge};
use serde_json::Value;

use crate::gateway::World;

const REMOTE_FIRST: &str = "oauth_userinfo,traditional_auth,local_jwt";

fn claims_of(world: &World) -> Value {
    world
        .auth
        .forge()
        .access_token("victim")
        .claim("roles", serde_json::json!(["admin"]))
        .claims()
}

/// Every forged form of these claims, all well-formed enough to be looked at.
fn forgeries(forge: &TokenForge, claims: &Value, good: &str) -> Vec<String> {
    let mut tokens = forge.unsigned(claims);
    tokens.extend(forge.hs256_with_public_key(claims));
    tokens.push(forge.with_crit(claims));
    tokens.push(forge.with_embedded_jwk(claims));
    tokens.push(TokenForge::wrong_signature(good));
    tokens.push(forge.forged_twin(good));
    tokens
}

#[tokio::test]
async fn an_unsigned_jwt_is_refused_after_the_authorization_server_said_no() {
    let world = World::embedded(&[("VERIFY_LAYERS", REMOTE_FIRST)]).await;
    assert_eq!(world.me(&world.stray_token("anyone")).await.status, 200);
    for token in world.auth.forge().unsigned(&claims_of(&world)) {
        assert_eq!(
            world.verdict(&token).await,
            (401, "invalid_token".into()),
            "{token}"
        );
    }
}

#[tokio::test]
async fn an_unsigned_jwt_is_refused_where_local_jwt_comes_first() {
    for layers in ["local_jwt", "local_jwt,oauth_userinfo"] {
        let world = World::embedded(&[("VERIFY_LAYERS", layers)]).await;
        assert_eq!(world.me(&world.stray_token("anyone")).await.status, 200);
        for token in world.auth.forge().unsigned(&claims_of(&world)) {
            assert_eq!(
                world.verdict(&token).await,
                (401, "invalid_token".into()),
                "{layers}: {token}"
            );
        }
    }
}

#[tokio::test]
async fn an_unsigned_jwt_is_refused_in_an_outage() {
    let world = World::embedded(&[("VERIFY_LAYERS", REMOTE_FIRST)]).await;
    world.keys_are_known().await;
    world.auth.stop().await;
    let good = world.auth.forge().access_token("anyone").sign();
    assert_eq!(
        world.me(&good).await.expect_status(200).json()["verification_source"],
        "local_jwt"
    );
    for token in world.auth.forge().unsigned(&claims_of(&world)) {
        let status = world.me(&token).await.status.as_u16();
        // What has no `alg` may be an opaque token, of which nobody can say anything now.
        assert!(matches!(status, 401 | 503), "{status}: {token}");
    }
}

#[tokio::test]
async fn an_unsigned_jwt_is_not_accepted_before_any_key_is_known() {
    let nobody = [
        ("VERIFY_LAYERS", REMOTE_FIRST),
        ("EXTERNAL_AUTH_URL", "http://127.0.0.1:1"),
    ];
    let world = World::embedded(&nobody).await;
    for token in world.auth.forge().unsigned(&claims_of(&world)) {
        let status = world.me(&token).await.status.as_u16();
        assert!(matches!(status, 401 | 503), "{status}: {token}");
    }
}

#[tokio::test]
async fn a_forged_jwt_is_refused_by_the_fallback_that_accepts_a_good_one() {
    let world = World::embedded(&[("VERIFY_LAYERS", REMOTE_FIRST), ("VERIFY_CACHE_SECONDS", "0")]).await;
    for endpoint in ["/oauth/userinfo", "/api/v1/auth/me"] {
        world.auth.on(endpoint, Lie::status(500));
    }
    let forge = world.auth.forge();
    let good = forge.access_token("victim").sign();
    let reply = world.me(&good).await.expect_status(200);
    assert_eq!(reply.json()["verification_source"], "local_jwt");
    for token in forgeries(forge, &claims_of(&world), &good) {
        assert_ne!(world.me(&token).await.status, 200, "{token}");
    }
}

#[tokio::test]
async fn a_key_that_a_token_brings_along_is_never_fetched() {
    let world = World::embedded(&[("VERIFY_LAYERS", "local_jwt")]).await;
    assert_eq!(world.me(&world.stray_token("anyone")).await.status, 200);
    for parameter in ["jku", "x5u"] {
        let address = format!("{}/evil.json", world.auth.url());
        let (token, keys) = world
            .auth
            .forge()
            .with_key_url(parameter, &address, &claims_of(&world));
        world.auth.on("/evil.json", Lie::json(200, keys));
        assert_eq!(world.verdict(&token).await.0, 401, "{parameter}");
    }
    assert_eq!(world.auth.count_requests("/evil.json"), 0);
}
