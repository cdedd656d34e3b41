//! Whatever a request does wrong, and whatever fails behind the gateway, is answered in the document's words.

use std::time::Duration;

use maxlab_auth_testkit::lying::Lie;
use reqwest::RequestBuilder;
use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_is_as_described() {
    let mut world = World::start().await;
    for (operation, at) in world.operations() {
        // Some operations end the token that they are asked with.
        let plain = world.token("plain", &[]);
        let anonymous = world.ask(&operation, &at, |r| r).await.status;
        assert!(
            anonymous != 404 && anonymous != 405,
            "{operation} is no route: {anonymous}"
        );
        world
            .ask(&operation, &at, |r| r.header("authorization", "Bearer e30.e30."))
            .await;
        world
            .ask(&operation, &at, |r| r.bearer_auth("x".repeat(20_000)))
            .await;
        world
            .ask(&operation, &at, |r| {
                r.header("authorization", "Basic a")
                    .header("authorization", "Basic b")
            })
            .await;
        world
            .ask(&operation, &at, |r| r.header("authorization", "Basic !!"))
            .await;
        world
            .ask(&operation, &at, |r| r.header("cookie", "maxlab_session=junk"))
            .await;
        world
            .ask(&operation, &format!("{at}?limit=0&since=x&a=1&a=2"), |r| {
                r.bearer_auth(&plain)
            })
            .await;
        world
            .ask(&operation, &at, |r| r.header("host", "a b"))
            .await
            .expect(400);
        world
            .ask(&operation, &format!("{at}?{}", "x".repeat(9_000)), |r| r)
            .await
            .expect(414);
        world
            .ask(&operation, &at, |r| r.body("x".repeat(70_000)))
            .await
            .expect(413);
        for (kind, body) in [
            ("text/plain", "a=b"),
            ("application/json", "{"),
            ("application/x-www-form-urlencoded", "a=%ff"),
        ] {
            let with = |r: RequestBuilder| r.bearer_auth(&plain).header("content-type", kind).body(body);
            world.ask(&operation, &at, with).await;
        }
    }
    let plain = world.token("another", &[]);
    let operation = "DELETE /api/v1/auth/sessions/{session_id}";
    world
        .ask(operation, "/api/v1/auth/sessions/x", |r| r.bearer_auth(&plain))
        .await
        .expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_authorization_server_is_as_described() {
    let mut world = World::start().await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "r"),
        ("client_id", "c"),
    ];
    let refusal = json!({ "error": "invalid_grant", "error_description": "used" });
    let lies = [
        (Lie::json(400, refusal.clone()), 400),
        (Lie::json(401, refusal.clone()), 401),
        (Lie::json(413, refusal.clone()), 413),
        (Lie::json(403, refusal.clone()), 403),
        (Lie::json(429, refusal), 429),
        (Lie::status(403), 502),
        (Lie::status(500), 502),
        (Lie::garbage(), 502),
        (Lie::hang(), 504),
    ];
    for (lie, status) in lies {
        world.auth.on("/oauth/token", lie.clone());
        world
            .ask("POST /oauth/token", "/oauth/token", |r| r.form(&form))
            .await
            .expect(status);
    }
    world.auth.stop().await;
    world
        .ask("POST /oauth/token", "/oauth/token", |r| r.form(&form))
        .await
        .expect(502);
    let me = |r: RequestBuilder| r.bearer_auth("opaque").timeout(Duration::from_secs(20));
    world
        .ask("GET /api/v1/auth/me", "/api/v1/auth/me", me)
        .await
        .expect(503);
    world
        .ask("POST /oauth/token/validate", "/oauth/token/validate", |r| {
            r.form(&[("token", "opaque")])
        })
        .await
        .expect(503);
    world
        .ask("GET /health/ready", "/health/ready", |r| r)
        .await
        .expect(200);
}
