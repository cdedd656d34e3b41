//! Login of a browser: who may begin one, what comes back, and what a provider or a stranger cannot do.

use maxlab_auth_testkit::forge::TokenBuilder;
use maxlab_auth_testkit::{Actor, Browser, HttpReply, TokenForge};
use reqwest::{Method, RequestBuilder, Url};
use serde_json::{Value, json};

use crate::gateway::{COOKIE, Stores, World, on_every_store};
use crate::issuer::Code;

const PUBLIC_URL: &str = "http://localhost:8080";
const CLIENT: &str = "test-app";
const CALLBACK: &str = "/auth/callback/default";

async fn world_on(stores: Stores) -> World {
    World::on(stores, &settings()).await
}

async fn world() -> World {
    world_on(Stores::Embedded).await
}

fn settings() -> [(&'static str, &'static str); 3] {
    [
        ("PUBLIC_URL", PUBLIC_URL),
        ("OAUTH_CLIENT_ID", CLIENT),
        ("LOGIN_RETURN_ORIGINS", "https://other.example"),
    ]
}

/// Completes a request as a browser does that opens a page.
fn opened(request: RequestBuilder) -> RequestBuilder {
    request
        .header("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
        .header("sec-fetch-site", "none")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
}

async fn open(browser: &Browser, path: &str) -> HttpReply {
    browser.send(Method::GET, path, opened).await
}

/// Login that a browser has begun: what the provider was asked.
struct Begun {
    location: Url,
}

impl Begun {
    async fn at(browser: &Browser, path: &str) -> Self {
        let reply = open(browser, path).await.expect_status(303);
        Self::of(&reply)
    }

    fn of(reply: &HttpReply) -> Self {
        Self {
            location: Url::parse(reply.header("location").unwrap()).unwrap(),
        }
    }

    fn parameter(&self, name: &str) -> String {
        let found = self.location.query_pairs().find(|(key, _)| key == name);
        found
            .unwrap_or_else(|| panic!("{name} in {}", self.location))
            .1
            .into_owned()
    }

    /// Returns an ID token for this login, to be changed.
    fn id_token(&self, forge: &TokenForge, user: &str) -> TokenBuilder {
        forge
            .access_token(user)
            .typ("JWT")
            .without("client_id")
            .claim("aud", CLIENT)
            .claim("nonce", self.parameter("nonce"))
    }

    /// Returns the address at which the provider sends the browser back.
    fn callback(&self, code: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("state", &self.parameter("state"))
            .append_pair("code", code);
        format!("{CALLBACK}?{}", query.finish())
    }
}

/// Returns a code that brings this ID token.
fn code_with(user: &str, id_token: &str) -> Code {
    Code::of(user).answer("id_token", id_token)
}

#[track_caller]
fn is_error_page(reply: &HttpReply, status: u16, code: &str) {
    let page = reply.text();
    assert_eq!(reply.status.as_u16(), status, "{page}");
    let main = format!("<main data-page=\"error\" data-code=\"{code}\"");
    assert!(page.contains(&main), "{code}: {page}");
}

/// Goes through a login with an ID token that `change` has changed. Returns the answer of the callback.
async fn log_in_with(
    world: &World,
    browser: &Browser,
    change: impl FnOnce(TokenBuilder) -> TokenBuilder,
) -> HttpReply {
    let begun = Begun::at(browser, "/auth/login?return_to=%2Fnotes%3Fa%3D1").await;
    let token = change(begun.id_token(world.auth.forge(), "user-1")).sign();
    open(browser, &begun.callback(&code_with("user-1", &token).text())).await
}

pub(crate) async fn c39_a_login_becomes_a_session_and_leads_to_its_target(stores: Stores) {
    let world = world_on(stores).await;
    let browser = Browser::new(&world.gateway.url);
    let begun = Begun::at(&browser, "/auth/login?return_to=%2Fnotes%3Fa%3D1").await;
    assert!(
        begun
            .location
            .as_str()
            .starts_with(&format!("{}/oauth/authorize?", world.auth.url()))
    );
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", "http://localhost:8080/auth/callback/default"),
        ("code_challenge_method", "S256"),
        ("scope", "openid profile email offline_access"),
    ] {
        assert_eq!(begun.parameter(name), value);
    }
    let token = begun
        .id_token(world.auth.forge(), "user-1")
        .claim("sid", "s-1")
        .claim("name", "User One");
    let code = code_with("user-1", &token.sign());
    let reply = open(&browser, &begun.callback(&code.text()))
        .await
        .expect_status(303);
    assert_eq!(reply.header("location"), Some("/notes?a=1"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    let user = browser.get("/auth/user").await.expect_status(200).json();
    assert_eq!(
        (user["user_id"].as_str(), user["name"].as_str()),
        (Some("user-1"), Some("User One"))
    );
    browser.get("/auth/verify").await.expect_status(200);
    // RFC 7636 §4.6: the verifier belongs to the challenge.
    let exchanged = world.auth.requests("/oauth/token");
    let verifier = exchanged.last().unwrap().form("code_verifier").unwrap();
    let hash = maxlab_auth_core::credential::sha256(verifier.as_bytes());
    use base64::Engine as _;
    let challenge = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash);
    assert_eq!(challenge, begun.parameter("code_challenge"));
}

pub(crate) async fn c05_a_callback_that_comes_again_spends_nothing(stores: Stores) {
    let world = world_on(stores).await;
    let browser = Browser::new(&world.gateway.url);
    let begun = Begun::at(&browser, "/auth/login?return_to=%2Fx").await;
    let token = begun.id_token(world.auth.forge(), "user-1").sign();
    let path = begun.callback(&code_with("user-1", &token).text());
    open(&browser, &path).await.expect_status(303);
    let cookie = browser.cookie(COOKIE).unwrap().value;
    let again = open(&browser, &path).await.expect_status(303);
    assert_eq!(again.header("location"), Some("/x"));
    assert_eq!(browser.cookie(COOKIE).unwrap().value, cookie);
    // Without the session it begins again, once.
    let held = browser.cookie("maxlab_browser").unwrap().value;
    browser.forget_cookies();
    browser.plant_cookie("maxlab_browser", &held);
    let restarted = Begun::of(&open(&browser, &path).await.expect_status(303));
    assert_ne!(restarted.parameter("state"), begun.parameter("state"));
    assert_eq!(world.auth.count_requests("/oauth/token"), 1);
}

pub(crate) async fn c07_a_second_code_for_one_login_is_refused(stores: Stores) {
    let world = world_on(stores).await;
    let browser = Browser::new(&world.gateway.url);
    let begun = Begun::at(&browser, "/auth/login").await;
    let token = begun.id_token(world.auth.forge(), "user-1").sign();
    open(&browser, &begun.callback(&code_with("user-1", &token).text()))
        .await
        .expect_status(303);
    let other = open(&browser, &begun.callback(&code_with("user-2", &token).text())).await;
    is_error_page(&other, 400, "login_conflict");
    assert_eq!(world.auth.count_requests("/oauth/token"), 1);
    assert_eq!(browser.get("/auth/user").await.json()["user_id"], "user-1");
}

on_every_store!(
    c39_a_login_becomes_a_session_and_leads_to_its_target,
    c05_a_callback_that_comes_again_spends_nothing,
    c07_a_second_code_for_one_login_is_refused,
);

#[tokio::test]
async fn c01_a_state_that_is_not_ours_is_refused() {
    let world = world().await;
    let browser = Browser::new(&world.gateway.url);
    let begun = Begun::at(&browser, "/auth/login").await;
    let state = begun.parameter("state");
    let mut flipped = state.clone().into_bytes();
    flipped[30] = if flipped[30] == b'A' { b'B' } else { b'A' };
    for other in [
        "",
        "x",
        &state[..state.len() - 8],
        std::str::from_utf8(&flipped).unwrap(),
    ] {
        let reply = open(&browser, &format!("{CALLBACK}?code=c&state={other}")).await;
        is_error_page(&reply, 400, "login_state_invalid");
    }
    // C-10: what comes with such a state is not shown.
    let reply = open(
        &browser,
        &format!("{CALLBACK}?error=access_denied&error_description=canary&state=x"),
    )
    .await;
    is_error_page(&reply, 400, "login_state_invalid");
    assert!(!reply.text().contains("canary"));
    assert_eq!(world.auth.count_requests("/oauth/token"), 0);
}

#[tokio::test]
async fn c02_a_login_that_took_too_long_can_begin_again_for_the_same_target() {
    let world = world().await;
    let browser = Browser::new(&world.gateway.url);
    let begun = Begun::at(&browser, "/auth/login?return_to=%2Fnotes").await;
    world.gateway.clock.advance(std::time::Duration::from_secs(3_700));
    let reply = open(&browser, &begun.callback("c")).await;
    is_error_page(&reply, 400, "login_expired");
    assert!(
        reply.text().contains("/auth/login?return_to=%2Fnotes"),
        "{}",
        reply.text()
    );
    assert_eq!(world.auth.count_requests("/oauth/token"), 0);
}

#[tokio::test]
async fn c03_the_code_of_another_browser_is_never_redeemed() {
    let world = world().await;
    let (attacker, victim) = (Browser::new(&world.gateway.url), Browser::new(&world.gateway.url));
    let begun = Begun::at(&attacker, "/auth/login").await;
    Begun::at(&victim, "/auth/login").await;
    let token = begun.id_token(world.auth.forge(), "attacker").sign();
    let path = begun.callback(&code_with("attacker", &token).text());
    let restarted = Begun::of(&open(&victim, &path).await.expect_status(303));
    assert!(victim.cookie(COOKIE).is_none());
    // The second time there is a page, and no third login.
    let foreign = Browser::new(&world.gateway.url);
    Begun::at(&foreign, "/auth/login").await;
    let reply = open(&foreign, &restarted.callback("c")).await;
    is_error_page(&reply, 400, "login_other_browser");
    assert_eq!(world.auth.count_requests("/oauth/token"), 0);
}

#[tokio::test]
async fn t24_a_browser_without_cookies_is_told_so() {
    let world = world().await;
    let browser = Browser::new(&world.gateway.url);
    let begun = Begun::at(&browser, "/auth/login").await;
    browser.forget_cookies();
    let restarted = Begun::of(&open(&browser, &begun.callback("c")).await.expect_status(303));
    browser.forget_cookies();
    is_error_page(
        &open(&browser, &restarted.callback("c")).await,
        400,
        "cookies_disabled",
    );
}

#[tokio::test]
async fn c12_c13_an_answer_of_another_issuer_or_provider_is_refused() {
    let world = world().await;
    world
        .auth
        .publish("authorization_response_iss_parameter_supported", true);
    let browser = Browser::new(&world.gateway.url);
    let begun = Begun::at(&browser, "/auth/login").await;
    let issuer = world.auth.url();
    for named in [
        String::new(),
        "&iss=https%3A%2F%2Fother.example".to_owned(),
        format!("&iss={issuer}/"),
        format!("&iss={}", issuer.replace("http", "HTTP")),
    ] {
        let reply = open(&browser, &format!("{}{named}", begun.callback("c"))).await;
        is_error_page(&reply, 400, "login_state_invalid");
    }
    let unknown = begun.callback("c").replace("callback/default", "callback/other");
    assert_eq!(open(&browser, &unknown).await.status, 404);
    assert_eq!(world.auth.count_requests("/oauth/token"), 0);
    let token = begun.id_token(world.auth.forge(), "user-1").sign();
    let path = begun.callback(&code_with("user-1", &token).text());
    open(&browser, &format!("{path}&iss={issuer}"))
        .await
        .expect_status(303);
}

#[tokio::test]
async fn c22_to_c31_an_id_token_that_breaks_a_rule_is_no_login() {
    let world = world().await;
    let breaks: [fn(TokenBuilder) -> TokenBuilder; 12] = [
        |token| token.claim("iss", "https://other.example"),
        |token| token.claim("aud", "other"),
        |token| token.claim("aud", json!([CLIENT, "other"])),
        |token| token.claim("azp", "other"),
        |token| token.claim("nonce", "other"),
        |token| token.without("nonce"),
        |token| token.expires_in(-600),
        |token| token.claim("exp", 1e300),
        |token| token.without("iat"),
        |token| token.claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
        |token| token.typ("at+jwt"),
        |token| token.claim("sub", ""),
    ];
    for (number, change) in breaks.into_iter().enumerate() {
        let browser = Browser::new(&world.gateway.url);
        let reply = log_in_with(&world, &browser, change).await;
        is_error_page(&reply, 502, "id_token_invalid");
        assert!(browser.cookie(COOKIE).is_none(), "{number}");
    }
    log_in_with(&world, &Browser::new(&world.gateway.url), |token| token)
        .await
        .expect_status(303);
}

#[tokio::test]
async fn c23_a_signature_that_the_provider_did_not_make_is_no_login() {
    let world = world().await;
    let forge = world.auth.forge();
    let begin = async || {
        let browser = Browser::new(&world.gateway.url);
        let begun = Begun::at(&browser, "/auth/login").await;
        (browser, begun)
    };
    let (browser, begun) = begin().await;
    let claims = begun.id_token(forge, "user-1").claims();
    let mut forged = forge.unsigned(&claims);
    forged.extend(forge.hs256_with_public_key(&claims));
    forged.push(TokenForge::wrong_signature(
        &begun.id_token(forge, "user-1").sign(),
    ));
    forged.push(TokenForge::es256(forge.issuer()).sign(&claims));
    // C-33: an encrypted one has five parts.
    forged.push("a.b.c.d.e".to_owned());
    let mut used = Some((browser, begun));
    for token in forged {
        let (browser, begun) = match used.take() {
            Some(first) => first,
            None => begin().await,
        };
        let reply = open(&browser, &begun.callback(&code_with("user-1", &token).text())).await;
        is_error_page(&reply, 502, "id_token_invalid");
        assert!(browser.cookie(COOKIE).is_none());
    }
    let (browser, begun) = begin().await;
    let without = open(&browser, &begun.callback(&Code::of("user-1").text())).await;
    is_error_page(&without, 502, "id_token_invalid");
}

#[tokio::test]
async fn c32_the_access_token_is_of_the_same_person() {
    let world = world().await;
    let browser = Browser::new(&world.gateway.url);
    let begun = Begun::at(&browser, "/auth/login").await;
    let token = begun.id_token(world.auth.forge(), "user-1").sign();
    let reply = open(&browser, &begun.callback(&code_with("user-2", &token).text())).await;
    is_error_page(&reply, 502, "id_token_invalid");
    assert!(browser.cookie(COOKIE).is_none());
}

#[tokio::test]
async fn c35_c36_a_login_has_a_new_session_and_ends_the_one_before() {
    let world = world().await;
    let browser = Browser::new(&world.gateway.url);
    browser.plant_cookie(COOKIE, &"a".repeat(64));
    log_in_with(&world, &browser, |token| token)
        .await
        .expect_status(303);
    let first = browser.cookie(COOKIE).unwrap().value;
    assert_ne!(first, "a".repeat(64));
    let begun = Begun::at(&browser, "/auth/login?prompt=select_account").await;
    assert_eq!(begun.parameter("prompt"), "select_account");
    let token = begun.id_token(world.auth.forge(), "user-2").sign();
    open(&browser, &begun.callback(&code_with("user-2", &token).text()))
        .await
        .expect_status(303);
    assert_eq!(browser.get("/auth/user").await.json()["user_id"], "user-2");
    let old = Browser::new(&world.gateway.url);
    old.plant_cookie(COOKIE, &first);
    old.get("/auth/user").await.expect_status(401);
}

#[tokio::test]
async fn c46_an_opaque_access_token_is_only_carried() {
    let world = World::embedded(&[&settings()[..], &[("VERIFY_LAYERS", "local_jwt")]].concat()).await;
    let browser = Browser::new(&world.gateway.url);
    let begun = Begun::at(&browser, "/auth/login").await;
    let token = begun
        .id_token(world.auth.forge(), "user-1")
        .claim("roles", json!(["editor"]))
        .sign();
    let code = code_with("user-1", &token).opaque();
    open(&browser, &begun.callback(&code.text()))
        .await
        .expect_status(303);
    let user = browser.get("/auth/user").await.expect_status(200).json();
    assert_eq!(
        (&user["user_id"], &user["roles"]),
        (&json!("user-1"), &json!(["editor"]))
    );
}

#[tokio::test]
async fn c09_c17_c18_a_refusal_of_the_provider_is_a_page() {
    let world = world().await;
    for (error, status, code) in [
        ("access_denied", 403, "provider_denied"),
        ("temporarily_unavailable", 503, "provider_unavailable"),
        ("server_error", 502, "provider_error"),
    ] {
        let browser = Browser::new(&world.gateway.url);
        let begun = Begun::at(&browser, "/auth/login").await;
        let state = begun.parameter("state");
        let path = format!("{CALLBACK}?error={error}&error_description=%3Cb%3Ewhy&state={state}");
        let reply = open(&browser, &path).await;
        is_error_page(&reply, status, code);
        assert!(!reply.text().contains("<b>why"), "{}", reply.text());
    }
    for (answer, status, code) in [
        (json!({ "error": "invalid_grant" }), 400, "login_expired"),
        (json!({ "error": "invalid_client" }), 503, "provider_unavailable"),
        (json!({ "error": "invalid_scope" }), 502, "provider_error"),
    ] {
        let browser = Browser::new(&world.gateway.url);
        let begun = Begun::at(&browser, "/auth/login").await;
        world
            .auth
            .on("/oauth/token", maxlab_auth_testkit::Lie::json(400, answer));
        // A code of its own: one that was refused stays spent.
        is_error_page(&open(&browser, &begun.callback(code)).await, status, code);
    }
}

#[tokio::test]
async fn t17_nobody_is_logged_in_at_the_provider_and_it_was_asked_silently() {
    let world = world().await;
    let browser = Browser::new(&world.gateway.url);
    let begun = Begun::at(&browser, "/auth/login?prompt=none&return_to=%2Fx").await;
    assert_eq!(begun.parameter("prompt"), "none");
    let path = format!(
        "{CALLBACK}?error=login_required&state={}",
        begun.parameter("state")
    );
    let reply = open(&browser, &path).await.expect_status(303);
    assert_eq!(reply.header("location"), Some("/x"));
    assert!(browser.cookie(COOKIE).is_none());
}

#[tokio::test]
async fn t08_to_t13_only_a_page_that_a_person_opens_begins_a_login() {
    let world = world().await;
    let browser = Browser::new(&world.gateway.url);
    let refused: [fn(RequestBuilder) -> RequestBuilder; 6] = [
        |request| request.header("sec-fetch-mode", "cors").header("accept", "*/*"),
        |request| {
            request
                .header("sec-fetch-mode", "no-cors")
                .header("sec-fetch-dest", "image")
        },
        |request| {
            request
                .header("sec-fetch-mode", "navigate")
                .header("sec-fetch-dest", "iframe")
        },
        |request| request.header("accept", "text/event-stream"),
        |request| request.header("accept", "application/json"),
        |request| request,
    ];
    for (number, change) in refused.into_iter().enumerate() {
        let reply = browser
            .send(Method::GET, "/auth/login", change)
            .await
            .expect_status(401);
        assert!(reply.header("set-cookie").is_none(), "{number}");
    }
    let problem = browser.send(Method::GET, "/auth/login", refused[0]).await;
    assert_eq!(problem.header("content-type"), Some("application/problem+json"));
    assert_eq!(problem.json()["login_url"], format!("{PUBLIC_URL}/auth/login"));
    let head = browser
        .send(Method::HEAD, "/auth/login", opened)
        .await
        .expect_status(401);
    assert!(head.header("set-cookie").is_none());
    browser
        .send(Method::POST, "/auth/login", opened)
        .await
        .expect_status(405);
    for path in ["/auth/login", "/auth/callback/default?state=x&code=c"] {
        let ahead = browser
            .send(Method::GET, path, |request| {
                opened(request).header("sec-purpose", "prefetch;prerender")
            })
            .await
            .expect_status(503);
        assert_eq!(ahead.header("cache-control"), Some("no-store"));
        assert!(ahead.header("set-cookie").is_none());
    }
}

#[tokio::test]
async fn t03_t06_the_target_and_the_callback_come_from_no_stranger() {
    let world = world().await;
    let browser = Browser::new(&world.gateway.url);
    let forged = |request: RequestBuilder| {
        opened(request)
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "https")
    };
    let reply = browser
        .send(
            Method::GET,
            "/auth/login?return_to=%2F%2Fevil.example&redirect_uri=https%3A%2F%2Fevil",
            forged,
        )
        .await
        .expect_status(303);
    let begun = Begun::of(&reply);
    assert_eq!(
        begun.parameter("redirect_uri"),
        "http://localhost:8080/auth/callback/default"
    );
    let token = begun.id_token(world.auth.forge(), "user-1").sign();
    let back = open(&browser, &begun.callback(&code_with("user-1", &token).text()))
        .await
        .expect_status(303);
    assert_eq!(back.header("location"), Some("/"));
}

#[tokio::test]
async fn t02_a_thousand_starts_leave_one_cookie() {
    let world = World::embedded(&[&settings()[..], &[("RATE_LIMIT_PER_ADDRESS", "off")]].concat()).await;
    let browser = Browser::new(&world.gateway.url);
    let first = Begun::at(&browser, "/auth/login").await;
    let cookie = browser.cookie("maxlab_browser").unwrap().value;
    for _ in 0..1_000 {
        Begun::at(&browser, "/auth/login").await;
    }
    assert_eq!(browser.cookie("maxlab_browser").unwrap().value, cookie);
    // T-01: the first of them still works.
    let token = first.id_token(world.auth.forge(), "user-1").sign();
    open(&browser, &first.callback(&code_with("user-1", &token).text()))
        .await
        .expect_status(303);
}

#[tokio::test]
async fn t22_t23_somebody_who_is_logged_in_goes_straight_back_and_not_for_ever() {
    let world = world().await;
    let browser = Browser::new(&world.gateway.url);
    log_in_with(&world, &browser, |token| token)
        .await
        .expect_status(303);
    for _ in 0..4 {
        let reply = open(&browser, "/auth/login?return_to=%2Fx")
            .await
            .expect_status(303);
        assert_eq!(reply.header("location"), Some("/x"));
    }
    is_error_page(
        &open(&browser, "/auth/login?return_to=%2Fx").await,
        400,
        "redirect_loop",
    );
    let other = open(&browser, "/auth/login?return_to=%2Fy")
        .await
        .expect_status(303);
    assert_eq!(other.header("location"), Some("/y"));
    let asked = Begun::at(&browser, "/auth/login?max_age=60&acr=gold").await;
    assert_eq!(
        (asked.parameter("max_age"), asked.parameter("acr_values")),
        ("60".into(), "gold".into())
    );
}

#[tokio::test]
async fn c37_a_logout_of_everything_during_a_login_wins() {
    let world = world().await;
    let browser = Browser::new(&world.gateway.url);
    let begun = Begun::at(&browser, "/auth/login").await;
    let token = begun.id_token(world.auth.forge(), "user-1").sign();
    let gate = maxlab_auth_testkit::ReplyGate::closed();
    let honest = world.issuer.honest(&world.auth);
    world
        .auth
        .on("/oauth/token", maxlab_auth_testkit::Lie::gated(&gate, honest));
    let path = begun.callback(&code_with("user-1", &token).text());
    let (reply, ()) = tokio::join!(open(&browser, &path), async {
        world.auth.wait_for_requests("/oauth/token", 1).await;
        let other = world.stray_token("user-1");
        world
            .bearer(&other)
            .post("/api/v1/auth/logout/all")
            .await
            .expect_status(200);
        gate.open();
    });
    // Begun again, once and without asking: the provider says whether the person is still logged in there.
    Begun::of(&reply.expect_status(303));
    assert!(browser.cookie(COOKIE).is_none());
}

#[tokio::test]
async fn b16_c37_a_logout_of_the_provider_during_a_login_wins_and_the_next_login_lives() {
    let world = world().await;
    let browser = Browser::new(&world.gateway.url);
    let begun = Begun::at(&browser, "/auth/login").await;
    let forge = world.auth.forge();
    let now = maxlab_auth_testkit::forge::now();
    let claims = json!({ "iss": forge.issuer(), "aud": CLIENT, "iat": now, "exp": now + 60, "jti": "l-1", "sid": "s-1",
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} } });
    let header = json!({ "alg": "ES256", "kid": forge.kid(), "typ": "logout+jwt" });
    let logout = forge.sign_with_header(&header, &claims);
    world
        .anonymous()
        .post_form(
            "/auth/backchannel-logout/default",
            &[("logout_token", logout.as_str())],
        )
        .await
        .expect_status(200);
    // The code is older than the logout, and the ID token is younger.
    let token = |begun: &Begun| {
        let token = begun.id_token(forge, "user-1").claim("sid", "s-1");
        token.issued_at(now + 2).sign()
    };
    let path = begun.callback(&code_with("user-1", &token(&begun)).text());
    let again = Begun::of(&open(&browser, &path).await.expect_status(303));
    assert!(browser.cookie(COOKIE).is_none());
    // B-15, B-27: the provider uses the same `sid` for the next login, and once is enough.
    let path = again.callback(&code_with("user-1", &token(&again)).text());
    open(&browser, &path).await.expect_status(303);
    assert_eq!(
        browser.get("/auth/user").await.expect_status(200).json()["user_id"],
        "user-1"
    );
}

#[tokio::test]
async fn t19_without_the_providers_addresses_there_is_a_page() {
    let world = World::try_embedded(&settings(), |auth| {
        auth.on(
            "/.well-known/openid-configuration",
            maxlab_auth_testkit::Lie::status(503),
        );
        auth.on(
            "/.well-known/oauth-authorization-server",
            maxlab_auth_testkit::Lie::status(503),
        );
    })
    .await
    .unwrap();
    let browser = Browser::new(&world.gateway.url);
    is_error_page(&open(&browser, "/auth/login").await, 503, "provider_unavailable");
}

#[tokio::test]
async fn the_front_proxies_send_people_to_the_own_login() {
    let world = World::embedded(&[&settings()[..], &[("TRUSTED_PROXIES", "127.0.0.1")]].concat()).await;
    let browser = Browser::new(&world.gateway.url);
    let asked = |request: RequestBuilder| {
        request
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-proto", "http")
            .header("x-forwarded-host", "localhost:8080")
            .header("x-forwarded-uri", "/notes?a=1")
    };
    let reply = browser
        .send(Method::GET, "/auth/verify", |request| opened(asked(request)))
        .await
        .expect_status(302);
    let target = "http%3A%2F%2Flocalhost%3A8080%2Fnotes%3Fa%3D1";
    let expected = format!("{PUBLIC_URL}/auth/login?return_to={target}");
    assert_eq!(reply.header("location"), Some(expected.as_str()));
    let script = browser
        .send(Method::GET, "/auth/verify", |request| {
            asked(request).header("sec-fetch-mode", "cors")
        })
        .await
        .expect_status(401);
    let problem: Value = script.json();
    assert_eq!(problem["login_url"], format!("{PUBLIC_URL}/auth/login"));
}
