//! Good manners to the servers around: no KEYS in Redis, one connection pool to the authorization server.

use maxlab_auth_testkit::{Actor, BreakableLink};
use reqwest::Method;
use serde_json::json;

use crate::gateway::{Stores, World, from_own_page};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_ever_sends_keys_to_redis() {
    let world = World::on(Stores::Redis, &[]).await;
    let (first, second) = (world.log_in("user-1").await, world.log_in("user-1").await);
    let admin = world.opaque_token("root");
    world
        .auth
        .accept_token(&admin, json!({ "sub": "root", "roles": ["admin"] }));
    let admin = world.bearer(&admin);
    for path in [
        "/api/v1/auth/me",
        "/oauth/userinfo",
        "/api/v1/auth/sessions",
        "/api/v1/auth/access/workspaces/w",
        "/api/v1/admin/denylist",
        "/api/v1/admin/audit",
        "/health/ready",
        "/metrics",
    ] {
        admin.get(path).await.expect_status(200);
    }
    world.refresh(&first.refresh).await.expect_status(200);
    let anonymous = world.anonymous();
    anonymous
        .post_form("/oauth/token/validate", &[("access_token", &first.access)])
        .await
        .expect_status(200);
    from_own_page(&first.browser, Method::POST, "/api/v1/auth/sessions/rotate")
        .await
        .expect_status(200);
    let other = format!("/api/v1/auth/sessions/{}", second.handle);
    from_own_page(&first.browser, Method::DELETE, &other)
        .await
        .expect_status(200);
    world.revoke(&first.access).await.expect_status(200);
    from_own_page(&first.browser, Method::POST, "/api/v1/auth/logout")
        .await
        .expect_status(200);
    world
        .bearer(&world.stray_token("user-1"))
        .post("/api/v1/auth/logout/all")
        .await
        .expect_status(200);
    admin
        .post("/api/v1/admin/users/user-2/logout")
        .await
        .expect_status(200);
    world
        .engine()
        .deps()
        .revocations
        .purge(world.engine().now())
        .await
        .unwrap();
    let (redis, _) = world.redis.as_ref().unwrap();
    let sent = redis
        .command(&["INFO", "commandstats"])
        .await
        .unwrap()
        .text()
        .unwrap();
    assert!(
        sent.contains("cmdstat_hget") || sent.contains("cmdstat_hmget"),
        "{sent}"
    );
    for command in [
        "keys",
        "flushall",
        "flushdb",
        "smembers_unbounded",
        "sort",
        "save",
        "debug",
    ] {
        assert!(
            !sent.contains(&format!("cmdstat_{command}:")),
            "{command}: {sent}"
        );
    }
    // What walks the whole store is the administrator's list and the clean-up, step by step, and no login or check.
    for key in crate::observe::redis_keys(redis, "*").await {
        let ttl = redis.command(&["TTL", &key]).await.unwrap().text().unwrap();
        let bounded = key.starts_with("gateway:{revocations}:") || key == "revocations";
        assert!(ttl != "-1" || bounded, "{key} lives for ever");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_requests_share_one_connection_pool() {
    let world = World::embedded(&[("VERIFY_LAYERS", "oauth_userinfo"), ("VERIFY_CACHE_SECONDS", "0")]).await;
    let link = BreakableLink::to(world.auth.addr()).await.unwrap();
    let through_link = format!("http://{}", link.addr());
    let issuer = world.auth.url();
    let world = world
        .restarted(&[("EXTERNAL_AUTH_URL", &through_link), ("JWT_ISSUER", &issuer)])
        .await;
    let token = world.opaque_token("user-1");
    for _ in 0..100 {
        assert_eq!(world.me(&token).await.status, 200);
    }
    assert!(world.auth.count_requests("/oauth/userinfo") >= 100);
    assert!(
        link.connections() <= 4,
        "{} connections for 100 requests",
        link.connections()
    );
}

#[tokio::test]
async fn the_callers_headers_do_not_travel_on() {
    let world = World::embedded(&[]).await;
    let token = world.opaque_token("user-1");
    let login = world.log_in("user-1").await;
    let request = login.browser.send(Method::GET, "/api/v1/auth/me", |request| {
        request
            .bearer_auth(&token)
            .header("x-forwarded-for", "1.2.3.4")
            .header("x-custom", "secret")
    });
    request.await.expect_status(200);
    let asked = world
        .auth
        .requests("/oauth/userinfo")
        .into_iter()
        .rfind(|asked| asked.bearer() == Some(token.as_str()))
        .unwrap();
    for name in ["cookie", "x-custom", "x-forwarded-for"] {
        assert_eq!(asked.header(name), None, "{name}");
    }
    assert_eq!(asked.header("accept"), Some("application/json"));
    assert!(asked.header("user-agent").unwrap().starts_with("maxlab-auth/"));
}
