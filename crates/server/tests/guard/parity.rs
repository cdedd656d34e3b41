//! The guarded application says of a failure what the gateway says of it.

use maxlab_auth_testkit::{Actor, AnonymousActor, HttpReply};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Way, World, application, nothing};

async fn told(at: &str, path: &str, fields: &[String]) -> HttpReply {
    let caller = AnonymousActor::new(at);
    let sent = caller.send(Method::GET, path, |request| {
        fields
            .iter()
            .fold(request, |request, field| request.header("authorization", field))
    });
    sent.await
}

/// What a client can see of a failure.
fn seen(reply: &HttpReply) -> (u16, Value, [Option<String>; 4]) {
    let headers = ["content-type", "www-authenticate", "retry-after", "cache-control"];
    (
        reply.status.as_u16(),
        serde_json::from_slice(&reply.body).unwrap_or_default(),
        headers.map(|name| reply.header(name).map(str::to_owned)),
    )
}

#[tokio::test]
async fn failures_read_as_the_gateways_own() {
    let world = World::start().await;
    let (good, revoked) = (world.token("u", &nothing()), world.token("v", &nothing()));
    world.revoke(&revoked).await;
    let forge = world.auth.forge();
    let expired = forge.access_token("u").issued_at(1_700_000_000).sign();
    let stranger = maxlab_auth_testkit::TokenForge::es256("https://other.example");
    let cases: Vec<(&str, Vec<String>)> = vec![
        ("none", vec![]),
        ("another scheme", vec!["Basic dTpw".into()]),
        ("malformed", vec!["Bearer a b".into()]),
        ("not in its form", vec!["bearer,abc".into()]),
        ("two", vec![format!("Bearer {good}"), format!("Bearer {good}")]),
        ("too long", vec![format!("Bearer {}", "a".repeat(16 * 1024 + 1))]),
        ("opaque", vec!["Bearer opaque".into()]),
        ("expired", vec![format!("Bearer {expired}")]),
        (
            "forged",
            vec![format!("Bearer {}", stranger.access_token("u").sign())],
        ),
        ("revoked", vec![format!("Bearer {revoked}")]),
    ];
    for way in [Way::Local, Way::Asking] {
        let app = application(&world.guard(way).await).await;
        for (what, fields) in &cases {
            let (theirs, ours) = (
                told(&world.gateway.url(), "/auth/verify", fields).await,
                told(&app, "/me", fields).await,
            );
            assert!(!theirs.status.is_success(), "{what}");
            assert_eq!(seen(&ours), seen(&theirs), "{way:?}, {what}");
        }
        let good = [format!("Bearer {good}")];
        let theirs = told(&world.gateway.url(), "/auth/verify?workspace=w1", &good).await;
        let ours = told(&app, "/workspaces/w1/documents", &good).await;
        let codes = |reply: &HttpReply| (reply.status.as_u16(), reply.json()["code"].clone());
        assert_eq!(codes(&ours), codes(&theirs), "{way:?}");
        assert_eq!(codes(&ours), (403, json!("insufficient_permission")));
    }
}

#[tokio::test]
async fn an_outage_reads_as_the_gateways_own() {
    let mut world = World::start().await;
    let (local, asking) = (world.guard(Way::Local).await, world.guard(Way::Asking).await);
    let apps = [application(&local).await, application(&asking).await];
    let good = [format!("Bearer {}", world.token("u", &nothing()))];
    world.redis.kill();
    crate::world::eventually("the leases are over", || async {
        told(&world.gateway.url(), "/auth/verify", &good).await.status == 503
            && told(&apps[0], "/me", &good).await.status == 503
    })
    .await;
    let theirs = told(&world.gateway.url(), "/auth/verify", &good).await;
    for app in &apps {
        assert_eq!(seen(&told(app, "/me", &good).await), seen(&theirs));
    }
}
