//! Logout of a browser at its provider: the way there and back, and when the tokens are revoked there.

use std::time::Duration;

use maxlab_auth::http::app_state::AppState;
use maxlab_auth::http::browser::LogoutProvider;
use maxlab_auth_testkit::{Actor, HttpReply};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::gateway::{COOKIE, Login, World, eventually};

const LOGOUT: &str = "/auth/logout";
const REVOKE: &str = "/oauth/revoke";
const RETURN: &str = "https://app.example/auth/logged-out";

/// Makes the authorization server the provider of every browser.
fn with_provider(state: &mut AppState) {
    state.logout_provider = Some(LogoutProvider {
        id: "default".to_owned(),
        name: "Company login".to_owned(),
        home_url: "https://sso.example/".to_owned(),
        client_id: "test-app".to_owned(),
        server: state.auth_server.clone(),
        return_url: RETURN.to_owned(),
    });
}

/// Starts a gateway whose provider has a logout.
async fn world() -> World {
    let world = World::embedded_adjusted(with_provider).await;
    world
        .auth
        .publish("end_session_endpoint", "https://sso.example/logout");
    world
}

async fn log_out(login: &Login, everywhere: bool) -> HttpReply {
    login
        .browser
        .send(Method::POST, LOGOUT, |request| {
            request
                .header("accept", "text/html")
                .header("sec-fetch-site", "same-origin")
                .form(&[("everywhere", everywhere.to_string())])
        })
        .await
        .expect_status(303)
}

fn parameter(location: &str, name: &str) -> Option<String> {
    let url = Url::parse(location).unwrap();
    let mut pairs = url.query_pairs().into_owned();
    pairs.find(|(found, _)| found == name).map(|(_, value)| value)
}

/// Returns whether the provider was asked to revoke this token.
fn is_revoked_there(world: &World, token: &str) -> bool {
    let asked = world.auth.requests(REVOKE);
    asked
        .iter()
        .any(|request| request.form("token").as_deref() == Some(token))
}

#[tokio::test]
async fn l07_the_browser_goes_to_the_provider_and_comes_back_to_receipts() {
    let world = world().await;
    let login = world.log_in("user-1").await;
    let reply = log_out(&login, false).await;
    let location = reply.header("location").unwrap().to_owned();
    assert!(location.starts_with("https://sso.example/logout?"), "{location}");
    assert_eq!(parameter(&location, "client_id").as_deref(), Some("test-app"));
    assert_eq!(
        parameter(&location, "post_logout_redirect_uri").as_deref(),
        Some(RETURN)
    );
    assert!(login.browser.cookie(COOKIE).is_none());
    world.me(&login.access).await.expect_status(401);
    let state = parameter(&location, "state").unwrap();
    let back = format!("/auth/logged-out?state={state}");
    let page = login.browser.get(&back).await.expect_status(200).text();
    assert!(
        page.contains("data-target=\"provider\" data-result=\"done\""),
        "{page}"
    );
    // The provider confirms the tokens, and a later look says so.
    eventually("the tokens are revoked there", async || {
        let page = login.browser.get(&back).await.text();
        page.contains("data-target=\"tokens\" data-result=\"done\"")
    })
    .await;
}

#[tokio::test]
async fn a_script_gets_the_address_of_the_provider_and_the_receipts() {
    let world = world().await;
    let login = world.log_in("user-1").await;
    let reply = login.browser.send(Method::POST, LOGOUT, |request| {
        request
            .header("sec-fetch-site", "same-origin")
            .header("x-csrf", "1")
    });
    let body = reply.await.expect_status(200).json();
    let address = body["logout_url"].as_str().unwrap();
    assert!(address.starts_with("https://sso.example/logout?"), "{body}");
    let wanted = json!([
        {"target": "here", "result": "done"},
        {"target": "provider", "result": "pending"},
        {"target": "tokens", "result": "pending"},
    ]);
    assert_eq!(body["receipts"], wanted);
}

#[tokio::test]
async fn l05_a_provider_without_a_logout_or_without_an_answer_keeps_nobody_logged_in_here() {
    let world = World::embedded_adjusted(with_provider).await;
    let (first, second) = (world.log_in("user-1").await, world.log_in("user-2").await);
    let reply = log_out(&first, false).await;
    let location = reply.header("location").unwrap().to_owned();
    assert!(location.starts_with("/auth/logged-out?state="), "{location}");
    let page = first.browser.get(&location).await.text();
    assert!(page.contains("href=\"https://sso.example/\""), "{page}");
    assert!(
        page.contains("data-target=\"provider\" data-result=\"not_supported\""),
        "{page}"
    );
    assert!(
        page.contains("You may still be logged in at Company login."),
        "{page}"
    );
    world.auth.stop().await;
    let reply = log_out(&second, false).await;
    assert!(reply.header("location").unwrap().starts_with("/auth/logged-out"));
    second.browser.get("/auth/user").await.expect_status(401);
}

#[tokio::test]
async fn l11_the_tokens_are_revoked_there_after_the_return_or_a_minute() {
    let world = world().await;
    let (returning, gone) = (world.log_in("user-1").await, world.log_in("user-2").await);
    let location = log_out(&returning, false)
        .await
        .header("location")
        .unwrap()
        .to_owned();
    log_out(&gone, false).await;
    // What was recorded later and is not delayed comes first.
    let other = world.stray_token("user-3");
    world.revoke(&other).await.expect_status(200);
    eventually("the other token is revoked there", async || {
        is_revoked_there(&world, &other)
    })
    .await;
    assert!(!is_revoked_there(&world, &returning.refresh) && !is_revoked_there(&world, &gone.refresh));
    let state = parameter(&location, "state").unwrap();
    returning
        .browser
        .get(&format!("/auth/logged-out?state={state}"))
        .await;
    eventually("after the return", async || {
        is_revoked_there(&world, &returning.refresh)
    })
    .await;
    assert!(!is_revoked_there(&world, &gone.refresh));
    world.gateway.clock.advance(Duration::from_secs(60));
    eventually("after a minute", async || is_revoked_there(&world, &gone.refresh)).await;
}

#[tokio::test]
async fn l11_after_a_logout_everywhere_the_tokens_are_revoked_there_at_once() {
    let world = world().await;
    let (login, elsewhere) = (world.log_in("user-1").await, world.log_in("user-1").await);
    log_out(&login, true).await;
    eventually("both are revoked there", async || {
        is_revoked_there(&world, &login.refresh) && is_revoked_there(&world, &elsewhere.refresh)
    })
    .await;
}

#[tokio::test]
async fn l14_without_a_session_here_the_provider_can_be_left_without_a_hint() {
    let world = world().await;
    let login = world.log_in("user-1").await;
    world.gateway.clock.advance(Duration::from_secs(90_000));
    let reply = log_out(&login, false).await;
    let location = reply.header("location").unwrap().to_owned();
    assert!(location.starts_with("/auth/logged-out?state="), "{location}");
    let page = login.browser.get(&location).await.text().replace("&#38;", "&");
    let link = page
        .split("href=\"")
        .find(|rest| rest.starts_with("https://sso.example/logout"));
    let link = link
        .unwrap_or_else(|| panic!("{page}"))
        .split('"')
        .next()
        .unwrap();
    assert_eq!(parameter(link, "client_id").as_deref(), Some("test-app"));
    assert_eq!(
        parameter(link, "post_logout_redirect_uri").as_deref(),
        Some(RETURN)
    );
    assert_eq!(parameter(link, "id_token_hint"), None);
    let again = login.browser.send(Method::POST, LOGOUT, |request| {
        request
            .header("sec-fetch-site", "same-origin")
            .header("x-csrf", "1")
    });
    let body = again.await.expect_status(200).json();
    let here = json!([{"target": "here", "result": "done"}]);
    assert_eq!((&body["logout_url"], &body["receipts"]), (&Value::Null, &here));
}

#[tokio::test]
async fn l10_after_a_logout_people_go_on_to_addresses_on_the_list_only() {
    let world = World::embedded(&[
        ("PUBLIC_URL", "http://localhost:8080"),
        ("OAUTH_CLIENT_ID", "test-app"),
        ("LOGIN_RETURN_ORIGINS", "https://other.example"),
    ])
    .await;
    for (asked, shown) in [
        ("/notes?a=1", Some("/notes?a=1")),
        ("https://other.example/x", Some("https://other.example/x")),
        ("https://evil.example/", None),
        ("//evil.example", None),
        ("/\\evil.example", None),
        ("javascript:alert(1)", None),
        ("/auth/logout", None),
    ] {
        let login = world.log_in("user-1").await;
        let reply = login.browser.send(Method::POST, LOGOUT, |request| {
            request
                .header("accept", "text/html")
                .header("sec-fetch-site", "same-origin")
                .form(&[("return_to", asked)])
        });
        let location = reply
            .await
            .expect_status(303)
            .header("location")
            .unwrap()
            .to_owned();
        // Always the page with the receipts: an application that logs in by itself would hide the logout.
        assert!(
            location.starts_with("/auth/logged-out?state="),
            "{asked}: {location}"
        );
        let page = login.browser.get(&location).await.text().replace("&#38;", "&");
        let continues = page.contains(">Continue</a>");
        assert_eq!(continues, shown.is_some(), "{asked}: {page}");
        if let Some(shown) = shown {
            assert!(
                page.contains(&format!("href=\"{shown}\">Continue</a>")),
                "{asked}: {page}"
            );
        }
        assert!(!page.contains("evil") && !page.contains("javascript:"), "{asked}");
    }
}
