//! What a browser keeps: fixation, deletion by the rules of `__Host-`, and cookies that nobody sends on.

use maxlab_auth_testkit::{Actor, Browser};

use crate::support::{Answer, Stack, exchange_code, log_in};

const NAME: &str = "__Host-maxlab_session";

async fn secure() -> Stack {
    Stack::start_with(|options| options.env("SESSION_COOKIE_SECURE", "true")).await
}

#[tokio::test]
async fn a_planted_cookie_is_replaced_at_the_login_and_dead() {
    let stack = secure().await;
    let victim = Browser::new(&stack.url());
    let planted = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    victim.plant_cookie(NAME, planted);
    exchange_code(&victim, "vic").await.expect_status(200);
    let cookie = victim.cookie(NAME).unwrap();
    assert_ne!(cookie.value, planted);
    assert!(cookie.secure && cookie.http_only && cookie.path == "/");
    assert_eq!(cookie.same_site.as_deref(), Some("Lax"));
    victim.get("/api/v1/auth/me").await.expect_status(200);
    let thief = Browser::new(&stack.url());
    thief.plant_cookie(NAME, planted);
    assert_eq!(
        thief.get("/api/v1/auth/me").await.code(),
        401,
        "the planted id is nobody's session"
    );
}

#[tokio::test]
async fn a_planted_session_of_the_thief_never_becomes_the_victims() {
    let stack = secure().await;
    let thief = Browser::new(&stack.url());
    exchange_code(&thief, "mallory").await.expect_status(200);
    let planted = thief.cookie(NAME).unwrap().value;
    let victim = Browser::new(&stack.url());
    victim.plant_cookie(NAME, &planted);
    exchange_code(&victim, "vic").await.expect_status(200);
    assert_ne!(
        victim.cookie(NAME).unwrap().value,
        planted,
        "a login has a new id"
    );
    let me = victim.get("/api/v1/auth/me").await.expect_status(200).json();
    assert_eq!(me["user_id"], "vic");
    // The session that the browser showed at the login is over: nobody goes on with it.
    let stale = thief.get("/api/v1/auth/me").await;
    assert_eq!(stale.code(), 401, "{}", stale.shown());
}

#[tokio::test]
async fn a_logout_empties_the_jar_and_kills_the_value() {
    let stack = secure().await;
    for path in ["/api/v1/auth/logout", "/api/v1/auth/logout/all"] {
        let browser = Browser::new(&stack.url());
        exchange_code(&browser, "ann").await.expect_status(200);
        let old = browser.cookie(NAME).unwrap().value;
        let origin = stack.url();
        let reply = browser
            .send(http::Method::POST, path, |r| r.header("origin", origin))
            .await
            .expect_status(200);
        assert_eq!(
            reply.header("clear-site-data"),
            Some(r#""cache", "storage""#),
            "{path}"
        );
        assert_eq!(browser.cookie(NAME), None, "{path}: the cookie stays");
        assert!(
            browser.rejected_cookies().is_empty(),
            "{path}: {:?}",
            browser.rejected_cookies()
        );
        browser.plant_cookie(NAME, &old);
        assert_eq!(
            browser.get("/api/v1/auth/me").await.code(),
            401,
            "{path}: the old value lives"
        );
    }
}

#[tokio::test]
async fn the_guides_cookies_go_too() {
    let stack = secure().await;
    let browser = Browser::new(&stack.url());
    exchange_code(&browser, "ann").await.expect_status(200);
    for name in ["access_token", "refresh_token", "session_id"] {
        browser.plant_cookie(name, "left-over");
    }
    let origin = stack.url();
    browser
        .send(http::Method::POST, "/api/v1/auth/logout", |r| {
            r.header("origin", origin)
        })
        .await
        .expect_status(200);
    for name in ["access_token", "refresh_token", "session_id", NAME] {
        assert_eq!(browser.cookie(name), None, "{name} stays");
    }
}

#[tokio::test]
async fn rotation_replaces_the_cookie() {
    let stack = secure().await;
    let browser = Browser::new(&stack.url());
    exchange_code(&browser, "ann").await.expect_status(200);
    let old = browser.cookie(NAME).unwrap().value;
    let origin = stack.url();
    browser
        .send(http::Method::POST, "/api/v1/auth/sessions/rotate", |r| {
            r.header("origin", origin)
        })
        .await
        .expect_status(200);
    assert_ne!(browser.cookie(NAME).unwrap().value, old);
    browser.get("/api/v1/auth/me").await.expect_status(200);
    browser.plant_cookie(NAME, &old);
    assert_eq!(browser.get("/api/v1/auth/me").await.code(), 401);
}

#[tokio::test]
async fn a_failed_login_sets_and_clears_nothing() {
    let stack = secure().await;
    let browser = Browser::new(&stack.url());
    exchange_code(&browser, "ann").await.expect_status(200);
    let kept = browser.cookie(NAME);
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", "no-such-code"),
        ("client_id", "c"),
    ];
    let reply = browser.post_form("/oauth/token", &fields).await;
    assert_eq!(
        (reply.code(), reply.header("set-cookie")),
        (400, None),
        "{}",
        reply.shown()
    );
    assert_eq!(browser.cookie(NAME), kept);
    browser.get("/api/v1/auth/me").await.expect_status(200);
}

#[tokio::test]
async fn our_cookie_never_reaches_the_authorization_server() {
    let stack = secure().await;
    let browser = Browser::new(&stack.url());
    exchange_code(&browser, "ann").await.expect_status(200);
    exchange_code(&browser, "ann").await.expect_status(200);
    log_in(&browser, "ann").await;
    browser.get("/api/v1/auth/me").await;
    browser.get("/health/ready").await;
    for path in [
        "/oauth/token",
        "/oauth/userinfo",
        "/health",
        "/.well-known/openid-configuration",
    ] {
        for request in stack.auth.requests(path) {
            assert_eq!(request.header("cookie"), None, "{path}");
        }
    }
    assert!(stack.auth.count_requests("/oauth/token") >= 3);
}
