//! However many exchange one code or one refresh token at once, the authorization server is asked once (I7, I8).

use std::sync::Arc;

use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_core::engine::RefreshFault;
use maxlab_auth_testkit::wait::eventually;
use maxlab_auth_testkit::{Actor as _, Browser, HttpReply, Lie, ReplyGate};

use crate::gateway::{Stores, World, on_embedded_and_redis, on_every_store};
use crate::issuer::Code;

/// The authorization server may take as long as this machine needs to send it twenty requests.
const PATIENT: [(&str, &str); 1] = [("UPSTREAM_TIMEOUT_SECONDS", "30")];

async fn twenty_at_once<F, W>(
    world: &Arc<World>,
    endpoint_asked: usize,
    gate: &ReplyGate,
    ask: F,
) -> Vec<HttpReply>
where
    F: Fn(Arc<World>) -> W,
    W: Future<Output = HttpReply> + Send + 'static,
{
    let asking: Vec<_> = (0..20).map(|_| tokio::spawn(ask(Arc::clone(world)))).collect();
    world.auth.wait_for_requests("/oauth/token", endpoint_asked).await;
    // All of them have found the exchange under way before the first is answered.
    let exchanger = &world.gateway.app.state.token_exchanger;
    eventually("all of them wait", async || exchanger.waiting_requests() == 20).await;
    gate.open();
    let mut replies = Vec::new();
    for one in asking {
        replies.push(one.await.unwrap());
    }
    replies
}

async fn twenty_refreshes_at_once_are_one(stores: Stores) {
    let world = Arc::new(World::on(stores, &PATIENT).await);
    let login = world.log_in("user-1").await;
    let gate = ReplyGate::closed();
    world.auth.on(
        "/oauth/token",
        Lie::gated(&gate, world.issuer.honest(&world.auth)),
    );
    let token = login.refresh.clone();
    let replies = twenty_at_once(&world, 2, &gate, move |world| {
        let token = token.clone();
        async move { world.refresh(&token).await }
    })
    .await;
    assert_eq!(
        world.auth.count_requests("/oauth/token"),
        2,
        "one for the login, one for twenty refreshes"
    );
    let first = replies[0].json();
    for reply in replies {
        let body = reply.expect_status(200).json();
        assert_eq!(body, first, "whoever asked has the same new tokens");
    }
    // One that was sent before the new tokens arrived, and comes after them, gets the same ones.
    assert_eq!(
        world.refresh(&login.refresh).await.expect_status(200).json(),
        first
    );
    assert_eq!(world.auth.count_requests("/oauth/token"), 2);
    world
        .refresh(first["refresh_token"].as_str().unwrap())
        .await
        .expect_status(200);
}

async fn a_code_used_twenty_times_at_once_is_exchanged_once(stores: Stores) {
    let world = Arc::new(World::on(stores, &PATIENT).await);
    let gate = ReplyGate::closed();
    world.auth.on(
        "/oauth/token",
        Lie::gated(&gate, world.issuer.honest(&world.auth)),
    );
    let code = Code::of("user-1");
    let replies = twenty_at_once(&world, 1, &gate, move |world| {
        let code = code.clone();
        async move { world.exchange(&Browser::new(&world.gateway.url), &code).await }
    })
    .await;
    assert_eq!(world.auth.count_requests("/oauth/token"), 1);
    assert_eq!(
        world
            .engine()
            .active_sessions(&maxlab_auth_core::identity::Subject::of_default("user-1"))
            .await
            .unwrap()
            .len(),
        1,
        "one login, one session"
    );
    let handles: Vec<_> = replies
        .iter()
        .filter(|r| r.status == 200)
        .map(|r| r.header("x-session-id").unwrap())
        .collect();
    assert!(!handles.is_empty() && handles.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn another_verifier_for_a_used_code_gets_no_remembered_answer() {
    let world = World::embedded(&[]).await;
    let code = Code::of("user-1");
    world.log_in_with(&code).await;
    // A thief without the verifier gets no tokens of the first exchange, and the authorization server is not asked again.
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code.text()),
        ("client_id", "test-app"),
        ("code_verifier", "wrong"),
    ];
    let anonymous = world.anonymous();
    let reply = maxlab_auth_testkit::Actor::post_form(&anonymous, "/oauth/token", &form)
        .await
        .expect_status(400);
    assert_eq!(reply.json()["error"], "invalid_grant");
    assert_eq!(world.auth.count_requests("/oauth/token"), 1);
}

on_every_store!(twenty_refreshes_at_once_are_one);
on_embedded_and_redis!(a_code_used_twenty_times_at_once_is_exchanged_once);

async fn tokens_that_nobody_collected_are_not_given_out_after_a_logout(stores: Stores) {
    let world = Arc::new(World::on(stores, &PATIENT).await);
    let login = world.log_in("user-1").await;
    let gate = ReplyGate::closed();
    world.auth.on(
        "/oauth/token",
        Lie::gated(&gate, world.issuer.honest(&world.auth)),
    );
    let (asking, token) = (Arc::clone(&world), login.refresh.clone());
    let client = tokio::spawn(async move { asking.refresh(&token).await });
    world.auth.wait_for_requests("/oauth/token", 2).await;
    // The client disconnects; the exchange goes on, and its tokens are kept for the same request again.
    client.abort();
    gate.open();
    let presented = PresentedToken::parse(&login.refresh).unwrap();
    eventually("the exchange is recorded", async || {
        let state = world.engine().precheck_refresh(&presented).await;
        matches!(state, Err(RefreshFault::Reused))
    })
    .await;
    world
        .bearer(&login.access)
        .post("/api/v1/auth/logout")
        .await
        .expect_status(200);
    let again = world.refresh(&login.refresh).await.expect_status(400).json();
    assert_eq!(again["error"], "invalid_grant");
    assert_eq!(world.auth.count_requests("/oauth/token"), 2);
}

on_embedded_and_redis!(tokens_that_nobody_collected_are_not_given_out_after_a_logout);
