//! A revocation is acknowledged when it is durable and in force; otherwise it is 503, and never half a success.

use maxlab_auth_core::identity::Subject;
use maxlab_auth_testkit::Actor;
use reqwest::Method;

use crate::gateway::{COOKIE, Stores, World, eventually, from_own_page, on_every_store, verdict};

async fn a_revoke_that_cannot_be_recorded_is_503_and_does_nothing(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (token, opaque) = (world.stray_token("user-1"), world.opaque_token("user-1"));
    world.fill_disk_for("revocations").await;
    for bad_day in [&token, &opaque] {
        let reply = world.revoke(bad_day).await;
        assert_eq!(verdict(&reply), (503, "store_unavailable".into()));
        assert!(reply.header("retry-after").is_some());
        assert_eq!(
            world.me(bad_day).await.status,
            200,
            "what was not recorded is not in force"
        );
    }
    world.free_disk_for("revocations").await;
    for token in [&token, &opaque] {
        world.revoke(token).await.expect_status(200);
        assert_eq!(world.verdict(token).await, (401, "token_revoked".into()));
    }
}

async fn no_ending_is_acknowledged_that_cannot_be_recorded(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    world.fill_disk_for("revocations").await;
    let terminate = format!("/api/v1/auth/sessions/{}", login.handle);
    let endings = [
        (Method::POST, "/api/v1/auth/logout"),
        (Method::POST, "/api/v1/auth/logout/all"),
        (Method::DELETE, terminate.as_str()),
    ];
    for (method, path) in endings {
        let reply = from_own_page(&login.browser, method, path).await;
        assert_eq!(verdict(&reply), (503, "store_unavailable".into()), "{path}");
        assert!(login.browser.cookie(COOKIE).is_some(), "{path} clears no cookie");
        login.browser.get("/api/v1/auth/me").await.expect_status(200);
    }
    assert_eq!(verdict(&world.revoke(&login.refresh).await).0, 503);
    world.free_disk_for("revocations").await;
    from_own_page(&login.browser, Method::POST, "/api/v1/auth/logout")
        .await
        .expect_status(200);
    assert_eq!(world.me(&login.access).await.status, 401);
}

async fn a_session_is_ended_with_its_tokens_or_not_at_all(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let own = format!("/api/v1/auth/sessions/{}", login.handle);
    for (line, what) in [("token", "its tokens"), ("session", "its name")] {
        world
            .fill_disk_when("revocations", &format!("NEW.kind = '{line}'"))
            .await;
        let reply = from_own_page(&login.browser, Method::DELETE, &own).await;
        assert_eq!(verdict(&reply), (503, "store_unavailable".into()), "{what}");
        assert_eq!(verdict(&world.revoke(&login.refresh).await).0, 503, "{what}");
        login.browser.get("/api/v1/auth/me").await.expect_status(200);
        assert_eq!(world.me(&login.access).await.status, 200, "{what}");
        world.free_disk_for("revocations").await;
    }
    from_own_page(&login.browser, Method::DELETE, &own)
        .await
        .expect_status(200);
    assert_eq!(world.me(&login.access).await.status, 401);
}

async fn an_ending_without_its_audit_event_is_none(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let token = world.stray_token("user-1");
    world.fill_disk_for("audit_events").await;
    assert_eq!(
        verdict(&world.revoke(&token).await),
        (503, "store_unavailable".into())
    );
    assert_eq!(world.me(&token).await.status, 200);
    world.free_disk_for("audit_events").await;
    world.revoke(&token).await.expect_status(200);
}

async fn a_rotation_that_cannot_be_recorded_logs_nobody_out(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let rotate = "/api/v1/auth/sessions/rotate";
    world.fill_disk_for("audit_events").await;
    let reply = from_own_page(&login.browser, Method::POST, rotate).await;
    assert_eq!(verdict(&reply), (503, "store_unavailable".into()));
    assert!(reply.header("set-cookie").is_none());
    login.browser.get("/api/v1/auth/me").await.expect_status(200);
    world.free_disk_for("audit_events").await;
    let old = login.cookie();
    from_own_page(&login.browser, Method::POST, rotate)
        .await
        .expect_status(200);
    assert_ne!(login.cookie(), old);
    login.browser.get("/api/v1/auth/me").await.expect_status(200);
}

async fn a_revoke_that_does_not_reach_the_store_is_finished_later_and_once(stores: Stores) {
    let world = World::on(stores, &[]).await;
    world.keys_are_known().await;
    let token = world.stray_token("user-1");
    assert_eq!(world.me(&token).await.status, 200);
    world.lose_store().await;
    for _ in 0..3 {
        assert_eq!(
            verdict(&world.revoke(&token).await),
            (503, "store_unavailable".into())
        );
    }
    world.find_store().await;
    eventually("the reconciler finishes it", async || {
        world.me(&token).await.status == 401
    })
    .await;
    assert_eq!(world.verdict(&token).await, (401, "token_revoked".into()));
    let lines = "SELECT CAST(count(*) AS TEXT) FROM revocations WHERE kind = 'token'";
    assert_eq!(world.sql(lines).await, "1", "three calls, one revocation");
}

async fn a_repeated_logout_all_keeps_the_time_of_the_first(stores: Stores) {
    let world = World::on(stores, &[("CLOCK_SKEW_SECONDS", "0")]).await;
    let token = world.stray_token("user-1");
    assert_eq!(world.me(&token).await.status, 200);
    world.lose_store().await;
    let engine = world.engine().clone();
    for _ in 0..2 {
        let ended = engine
            .end_all_of_user(
                &Subject::of_default("user-1"),
                maxlab_auth_core::revocation::RevocationReason::LogoutAll,
                Vec::new(),
            )
            .await;
        assert!(ended.is_err());
    }
    let times = "SELECT CAST(at_ms AS TEXT) FROM revocations WHERE kind = 'user'";
    let first = world.sql(times).await;
    assert!(!first.contains('\n'), "one order stands: {first}");
    world.find_store().await;
    eventually("it is finished", async || world.me(&token).await.status == 401).await;
    assert_eq!(world.sql(times).await, first);
}

async fn what_was_acknowledged_outlives_a_restart(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (by_name, by_cutoff, opaque) = (
        world.stray_token("user-1"),
        world.stray_token("user-2"),
        world.opaque_token("user-3"),
    );
    let (ended, living) = (world.log_in("user-4").await, world.log_in("user-5").await);
    world.revoke(&by_name).await.expect_status(200);
    world.revoke(&opaque).await.expect_status(200);
    world
        .auth
        .accept_token(&opaque, serde_json::json!({ "sub": "user-3" }));
    world
        .bearer(&by_cutoff)
        .post("/api/v1/auth/logout/all")
        .await
        .expect_status(200);
    world
        .bearer(&ended.access)
        .post("/api/v1/auth/logout")
        .await
        .expect_status(200);
    let world = world.restarted(&[]).await;
    for token in [&by_name, &by_cutoff, &opaque, &ended.access] {
        assert_eq!(world.me(token).await.status, 401);
    }
    let browser = maxlab_auth_testkit::Browser::new(&world.gateway.url);
    for (login, status) in [(&ended, 401), (&living, 200)] {
        browser.plant_cookie(COOKIE, &login.cookie());
        browser.get("/api/v1/auth/me").await.expect_status(status);
    }
    assert_eq!(world.me(&living.access).await.status, 200);
}

#[tokio::test]
async fn a_flushed_redis_brings_nothing_revoked_back() {
    let world = World::on(Stores::Shared, &[]).await;
    let (by_name, by_cutoff) = (world.stray_token("user-1"), world.stray_token("user-2"));
    let bystander = world.stray_token("user-3");
    world.revoke(&by_name).await.expect_status(200);
    world
        .bearer(&by_cutoff)
        .post("/api/v1/auth/logout/all")
        .await
        .expect_status(200);
    let again = world.log_in("user-2").await;
    for round in 0..2 {
        world.redis.as_ref().unwrap().0.flush_all().await.unwrap();
        assert_eq!(
            world.verdict(&by_name).await,
            (401, "token_revoked".into()),
            "flush {round}"
        );
        assert_eq!(
            world.verdict(&by_cutoff).await,
            (401, "token_revoked".into()),
            "flush {round}"
        );
        assert_eq!(world.me(&bystander).await.status, 200, "flush {round}");
        assert_eq!(
            world.me(&again.access).await.status,
            200,
            "a spared login stays spared"
        );
    }
}

/// The store forgets its sessions, and with them which refresh tokens there are; the register of issued tokens does not.
#[tokio::test]
async fn a_logout_all_reaches_tokens_whose_session_the_store_has_lost() {
    let world = World::on(Stores::Shared, &[]).await;
    let (lost, other) = (world.log_in("user-1").await, world.log_in("user-2").await);
    world.redis.as_ref().unwrap().0.flush_all().await.unwrap();
    let caller = world.bearer(&world.stray_token("user-1"));
    caller.post("/api/v1/auth/logout/all").await.expect_status(200);
    world.redis.as_ref().unwrap().0.flush_all().await.unwrap();
    let asked = world.auth.count_requests("/oauth/token");
    let refused = world.refresh(&lost.refresh).await;
    assert_eq!(verdict(&refused), (400, "invalid_grant".into()));
    assert_eq!(
        world.auth.count_requests("/oauth/token"),
        asked,
        "nobody is asked about it"
    );
    assert_eq!(world.verdict(&lost.access).await, (401, "token_revoked".into()));
    assert_eq!(world.me(&other.access).await.status, 200);
    world.refresh(&other.refresh).await.expect_status(200);
}

on_every_store!(
    a_revoke_that_cannot_be_recorded_is_503_and_does_nothing,
    no_ending_is_acknowledged_that_cannot_be_recorded,
    a_session_is_ended_with_its_tokens_or_not_at_all,
    an_ending_without_its_audit_event_is_none,
    a_rotation_that_cannot_be_recorded_logs_nobody_out,
    a_revoke_that_does_not_reach_the_store_is_finished_later_and_once,
    a_repeated_logout_all_keeps_the_time_of_the_first,
    what_was_acknowledged_outlives_a_restart,
);
