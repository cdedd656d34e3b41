//! The verdict on a token in use is renewed before it runs out, beside the requests.

use std::time::{Duration, Instant};

use maxlab_auth_testkit::wait::after;
use maxlab_auth_testkit::{Actor as _, Lie};
use serde_json::json;

use crate::gateway::{World, is_alone};

const USERINFO: &str = "/oauth/userinfo";
const TOKEN: &str = "opaque-in-use";

fn yes() -> Lie {
    Lie::json(200, json!({ "sub": "user-1" }))
}

/// A gateway that asks for userinfo alone, and remembers the answer so long.
async fn world(remembered: &str, answer: Lie) -> World {
    let settings = [
        ("VERIFY_LAYERS", "oauth_userinfo"),
        ("VERIFY_CACHE_SECONDS", remembered),
    ];
    let world = World::embedded(&settings).await;
    world.on_a_lease().await;
    world.auth.on(USERINFO, answer);
    world
}

/// What a front proxy hears of the token.
async fn heard(world: &World) -> u16 {
    let caller = world.bearer(TOKEN);
    let reply = after(Duration::from_millis(10), caller.get("/auth/verify")).await;
    reply.status.as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_waits_for_a_slow_server_after_the_first() {
    if !is_alone("renewal::no_request_waits_for_a_slow_server_after_the_first") {
        return;
    }
    let slow = Duration::from_millis(700);
    let world = world("3", Lie::delay(slow, yes())).await;
    assert_eq!(heard(&world).await, 200);
    while world.auth.count_requests(USERINFO) < 4 {
        let began = Instant::now();
        assert_eq!(heard(&world).await, 200);
        assert!(began.elapsed() < slow, "{:?}", began.elapsed());
    }
    let metrics = world.anonymous().get("/metrics").await.text();
    assert!(
        metrics.contains("verdict_renewals_total{outcome=\"verified\"} 2\n"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_the_server_refuses_by_now_is_refused_before_its_verdict_runs_out() {
    let world = world("4", yes()).await;
    let began = Instant::now();
    assert_eq!(heard(&world).await, 200);
    world.auth.on(USERINFO, Lie::status(401));
    let refused = loop {
        match heard(&world).await {
            200 => {}
            other => break other,
        }
    };
    assert_eq!((refused, world.auth.count_requests(USERINFO)), (401, 2));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_no_yes_beyond_what_was_remembered_and_no_reason_to_ask_again_and_again() {
    let remembered = Duration::from_secs(3);
    let world = world("3", yes()).await;
    let before = Instant::now();
    assert_eq!(heard(&world).await, 200);
    let after = Instant::now();
    world.auth.on(USERINFO, Lie::status(500));
    let unknown = loop {
        let asked = world.auth.count_requests(USERINFO);
        let sent = Instant::now();
        match heard(&world).await {
            200 => assert!(sent.duration_since(after) < remembered, "it ran out"),
            other => break other,
        }
        assert!(asked <= 2, "the first answer, and one try to renew it: {asked}");
    };
    assert_eq!(unknown, 503);
    assert!(before.elapsed() >= remembered, "it counts until its end");
}
