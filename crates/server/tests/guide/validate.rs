//! `/oauth/token/validate`: the guide approves of anything that is not denied; here it tells good from bad, and why.

use maxlab_auth_testkit::{Actor, TokenForge};
use serde_json::{Value, json};

use crate::gateway::{Stores, World, on_embedded_and_redis};

async fn ask(world: &World, name: &str, token: &str) -> Value {
    let anonymous = world.anonymous();
    let by_json = anonymous
        .post_json("/oauth/token/validate", &json!({ name: token }))
        .await
        .expect_status(200)
        .json();
    let by_form = anonymous
        .post_form("/oauth/token/validate", &[(name, token)])
        .await
        .expect_status(200)
        .json();
    assert_eq!(by_json, by_form);
    by_json
}

async fn good_revoked_expired_and_forged_tokens_are_told_apart(stores: Stores) {
    let world = World::on(stores, &[]).await;
    world.keys_are_known().await;
    let forge = world.auth.forge();
    let (good, revoked) = (world.stray_token("user-1"), world.stray_token("user-1"));
    world.revoke(&revoked).await.expect_status(200);
    let (ended, opaque) = (world.log_in("user-1").await, world.opaque_token("user-1"));
    world
        .bearer(&ended.access)
        .post("/api/v1/auth/logout")
        .await
        .expect_status(200);
    let expired = forge.access_token("user-1").expires_in(-100).sign();
    let table: [(&str, bool, &str); 9] = [
        (&good, true, ""),
        (&opaque, true, ""),
        (&revoked, false, "token_revoked"),
        (&ended.access, false, "token_revoked"),
        (&expired, false, "token_expired"),
        (&forge.forged_twin(&good), false, "invalid_token"),
        (&TokenForge::wrong_signature(&good), false, "invalid_token"),
        (
            &forge.unsigned(&json!({ "sub": "user-1", "exp": 4_102_444_800_u64 }))[0],
            false,
            "invalid_token",
        ),
        ("opaque-that-nobody-knows", false, "invalid_token"),
    ];
    for (token, valid, code) in table {
        let said = ask(&world, "access_token", token).await;
        assert_eq!(
            (said["valid"].as_bool(), said["code"].as_str().unwrap_or_default()),
            (Some(valid), code),
            "{token}"
        );
        assert_eq!(said["reason"].is_string(), !valid);
    }
    assert_eq!(
        ask(&world, "access_token", &revoked).await["reason"],
        "Token is blacklisted"
    );
    assert_eq!(ask(&world, "token", &good).await["user_id"], "user-1");
}

async fn refresh_tokens_are_told_apart(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (living, revoked, used) = (
        world.log_in("user-1").await,
        world.log_in("user-1").await,
        world.log_in("user-1").await,
    );
    world.revoke(&revoked.refresh).await.expect_status(200);
    world.refresh(&used.refresh).await.expect_status(200);
    let asked = world.auth.count_requests("/oauth/token");
    for (token, valid, code) in [
        (living.refresh.as_str(), true, ""),
        (revoked.refresh.as_str(), false, "token_revoked"),
        (used.refresh.as_str(), false, "token_revoked"),
        ("refresh-that-nobody-knows", false, "invalid_token"),
    ] {
        let said = ask(&world, "refresh_token", token).await;
        assert_eq!(
            (said["valid"].as_bool(), said["code"].as_str().unwrap_or_default()),
            (Some(valid), code),
            "{token}"
        );
    }
    assert_eq!(
        world.auth.count_requests("/oauth/token"),
        asked,
        "asking spends nothing"
    );
    used.browser.get("/api/v1/auth/me").await.expect_status(200);
}

#[tokio::test]
async fn without_a_token_it_is_a_400() {
    let world = World::embedded(&[]).await;
    let body = world
        .anonymous()
        .post_json("/oauth/token/validate", &json!({}))
        .await
        .expect_status(400)
        .json();
    assert_eq!(
        (body["detail"].as_str(), body["error"].as_str()),
        (Some("Token is required"), Some("invalid_request"))
    );
    let not_one = ask(&world, "access_token", "no token at all").await;
    assert_eq!(
        (not_one["valid"].as_bool(), not_one["code"].as_str()),
        (Some(false), Some("invalid_token"))
    );
}

on_embedded_and_redis!(
    good_revoked_expired_and_forged_tokens_are_told_apart,
    refresh_tokens_are_told_apart
);
