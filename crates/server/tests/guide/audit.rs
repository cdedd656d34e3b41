//! One audit event for each security decision that changes state: who, what, when, from where, request id, result.

use maxlab_auth_core::audit::{AuditEvent, AuditKind, AuditOrigin};
use maxlab_auth_testkit::{Actor, BearerActor, HttpReply};
use reqwest::Method;
use serde_json::{Value, json};

use crate::gateway::{Stores, World, eventually, from_own_page, on_every_store};

fn admin(world: &World) -> BearerActor {
    let token = world.opaque_token("root");
    world
        .auth
        .accept_token(&token, json!({ "sub": "root", "roles": ["admin"] }));
    world.bearer(&token)
}

async fn events(world: &World, query: &str) -> Vec<Value> {
    let page = admin(world)
        .get(&format!("/api/v1/admin/audit{query}"))
        .await
        .expect_status(200)
        .json();
    page["events"].as_array().unwrap().clone()
}

/// The only event of a request, which must say all of this.
async fn only_event(world: &World, reply: &HttpReply, kind: &str, user: &str, target: Option<&str>) -> Value {
    let request_id = reply.header("x-request-id").unwrap().to_owned();
    let mut found: Vec<_> = events(world, "?limit=1000")
        .await
        .into_iter()
        .filter(|e| e["request_id"] == *request_id)
        .collect();
    assert_eq!(found.len(), 1, "one event for {kind}: {found:?}");
    let event = found.remove(0);
    assert_eq!(
        (event["kind"].as_str(), event["user_id"].as_str()),
        (Some(kind), Some(user))
    );
    assert_eq!(
        (event["ip_address"].as_str(), event["result"].as_str()),
        (Some("127.0.0.1"), Some("success")),
        "{kind}"
    );
    let at: jiff::Timestamp = event["at"].as_str().unwrap().parse().unwrap();
    assert!(at <= world.engine().now());
    if let Some(target) = target {
        assert_eq!(event["target"].as_str(), Some(target), "{kind}");
    }
    event
}

async fn every_decision_leaves_one_event(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (one, two) = (world.log_in("user-1").await, world.log_in("user-1").await);
    only_event(&world, &one.reply, "login", "user-1", Some(&one.handle)).await;
    let reply = world.refresh(&two.refresh).await.expect_status(200);
    only_event(&world, &reply, "refresh", "user-1", Some(&two.handle)).await;
    let reply = from_own_page(&one.browser, Method::POST, "/api/v1/auth/sessions/rotate")
        .await
        .expect_status(200);
    only_event(&world, &reply, "session_rotated", "user-1", Some(&one.handle)).await;
    let path = format!("/api/v1/auth/sessions/{}", two.handle);
    let reply = from_own_page(&one.browser, Method::DELETE, &path)
        .await
        .expect_status(200);
    let event = only_event(&world, &reply, "session_terminated", "user-1", Some(&two.handle)).await;
    assert_eq!(event["actor"], "user-1");
    let builder = world.auth.forge().access_token("user-2").claim("jti", "jti-2");
    let token = builder.clone().sign();
    world.auth.accept_token(&token, builder.claims());
    let reply = world.revoke(&token).await.expect_status(200);
    only_event(&world, &reply, "revoke", "user-2", Some("token:jti-2")).await;
    let reply = from_own_page(&one.browser, Method::POST, "/api/v1/auth/logout")
        .await
        .expect_status(200);
    only_event(&world, &reply, "logout", "user-1", Some(&one.handle)).await;
    let reply = world
        .bearer(&world.stray_token("user-3"))
        .post("/api/v1/auth/logout/all")
        .await
        .expect_status(200);
    only_event(&world, &reply, "logout_all", "user-3", None).await;
    let reply = admin(&world)
        .post("/api/v1/admin/users/user-4/logout")
        .await
        .expect_status(200);
    let event = only_event(&world, &reply, "admin_revoke", "user-4", None).await;
    assert_eq!(event["actor"], "root", "who did it, apart from whom it is about");
}

async fn a_denied_administrators_act_is_recorded(stores: Stores) {
    let world = World::on(stores, &[]).await;
    for (user, method, path) in [
        ("user-1", Method::GET, "/api/v1/admin/audit"),
        ("user-3", Method::POST, "/api/v1/admin/users/user-2/logout"),
    ] {
        let reply = world
            .bearer(&world.opaque_token(user))
            .send(method.clone(), path, |request| request)
            .await
            .expect_status(403);
        let request_id = reply.header("x-request-id").unwrap();
        let all = events(&world, "?kind=access_denied").await;
        let event = all
            .iter()
            .find(|event| event["request_id"] == *request_id)
            .expect("an event");
        assert_eq!(
            (event["actor"].as_str(), event["result"].as_str()),
            (Some(user), Some("denied"))
        );
        assert_eq!(
            event["target"].as_str(),
            Some(format!("{method} {path}").as_str())
        );
    }
}

async fn w12_refusals_of_one_person_are_one_event_a_minute_with_a_count(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let stranger = world.bearer(&world.opaque_token("user-1"));
    let paths = [
        "/api/v1/admin/audit",
        "/api/v1/admin/denylist",
        "/api/v1/auth/access/admin",
    ];
    for path in paths.iter().cycle().take(30) {
        stranger.get(path).await.expect_status(403);
    }
    world
        .bearer(&world.opaque_token("user-2"))
        .get("/api/v1/admin/audit")
        .await
        .expect_status(403);
    let denied = events(&world, "?kind=access_denied&user_id=user-1").await;
    let counted: u64 = denied.iter().filter_map(|event| event["count"].as_u64()).sum();
    // One event for each minute in which the test ran.
    assert!(counted == 30 && denied.len() <= 5, "{denied:?}");
    let of_another = events(&world, "?kind=access_denied&user_id=user-2").await;
    assert_eq!(of_another.len(), 1);
    assert_eq!(of_another[0]["count"], 1);
}

#[tokio::test]
async fn w12_what_is_older_than_the_retention_is_deleted_in_the_background() {
    let world = World::embedded(&[("AUDIT_RETENTION_DAYS", "0")]).await;
    let day = std::time::Duration::from_secs(86_400);
    let kept = async |world: &World| events(world, "?limit=1000").await.len();
    let aged = [1_u32, 3, 500].map(|days| {
        let at = maxlab_auth_core::clock::before(world.engine().now(), day * days);
        AuditEvent::new(AuditKind::Login, at, &AuditOrigin::default())
            .with_actor(&maxlab_auth_core::identity::Subject::of_default("user-1"))
    });
    world.engine().deps().audit.append(&aged).await.unwrap();
    let world = world.restarted(&[("AUDIT_RETENTION_DAYS", "2")]).await;
    eventually("old events are deleted", async || kept(&world).await == 1).await;
}

#[tokio::test]
async fn a_reused_refresh_token_is_recorded() {
    let world = World::embedded(&[]).await;
    let login = world.log_in("user-1").await;
    world.refresh(&login.refresh).await.expect_status(200);
    world.gateway.clock.advance(std::time::Duration::from_secs(11));
    world.refresh(&login.refresh).await.expect_status(400);
    let found = events(&world, "?kind=refresh_reuse").await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0]["user_id"].as_str(), found[0]["target"].as_str()),
        (Some("user-1"), Some(login.handle.as_str()))
    );
    assert_eq!(found[0]["result"], "denied");
}

#[tokio::test]
async fn reading_and_refusing_change_nothing_and_leave_no_event() {
    let world = World::embedded(&[]).await;
    let login = world.log_in("user-1").await;
    let before = world.sql("SELECT CAST(count(*) AS TEXT) FROM audit_events").await;
    for path in ["/api/v1/auth/me", "/api/v1/auth/sessions", "/oauth/userinfo"] {
        world.bearer(&login.access).get(path).await.expect_status(200);
    }
    world.me("nobody-knows-this").await.expect_status(401);
    world
        .revoke(&world.auth.forge().forged_twin(&login.access))
        .await
        .expect_status(200);
    assert_eq!(
        world.sql("SELECT CAST(count(*) AS TEXT) FROM audit_events").await,
        before
    );
}

#[tokio::test]
async fn the_list_is_filtered_and_the_newest_comes_first() {
    let world = World::embedded(&[]).await;
    for user in ["user-1", "user-2", "user-1"] {
        world.log_in(user).await;
    }
    let all = events(&world, "").await;
    let times: Vec<jiff::Timestamp> = all
        .iter()
        .map(|event| event["at"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(all.len() == 3 && times.windows(2).all(|pair| pair[0] >= pair[1]));
    assert_eq!(events(&world, "?user_id=user-1").await.len(), 2);
    assert_eq!(events(&world, "?kind=logout").await.len(), 0);
    assert_eq!(events(&world, "?limit=1").await.len(), 1);
    assert_eq!(events(&world, "?since=2999-01-01T00:00:00Z").await.len(), 0);
    for bad in ["?kind=nonsense", "?since=yesterday", "?limit=-1"] {
        admin(&world)
            .get(&format!("/api/v1/admin/audit{bad}"))
            .await
            .expect_status(400);
    }
}

#[tokio::test]
async fn a_trusted_proxy_says_from_where_and_under_which_id() {
    let trusting = World::embedded(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let wary = World::embedded(&[]).await;
    for (world, believed) in [(&trusting, true), (&wary, false)] {
        let token = world.stray_token("user-1");
        let anonymous = world.anonymous();
        let reply = anonymous.send(Method::POST, "/oauth/revoke", |request| {
            request
                .form(&[("token", &token)])
                .header("x-forwarded-for", "9.9.9.9, 203.0.113.7")
                .header("x-request-id", "proxy-id-1")
        });
        let reply = reply.await.expect_status(200);
        assert_eq!(reply.header("x-request-id") == Some("proxy-id-1"), believed);
        let event = &events(world, "?kind=revoke").await[0];
        assert_eq!(
            event["ip_address"].as_str(),
            Some(if believed { "203.0.113.7" } else { "127.0.0.1" })
        );
        assert_eq!(event["request_id"].as_str(), reply.header("x-request-id"));
    }
}

on_every_store!(
    every_decision_leaves_one_event,
    a_denied_administrators_act_is_recorded,
    w12_refusals_of_one_person_are_one_event_a_minute_with_a_count,
);
