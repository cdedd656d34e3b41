//! The authorization server is told of every ending: as soon as it hears, again until it does, and over restarts.

use std::collections::BTreeSet;
use std::time::Duration;

use maxlab_auth_core::outbox::{RevocationRequest, UpstreamRevocation};
use maxlab_auth_testkit::{Actor, Lie};
use reqwest::Method;

use crate::gateway::{Stores, World, eventually, from_own_page, on_every_store};
use crate::observe::stored;

const REVOKE: &str = "/oauth/revoke";
/// Many more than are told between two looks at the outbox.
const MANY: usize = 300;

fn told(world: &World) -> BTreeSet<(String, String)> {
    let field = |request: &maxlab_auth_testkit::lying::ReceivedRequest, name: &str| {
        request.form(name).unwrap_or_default()
    };
    world
        .auth
        .requests(REVOKE)
        .iter()
        .map(|request| (field(request, "token_type_hint"), field(request, "token")))
        .collect()
}

async fn the_end_of_a_session_is_told_with_its_tokens(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let renewed = world.refresh(&login.refresh).await.expect_status(200).json();
    from_own_page(&login.browser, Method::POST, "/api/v1/auth/logout")
        .await
        .expect_status(200);
    let refresh = (
        "refresh_token".to_owned(),
        renewed["refresh_token"].as_str().unwrap().to_owned(),
    );
    let access = (
        "access_token".to_owned(),
        renewed["access_token"].as_str().unwrap().to_owned(),
    );
    eventually("it is told of both", async || {
        told(&world).is_superset(&BTreeSet::from([refresh.clone(), access.clone()]))
    })
    .await;
    let request = &world.auth.requests(REVOKE)[0];
    assert_eq!(
        request.form("client_id").as_deref(),
        Some("test-app"),
        "in the name of the client that the tokens were issued to"
    );
    eventually("nothing waits any more", async || {
        world.sql("SELECT CAST(count(*) AS TEXT) FROM outbox").await == "0"
    })
    .await;
}

async fn it_is_told_again_after_failures_and_over_a_restart(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    world.auth.stop().await;
    world.revoke(&login.refresh).await.expect_status(200);
    assert_eq!(
        world.sql("SELECT CAST(count(*) AS TEXT) FROM outbox").await,
        "3",
        "the session's two, and the one that was shown"
    );
    assert!(!stored(&world).await.contains(&login.refresh), "it waits sealed");
    let tried = "SELECT CAST(count(*) AS TEXT) FROM outbox WHERE attempts > 0";
    eventually("each has been tried", async || world.sql(tried).await == "3").await;
    let world = world.restarted(&[]).await;
    assert_eq!(world.sql("SELECT CAST(count(*) AS TEXT) FROM outbox").await, "3");
    world.auth.restart().await.unwrap();
    let refresh = ("refresh_token".to_owned(), login.refresh.clone());
    eventually("it is told after the restart", async || {
        told(&world).contains(&refresh)
    })
    .await;
    eventually("nothing waits any more", async || {
        world.sql("SELECT CAST(count(*) AS TEXT) FROM outbox").await == "0"
    })
    .await;
}

#[tokio::test]
async fn failures_are_tried_again_later_and_later() {
    let world = World::embedded(&[]).await;
    let token = world.opaque_token("user-1");
    world.auth.on(
        REVOKE,
        Lie::sequence([Lie::status(500), Lie::close(), Lie::honest()]),
    );
    world.revoke(&token).await.expect_status(200);
    world.auth.wait_for_requests(REVOKE, 3).await;
    let times: Vec<_> = world.auth.requests(REVOKE).iter().map(|asked| asked.at).collect();
    let (first, second) = (times[1] - times[0], times[2] - times[1]);
    assert!(first > Duration::from_millis(800), "{first:?}: not at once");
    assert!(
        second > Duration::from_millis(1_700),
        "{second:?} after {first:?}: ever later"
    );
    eventually("it was heard, and is not told again", async || {
        world.sql("SELECT CAST(count(*) AS TEXT) FROM outbox").await == "0"
    })
    .await;
    assert_eq!(world.auth.count_requests(REVOKE), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_are_told_at_once_and_none_waits_for_another() {
    // Told one by one, the first would hold up all the others for a minute.
    let world = World::embedded(&[("UPSTREAM_TIMEOUT_SECONDS", "60")]).await;
    world.auth.on(
        REVOKE,
        Lie::sequence([Lie::hang(), Lie::status(500), Lie::honest()]),
    );
    let worker = &world.gateway.app.background.outbox_worker;
    let now = worker.clock.now();
    let items: Vec<_> = (0..MANY)
        .map(|number| {
            let request = RevocationRequest {
                issuer: maxlab_auth_core::identity::Issuer::DEFAULT,
                token: format!("opaque-{number}"),
                hint: "access_token".to_owned(),
                client: None,
            };
            UpstreamRevocation {
                id: uuid::Uuid::new_v4(),
                sealed: request.seal(&worker.keys, now).unwrap(),
                created_at: now,
                due_at: now,
                attempts: 0,
                fairness_key: String::new(),
            }
        })
        .collect();
    worker.outbox.enqueue(&items).await.unwrap();
    let waiting = "SELECT CAST(count(*) AS TEXT) FROM outbox";
    eventually("all are told but the one that is not answered", async || {
        world.sql(waiting).await == "1"
    })
    .await;
    assert_eq!(
        world.auth.count_requests(REVOKE),
        MANY + 1,
        "each once, and the failed one again"
    );
}

#[tokio::test]
async fn a_server_without_that_endpoint_is_not_asked_for_ever() {
    let world = World::embedded(&[]).await;
    world.auth.on(REVOKE, Lie::status(404));
    world
        .revoke(&world.opaque_token("user-1"))
        .await
        .expect_status(200);
    world.auth.wait_for_requests(REVOKE, 1).await;
    eventually("it is given up", async || {
        world.sql("SELECT CAST(count(*) AS TEXT) FROM outbox").await == "0"
    })
    .await;
}

#[tokio::test]
async fn it_is_told_in_the_clients_own_name() {
    let own = [
        ("OAUTH_CLIENT_ID", "gateway"),
        ("OAUTH_CLIENT_SECRET", "a-secret-of-the-gateway"),
    ];
    let world = World::embedded(&own).await;
    let anonymous = world.anonymous();
    let basic = |token: String| {
        anonymous.send(Method::POST, REVOKE, move |request| {
            request
                .form(&[("token", &token)])
                .basic_auth("app", Some("app-secret"))
        })
    };
    basic(world.opaque_token("user-1")).await.expect_status(200);
    world.auth.wait_for_requests(REVOKE, 1).await;
    world
        .revoke(&world.opaque_token("user-1"))
        .await
        .expect_status(200);
    world.auth.wait_for_requests(REVOKE, 2).await;
    let seen = world.auth.requests(REVOKE);
    assert_eq!(
        seen[0].header("authorization"),
        Some("Basic YXBwOmFwcC1zZWNyZXQ=")
    );
    assert_eq!(
        seen[1].header("authorization"),
        Some("Basic Z2F0ZXdheTphLXNlY3JldC1vZi10aGUtZ2F0ZXdheQ==")
    );
    assert!(!stored(&world).await.contains("app-secret"));
}

#[tokio::test]
async fn every_session_of_a_logout_all_is_told() {
    let world = World::embedded(&[]).await;
    let logins = [world.log_in("user-1").await, world.log_in("user-1").await];
    world
        .bearer(&world.stray_token("user-1"))
        .post("/api/v1/auth/logout/all")
        .await
        .expect_status(200);
    let refresh: BTreeSet<_> = logins
        .iter()
        .map(|login| ("refresh_token".to_owned(), login.refresh.clone()))
        .collect();
    eventually("it is told of both", async || told(&world).is_superset(&refresh)).await;
}

on_every_store!(
    the_end_of_a_session_is_told_with_its_tokens,
    it_is_told_again_after_failures_and_over_a_restart
);
