//! The guide takes an outage for a "no" and an error for "not revoked": here it is 503, and nothing is cleared.

use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_core::verdict::TokenKey;
use maxlab_auth_testkit::{Actor, HttpReply};
use reqwest::Method;

use crate::gateway::{
    COOKIE, Stores, World, eventually, from_own_page, on_embedded_and_redis, on_every_store, on_stores,
    verdict,
};

/// 503 of this component, with a time to come back, and every cookie left alone.
#[track_caller]
fn assert_unavailable(reply: &HttpReply, code: &str) {
    assert_eq!(
        verdict(reply),
        (503, code.to_owned()),
        "{}: {}",
        reply.url,
        reply.text()
    );
    assert!(
        reply
            .header("retry-after")
            .is_some_and(|value| value.parse::<u32>().is_ok())
    );
    assert!(reply.headers.get("set-cookie").is_none() && reply.headers.get("clear-site-data").is_none());
}

#[tokio::test]
async fn an_outage_of_the_authorization_server_is_503_and_clears_no_cookie() {
    let world = World::embedded(&[("VERIFY_CACHE_SECONDS", "0")]).await;
    let (token, login) = (world.opaque_token("user-1"), world.log_in("user-1").await);
    world.auth.stop().await;
    let bearer = world.bearer(&token);
    for path in [
        "/api/v1/auth/me",
        "/oauth/userinfo",
        "/api/v1/auth/sessions",
        "/api/v1/auth/access/admin",
    ] {
        assert_unavailable(&bearer.get(path).await, "upstream_unavailable");
    }
    for path in ["/api/v1/auth/logout", "/api/v1/auth/logout/all"] {
        assert_unavailable(&bearer.post(path).await, "upstream_unavailable");
    }
    let asked = [("access_token", token.as_str())];
    assert_unavailable(
        &world.anonymous().post_form("/oauth/token/validate", &asked).await,
        "upstream_unavailable",
    );
    // A session needs nobody else.
    login.browser.get("/api/v1/auth/me").await.expect_status(200);
    world.auth.restart().await.unwrap();
    assert_eq!(world.me(&token).await.status, 200, "it is back by itself");
}

async fn an_error_of_the_store_is_503_and_never_not_revoked(stores: Stores) {
    let world = World::on(stores, &[("REVOCATION_READS", "direct")]).await;
    let (login, revoked) = (world.log_in("user-1").await, world.stray_token("user-1"));
    world.revoke(&revoked).await.expect_status(200);
    assert_eq!(world.me(&login.access).await.status, 200);
    world.lose_store().await;
    for token in [&login.access, &revoked] {
        assert_unavailable(&world.me(token).await, "store_unavailable");
    }
    assert_unavailable(&login.browser.get("/api/v1/auth/me").await, "store_unavailable");
    for path in [
        "/api/v1/auth/logout",
        "/api/v1/auth/logout/all",
        "/api/v1/auth/sessions/rotate",
    ] {
        assert_unavailable(
            &from_own_page(&login.browser, Method::POST, path).await,
            "store_unavailable",
        );
    }
    assert!(login.browser.cookie(COOKIE).is_some());
    world.find_store().await;
    eventually("the gateway finds its store again", async || {
        world.me(&login.access).await.status == 200
    })
    .await;
    login.browser.get("/api/v1/auth/me").await.expect_status(200);
    assert_eq!(world.verdict(&revoked).await, (401, "token_revoked".into()));
}

async fn a_login_during_an_outage_of_the_store_gives_no_token_out(stores: Stores) {
    let world = World::on(stores, &[]).await;
    world.log_in("user-1").await;
    world.lose_store().await;
    let asked = world.auth.count_requests("/oauth/token");
    let browser = maxlab_auth_testkit::Browser::new(&world.gateway.url);
    let code = crate::issuer::Code::of("user-1");
    assert_unavailable(&world.exchange(&browser, &code).await, "store_unavailable");
    assert_eq!(
        world.auth.count_requests("/oauth/token"),
        asked,
        "the code is still good for another try"
    );
    world.find_store().await;
    eventually("the same code logs in", async || {
        world.exchange(&browser, &code).await.status == 200
    })
    .await;
}

async fn a_refresh_during_an_outage_of_the_store_spends_nothing(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    world.lose_store().await;
    let asked = world.auth.count_requests("/oauth/token");
    assert_unavailable(&world.refresh(&login.refresh).await, "store_unavailable");
    assert_eq!(world.auth.count_requests("/oauth/token"), asked);
    world.find_store().await;
    eventually("the refresh token is as good as before", async || {
        world.refresh(&login.refresh).await.status == 200
    })
    .await;
}

async fn a_replica_answers_for_one_lease_without_its_store_and_then_nobody_does(stores: Stores) {
    let world = World::on(stores, &[("REVOCATION_LEASE_SECONDS", "1")]).await;
    let (good, revoked) = (world.stray_token("user-1"), world.stray_token("user-1"));
    world.revoke(&revoked).await.expect_status(200);
    world.on_a_lease().await;
    world.lose_store().await;
    assert_eq!(world.verdict(&revoked).await, (401, "token_revoked".into()));
    eventually("the lease runs out", async || world.me(&good).await.status == 503).await;
    for token in [&good, &revoked] {
        assert_unavailable(&world.me(token).await, "store_unavailable");
    }
    world.find_store().await;
    eventually("the gateway finds its store again", async || {
        world.me(&good).await.status == 200
    })
    .await;
    assert_eq!(world.verdict(&revoked).await, (401, "token_revoked".into()));
}

on_stores!(a_replica_answers_for_one_lease_without_its_store_and_then_nobody_does, redis: Redis, redis_and_postgresql: Shared);
on_every_store!(an_error_of_the_store_is_503_and_never_not_revoked);
on_embedded_and_redis!(
    a_login_during_an_outage_of_the_store_gives_no_token_out,
    a_refresh_during_an_outage_of_the_store_spends_nothing,
);

/// A revocation is written where direct reads find it before it is put on the stream. Whoever saw it there goes on
/// refusing, also from a memory that the stream has not told yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_refused_once_memory_does_not_accept() {
    let world = World::on(Stores::Redis, &[]).await;
    let token = world.stray_token("user-1");
    world.on_a_lease().await;
    assert_eq!(world.me(&token).await.status, 200);
    let key = TokenKey::from_presented(&PresentedToken::parse(&token).unwrap());
    let (redis, _) = world.redis.as_ref().unwrap();
    let entry = [
        "SET",
        &format!("blacklist:{key}"),
        r#"{"reason":"revoked"}"#,
        "PX",
        "60000",
    ];
    redis.command(&entry).await.unwrap();
    assert_eq!(
        world.me(&token).await.status,
        200,
        "the stream has not told of it"
    );
    let mut refused = false;
    for _ in 0..50 {
        // Without its lease it asks the store.
        world.engine().deps().revocations.release_lease().await;
        refused = world.me(&token).await.status == 401;
        if refused {
            break;
        }
    }
    assert!(refused, "it never asked the store");
    world.on_a_lease().await;
    assert_eq!(world.verdict(&token).await, (401, "token_revoked".into()));
    let grounds = world.me(&world.stray_token("user-2")).await;
    assert!(
        grounds
            .header("x-auth-assurance")
            .unwrap()
            .contains("reads=replica")
    );
}
