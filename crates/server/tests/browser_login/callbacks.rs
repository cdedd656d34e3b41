//! Callbacks: which of them redeem a code, and for whom.

use maxlab_auth_testkit::{Actor, Browser, LoginRequest};

use crate::world::{SESSION, World, callback, error_of, new_code, open, page, person_of};

/// Visits the callback, and checks that no code was redeemed and no session begun.
async fn refused(world: &World, browser: &Browser, address: &str) -> (u16, String) {
    let before = world.provider.redemptions().len();
    let reply = open(browser, address).await;
    assert_eq!(world.provider.redemptions().len(), before, "{address}");
    assert_eq!(browser.cookie(SESSION), None, "{address}");
    error_of(&reply)
}

/// A login whose provider would give a session of ann.
async fn begun(world: &World, browser: &Browser) -> LoginRequest {
    let login = world.begin(browser, "return_to=/start").await;
    let id_token = world.provider.id_token("ann", &login).sign();
    world.provider.issue("ann", &id_token);
    login
}

#[tokio::test]
async fn c01_a_state_that_is_not_of_this_gateway_redeems_nothing() {
    let world = World::start().await;
    let browser = world.browser();
    let state = begun(&world, &browser).await.state();
    let mut flipped = state.clone().into_bytes();
    flipped[30] ^= 1;
    let flipped = String::from_utf8(flipped).unwrap();
    for other in ["", "x", &flipped, &state[..state.len() - 4], &format!("{state}=")] {
        let address = callback(&[("code", "c"), ("state", other)]);
        let found = refused(&world, &browser, &address).await;
        assert_eq!(found, page(400, "login_state_invalid"), "{other}");
    }
    let without = refused(&world, &browser, "/auth/callback/default?code=c").await;
    assert_eq!(without, page(400, "login_state_invalid"));
}

#[tokio::test]
async fn c03_the_code_of_another_browser_is_never_redeemed() {
    let world = World::start().await;
    let (attacker, victim) = (world.browser(), world.browser());
    let login = begun(&world, &attacker).await;
    let address = callback(&[("code", "of-the-attacker"), ("state", &login.state())]);
    // A browser with a value of its own: it begins its own login, once.
    begun(&world, &victim).await;
    let reply = open(&victim, &address).await.expect_status(303);
    let again = LoginRequest::parse(reply.header("location").unwrap());
    assert_ne!(again.state(), login.state());
    assert_eq!(world.provider.redemptions().len(), 0);
    assert_eq!(person_of(&victim).await, None);
    // Somebody who is logged in stays who they are.
    world.log_in(&victim, "vic", "").await.expect_status(303);
    let before = world.provider.redemptions().len();
    let reply = open(&victim, &address).await.expect_status(303);
    assert_eq!(reply.header("location"), Some("/start"));
    assert_eq!(person_of(&victim).await.as_deref(), Some("vic"));
    assert_eq!(world.provider.redemptions().len(), before);
}

#[tokio::test]
async fn c05_a_callback_that_is_opened_again_redeems_nothing_again() {
    let world = World::start().await;
    let browser = world.browser();
    let login = begun(&world, &browser).await;
    let code = new_code();
    for _ in 0..3 {
        let reply = world
            .return_with(&browser, &login, &code)
            .await
            .expect_status(303);
        assert_eq!(reply.header("location"), Some("/start"));
    }
    assert_eq!(world.provider.redemptions().len(), 1);
    assert_eq!(person_of(&browser).await.as_deref(), Some("ann"));
    // Without the session the same callback begins a new login.
    let session = browser.cookie(SESSION).unwrap();
    browser.plant_cookie(SESSION, "");
    let reply = world.return_with(&browser, &login, &code).await;
    assert!(!reply.headers.get_all("set-cookie").iter().any(|it| {
        it.to_str()
            .unwrap()
            .starts_with(&format!("{SESSION}={}", session.value))
    }));
    assert_eq!(world.provider.redemptions().len(), 1);
}

#[tokio::test]
async fn c06_one_callback_twice_at_once_is_redeemed_once() {
    let world = World::start().await;
    let browser = world.browser();
    let login = begun(&world, &browser).await;
    let code = new_code();
    let (one, two) = tokio::join!(
        world.return_with(&browser, &login, &code),
        world.return_with(&browser, &login, &code)
    );
    assert_eq!(world.provider.redemptions().len(), 1);
    for reply in [one, two] {
        assert_eq!(reply.expect_status(303).header("location"), Some("/start"));
    }
    assert_eq!(person_of(&browser).await.as_deref(), Some("ann"));
}

#[tokio::test]
async fn c07_a_second_code_for_one_login_is_refused_and_the_first_session_stays() {
    let world = World::start().await;
    let browser = world.browser();
    let login = begun(&world, &browser).await;
    world
        .return_with(&browser, &login, &new_code())
        .await
        .expect_status(303);
    let id_token = world.provider.id_token("bob", &login).sign();
    world.provider.issue("bob", &id_token);
    let reply = world.return_with(&browser, &login, &new_code()).await;
    assert_eq!(error_of(&reply), page(400, "login_conflict"));
    assert_eq!(world.provider.redemptions().len(), 1);
    assert_eq!(person_of(&browser).await.as_deref(), Some("ann"));
}

#[tokio::test]
async fn c09_a_refusal_of_the_provider_has_its_page() {
    let world = World::start().await;
    let browser = world.browser();
    for (error, expected) in [
        ("access_denied", page(403, "provider_denied")),
        ("temporarily_unavailable", page(503, "provider_unavailable")),
        ("server_error", page(502, "provider_error")),
        ("login_required", page(502, "provider_error")),
        ("something_new", page(502, "provider_error")),
    ] {
        let state = begun(&world, &browser).await.state();
        let address = callback(&[("error", error), ("state", &state)]);
        assert_eq!(refused(&world, &browser, &address).await, expected, "{error}");
    }
}

#[tokio::test]
async fn c10_a_refusal_with_a_bad_state_shows_no_text_of_the_request() {
    let world = World::start().await;
    let browser = world.browser();
    let state = begun(&world, &browser).await.state();
    let said = "Call-555-now";
    for (state, issuer) in [
        ("x", world.provider.server().url()),
        (&state, "https://other.example".into()),
    ] {
        let parameters = [
            ("error", "access_denied"),
            ("error_description", said),
            ("state", state),
            ("iss", &issuer),
        ];
        let reply = open(&browser, &callback(&parameters)).await;
        assert_eq!(error_of(&reply), page(400, "login_state_invalid"));
        assert!(!reply.text().contains(said));
    }
}

#[tokio::test]
async fn c11_a_description_is_escaped_and_short() {
    let world = World::start().await;
    let browser = world.browser();
    let state = begun(&world, &browser).await.state();
    let said = format!("<script>alert(1)</script>\u{202e}{}", "a".repeat(6_000));
    let parameters = [
        ("error", "access_denied"),
        ("error_description", &said),
        ("state", &state),
    ];
    let reply = open(&browser, &callback(&parameters)).await;
    assert_eq!(error_of(&reply), page(403, "provider_denied"));
    let text = reply.text();
    assert!(!text.contains("<script>") && !text.contains('\u{202e}'), "{text}");
    assert!(!text.contains(&"a".repeat(201)));
    assert!(!world.gateway.log().contains('\u{202e}'));
}

#[tokio::test]
async fn c12_an_issuer_that_is_not_spelled_as_the_provider_spells_it_is_refused() {
    let world = World::start().await;
    let browser = world.browser();
    let issuer = world.provider.server().url();
    let state = begun(&world, &browser).await.state();
    for other in [
        "https://other.example".to_owned(),
        format!("{issuer}/"),
        issuer.to_uppercase(),
        issuer.replace(':', "%3A"),
        String::new(),
    ] {
        let address = callback(&[("code", "c"), ("state", &state), ("iss", &other)]);
        let found = refused(&world, &browser, &address).await;
        assert_eq!(found, page(400, "login_state_invalid"), "{other}");
    }
}

#[tokio::test]
async fn c12_a_provider_that_announces_its_name_must_send_it() {
    let world = World::start().await;
    let server = world.provider.server();
    server.publish("authorization_response_iss_parameter_supported", true);
    let mut world = world;
    world.gateway.restart().await.unwrap();
    let browser = world.browser();
    let state = begun(&world, &browser).await.state();
    let address = callback(&[("code", "c"), ("state", &state)]);
    let found = refused(&world, &browser, &address).await;
    assert_eq!(found, page(400, "login_state_invalid"));
}

#[tokio::test]
async fn c13_the_path_of_another_provider_is_unknown() {
    let world = World::start().await;
    let browser = world.browser();
    let state = begun(&world, &browser).await.state();
    let address = callback(&[("code", "c"), ("state", &state)]).replace("/default", "/other");
    let reply = open(&browser, &address).await;
    assert_eq!(reply.status, 404);
    assert_eq!(world.provider.redemptions().len(), 0);
}

#[tokio::test]
async fn c14_a_parameter_that_comes_twice_is_refused() {
    let world = World::start().await;
    let browser = world.browser();
    let issuer = world.provider.server().url();
    let state = begun(&world, &browser).await.state();
    let good = [("code", "c"), ("state", state.as_str()), ("iss", issuer.as_str())];
    for twice in good {
        let mut parameters = good.to_vec();
        parameters.push(twice);
        let found = refused(&world, &browser, &callback(&parameters)).await;
        assert_eq!(found, page(400, "login_state_invalid"), "{}", twice.0);
    }
}

#[tokio::test]
async fn c15_a_code_with_an_error_and_answers_of_other_modes_are_refused() {
    let world = World::start().await;
    let browser = world.browser();
    let state = begun(&world, &browser).await.state();
    for parameters in [
        vec![("code", "c"), ("error", "access_denied"), ("state", &state)],
        vec![("response", "a.b.c"), ("state", &state)],
        vec![("code", "c"), ("response", "a.b.c"), ("state", &state)],
        vec![("code", ""), ("state", &state)],
        vec![("state", &state)],
    ] {
        let found = refused(&world, &browser, &callback(&parameters)).await;
        assert_eq!(found, page(400, "login_state_invalid"), "{parameters:?}");
    }
}

#[tokio::test]
async fn t24_a_browser_that_keeps_no_cookies_is_told_so() {
    let world = World::start().await;
    let browser = world.browser();
    let mut state = begun(&world, &browser).await.state();
    browser.forget_cookies();
    let first = open(&browser, &callback(&[("code", "c"), ("state", &state)])).await;
    state = LoginRequest::parse(first.expect_status(303).header("location").unwrap()).state();
    browser.forget_cookies();
    let second = open(&browser, &callback(&[("code", "c"), ("state", &state)])).await;
    assert_eq!(error_of(&second), page(400, "cookies_disabled"));
    assert_eq!(world.provider.redemptions().len(), 0);
    // HEAD neither spends nor begins anything.
    let head = |request: reqwest::RequestBuilder| request.header("accept", "text/html");
    let address = callback(&[("code", "c"), ("state", &state)]);
    let reply = browser.send(http::Method::HEAD, &address, head).await;
    assert_eq!(reply.status, 401);
}
