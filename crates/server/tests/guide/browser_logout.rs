//! Logout of a browser: a question, one POST, receipts, and what a page of another site cannot do.

use maxlab_auth_testkit::{Actor, Browser, HttpReply};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::gateway::{COOKIE, Login, Stores, World, eventually, on_every_store, verdict};

const LOGOUT: &str = "/auth/logout";
const USER: &str = "/auth/user";
const PAGE: &str = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";

/// Completes a request as the form of an own page does.
fn from_form(request: RequestBuilder) -> RequestBuilder {
    request
        .header("accept", PAGE)
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
}

/// Completes a request as `logout()` of the browser client does.
fn from_script(request: RequestBuilder) -> RequestBuilder {
    request
        .header("accept", "application/json")
        .header("sec-fetch-site", "same-origin")
        .header("x-csrf", "1")
}

async fn post_form(browser: &Browser, fields: &[(&str, &str)]) -> HttpReply {
    browser
        .send(Method::POST, LOGOUT, |request| from_form(request).form(fields))
        .await
}

async fn open(browser: &Browser, path: &str) -> HttpReply {
    browser.send(Method::GET, path, from_form).await
}

/// Returns target and result of each receipt on a page.
fn receipts(page: &str) -> Vec<(String, String)> {
    let value = |item: &str, name: &str| -> String {
        let rest = item.split_once(&format!("{name}=\"")).unwrap().1;
        rest.split('"').next().unwrap().to_owned()
    };
    let items = page
        .split("<li ")
        .skip(1)
        .filter(|item| item.starts_with("data-target"));
    items
        .map(|item| (value(item, "data-target"), value(item, "data-result")))
        .collect()
}

#[track_caller]
fn is_kept(login: &Login, reply: &HttpReply) {
    assert!(reply.headers.get("set-cookie").is_none() && reply.headers.get("clear-site-data").is_none());
    assert!(login.browser.cookie(COOKIE).is_some());
}

#[tokio::test]
async fn l01_a_link_asks_and_a_page_of_another_site_ends_nothing() {
    let world = World::embedded(&[]).await;
    let login = world.log_in("user-1").await;
    let page = open(&login.browser, LOGOUT).await.expect_status(200);
    assert!(
        page.text().contains("<main data-page=\"logout\">"),
        "{}",
        page.text()
    );
    assert!(page.text().contains("name=\"everywhere\" value=\"true\""));
    assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'; style-src 'self'")
    );
    is_kept(&login, &page);
    // An image of another site.
    let image = login.browser.send(Method::GET, LOGOUT, |request| {
        request
            .header("accept", "image/avif,image/webp,*/*")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-dest", "image")
    });
    is_kept(&login, &image.await);
    for (origin, site) in [("https://evil.example", "cross-site"), ("null", "cross-site")] {
        let reply = login
            .browser
            .send(Method::POST, LOGOUT, |request| {
                request
                    .header("accept", PAGE)
                    .header("origin", origin)
                    .header("sec-fetch-site", site)
                    .form(&[("everywhere", "true")])
            })
            .await
            .expect_status(403);
        assert!(
            reply.text().contains("data-code=\"cross_site_request\""),
            "{}",
            reply.text()
        );
        is_kept(&login, &reply);
    }
    // A script without the header that a form cannot send.
    let reply = login.browser.send(Method::POST, LOGOUT, |request| {
        request
            .header("accept", "application/json")
            .header("sec-fetch-site", "same-origin")
    });
    let reply = reply.await;
    assert_eq!(verdict(&reply), (403, "cross_site_request".into()));
    is_kept(&login, &reply);
    login.browser.get(USER).await.expect_status(200);
}

async fn l02_a_logout_of_one_tab_ends_all_tabs_and_nothing_else(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (login, elsewhere) = (world.log_in("user-1").await, world.log_in("user-1").await);
    let tab = Browser::new(&world.gateway.url);
    tab.plant_cookie(COOKIE, &login.cookie());
    let reply = post_form(&login.browser, &[]).await.expect_status(303);
    let location = reply.header("location").unwrap().to_owned();
    assert!(location.starts_with("/auth/logged-out?state="), "{location}");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(login.browser.cookie(COOKIE).is_none());
    tab.get(USER).await.expect_status(401);
    world.me(&login.access).await.expect_status(401);
    world.refresh(&login.refresh).await.expect_status(400);
    elsewhere.browser.get(USER).await.expect_status(200);
    let page = open(&login.browser, &location).await.expect_status(200).text();
    assert!(page.contains("<main data-page=\"logged-out\">"));
    let shown = receipts(&page);
    assert_eq!(shown[0], ("here".into(), "done".into()));
    assert!(
        shown.iter().all(|(target, _)| target != "other_sessions"),
        "{shown:?}"
    );
}

#[tokio::test]
async fn l06_without_the_store_it_is_503_and_the_cookie_is_kept() {
    let world = World::on(Stores::Redis, &[("REVOCATION_READS", "direct")]).await;
    let login = world.log_in("user-1").await;
    world.lose_store().await;
    let reply = post_form(&login.browser, &[]).await.expect_status(503);
    assert!(
        reply.text().contains("data-code=\"store_unavailable\""),
        "{}",
        reply.text()
    );
    assert!(reply.header("retry-after").is_some());
    is_kept(&login, &reply);
    let reply = login.browser.send(Method::POST, LOGOUT, from_script).await;
    assert_eq!(verdict(&reply), (503, "store_unavailable".into()));
    is_kept(&login, &reply);
    world.find_store().await;
    eventually("the logout succeeds", async || {
        post_form(&login.browser, &[]).await.status == 303
    })
    .await;
    assert!(login.browser.cookie(COOKIE).is_none());
}

#[tokio::test]
async fn l09_any_other_state_shows_the_same_page_without_receipts() {
    let world = World::embedded(&[]).await;
    let stranger = Browser::new(&world.gateway.url);
    for path in [
        "/auth/logged-out",
        "/auth/logged-out?state=",
        "/auth/logged-out?state=wrong",
        "/auth/logged-out?state=a&state=b",
        "/auth/logged-out?state=%ff&return_to=https%3A%2F%2Fevil.example",
    ] {
        let page = open(&stranger, path).await.expect_status(200);
        assert!(page.text().contains("<main data-page=\"logged-out\">"), "{path}");
        assert_eq!(receipts(&page.text()), [], "{path}");
        assert!(!page.text().contains("evil.example"), "{path}");
        assert!(page.headers.get("set-cookie").is_none());
    }
}

#[tokio::test]
async fn l13_without_a_session_a_logout_is_a_success_and_clears_the_cookie() {
    let world = World::embedded(&[]).await;
    let login = world.log_in("user-1").await;
    let gone = Browser::new(&world.gateway.url);
    gone.plant_cookie(COOKIE, &login.cookie());
    post_form(&login.browser, &[]).await.expect_status(303);
    for browser in [&gone, &Browser::new(&world.gateway.url)] {
        let reply = post_form(browser, &[]).await.expect_status(303);
        assert!(reply.header("location").unwrap().starts_with("/auth/logged-out"));
        assert!(browser.cookie(COOKIE).is_none());
        let reply = browser
            .send(Method::POST, LOGOUT, from_script)
            .await
            .expect_status(200);
        let wanted = json!([{"target": "here", "result": "done"}]);
        assert_eq!(
            (&reply.json()["status"], &reply.json()["receipts"]),
            (&json!("success"), &wanted)
        );
        let reply = open(browser, LOGOUT).await.expect_status(303);
        assert_eq!(reply.header("location"), Some("/auth/logged-out"));
    }
}

#[tokio::test]
async fn l16_the_cookie_is_cleared_with_the_marks_that_it_was_set_with() {
    let world = World::embedded(&[]).await;
    let login = world.log_in("user-1").await;
    let reply = post_form(&login.browser, &[]).await.expect_status(303);
    let cleared: Vec<_> = reply
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|v| v.to_str().unwrap())
        .collect();
    let ours = cleared
        .iter()
        .find(|text| text.starts_with(&format!("{COOKIE}=;")))
        .unwrap();
    assert!(
        ours.contains("Path=/") && ours.contains("Max-Age=0") && !ours.contains("Domain"),
        "{ours}"
    );
    assert!(reply.header("clear-site-data").unwrap().contains("\"cache\""));
}

async fn l18_everywhere_ends_every_session_of_the_person(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (login, elsewhere, stranger) = (
        world.log_in("user-1").await,
        world.log_in("user-1").await,
        world.log_in("user-2").await,
    );
    let reply = login
        .browser
        .send(Method::POST, LOGOUT, |request| {
            from_script(request).json(&json!({"everywhere": true}))
        })
        .await
        .expect_status(200);
    let body = reply.json();
    assert_eq!(
        (&body["status"], &body["logout_url"]),
        (&json!("success"), &Value::Null)
    );
    let others = json!({"target": "other_sessions", "result": "done"});
    assert!(body["receipts"].as_array().unwrap().contains(&others), "{body}");
    elsewhere.browser.get(USER).await.expect_status(401);
    world.me(&elsewhere.access).await.expect_status(401);
    stranger.browser.get(USER).await.expect_status(200);
}

#[tokio::test]
async fn x24_the_pages_speak_english_and_korean() {
    let world = World::embedded(&[]).await;
    let login = world.log_in("user-1").await;
    let korean = login.browser.send(Method::GET, LOGOUT, |request| {
        from_form(request).header("accept-language", "ko-KR,ko;q=0.9,en;q=0.8")
    });
    let korean = korean.await.expect_status(200).text();
    assert!(korean.contains("<html lang=\"ko\">") && korean.contains("로그아웃하시겠습니까?"));
    assert!(korean.contains("href=\"/auth/logout?lang=en\""), "{korean}");
    let english = open(&login.browser, "/auth/logout?lang=en").await.text();
    assert!(english.contains("<html lang=\"en\">") && english.contains("Log out?"));
    // The language goes with the logout.
    let reply = login
        .browser
        .send(Method::POST, "/auth/logout?lang=ko", from_form)
        .await;
    let location = reply.expect_status(303).header("location").unwrap().to_owned();
    let page = open(&login.browser, &location).await.text();
    assert!(page.contains("<html lang=\"ko\">") && page.contains("로그아웃되었습니다"));
}

#[tokio::test]
async fn the_style_sheet_and_the_browser_client_are_served() {
    let world = World::embedded(&[]).await;
    let browser = Browser::new(&world.gateway.url);
    let page = open(&browser, "/auth/logged-out").await.text();
    let path = page.split("rel=\"stylesheet\" href=\"").nth(1).unwrap();
    let path = path.split('"').next().unwrap().to_owned();
    let style = browser.get(&path).await.expect_status(200);
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(
        style.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    let of_another_version = browser.get("/auth/assets/pages-0123456789abcdef.css").await;
    assert_eq!(
        of_another_version.expect_status(200).header("cache-control"),
        Some("public, max-age=300")
    );
    for path in [
        "/auth/assets/logo",
        "/auth/assets/x",
        "/auth/assets/..%2f..%2fetc",
    ] {
        browser.get(path).await.expect_status(404);
    }
    let script = browser.get("/auth/client.js").await.expect_status(200);
    assert_eq!(
        script.header("content-type"),
        Some("text/javascript; charset=utf-8")
    );
    for name in ["user", "login", "logout", "events"] {
        assert!(
            script.text().contains(&format!("export function {name}("))
                || script.text().contains(&format!("export async function {name}(")),
            "{name}"
        );
    }
    browser.get("/auth/client.d.ts").await.expect_status(200);
}

on_every_store!(
    l02_a_logout_of_one_tab_ends_all_tabs_and_nothing_else,
    l18_everywhere_ends_every_session_of_the_person,
);
