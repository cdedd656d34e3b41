//! Answers of the token endpoint to a login: refusals, failures and lies.

use maxlab_auth_testkit::{Lie, ReplyGate};
use serde_json::{Value, json};

use crate::world::{SESSION, World, error_of, new_code, page, person_of};

/// Logs in while the token endpoint behaves like this.
async fn outcome(world: &World, lie: Lie) -> (u16, String) {
    let browser = world.browser();
    let login = world.begin(&browser, "return_to=/start").await;
    world.provider.answer_tokens(lie);
    let reply = world.return_with(&browser, &login, &new_code()).await;
    assert_eq!(browser.cookie(SESSION), None);
    assert_eq!(person_of(&browser).await, None);
    error_of(&reply)
}

#[tokio::test]
async fn c17_a_code_that_the_provider_refuses_is_no_fault_of_the_gateway() {
    let world = World::start().await;
    let lie = Lie::json(
        400,
        json!({ "error": "invalid_grant", "error_description": "<b>gone</b>" }),
    );
    assert_eq!(outcome(&world, lie).await, page(400, "login_expired"));
}

#[tokio::test]
async fn c18_a_refused_client_is_not_the_fault_of_the_person() {
    let world = World::start().await;
    for (status, error) in [(401, "invalid_client"), (400, "unauthorized_client")] {
        let found = outcome(&world, Lie::json(status, json!({ "error": error }))).await;
        assert_eq!(found, page(503, "provider_unavailable"), "{error}");
    }
    assert!(world.gateway.log().contains("ERROR"));
}

#[tokio::test]
async fn c19_a_provider_that_fails_is_asked_once() {
    let world = World::start_with(|options| options.env("UPSTREAM_TIMEOUT_SECONDS", "2")).await;
    for (name, lie) in [
        ("503", Lie::status(503)),
        ("closed", Lie::close()),
        ("silent", Lie::hang()),
    ] {
        let before = world.provider.redemptions().len();
        let found = outcome(&world, lie).await;
        assert_eq!(found, page(503, "provider_unavailable"), "{name}");
        assert_eq!(world.provider.redemptions().len(), before + 1, "{name}");
    }
}

#[tokio::test]
async fn c20_a_code_whose_answer_was_lost_is_not_sent_again() {
    let world = World::start().await;
    let browser = world.browser();
    let login = world.begin(&browser, "return_to=/start").await;
    world.provider.answer_tokens(Lie::close());
    let code = new_code();
    world
        .return_with(&browser, &login, &code)
        .await
        .expect_status(503);
    let id_token = world.provider.id_token("ann", &login).sign();
    world.provider.issue("ann", &id_token);
    world.return_with(&browser, &login, &code).await;
    assert_eq!(world.provider.redemptions().len(), 1);
    assert_eq!(person_of(&browser).await, None);
}

#[tokio::test]
async fn c21_an_answer_that_is_no_token_answer_is_refused_and_read_within_bounds() {
    let world = World::start().await;
    let login = world.begin(&world.browser(), "").await;
    let good = world
        .provider
        .token_answer("ann", &world.provider.id_token("ann", &login).sign());
    let with = |name: &str, value: Value| {
        let mut answer = good.clone();
        answer[name] = value;
        Lie::json(200, answer)
    };
    let without = |name: &str| {
        let mut answer = good.clone();
        answer.as_object_mut().unwrap().remove(name);
        Lie::json(200, answer)
    };
    let twice = format!("{{\"access_token\":\"first\",{}", &good.to_string()[1..]);
    for (name, lie) in [
        ("1 GiB", Lie::huge(1 << 30)),
        ("gzip", Lie::gzip_bomb()),
        ("page", Lie::body(200, "text/html", "<html>Log in</html>")),
        ("half", Lie::half_body(200, good.clone())),
        ("twice", Lie::body(200, "application/json", twice)),
        ("no bearer", with("token_type", json!("mac"))),
        ("no access token", without("access_token")),
        ("access token is a number", with("access_token", json!(1))),
        ("list", Lie::json(200, json!([good.clone()]))),
    ] {
        let (status, code) = outcome(&world, lie).await;
        assert!(
            (status, code.as_str()) == (502, "provider_error")
                || (status, code.as_str()) == (503, "provider_unavailable"),
            "{name}: {status} {code}"
        );
    }
    assert!(
        world.provider.server().body_bytes_sent() < 64 << 20,
        "read within bounds"
    );
}

#[tokio::test]
async fn x29_a_browser_that_leaves_during_the_callback_finds_its_session_afterwards() {
    let world = World::start().await;
    let browser = world.browser();
    let login = world.begin(&browser, "return_to=/start").await;
    let id_token = world.provider.id_token("ann", &login).sign();
    let gate = ReplyGate::closed();
    let answer = Lie::json(200, world.provider.token_answer("ann", &id_token));
    world.provider.answer_tokens(Lie::gated(&gate, answer));
    let code = new_code();
    {
        let left = world.return_with(&browser, &login, &code);
        tokio::select! {
            _ = left => panic!("answered before the gate opened"),
            () = world.provider.server().wait_for_requests("/oauth/token", 1) => {}
        }
    }
    gate.open();
    let reply = world
        .return_with(&browser, &login, &code)
        .await
        .expect_status(303);
    assert_eq!(world.provider.redemptions().len(), 1);
    assert_eq!(reply.header("location"), Some("/start"));
}
