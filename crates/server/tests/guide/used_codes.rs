//! A code is good for one exchange, whatever the authorization server thinks (RFC 6749 §4.1.2; I8).

use std::sync::Arc;

use maxlab_auth_core::clock;
use maxlab_auth_core::used_codes::CODE_REUSE_WINDOW;
use maxlab_auth_testkit::{Actor, HttpReply, Lie, ReplyGate};
use serde_json::json;

use crate::gateway::{Gateway, Stores, World, on_every_store};
use crate::issuer::Code;

/// An exchange at this gateway, with a verifier of its own.
async fn exchange(url: &str, code: &str, verifier: usize) -> HttpReply {
    let verifier = format!("{verifier:a>43}");
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("client_id", "test-app"),
        ("code_verifier", verifier.as_str()),
    ];
    maxlab_auth_testkit::AnonymousActor::new(url)
        .post_form("/oauth/token", &form)
        .await
}

fn error(reply: &HttpReply) -> (u16, String) {
    let body = reply.json();
    (
        reply.status.as_u16(),
        body["error"].as_str().unwrap_or_default().to_owned(),
    )
}

fn used() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

async fn s9_a_code_that_was_exchanged_is_refused_for_ten_minutes(stores: Stores) {
    let world = World::on(stores, &[]).await;
    world.issuer.is_careless();
    let (url, code) = (&world.gateway.url, Code::of("user-1").text());
    exchange(url, &code, 0).await.expect_status(200);
    for verifier in [0, 0, 1] {
        assert_eq!(error(&exchange(url, &code, verifier).await), used());
    }
    assert_eq!(world.auth.count_requests("/oauth/token"), 1);
    assert_eq!(
        world
            .engine()
            .active_sessions(&maxlab_auth_core::identity::Subject::of_default("user-1"))
            .await
            .unwrap()
            .len(),
        1
    );
    // Cleaning takes nothing before its time, and a restart forgets nothing.
    let (codes, now) = (&world.engine().deps().used_codes, world.engine().now());
    codes
        .purge_codes(clock::after(now, CODE_REUSE_WINDOW))
        .await
        .unwrap();
    let world = world.restarted(&[]).await;
    assert_eq!(error(&exchange(&world.gateway.url, &code, 0).await), used());
    exchange(&world.gateway.url, &Code::of("user-1").text(), 0)
        .await
        .expect_status(200);
}

async fn s9_of_ten_at_once_with_other_verifiers_one_is_exchanged(stores: Stores) {
    let world = Arc::new(World::on(stores, &[("UPSTREAM_TIMEOUT_SECONDS", "30")]).await);
    world.issuer.is_careless();
    let gate = ReplyGate::closed();
    world.auth.on(
        "/oauth/token",
        Lie::gated(&gate, world.issuer.honest(&world.auth)),
    );
    let code = Code::of("user-1").text();
    let requests: Vec<_> = (0..10)
        .map(|verifier| {
            let (world, code) = (Arc::clone(&world), code.clone());
            tokio::spawn(async move { exchange(&world.gateway.url, &code, verifier).await })
        })
        .collect();
    world.auth.wait_for_requests("/oauth/token", 1).await;
    gate.open();
    let mut good = 0;
    for request in requests {
        let reply = request.await.unwrap();
        if reply.status == 200 {
            good += 1;
        } else {
            assert_eq!(error(&reply), used());
        }
    }
    assert_eq!((good, world.auth.count_requests("/oauth/token")), (1, 1));
    assert_eq!(
        world
            .engine()
            .active_sessions(&maxlab_auth_core::identity::Subject::of_default("user-1"))
            .await
            .unwrap()
            .len(),
        1
    );
}

/// What has certainly not spent the code leaves it good; what may have spent it does not.
async fn s9_only_what_may_have_spent_a_code_keeps_it_refused(stores: Stores) {
    let world = World::on(stores, &[("UPSTREAM_TIMEOUT_SECONDS", "1")]).await;
    world.issuer.is_careless();
    let url = &world.gateway.url;
    let unspent = [
        Lie::json(401, json!({ "error": "invalid_client" })),
        Lie::json(400, json!({ "error": "invalid_request" })),
        Lie::json(429, json!({})),
        Lie::json(503, json!({})),
    ];
    for lie in unspent {
        let code = Code::of("user-1").text();
        world.auth.on("/oauth/token", lie);
        assert_ne!(exchange(url, &code, 0).await.status, 200);
        world.auth.on("/oauth/token", world.issuer.honest(&world.auth));
        exchange(url, &code, 0).await.expect_status(200);
        assert_eq!(error(&exchange(url, &code, 0).await), used());
    }
    let spent = [
        Lie::json(400, json!({ "error": "invalid_grant" })),
        Lie::json(500, json!({})),
        Lie::json(200, json!({})),
        Lie::hang(),
    ];
    for lie in spent {
        let code = Code::of("user-1").text();
        world.auth.on("/oauth/token", lie);
        assert_ne!(exchange(url, &code, 0).await.status, 200);
        world.auth.on("/oauth/token", world.issuer.honest(&world.auth));
        assert_eq!(error(&exchange(url, &code, 0).await), used());
    }
    // Nothing is sent to a server that is not there.
    let code = Code::of("user-1").text();
    world.auth.stop().await;
    assert!(matches!(exchange(url, &code, 0).await.status.as_u16(), 502..=504));
    world.auth.restart().await.unwrap();
    exchange(url, &code, 0).await.expect_status(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_a_code_is_good_once_on_all_instances() {
    let world = World::on(Stores::Shared, &[]).await;
    world.issuer.is_careless();
    let data = tempfile::tempdir().unwrap();
    let mut settings = world.settings.clone();
    settings.insert("DATA_DIR".to_owned(), data.path().display().to_string());
    let other = Gateway::start(&settings).await;
    for _ in 0..5 {
        let code = Code::of("user-1").text();
        let (one, two) = tokio::join!(
            exchange(&world.gateway.url, &code, 0),
            exchange(&other.url, &code, 0)
        );
        let mut answers = [error(&one), error(&two)];
        answers.sort();
        assert_eq!(answers, [(200, String::new()), used()]);
        for url in [&world.gateway.url, &other.url] {
            assert_eq!(error(&exchange(url, &code, 0).await), used());
        }
    }
    other.stop().await;
}

on_every_store!(
    s9_a_code_that_was_exchanged_is_refused_for_ten_minutes,
    s9_of_ten_at_once_with_other_verifiers_one_is_exchanged,
    s9_only_what_may_have_spent_a_code_keeps_it_refused,
);
