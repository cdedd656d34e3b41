//! Logout-all: everything up to now, also what never passed through the gateway, and nothing after it.

use std::sync::Arc;

use maxlab_auth_testkit::{Actor, Browser, Lie, ReplyGate};
use serde_json::json;

use crate::gateway::{Stores, World, from_own_page, on_embedded_and_redis, on_every_store, verdict};
use crate::issuer::Code;

const LOGOUT_ALL: &str = "/api/v1/auth/logout/all";

async fn it_covers_tokens_that_never_passed_here_and_the_callers_own(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let forge = world.auth.forge();
    let nameless = forge.access_token("user-1").without("jti");
    let nameless_token = nameless.clone().sign();
    world.auth.accept_token(&nameless_token, nameless.claims());
    let seen = world.stray_token("user-1");
    assert_eq!(world.me(&seen).await.status, 200);
    let tokens = [
        world.stray_token("user-1"),
        nameless_token,
        world.opaque_token("user-1"),
        seen,
    ];
    let (caller, bystander) = (world.stray_token("user-1"), world.stray_token("user-2"));
    world.bearer(&caller).post(LOGOUT_ALL).await.expect_status(200);
    for token in tokens.iter().chain([&caller]) {
        assert_eq!(
            world.verdict(token).await,
            (401, "token_revoked".into()),
            "{token}"
        );
    }
    assert_eq!(
        world.me(&bystander).await.status,
        200,
        "it is one user's, not everybody's"
    );
}

async fn it_ends_every_session_with_its_tokens_and_counts_them(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let logins = [
        world.log_in("user-1").await,
        world.log_in("user-1").await,
        world.log_in("user-1").await,
    ];
    let other = world.log_in("user-2").await;
    let reply = from_own_page(&logins[0].browser, reqwest::Method::POST, LOGOUT_ALL)
        .await
        .expect_status(200);
    let body = reply.json();
    assert_eq!(
        (body["status"].as_str(), body["sessions_invalidated"].as_u64()),
        (Some("success"), Some(3))
    );
    assert_eq!(
        body["tokens_blacklisted"].as_u64(),
        Some(6),
        "three access and three refresh tokens"
    );
    assert_eq!(body["message"], "Successfully logged out from all devices");
    assert!(
        body["timestamp"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .is_ok()
    );
    assert_eq!(reply.header("clear-site-data"), Some(r#""cache", "storage""#));
    for login in &logins {
        assert_eq!(world.verdict(&login.access).await.0, 401);
        let thief = Browser::new(&world.gateway.url);
        if let Some(cookie) = login.browser.cookie(crate::gateway::COOKIE) {
            thief.plant_cookie(crate::gateway::COOKIE, &cookie.value);
            thief.get("/api/v1/auth/me").await.expect_status(401);
        }
        let asked = world.auth.count_requests("/oauth/token");
        let refused = world.refresh(&login.refresh).await.expect_status(400);
        assert_eq!(refused.json()["error"], "invalid_grant");
        assert_eq!(
            world.auth.count_requests("/oauth/token"),
            asked,
            "refused before the authorization server is asked"
        );
    }
    other.browser.get("/api/v1/auth/me").await.expect_status(200);
}

async fn it_spares_a_login_made_after_it(stores: Stores) {
    let world = World::on(stores, &[("CLOCK_SKEW_SECONDS", "60")]).await;
    for round in 0..2 {
        let before = world.log_in("user-1").await;
        world
            .bearer(&before.access)
            .post(LOGOUT_ALL)
            .await
            .expect_status(200);
        // In the same second, so that no issue time tells them apart.
        for code in [Code::of("user-1"), Code::of("user-1").opaque()] {
            let after = world.log_in_with(&code).await;
            assert_eq!(world.me(&after.access).await.status, 200, "round {round}");
            after.browser.get("/api/v1/auth/me").await.expect_status(200);
            let renewed = world.refresh(&after.refresh).await.expect_status(200).json();
            assert_eq!(
                world.me(renewed["access_token"].as_str().unwrap()).await.status,
                200,
                "round {round}"
            );
        }
        assert_eq!(world.me(&before.access).await.status, 401, "round {round}");
    }
}

async fn a_login_under_way_is_refused_and_its_tokens_are_dead(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let gate = ReplyGate::closed();
    world.auth.on(
        "/oauth/token",
        Lie::gated(&gate, world.issuer.honest(&world.auth)),
    );
    let browser = Browser::new(&world.gateway.url);
    let code = Code::of("user-1");
    let login = world.exchange(&browser, &code);
    let logout = async {
        world.auth.wait_for_requests("/oauth/token", 1).await;
        world
            .bearer(&world.stray_token("user-1"))
            .post(LOGOUT_ALL)
            .await
            .expect_status(200);
        gate.open();
    };
    let (reply, ()) = tokio::join!(login, logout);
    let issued = world.issuer.access_tokens();
    assert_eq!(issued.len(), 1);
    assert_eq!(world.verdict(&issued[0]).await, (401, "token_revoked".into()));
    assert_eq!(verdict(&reply), (400, "invalid_grant".into()), "{}", reply.text());
    assert!(browser.cookie(crate::gateway::COOKIE).is_none());
}

async fn a_refresh_under_way_gives_no_living_token_out(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let gate = ReplyGate::closed();
    world.auth.on(
        "/oauth/token",
        Lie::gated(&gate, world.issuer.honest(&world.auth)),
    );
    let refresh = world.refresh(&login.refresh);
    let logout = async {
        world.auth.wait_for_requests("/oauth/token", 2).await;
        world
            .bearer(&world.stray_token("user-1"))
            .post(LOGOUT_ALL)
            .await
            .expect_status(200);
        gate.open();
    };
    let (reply, ()) = tokio::join!(refresh, logout);
    assert_eq!(verdict(&reply), (400, "invalid_grant".into()), "{}", reply.text());
    for token in world.issuer.access_tokens() {
        assert_eq!(world.me(&token).await.status, 401);
    }
}

async fn logins_that_race_with_it_are_never_lost(stores: Stores) {
    let world = Arc::new(World::on(stores, &[("SESSION_MAX_PER_USER", "100")]).await);
    let caller = world.stray_token("user-1");
    let racing: Vec<_> = (0..12)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let browser = Browser::new(&world.gateway.url);
                let reply = world.exchange(&browser, &Code::of("user-1")).await;
                (reply, browser)
            })
        })
        .collect();
    world.bearer(&caller).post(LOGOUT_ALL).await.expect_status(200);
    let mut granted = Vec::new();
    for login in racing {
        let (reply, browser) = login.await.unwrap();
        match reply.status.as_u16() {
            200 => granted.push((reply.json()["access_token"].as_str().unwrap().to_owned(), browser)),
            _ => assert_eq!(verdict(&reply), (400, "invalid_grant".into()), "{}", reply.text()),
        }
    }
    // Whoever was spared is listed, and covered by the next one.
    let last = world.log_in("user-1").await;
    let listed = world
        .bearer(&last.access)
        .get("/api/v1/auth/sessions")
        .await
        .json();
    let mut alive = 1;
    for (_, browser) in &granted {
        alive += usize::from(browser.get("/api/v1/auth/me").await.status == 200);
    }
    assert_eq!(listed["active_sessions"].as_u64(), Some(alive as u64));
    world
        .bearer(&last.access)
        .post(LOGOUT_ALL)
        .await
        .expect_status(200);
    for token in world.issuer.access_tokens() {
        assert_eq!(world.me(&token).await.status, 401);
    }
    for (_, browser) in &granted {
        browser.get("/api/v1/auth/me").await.expect_status(401);
    }
}

async fn it_may_be_called_twice_and_by_an_option_of_logout(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let bearer = world.bearer(&login.access);
    bearer.post(LOGOUT_ALL).await.expect_status(200);
    let again = bearer.post(LOGOUT_ALL).await.expect_status(200).json();
    assert_eq!(
        (
            again["tokens_blacklisted"].as_u64(),
            again["sessions_invalidated"].as_u64()
        ),
        (Some(0), Some(0))
    );
    let (caller, stray) = (world.log_in("user-1").await, world.stray_token("user-2"));
    let all = json!({ "logout_all_devices": true });
    let reply = world
        .bearer(&caller.access)
        .post_json("/api/v1/auth/logout", &all)
        .await
        .expect_status(200)
        .json();
    assert_eq!(reply["logout_all_devices"], true);
    caller.browser.get("/api/v1/auth/me").await.expect_status(401);
    assert_eq!(world.me(&stray).await.status, 200);
}

async fn an_administrator_logs_somebody_out_everywhere(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let admin = world.opaque_token("root");
    world
        .auth
        .accept_token(&admin, json!({ "sub": "root", "roles": ["admin"] }));
    let path = "/api/v1/admin/users/user-1/logout";
    assert_eq!(world.bearer(&login.access).post(path).await.status, 403);
    let body = world.bearer(&admin).post(path).await.expect_status(200).json();
    assert_eq!(
        (body["user_id"].as_str(), body["sessions_invalidated"].as_u64()),
        (Some("user-1"), Some(1))
    );
    assert_eq!(world.me(&login.access).await.status, 401);
    assert_eq!(world.me(&admin).await.status, 200);
}

#[tokio::test]
async fn nothing_that_it_writes_to_redis_dies_before_what_it_covers() {
    let world = World::on(Stores::Redis, &[]).await;
    let long = Code::of("user-1").answer("expires_in", 300_000);
    let login = world.log_in_with(&long).await;
    world
        .log_in_with(&Code::of("user-1").answer("expires_in", 60))
        .await;
    let (redis, _) = world.redis.as_ref().unwrap();
    let lasts = async |key: &str| -> i64 {
        redis
            .command(&["TTL", key])
            .await
            .unwrap()
            .text()
            .unwrap()
            .parse()
            .unwrap()
    };
    // The guide sets the index's life to that of the last token, so that the first drops out.
    assert!(lasts("user_tokens:user-1").await > 290_000);
    world
        .bearer(&login.access)
        .post(LOGOUT_ALL)
        .await
        .expect_status(200);
    // The guide's entries of a logout-all live 24 hours, whatever the tokens do.
    assert!(lasts("gateway:cutoff:user:user-1").await > 30 * 86_400);
    let jti = maxlab_auth_jose::CompactJws::parse(&login.access)
        .unwrap()
        .unverified_jti()
        .unwrap()
        .to_owned();
    assert!(lasts(&format!("blacklist:{jti}")).await > 290_000);
}

on_every_store!(
    it_covers_tokens_that_never_passed_here_and_the_callers_own,
    it_spares_a_login_made_after_it,
    logins_that_race_with_it_are_never_lost,
);
on_embedded_and_redis!(
    it_ends_every_session_with_its_tokens_and_counts_them,
    a_login_under_way_is_refused_and_its_tokens_are_dead,
    a_refresh_under_way_gives_no_living_token_out,
    it_may_be_called_twice_and_by_an_option_of_logout,
    an_administrator_logs_somebody_out_everywhere,
);
