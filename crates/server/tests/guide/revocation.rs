//! What a revocation covers: what is proven, in every spelling, and nobody else's token.

use maxlab_auth_testkit::{Actor, TokenForge};
use serde_json::{Value, json};

use crate::gateway::{Stores, World, on_embedded_and_redis, on_every_store};

/// Seconds for which the entry of a `jti` will stand.
async fn entry_lasts(world: &World, jti: &str) -> i64 {
    match &world.redis {
        Some((redis, _)) => {
            let left = redis
                .command(&["TTL", &format!("blacklist:{jti}")])
                .await
                .unwrap();
            left.text().unwrap().parse().unwrap()
        }
        None => {
            let select = format!(
                "SELECT CAST(expires_at_ms / 1000 AS TEXT) FROM revoked WHERE kind = 'token' AND name = '{jti}'"
            );
            world.sqlite("store.db", &select).await.parse::<i64>().unwrap()
                - maxlab_auth_testkit::forge::now()
        }
    }
}

/// A token that practically never expires is accepted, and its revocation lasts as long.
async fn f18_a_token_for_ever_is_accepted_and_can_be_revoked(stores: Stores) {
    let mut world = World::on(stores, &[("VERIFY_LAYERS", "local_jwt,oauth_userinfo")]).await;
    let far = [json!(253_402_300_799_u64), json!(u64::MAX), json!(1e300)];
    let mut revoked = Vec::new();
    for (number, exp) in far.into_iter().enumerate() {
        let jti = format!("for-ever-{number}");
        let builder = world.auth.forge().access_token("user-1");
        let token = builder.claim("jti", jti.as_str()).claim("exp", exp).sign();
        assert_eq!(world.me(&token).await.status, 200, "{jti}");
        assert_eq!(world.revoke(&token).await.status, 200, "{jti}");
        assert_eq!(world.me(&token).await.status, 401, "{jti}");
        assert!(entry_lasts(&world, &jti).await > 1_000_000_000, "{jti}");
        revoked.push(token);
    }
    world = world.restarted(&[]).await;
    for token in revoked {
        assert_eq!(world.me(&token).await.status, 401);
    }
}

on_embedded_and_redis!(f18_a_token_for_ever_is_accepted_and_can_be_revoked);

async fn a_forged_token_naming_anothers_jti_revokes_nothing(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let builder = world.auth.forge().access_token("victim");
    let (victim, claims) = (builder.clone().sign(), builder.claims());
    world.auth.accept_token(&victim, claims.clone());
    let forge = world.auth.forge();
    let mut forged = forge.unsigned(&claims);
    forged.extend(forge.hs256_with_public_key(&claims));
    forged.extend([
        forge.forged_twin(&victim),
        TokenForge::wrong_signature(&victim),
        forge.with_embedded_jwk(&claims),
    ]);
    for token in &forged {
        world.revoke(token).await.expect_status(200);
        world
            .anonymous()
            .post_json("/oauth/revoke", &json!({ "token": token }))
            .await
            .expect_status(200);
        let forger = world.bearer(token);
        assert_eq!(forger.post("/api/v1/auth/logout").await.status, 401, "{token}");
        assert_eq!(
            forger.post("/api/v1/auth/logout/all").await.status,
            401,
            "{token}"
        );
        let with_it = world.bearer(&world.opaque_token("forger"));
        with_it
            .post_json("/api/v1/auth/logout", &json!({ "refresh_token": token }))
            .await
            .expect_status(200);
    }
    assert_eq!(
        world.me(&victim).await.status,
        200,
        "the victim's token is as good as before"
    );
}

async fn a_forged_token_revokes_nothing_in_an_outage_either(stores: Stores) {
    let world = World::on(stores, &[("VERIFY_LAYERS", "oauth_userinfo")]).await;
    let builder = world.auth.forge().access_token("victim");
    let victim = builder.clone().sign();
    world.auth.accept_token(&victim, builder.claims());
    world.auth.stop().await;
    // Nothing can be proven now, so nothing may be revoked by a name.
    assert_eq!(
        world
            .revoke(&world.auth.forge().forged_twin(&victim))
            .await
            .status,
        503
    );
    world.auth.restart().await.unwrap();
    assert_eq!(world.me(&victim).await.status, 200);
}

async fn a_forged_twin_cannot_shorten_an_entry(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let builder = world
        .auth
        .forge()
        .access_token("user-1")
        .claim("jti", "jti-of-mine")
        .expires_in(3600);
    let token = builder.clone().sign();
    world.auth.accept_token(&token, builder.claims());
    world.revoke(&token).await.expect_status(200);
    let before = entry_lasts(&world, "jti-of-mine").await;
    let short_lived = builder.clone().expires_in(5);
    let twin = world.auth.forge().forged_twin(&short_lived.clone().sign());
    world.revoke(&twin).await.expect_status(200);
    // Even the issuer's own second token of that name shortens nothing.
    let second = short_lived.sign();
    world.auth.accept_token(&second, builder.claims());
    world.revoke(&second).await.expect_status(200);
    assert!(entry_lasts(&world, "jti-of-mine").await >= before - 5);
    assert_eq!(world.verdict(&token).await, (401, "token_revoked".into()));
}

async fn the_entry_lives_as_long_as_the_verified_token(stores: Stores) {
    let world = World::on(stores, &[("CLOCK_SKEW_SECONDS", "10")]).await;
    for (jti, life) in [("short", 40), ("long", 200_000)] {
        let builder = world
            .auth
            .forge()
            .access_token("user-1")
            .claim("jti", jti)
            .expires_in(life);
        let token = builder.clone().sign();
        world.auth.accept_token(&token, builder.claims());
        world.revoke(&token).await.expect_status(200);
        let lasts = entry_lasts(&world, jti).await;
        // A verifier may accept it for one skew after its expiry, and clocks may differ by one.
        assert!(
            (life + 8..=life + 22).contains(&lasts),
            "{jti}: {lasts} s for a token of {life} s"
        );
    }
}

async fn a_token_without_jti_is_revoked_in_every_spelling(stores: Stores) {
    let world = World::on(stores, &[("VERIFY_LAYERS", "local_jwt")]).await;
    let make = || {
        world
            .auth
            .forge()
            .access_token("user-1")
            .without("jti")
            .claim("n", uuid::Uuid::new_v4().to_string())
            .sign()
    };
    for spelling in [|t: &str| t.to_owned(), TokenForge::malleate_es256] {
        let (token, other) = (make(), make());
        let respelt = TokenForge::malleate_es256(&token);
        assert_eq!(
            (
                world.me(&token).await.status.as_u16(),
                world.me(&respelt).await.status.as_u16()
            ),
            (200, 200)
        );
        world.revoke(&spelling(&token)).await.expect_status(200);
        for form in [&token, &respelt] {
            assert_eq!(world.verdict(form).await, (401, "token_revoked".into()));
        }
        for form in [
            TokenForge::padding_variant(&token),
            TokenForge::trailing_bits_variant(&token),
        ] {
            assert_eq!(world.me(&form).await.status, 401);
        }
        assert_eq!(
            world.me(&other).await.status,
            200,
            "another token of the same user lives"
        );
    }
}

async fn an_opaque_token_is_revocable_whoever_vouched_for_it(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (token, other) = (world.opaque_token("user-1"), world.opaque_token("user-1"));
    assert_eq!(world.me(&token).await.status, 200);
    world.revoke(&token).await.expect_status(200);
    // The authorization server says yes again; the gateway does not forget.
    world.auth.accept_token(&token, json!({ "sub": "user-1" }));
    assert_eq!(world.verdict(&token).await, (401, "token_revoked".into()));
    assert_eq!(world.me(&other).await.status, 200);
}

async fn a_revocation_counts_at_once_although_the_verdict_is_remembered(stores: Stores) {
    let world = World::on(stores, &[("VERIFY_CACHE_SECONDS", "300")]).await;
    let token = world.stray_token("user-1");
    for _ in 0..3 {
        assert_eq!(world.me(&token).await.status, 200);
    }
    assert_eq!(
        world.auth.count_requests("/oauth/userinfo"),
        1,
        "the verdict is remembered"
    );
    world.revoke(&token).await.expect_status(200);
    assert_eq!(world.verdict(&token).await, (401, "token_revoked".into()));
}

async fn a_revoked_token_is_refused_without_asking_anybody(stores: Stores) {
    let world = World::on(stores, &[("VERIFY_CACHE_SECONDS", "0")]).await;
    let token = world.stray_token("user-1");
    world.revoke(&token).await.expect_status(200);
    let asked = world.auth.count_requests("/oauth/userinfo");
    assert_eq!(world.verdict(&token).await, (401, "token_revoked".into()));
    assert_eq!(world.auth.count_requests("/oauth/userinfo"), asked);
}

async fn an_odd_jti_is_a_name_like_any_other(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let long = "x".repeat(3_000);
    for jti in [
        "a b",
        "*",
        "jti:with:colons",
        "../../x",
        "{tag}",
        "'; DROP TABLE revoked; --",
        "%41",
        "ключ",
        &long,
    ] {
        let builder = world.auth.forge().access_token("user-1").claim("jti", jti);
        let token = builder.clone().sign();
        world.auth.accept_token(&token, builder.claims());
        let bystander = world.stray_token("user-1");
        assert_eq!(world.me(&token).await.status, 200, "{jti}");
        world.revoke(&token).await.expect_status(200);
        assert_eq!(
            world.verdict(&token).await,
            (401, "token_revoked".into()),
            "{jti}"
        );
        assert_eq!(world.me(&bystander).await.status, 200, "{jti}");
    }
}

#[tokio::test]
async fn the_entry_in_redis_is_the_guides_json() {
    let world = World::on(Stores::Redis, &[]).await;
    let builder = world
        .auth
        .forge()
        .access_token("user-1")
        .claim("jti", "jti-1")
        .expires_in(600);
    let exp = builder.claims()["exp"].as_i64().unwrap();
    let token = builder.clone().sign();
    world.auth.accept_token(&token, builder.claims());
    world.revoke(&token).await.expect_status(200);
    let (redis, _) = world.redis.as_ref().unwrap();
    let entry = redis
        .command(&["GET", "blacklist:jti-1"])
        .await
        .unwrap()
        .text()
        .unwrap();
    let entry: Value = serde_json::from_str(&entry).unwrap();
    let names: Vec<_> = entry.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names.len(), 4);
    assert!(
        ["reason", "blacklisted_at", "user_id", "exp"]
            .iter()
            .all(|name| names.contains(name))
    );
    assert_eq!(
        (entry["reason"].as_str(), entry["user_id"].as_str()),
        (Some("revoked"), Some("user-1"))
    );
    assert!(entry["exp"].as_i64().unwrap() >= exp);
    assert!(
        entry["blacklisted_at"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .is_ok()
    );
}

#[tokio::test]
async fn an_entry_of_the_guides_own_deployment_counts() {
    // As docs/GUIDE.md asks for: such an entry is in no stream.
    let world = World::on(Stores::Redis, &[("REVOCATION_READS", "direct")]).await;
    let builder = world
        .auth
        .forge()
        .access_token("user-1")
        .claim("jti", "from-python");
    let token = builder.clone().sign();
    world.auth.accept_token(&token, builder.claims());
    assert_eq!(world.me(&token).await.status, 200);
    let entry = r#"{"reason": "logout", "blacklisted_at": "2026-01-01T00:00:00+00:00", "user_id": "user-1", "exp": 4102444800}"#;
    let (redis, _) = world.redis.as_ref().unwrap();
    redis
        .command(&["SETEX", "blacklist:from-python", "600", entry])
        .await
        .unwrap();
    assert_eq!(world.verdict(&token).await, (401, "token_revoked".into()));
}

on_every_store!(a_forged_token_naming_anothers_jti_revokes_nothing);
on_embedded_and_redis!(
    a_forged_token_revokes_nothing_in_an_outage_either,
    a_forged_twin_cannot_shorten_an_entry,
    the_entry_lives_as_long_as_the_verified_token,
    a_token_without_jti_is_revoked_in_every_spelling,
    an_opaque_token_is_revocable_whoever_vouched_for_it,
    a_revocation_counts_at_once_although_the_verdict_is_remembered,
    a_revoked_token_is_refused_without_asking_anybody,
    an_odd_jti_is_a_name_like_any_other,
);
