//! Sessions of a browser login: whose they are, and what becomes of the one before.

use maxlab_auth_testkit::{Actor, Lie};
use serde_json::json;

use crate::world::{BROWSER, PUBLIC_URL, SESSION, World, new_code, open, person_of};

#[tokio::test]
async fn c39_a_login_ends_at_its_target_with_a_session() {
    let world = World::start().await;
    let browser = world.browser();
    let login = world.begin(&browser, "return_to=/start%3Fa%3D1").await;
    let id_token = world.provider.id_token("ann", &login).sign();
    world.provider.issue("ann", &id_token);
    let reply = world
        .return_with(&browser, &login, &new_code())
        .await
        .expect_status(303);
    assert_eq!(reply.header("location"), Some("/start?a=1"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    let cookie = browser.cookie(SESSION).unwrap();
    assert!(cookie.http_only && cookie.path == "/");
    assert_eq!(cookie.same_site.as_deref(), Some("Lax"));
    assert_eq!(browser.rejected_cookies(), Vec::<String>::new());
    browser.get("/auth/verify").await.expect_status(200);
    assert_eq!(person_of(&browser).await.as_deref(), Some("ann"));
}

#[tokio::test]
async fn c08_the_code_goes_with_the_verifier_of_its_attempt() {
    let world = World::start().await;
    let browser = world.browser();
    let login = world.begin(&browser, "").await;
    assert_eq!(login.value("code_challenge_method"), "S256");
    let id_token = world.provider.id_token("ann", &login).sign();
    world.provider.issue("ann", &id_token);
    world
        .return_with(&browser, &login, "the-code")
        .await
        .expect_status(303);
    let redeemed = world.provider.redemptions().remove(0);
    assert_eq!(redeemed.form("code").as_deref(), Some("the-code"));
    let redirect = format!("{PUBLIC_URL}/auth/callback/default");
    assert_eq!(redeemed.form("redirect_uri"), Some(redirect));
    let verifier = redeemed.form("code_verifier").unwrap();
    assert_eq!(challenge_of(&verifier), login.value("code_challenge"));
    // The verifier is not in anything that another browser could read.
    assert!(!login.state().contains(&verifier) && verifier != login.nonce());
}

fn challenge_of(verifier: &str) -> String {
    use base64::Engine as _;
    let digest = maxlab_auth_core::credential::sha256(verifier.as_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest)
}

#[tokio::test]
async fn c35_a_session_cookie_from_before_the_login_does_not_become_the_session() {
    let world = World::start().await;
    let attacker = world.browser();
    world.log_in(&attacker, "mallory", "").await.expect_status(303);
    let planted = attacker.cookie(SESSION).unwrap().value;
    let victim = world.browser();
    victim.plant_cookie(SESSION, &planted);
    world
        .log_in(&victim, "vic", "prompt=login")
        .await
        .expect_status(303);
    assert_ne!(victim.cookie(SESSION).unwrap().value, planted);
    assert_eq!(person_of(&victim).await.as_deref(), Some("vic"));
    // The session that this browser had has ended, so the attacker has none of the victim's.
    assert_eq!(person_of(&attacker).await, None);
}

#[tokio::test]
async fn c36_another_account_in_the_same_browser_replaces_the_first() {
    let world = World::start().await;
    let browser = world.browser();
    world.log_in(&browser, "ann", "").await.expect_status(303);
    let first = browser.cookie(SESSION).unwrap().value;
    world
        .log_in(&browser, "bob", "prompt=select_account")
        .await
        .expect_status(303);
    assert_eq!(person_of(&browser).await.as_deref(), Some("bob"));
    let old = world.browser();
    old.plant_cookie(SESSION, &first);
    assert_eq!(person_of(&old).await, None);
}

#[tokio::test]
async fn c43_a_login_goes_on_after_a_restart_and_a_change_of_the_key() {
    let old = "the-old-secret-key-of-at-least-thirty-two-bytes";
    let mut world = World::start_with(|options| options.env("SECRET_KEY", old)).await;
    let browser = world.browser();
    let login = world.begin(&browser, "return_to=/start").await;
    let id_token = world.provider.id_token("ann", &login).sign();
    world.provider.issue("ann", &id_token);
    let both = format!("the-new-secret-key-of-at-least-thirty-two-bytes,{old}");
    world.gateway.set_env("SECRET_KEY", &both);
    world.gateway.restart().await.unwrap();
    let reply = world
        .return_with(&browser, &login, &new_code())
        .await
        .expect_status(303);
    assert_eq!(reply.header("location"), Some("/start"));
    assert_eq!(person_of(&browser).await.as_deref(), Some("ann"));
}

#[tokio::test]
async fn c45_a_tab_that_finishes_after_another_gets_in_too() {
    let world = World::start().await;
    let browser = world.browser();
    let slow = world.begin(&browser, "return_to=/slow").await;
    world
        .log_in(&browser, "ann", "return_to=/fast")
        .await
        .expect_status(303);
    let id_token = world.provider.id_token("ann", &slow).sign();
    world.provider.issue("ann", &id_token);
    let reply = world
        .return_with(&browser, &slow, &new_code())
        .await
        .expect_status(303);
    assert_eq!(reply.header("location"), Some("/slow"));
    assert_eq!(person_of(&browser).await.as_deref(), Some("ann"));
}

#[tokio::test]
async fn c46_an_access_token_that_nobody_can_read_is_only_carried() {
    let world = World::start().await;
    let browser = world.browser();
    let login = world.begin(&browser, "").await;
    let id_token = world
        .provider
        .id_token("ann", &login)
        .claim("email", "ann@example.com")
        .claim("acr", "gold")
        .claim("auth_time", 1_700_000_000);
    let mut answer = world.provider.token_answer("ann", &id_token.sign());
    answer["access_token"] = json!("opaque-to-everybody");
    world.provider.answer_tokens(Lie::json(200, answer));
    world
        .return_with(&browser, &login, &new_code())
        .await
        .expect_status(303);
    let user = browser.get("/auth/user").await.expect_status(200).json();
    assert_eq!(user["user_id"], "ann");
    assert_eq!(user["email"], "ann@example.com");
    assert_eq!(
        (&user["acr"], &user["auth_time"]),
        (&json!("gold"), &json!(1_700_000_000))
    );
    assert_eq!(user["issuer"], world.provider.server().url());
}

#[tokio::test]
async fn t01_twenty_tabs_end_on_their_own_pages_with_two_cookies() {
    let world = World::start().await;
    let browser = world.browser();
    let mut tabs = Vec::new();
    for tab in 0..20 {
        tabs.push((tab, world.begin(&browser, &format!("return_to=/tab/{tab}")).await));
    }
    for (tab, login) in tabs.into_iter().rev() {
        let id_token = world.provider.id_token("ann", &login).sign();
        world.provider.issue("ann", &id_token);
        let reply = world
            .return_with(&browser, &login, &new_code())
            .await
            .expect_status(303);
        assert_eq!(reply.header("location"), Some(format!("/tab/{tab}").as_str()));
        for set in reply.headers.get_all("set-cookie") {
            let name = set.to_str().unwrap().split('=').next().unwrap();
            assert!([SESSION, BROWSER].contains(&name), "{name}");
        }
    }
    assert_eq!(person_of(&browser).await.as_deref(), Some("ann"));
}

#[tokio::test]
async fn x30_no_secret_of_a_login_is_in_the_log() {
    let world = World::start().await;
    let browser = world.browser();
    let login = world.begin(&browser, "return_to=/start%3Fprivate%3D1").await;
    let id_token = world.provider.id_token("ann", &login).sign();
    world.provider.issue("ann", &id_token);
    world
        .return_with(&browser, &login, "the-secret-code")
        .await
        .expect_status(303);
    open(&browser, "/auth/login?return_to=/start%3Fprivate%3D1")
        .await
        .expect_status(303);
    let log = world.gateway.log();
    let cookie = |name| browser.cookie(name).unwrap().value;
    for secret in [
        "the-secret-code",
        "private=1",
        CLIENT_SECRET_START,
        &login.state(),
        &login.nonce(),
        &id_token,
        &cookie(SESSION),
        &cookie(BROWSER),
    ] {
        assert!(!log.contains(secret), "{secret}");
    }
}

/// Beginning of the gateway's secret at the provider.
const CLIENT_SECRET_START: &str = "a-secret-of-the-gateway";
