//! Starts of a login: who may begin one, and where it may lead.

use http::Method;
use maxlab_auth_testkit::{Actor, LoginRequest};
use reqwest::RequestBuilder;

use crate::world::{BROWSER, CLIENT, PUBLIC_URL, World, error_of, open, page};

/// Sends a request with these fields, and returns the answer. It must set no cookie.
async fn without_cookie(
    world: &World,
    method: Method,
    path: &str,
    fields: &[(&str, &str)],
) -> maxlab_auth_testkit::HttpReply {
    let fill = |request: RequestBuilder| {
        fields
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value))
    };
    let reply = world.browser().send(method, path, fill).await;
    assert_eq!(reply.header("set-cookie"), None, "{path} {fields:?}");
    reply
}

#[tokio::test]
async fn t02_a_thousand_starts_leave_one_cookie() {
    let world = World::start().await;
    let browser = world.browser();
    world.begin(&browser, "").await;
    let first = browser.cookie(BROWSER).unwrap();
    for _ in 0..1_000 {
        let reply = open(&browser, "/auth/login").await.expect_status(303);
        assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 1);
    }
    assert_eq!(browser.cookie(BROWSER).unwrap(), first);
}

#[tokio::test]
async fn t03_a_target_of_another_origin_leads_to_the_start_page() {
    let world =
        World::start_with(|options| options.env("LOGIN_RETURN_ORIGINS", "https://app.example.com")).await;
    let browser = world.browser();
    world.log_in(&browser, "ann", "").await.expect_status(303);
    for bad in [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "https:evil.example",
        "https://evil.example",
        "https://app.example.com.evil.example/",
        "https://app.example.com@evil.example/",
        "https://user@app.example.com/",
        "http://app.example.com/",
        "https://app.example.com:444/",
        "javascript:alert(1)",
        "data:text/html,x",
        "/a\r\nSet-Cookie: a=b",
        "/a\0",
        "/..//evil.example",
        "/.//evil.example",
        "///evil.example",
        "",
        " //evil.example",
        "https://аpp.example.com/",
    ] {
        let query: String = form_urlencoded::byte_serialize(bad.as_bytes()).collect();
        let reply = open(&browser, &format!("/auth/login?return_to={query}"))
            .await
            .expect_status(303);
        let location = reply.header("location").unwrap();
        let target = reqwest::Url::parse(PUBLIC_URL).unwrap().join(location).unwrap();
        assert_eq!(
            target.origin().ascii_serialization(),
            PUBLIC_URL,
            "{bad:?}: {location}"
        );
        // The count of returns to one target is another row.
        world_forgets_returns(&browser);
    }
    let reply = open(
        &browser,
        "/auth/login?return_to=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3D1%23c",
    )
    .await;
    assert_eq!(reply.header("location"), Some("https://app.example.com/a?b=1#c"));
}

/// Removes the count of returns from the browser.
fn world_forgets_returns(browser: &maxlab_auth_testkit::Browser) {
    let session = browser.cookie(crate::world::SESSION).unwrap();
    browser.forget_cookies();
    browser.plant_cookie(&session.name, &session.value);
}

#[tokio::test]
async fn t04_the_pages_of_the_login_are_no_targets() {
    let world = World::start().await;
    let browser = world.browser();
    world.log_in(&browser, "ann", "").await.expect_status(303);
    for (own, expected) in [
        ("/auth/login?return_to=/a", "/"),
        ("/auth/logout", "/"),
        ("/auth/callback/default?code=c", "/"),
        ("/a/../auth/login", "/"),
        ("/%61uth/login", "/"),
        ("/auth/account", "/auth/account"),
    ] {
        let query: String = form_urlencoded::byte_serialize(own.as_bytes()).collect();
        let reply = open(&browser, &format!("/auth/login?return_to={query}"))
            .await
            .expect_status(303);
        assert_eq!(reply.header("location"), Some(expected), "{own}");
        world_forgets_returns(&browser);
    }
}

#[tokio::test]
async fn t06_no_header_of_the_request_changes_the_callback() {
    let world = World::start().await;
    let fill = |request: RequestBuilder| {
        request
            .header("accept", "text/html")
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "https")
            .header("forwarded", "host=evil.example;proto=https")
    };
    let reply = world
        .browser()
        .send(Method::GET, "/auth/login", fill)
        .await
        .expect_status(303);
    let login = LoginRequest::parse(reply.header("location").unwrap());
    assert_eq!(
        login.value("redirect_uri"),
        format!("{PUBLIC_URL}/auth/callback/default")
    );
    assert!(!reply.header("location").unwrap().contains("evil"));
}

#[tokio::test]
async fn t08_a_call_without_a_session_is_told_where_to_log_in() {
    let world = World::start().await;
    for path in ["/auth/login", "/auth/verify", "/auth/user"] {
        let fields = [
            ("accept", "application/json"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-dest", "empty"),
        ];
        let reply = without_cookie(&world, Method::GET, path, &fields)
            .await
            .expect_status(401);
        assert_eq!(
            reply.header("content-type"),
            Some("application/problem+json"),
            "{path}"
        );
        let login_url = reply.json()["login_url"].as_str().map(str::to_owned);
        assert_eq!(login_url, Some(format!("{PUBLIC_URL}/auth/login")), "{path}");
    }
}

#[tokio::test]
async fn t09_what_a_page_loads_begins_no_login() {
    let world = World::start().await;
    for destination in [
        "image", "script", "style", "font", "manifest", "worker", "empty", "iframe", "embed", "object",
    ] {
        for path in ["/auth/login", "/auth/verify"] {
            let fields = [
                ("accept", "*/*"),
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-dest", destination),
            ];
            without_cookie(&world, Method::GET, path, &fields)
                .await
                .expect_status(401);
        }
    }
}

#[tokio::test]
async fn t10_only_get_begins_a_login() {
    let world = World::start().await;
    let navigates = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    let head = without_cookie(&world, Method::HEAD, "/auth/login", &navigates).await;
    assert_eq!(head.status, 401);
    let post = without_cookie(&world, Method::POST, "/auth/login", &navigates).await;
    assert_eq!(post.status, 405);
    let options = without_cookie(&world, Method::OPTIONS, "/auth/login", &navigates).await;
    assert!(!options.status.is_redirection(), "{}", options.status);
}

#[tokio::test]
async fn t11_a_page_that_is_loaded_ahead_begins_and_spends_nothing() {
    let world = World::start().await;
    let browser = world.browser();
    let state = world.begin(&browser, "").await.state();
    for (name, value) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("x-moz", "prefetch"),
    ] {
        let fields = [
            ("accept", "text/html"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
            (name, value),
        ];
        for path in [
            "/auth/login",
            "/auth/verify",
            &format!("/auth/callback/default?code=c&state={state}"),
        ] {
            let reply = without_cookie(&world, Method::GET, path, &fields).await;
            assert_eq!(reply.status, 503, "{path} {name}: {value}");
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        }
    }
    assert_eq!(world.provider.redemptions().len(), 0);
}

#[tokio::test]
async fn t12_a_frame_gets_a_page_and_no_login() {
    let world = World::start().await;
    let fields = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "iframe"),
    ];
    let reply = without_cookie(&world, Method::GET, "/auth/login", &fields)
        .await
        .expect_status(401);
    assert!(reply.header("content-type").unwrap().starts_with("text/html"));
    assert!(
        reply
            .header("content-security-policy")
            .unwrap()
            .contains("frame-ancestors 'none'")
    );
}

#[tokio::test]
async fn t16_nothing_else_of_the_query_reaches_the_provider() {
    let world = World::start().await;
    let browser = world.browser();
    let query = "scope=admin&redirect_uri=https%3A%2F%2Fevil.example&client_id=evil&response_mode=form_post\
                 &response_type=token&state=s&nonce=n&request=r&code_challenge=c&login_hint=ann&acr=gold";
    let login = world.begin(&browser, query).await;
    assert_eq!(
        login.endpoint(),
        format!("{}/oauth/authorize", world.provider.server().url())
    );
    assert_eq!(login.value("client_id"), CLIENT);
    assert_eq!(login.value("response_type"), "code");
    assert!(login.value("scope").split(' ').any(|scope| scope == "openid"));
    assert!(!login.value("scope").contains("admin"));
    assert_eq!(login.value("login_hint"), "ann");
    assert_eq!(login.value("acr_values"), "gold");
    assert_ne!((login.state(), login.nonce()), ("s".into(), "n".into()));
    for absent in ["response_mode", "request", "request_uri"] {
        assert_eq!(login.values(absent), Vec::<String>::new(), "{absent}");
    }
    let refused = open(&browser, "/auth/login?prompt=create").await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn t22_who_is_logged_in_goes_straight_to_the_target_unless_more_is_asked() {
    let world = World::start().await;
    let browser = world.browser();
    world.log_in(&browser, "ann", "").await.expect_status(303);
    let reply = open(&browser, "/auth/login?return_to=/a")
        .await
        .expect_status(303);
    assert_eq!(reply.header("location"), Some("/a"));
    for more in ["prompt=login", "prompt=select_account", "max_age=60", "acr=gold"] {
        let login = world.begin(&browser, &format!("return_to=/a&{more}")).await;
        assert!(login.endpoint().ends_with("/oauth/authorize"), "{more}");
    }
}

#[tokio::test]
async fn t23_a_loop_ends_at_a_page_and_many_targets_do_not() {
    let world = World::start().await;
    let browser = world.browser();
    world.log_in(&browser, "ann", "").await.expect_status(303);
    for tab in 0..20 {
        open(&browser, &format!("/auth/login?return_to=/tab/{tab}"))
            .await
            .expect_status(303);
    }
    let mut last = None;
    for _ in 0..6 {
        last = Some(open(&browser, "/auth/login?return_to=/again").await);
    }
    assert_eq!(error_of(&last.unwrap()), page(400, "redirect_loop"));
}

#[tokio::test]
async fn verify_sends_a_person_to_the_login_with_the_whole_address() {
    let world = World::start_with(|options| options.env("TRUSTED_PROXIES", "127.0.0.1/32")).await;
    let fields = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "127.0.0.1:8999"),
        ("x-forwarded-uri", "/page?a=1"),
    ];
    let reply = without_cookie(&world, Method::GET, "/auth/verify", &fields).await;
    assert!(reply.status.is_redirection(), "{}", reply.status);
    let login = LoginRequest::parse(reply.header("location").unwrap());
    assert_eq!(login.endpoint(), format!("{PUBLIC_URL}/auth/login"));
    assert_eq!(login.value("return_to"), format!("{PUBLIC_URL}/page?a=1"));
}
