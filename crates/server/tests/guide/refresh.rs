//! Refresh tokens: a revoked one is refused before anybody is asked, a used one ends its session.

use maxlab_auth_testkit::{Actor, Lie};
use serde_json::json;

use crate::gateway::{Login, Stores, World, on_embedded_and_redis, on_every_store, verdict};
use crate::issuer::Code;

async fn a_revoked_refresh_token_is_refused_before_the_authorization_server_is_asked(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (known, stranger) = (world.log_in("user-1").await, "refresh-that-never-passed-here");
    for token in [known.refresh.as_str(), stranger] {
        world.revoke(token).await.expect_status(200);
        let asked = world.auth.count_requests("/oauth/token");
        let reply = world.refresh(token).await;
        assert_eq!(verdict(&reply), (400, "invalid_grant".into()));
        let body = reply.json();
        assert_eq!(
            (body["error"].as_str(), body["detail"].as_str()),
            (Some("invalid_grant"), Some("Token has been revoked"))
        );
        assert_eq!(world.auth.count_requests("/oauth/token"), asked);
    }
}

async fn a_refresh_rotates_and_keeps_the_session(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let mut refresh = login.refresh.clone();
    for _ in 0..3 {
        let reply = world.refresh(&refresh).await.expect_status(200);
        assert!(reply.header("set-cookie").is_none());
        let body = reply.json();
        assert_eq!(world.me(body["access_token"].as_str().unwrap()).await.status, 200);
        refresh = body["refresh_token"].as_str().unwrap().to_owned();
    }
    login.browser.get("/api/v1/auth/me").await.expect_status(200);
    let mine = world
        .bearer(&login.access)
        .get("/api/v1/auth/sessions")
        .await
        .json();
    assert_eq!(
        (mine["active_sessions"].as_u64(), &mine["sessions"][0]["current"]),
        (Some(1), &json!(true))
    );
}

async fn a_refresh_token_used_twice_ends_its_session(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (login, other) = (world.log_in("user-1").await, world.log_in("user-1").await);
    let renewed = world.refresh(&login.refresh).await.expect_status(200).json();
    let access = renewed["access_token"].as_str().unwrap();
    // Later than a second tab, or a client that lost the answer.
    world.gateway.clock.advance(std::time::Duration::from_secs(11));
    let asked = world.auth.count_requests("/oauth/token");
    assert_eq!(
        verdict(&world.refresh(&login.refresh).await),
        (400, "invalid_grant".into())
    );
    assert_eq!(
        world.auth.count_requests("/oauth/token"),
        asked,
        "the authorization server is not bothered"
    );
    assert_eq!(
        world.me(access).await.status,
        401,
        "whoever holds the successor is out as well"
    );
    assert_eq!(
        world
            .refresh(renewed["refresh_token"].as_str().unwrap())
            .await
            .status,
        400
    );
    login.browser.get("/api/v1/auth/me").await.expect_status(401);
    other.browser.get("/api/v1/auth/me").await.expect_status(200);
}

/// Whether the session's cookie alone passes as an administrator's.
async fn is_admin(login: &Login) -> bool {
    let asked = login.browser.get("/auth/verify?role=admin").await;
    assert!([200, 403].contains(&asked.status.as_u16()), "{}", asked.status);
    asked.status == 200
}

async fn a_session_knows_its_user_by_the_newest_token(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let code = Code::of("user-1").claim("roles", json!(["admin"]));
    let login = world.log_in_with(&code).await;
    world.issuer.change("user-1", "roles", json!(["reader"]));
    assert!(is_admin(&login).await, "nobody has asked yet");
    let renewed = world.refresh(&login.refresh).await.expect_status(200).json();
    assert!(!is_admin(&login).await, "the role was taken away");
    world.issuer.change("user-1", "roles", json!(["admin"]));
    let next = renewed["refresh_token"].as_str().unwrap();
    world.refresh(next).await.expect_status(200);
    assert!(is_admin(&login).await, "and given back");
    login.is_of("user-1").await;
}

#[tokio::test]
async fn a_session_keeps_what_it_knows_where_a_new_token_does_not_tell() {
    let settings = [
        ("VERIFY_LAYERS", "oauth_userinfo"),
        ("UPSTREAM_TIMEOUT_SECONDS", "20"),
    ];
    let world = World::embedded(&settings).await;
    let code = Code::of("user-1").claim("roles", json!(["admin"]));
    let login = world.log_in_with(&code).await;
    world.issuer.change("user-1", "roles", json!(["reader"]));
    let mut refresh = login.refresh.clone();
    for silence in [Lie::status(503), Lie::status(401), Lie::garbage(), Lie::hang()] {
        world.auth.on("/oauth/userinfo", silence);
        let began = std::time::Instant::now();
        let body = world.refresh(&refresh).await.expect_status(200).json();
        assert!(began.elapsed() < std::time::Duration::from_secs(10));
        refresh = body["refresh_token"].as_str().unwrap().to_owned();
        assert!(is_admin(&login).await);
    }
    world.auth.clear_scripts();
    world.auth.on("/oauth/token", world.issuer.honest(&world.auth));
    // A token of somebody else is not this session's.
    world.issuer.change("user-2", "roles", json!(["reader"]));
    let body = world.refresh(&refresh).await.expect_status(200).json();
    assert!(is_admin(&login).await);
    world.issuer.change("user-1", "roles", json!(["reader"]));
    let refresh = body["refresh_token"].as_str().unwrap();
    world.refresh(refresh).await.expect_status(200);
    assert!(!is_admin(&login).await);
}

#[tokio::test]
async fn a_refresh_token_from_elsewhere_is_passed_on() {
    let world = World::embedded(&[]).await;
    let stray = world.stray_token("user-9");
    world.auth.on(
        "/oauth/token",
        Lie::json(
            200,
            json!({ "access_token": stray, "refresh_token": "next", "token_type": "Bearer" }),
        ),
    );
    let body = world.refresh("issued-elsewhere").await.expect_status(200).json();
    assert_eq!(body["refresh_token"], "next");
    world
        .bearer(&stray)
        .post("/api/v1/auth/logout/all")
        .await
        .expect_status(200);
    assert_eq!(
        verdict(&world.refresh("next").await),
        (400, "invalid_grant".into()),
        "it is tracked from now on"
    );
}

#[tokio::test]
async fn a_refusal_by_the_authorization_server_changes_nothing_here() {
    let world = World::embedded(&[]).await;
    let login = world.log_in("user-1").await;
    world.auth.on(
        "/oauth/token",
        Lie::json(400, json!({ "error": "invalid_scope" })),
    );
    assert_eq!(
        world.refresh(&login.refresh).await.expect_status(400).json()["error"],
        "invalid_scope"
    );
    world.auth.on("/oauth/token", Lie::status(500));
    assert_eq!(world.refresh(&login.refresh).await.status, 502);
    login.browser.get("/api/v1/auth/me").await.expect_status(200);
    world.auth.on("/oauth/token", world.issuer.honest(&world.auth));
    world.refresh(&login.refresh).await.expect_status(200);
}

on_every_store!(a_refresh_token_used_twice_ends_its_session);
on_embedded_and_redis!(
    a_revoked_refresh_token_is_refused_before_the_authorization_server_is_asked,
    a_refresh_rotates_and_keeps_the_session,
    a_session_knows_its_user_by_the_newest_token,
);
