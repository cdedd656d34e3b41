//! Limits on what one caller may cause: by address, by client, by person. What is answered from memory is free.

use maxlab_auth_testkit::{Actor, HttpReply};
use reqwest::Method;

use crate::gateway::{World, from_own_page, is_alone, verdict};
use crate::policy::{POLICY, forwarded, world_with};

/// Three at once and, within a test, no more.
const THREE: &str = "1/min burst 3";

/// The time to wait that an answer over the limit names.
fn retry_after(reply: &HttpReply) -> u64 {
    reply
        .header("retry-after")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn over_the_limit() -> (u16, String) {
    (429, "rate_limited".to_owned())
}

/// Asks forward-auth as a proxy does that saw this client.
async fn verified_for(world: &World, client: Option<&str>, token: &str) -> HttpReply {
    let send = |request: reqwest::RequestBuilder| match client {
        Some(address) => request.header("x-forwarded-for", address),
        None => request,
    };
    world.bearer(token).send(Method::GET, "/auth/verify", send).await
}

#[tokio::test]
async fn w4_an_address_that_sends_junk_is_limited_and_what_is_remembered_is_still_answered() {
    let world = World::embedded(&[("RATE_LIMIT_PER_ADDRESS", THREE)]).await;
    let known = world.opaque_token("user-1");
    world.me(&known).await.expect_status(200);
    for number in 0..2 {
        world.revoke(&format!("junk-{number}")).await.expect_status(200);
    }
    let (asked, logged) = (
        world.auth.count_token_requests(),
        world.engine().deps().audit.find(&Default::default(), 100).await,
    );
    let refused = world.revoke("junk-3").await.expect_status(429);
    assert!((1..=60).contains(&retry_after(&refused)), "{:?}", refused.headers);
    let body = refused.json();
    assert_eq!(
        (&body["error"], &body["code"]),
        (&"temporarily_unavailable".into(), &"rate_limited".into())
    );
    for unknown in ["/auth/verify", "/api/v1/auth/me", "/oauth/userinfo"] {
        let refused = world.bearer("an-unknown-token").get(unknown).await;
        assert_eq!(verdict(&refused), over_the_limit(), "{unknown}");
        assert!(retry_after(&refused) > 0);
        assert_eq!(
            refused.header("content-type"),
            Some("application/problem+json"),
            "{unknown}"
        );
    }
    let grant = [("grant_type", "authorization_code"), ("code", "a-code")];
    let exchange = world.anonymous().post_form("/oauth/token", &grant).await;
    assert_eq!(verdict(&exchange), over_the_limit());
    let validated = world
        .anonymous()
        .post_form("/oauth/token/validate", &[("token", "an-unknown-token")])
        .await;
    assert_eq!(verdict(&validated), over_the_limit());
    assert_eq!(
        verdict(&world.anonymous().get("/oauth/authorize").await),
        over_the_limit()
    );
    assert_eq!(
        world.auth.count_token_requests(),
        asked,
        "nothing is asked over the limit"
    );
    let after = world.engine().deps().audit.find(&Default::default(), 100).await;
    assert_eq!(
        after.unwrap().len(),
        logged.unwrap().len(),
        "nothing is written over the limit"
    );
    for path in ["/auth/verify", "/api/v1/auth/me", "/oauth/userinfo"] {
        world.bearer(&known).get(path).await.expect_status(200);
    }
}

#[tokio::test]
async fn w4_a_token_that_is_verified_here_costs_nothing() {
    let world = World::embedded(&[
        ("RATE_LIMIT_PER_ADDRESS", "1/min burst 1"),
        ("VERIFY_LAYERS", "local_jwt"),
    ])
    .await;
    for number in 0..5 {
        let token = world.stray_token(&format!("user-{number}"));
        world.me(&token).await.expect_status(200);
    }
}

#[tokio::test]
async fn w4_behind_a_trusted_proxy_each_client_has_its_own_limit() {
    let world = World::embedded(&[
        ("RATE_LIMIT_PER_ADDRESS", THREE),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ])
    .await;
    let junk = async |client: Option<&str>| {
        let token = uuid::Uuid::new_v4().simple().to_string();
        verified_for(&world, client, &token).await.status.as_u16()
    };
    for _ in 0..3 {
        assert_eq!(junk(Some("198.51.100.1")).await, 401);
        assert_eq!(junk(Some("2001:db8:1:2::1")).await, 401);
    }
    assert_eq!(junk(Some("198.51.100.1")).await, 429);
    // Addresses of one network of 64 bits are one caller's.
    assert_eq!(junk(Some("2001:db8:1:2:3::7")).await, 429);
    assert_eq!(junk(Some("2001:db8:1:3::7")).await, 401);
    // What the client itself put in front of the proxy's entry changes nothing.
    assert_eq!(junk(Some("203.0.113.5, 198.51.100.1")).await, 429);
    // A proxy that names no client would have one limit for the whole site: it has none.
    for _ in 0..10 {
        assert_eq!(junk(None).await, 401);
    }
}

#[tokio::test]
async fn w4_what_is_public_stays_open_over_the_limit() {
    let limit = [("RATE_LIMIT_PER_ADDRESS", "1/min burst 1")];
    let (world, _file, _folder) = world_with(POLICY, &limit).await;
    let ask = async |target: &str| {
        let fill = |request: reqwest::RequestBuilder| {
            forwarded("GET", "app.example", target)(request).header("x-forwarded-for", "198.51.100.1")
        };
        world
            .bearer("an-unknown-token")
            .send(Method::GET, "/auth/verify", fill)
            .await
    };
    ask("/private").await.expect_status(401);
    let token = "another-unknown-token";
    let fill = |request: reqwest::RequestBuilder| {
        forwarded("GET", "app.example", "/private")(request).header("x-forwarded-for", "198.51.100.1")
    };
    let limited = world.bearer(token).send(Method::GET, "/auth/verify", fill).await;
    assert_eq!(verdict(&limited), over_the_limit());
    ask("/assets/logo.svg").await.expect_status(200);
}

#[tokio::test]
async fn w4_a_client_that_proved_itself_has_a_limit_of_its_own() {
    let world = World::embedded(&[
        (
            "INTROSPECTION_CLIENTS",
            "api:a-secret-of-the-api, other:another-secret-of-it",
        ),
        ("RATE_LIMIT_PER_ADDRESS", "1/min burst 1"),
        ("RATE_LIMIT_PER_CLIENT", THREE),
    ])
    .await;
    let ask = async |id: &str, secret: &str, token: String| {
        let form = [
            ("token", token.as_str()),
            ("client_id", id),
            ("client_secret", secret),
        ];
        world.anonymous().post_form("/oauth/introspect", &form).await
    };
    for number in 0..3 {
        let reply = ask("api", "a-secret-of-the-api", format!("unknown-{number}")).await;
        assert_eq!(reply.expect_status(200).json()["active"], false);
    }
    // Nothing is known of this token, so it is not called inactive.
    let limited = ask("api", "a-secret-of-the-api", "unknown-3".to_owned()).await;
    assert_eq!(verdict(&limited), over_the_limit());
    ask("other", "another-secret-of-it", "unknown-4".to_owned())
        .await
        .expect_status(200);
    // Who guesses secrets is limited by address.
    ask("api", "a-guess", "unknown-5".to_owned())
        .await
        .expect_status(401);
    assert_eq!(
        verdict(&ask("api", "a-guess", "unknown-6".to_owned()).await),
        over_the_limit()
    );
}

#[tokio::test]
async fn w4_a_person_has_a_limit_on_what_is_written_for_it() {
    let world = World::embedded(&[("RATE_LIMIT_PER_PERSON", THREE)]).await;
    let (login, other) = (world.log_in("user-1").await, world.log_in("user-2").await);
    let end = "/api/v1/auth/sessions/no-such-session";
    for _ in 0..3 {
        from_own_page(&login.browser, Method::DELETE, end)
            .await
            .expect_status(404);
    }
    let limited = from_own_page(&login.browser, Method::DELETE, end).await;
    assert_eq!(verdict(&limited), over_the_limit());
    let logout = from_own_page(&login.browser, Method::POST, "/api/v1/auth/logout").await;
    assert_eq!(verdict(&logout), over_the_limit());
    assert!(
        logout.header("set-cookie").is_none(),
        "no cookie is cleared by what was not done"
    );
    login.is_of("user-1").await;
    from_own_page(&other.browser, Method::POST, "/api/v1/auth/logout")
        .await
        .expect_status(200);
}

#[tokio::test]
async fn w4_limits_are_counted_from_zero_and_can_be_switched_off() {
    if !is_alone("rate_limit::w4_limits_are_counted_from_zero_and_can_be_switched_off") {
        return;
    }
    let world = World::embedded(&[("RATE_LIMIT_PER_ADDRESS", "1/min burst 1")]).await;
    let counted = async |world: &World, route: &str| {
        let line = format!("rate_limited_total{{route=\"{route}\",by=\"address\"}} ");
        let text = world.anonymous().get("/metrics").await.expect_status(200).text();
        let count = text
            .lines()
            .find_map(|found| found.strip_prefix(line.as_str()).map(str::to_owned));
        count.unwrap_or_else(|| panic!("{line}: {text}"))
    };
    assert_eq!(counted(&world, "/oauth/revoke").await, "0");
    world.revoke("junk-1").await.expect_status(200);
    world.revoke("junk-2").await.expect_status(429);
    assert_eq!(counted(&world, "/oauth/revoke").await, "1");
    let off = World::embedded(&[("RATE_LIMIT_PER_ADDRESS", "off")]).await;
    for number in 0..50 {
        let refused = off.me(&format!("unknown-{number}")).await;
        refused.expect_status(401);
    }
}
