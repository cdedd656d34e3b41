//! Logout: the guide acts and then answers 500. Here it answers 200, clears every cookie, and may be repeated.

use std::time::Duration;

use maxlab_auth_testkit::{Actor, Browser, Lie, ReplyGate};
use reqwest::Method;
use serde_json::json;

use crate::gateway::{
    COOKIE, Login, Stores, World, eventually, from_own_page, on_embedded_and_redis, on_every_store, verdict,
};

const LOGOUT: &str = "/api/v1/auth/logout";
const ME: &str = "/api/v1/auth/me";

async fn it_succeeds_clears_the_cookies_and_may_be_repeated(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let cookie = login.cookie();
    let reply = from_own_page(&login.browser, Method::POST, LOGOUT)
        .await
        .expect_status(200);
    let body = reply.json();
    assert_eq!(
        (body["status"].as_str(), body["message"].as_str()),
        (Some("success"), Some("Successfully logged out"))
    );
    assert_eq!(body["logout_all_devices"], false);
    assert!(
        body["timestamp"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .is_ok()
    );
    let cleared: Vec<_> = reply
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    for name in [COOKIE, "access_token", "refresh_token", "session_id"] {
        let found = cleared.iter().any(|text| {
            text.starts_with(&format!("{name}=;")) && text.contains("Path=/") && text.contains("Max-Age=0")
        });
        assert!(found, "{name} in {cleared:?}");
    }
    assert_eq!(reply.header("clear-site-data"), Some(r#""cache", "storage""#));
    assert!(login.browser.cookie(COOKIE).is_none());
    assert_eq!(world.me(&login.access).await.status, 401);
    assert_eq!(world.refresh(&login.refresh).await.status, 400);
    // The answer was lost: the browser still has the cookie and asks again.
    let again = Browser::new(&world.gateway.url);
    again.plant_cookie(COOKIE, &cookie);
    from_own_page(&again, Method::POST, LOGOUT)
        .await
        .expect_status(200);
    assert!(again.cookie(COOKIE).is_none());
    assert_eq!(
        verdict(&from_own_page(&again, Method::POST, LOGOUT).await),
        (401, "missing_credential".into())
    );
}

async fn by_bearer_it_ends_the_token_and_its_session_and_nothing_else(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (login, elsewhere) = (world.log_in("user-1").await, world.log_in("user-1").await);
    let stray = world.stray_token("user-1");
    world.bearer(&login.access).post(LOGOUT).await.expect_status(200);
    assert_eq!(world.verdict(&login.access).await, (401, "token_revoked".into()));
    login.browser.get(ME).await.expect_status(401);
    assert_eq!(world.refresh(&login.refresh).await.status, 400);
    elsewhere.browser.get(ME).await.expect_status(200);
    world.bearer(&stray).post(LOGOUT).await.expect_status(200);
    world.bearer(&stray).post(LOGOUT).await.expect_status(200);
    assert_eq!(world.me(&stray).await.status, 401);
    elsewhere.browser.get(ME).await.expect_status(200);
    assert_eq!(world.me(&elsewhere.access).await.status, 200);
}

async fn the_body_may_name_a_refresh_token_and_the_header_a_session(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (by_body, by_header) = (world.log_in("user-1").await, world.log_in("user-1").await);
    let stray = world.stray_token("user-1");
    let body = json!({ "refresh_token": by_body.refresh, "logout_all_devices": false });
    let reply = world
        .bearer(&stray)
        .send(Method::POST, LOGOUT, |r| {
            r.json(&body).header("x-session-id", &by_header.handle)
        })
        .await;
    reply.expect_status(200);
    for login in [&by_body, &by_header] {
        login.browser.get(ME).await.expect_status(401);
        assert_eq!(world.me(&login.access).await.status, 401);
        assert_eq!(world.refresh(&login.refresh).await.status, 400);
    }
}

#[tokio::test]
async fn cookie_and_bearer_together_end_both() {
    let world = World::embedded(&[]).await;
    let login = world.log_in("user-1").await;
    let (cookie, stray) = (login.cookie(), world.stray_token("user-1"));
    let reply = login
        .browser
        .send(Method::POST, LOGOUT, |request| request.bearer_auth(&stray));
    reply.await.expect_status(200);
    assert_eq!(world.me(&stray).await.status, 401);
    let thief = Browser::new(&world.gateway.url);
    thief.plant_cookie(COOKIE, &cookie);
    thief.get(ME).await.expect_status(401);
    assert!(
        world
            .engine()
            .active_sessions(&maxlab_auth_core::identity::Subject::of_default("user-1"))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_logout_does_not_wait_for_the_authorization_server() {
    let world = World::embedded(&[("UPSTREAM_TIMEOUT_SECONDS", "300")]).await;
    let login = world.log_in("user-1").await;
    let gate = ReplyGate::closed();
    world
        .auth
        .on("/oauth/revoke", Lie::gated(&gate, Lie::status(200)));
    let logout = from_own_page(&login.browser, Method::POST, LOGOUT);
    let answer = tokio::time::timeout(Duration::from_secs(30), logout).await;
    answer
        .expect("an answer, while the authorization server gives none")
        .expect_status(200);
    login.browser.get(ME).await.expect_status(401);
    world.auth.wait_for_requests("/oauth/revoke", 1).await;
    gate.open();
}

#[tokio::test]
async fn what_is_no_logout_request_ends_nothing() {
    let world = World::embedded(&[]).await;
    let login = world.log_in("user-1").await;
    let bearer = world.bearer(&login.access);
    for body in [
        json!({ "logout_all_devices": "yes" }),
        json!({ "refresh_token": 7 }),
        json!({ "refresh_token": "a b" }),
        json!([1]),
    ] {
        assert_eq!(bearer.post_json(LOGOUT, &body).await.status, 400, "{body}");
    }
    bearer
        .post_form(LOGOUT, &[("logout_all_devices", "true")])
        .await
        .expect_status(415);
    assert_eq!(
        verdict(&world.anonymous().post(LOGOUT).await),
        (401, "missing_credential".into())
    );
    assert_eq!(world.me(&login.access).await.status, 200);
    login.browser.get(ME).await.expect_status(200);
}

async fn a_logout_that_failed_half_way_can_be_repeated_and_leaves_no_session(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    world.fill_disk_for("outbox").await;
    let bearer = world.bearer(&login.access);
    bearer.post_json(LOGOUT, &json!({})).await.expect_status(503);
    world.free_disk_for("outbox").await;
    bearer.post_json(LOGOUT, &json!({})).await.expect_status(200);
    login.browser.get("/api/v1/auth/me").await.expect_status(401);
    assert_ne!(world.refresh(&login.refresh).await.status.as_u16(), 200);
}

async fn a_logout_by_cookie_that_failed_half_way_is_finished_by_the_next(stores: Stores) {
    let world = World::on(stores, &[]).await;
    for (table, lines) in [("revocations", "NEW.kind = 'token'"), ("outbox", "1 = 1")] {
        for (path, everything) in [(LOGOUT, false), ("/api/v1/auth/logout/all", true)] {
            let (login, other) = (world.log_in("user-1").await, world.log_in("user-1").await);
            world.fill_disk_when(table, lines).await;
            from_own_page(&login.browser, Method::POST, path)
                .await
                .expect_status(503);
            world.free_disk_for(table).await;
            from_own_page(&login.browser, Method::POST, path)
                .await
                .expect_status(200);
            let what = format!("{table}, {path}");
            assert_eq!(world.me(&login.access).await.status, 401, "{what}");
            assert_eq!(world.refresh(&login.refresh).await.status, 400, "{what}");
            let told = |login: &Login| {
                let requests = world.auth.requests("/oauth/revoke");
                let refresh = Some(login.refresh.clone());
                requests.iter().any(|request| request.form("token") == refresh)
            };
            eventually(&what, async || told(&login) && (!everything || told(&other))).await;
            let living = world
                .engine()
                .active_sessions(&maxlab_auth_core::identity::Subject::of_default("user-1"))
                .await
                .unwrap();
            assert_eq!(living.is_empty(), everything, "{what}");
            world
                .bearer(&world.stray_token("user-1"))
                .post("/api/v1/auth/logout/all")
                .await
                .expect_status(200);
        }
    }
}

async fn a_dead_token_beside_a_cookie_does_not_save_the_session(stores: Stores) {
    let world = World::on(stores, &[]).await;
    for path in [LOGOUT, "/api/v1/auth/logout/all"] {
        let token = world.stray_token("user-1");
        world.bearer(&token).post(path).await.expect_status(200);
        let login = world.log_in("user-1").await;
        let cookie = login.cookie();
        let reply = login
            .browser
            .send(Method::POST, path, |request| request.bearer_auth(&token));
        reply.await.expect_status(200);
        assert!(login.browser.cookie(COOKIE).is_none(), "{path}");
        let thief = Browser::new(&world.gateway.url);
        thief.plant_cookie(COOKIE, &cookie);
        thief.get(ME).await.expect_status(401);
        assert_eq!(world.me(&login.access).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn n5_a_logout_deletes_no_cookie_but_the_gateways_unless_it_is_set_to() {
    type SettingAndHeader<'s> = (&'s [(&'s str, &'s str)], Option<&'s str>);
    let table: [SettingAndHeader<'_>; 4] = [
        (&[], Some(r#""cache", "storage""#)),
        (
            &[("CLEAR_SITE_DATA", "cache,cookies,storage")],
            Some(r#""cache", "cookies", "storage""#),
        ),
        (&[("CLEAR_SITE_DATA", r#"["storage"]"#)], Some(r#""storage""#)),
        (&[("CLEAR_SITE_DATA", "none")], None),
    ];
    for (settings, header) in table {
        let world = World::embedded(settings).await;
        for path in [LOGOUT, "/api/v1/auth/logout/all"] {
            let login = world.log_in("user-1").await;
            let reply = from_own_page(&login.browser, Method::POST, path)
                .await
                .expect_status(200);
            assert_eq!(
                reply.header("clear-site-data"),
                header,
                "{path} with {settings:?}"
            );
            assert!(
                login.browser.cookie(COOKIE).is_none(),
                "{path}: the own cookie is cleared by its name"
            );
        }
    }
}

#[tokio::test]
async fn everything_may_be_logged_out_twice_by_the_body_too() {
    let world = World::embedded(&[]).await;
    let login = world.log_in("user-1").await;
    let bearer = world.bearer(&login.access);
    let everywhere = json!({ "logout_all_devices": true });
    bearer.post_json(LOGOUT, &everywhere).await.expect_status(200);
    bearer.post_json(LOGOUT, &everywhere).await.expect_status(200);
    // One token that was revoked by itself is no right to log everything out, nor a proof that it was.
    let other = world.log_in("user-2").await;
    world.revoke(&other.access).await.expect_status(200);
    let refused = world.bearer(&other.access).post_json(LOGOUT, &everywhere).await;
    refused.expect_status(401);
    other.browser.get("/api/v1/auth/me").await.expect_status(200);
}

on_embedded_and_redis!(
    it_succeeds_clears_the_cookies_and_may_be_repeated,
    by_bearer_it_ends_the_token_and_its_session_and_nothing_else,
    the_body_may_name_a_refresh_token_and_the_header_a_session,
    a_logout_that_failed_half_way_can_be_repeated_and_leaves_no_session,
    a_dead_token_beside_a_cookie_does_not_save_the_session,
);
on_every_store!(a_logout_by_cookie_that_failed_half_way_is_finished_by_the_next,);
