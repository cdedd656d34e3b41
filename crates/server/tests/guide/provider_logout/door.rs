//! The route itself: bodies, methods, layers, floods, key changes.

use std::time::Instant;

use maxlab_auth_testkit::{Actor, ForgeAlgorithm, TokenForge};
use reqwest::Method;
use serde_json::json;

use super::{CLIENT, ROUTE, WITH_CLIENT, end, is_alive, log_in, of_session, send, sign, with};
use crate::gateway::{World, verdict};

const JWKS: &str = "/.well-known/jwks.json";

#[tokio::test]
async fn b17_the_body_is_a_form_with_one_token() {
    let world = World::embedded(&[WITH_CLIENT]).await;
    let login = log_in(&world, "user-1", "s-1").await;
    let token = sign(&world, &of_session(&world, "s-1"));
    let anonymous = world.anonymous();
    let twice = [("logout_token", token.as_str()), ("logout_token", token.as_str())];
    assert_eq!(anonymous.post_form(ROUTE, &twice).await.status, 400);
    assert_eq!(anonymous.post_form(ROUTE, &[]).await.status, 400);
    let in_query = format!("{ROUTE}?logout_token={token}");
    assert_eq!(anonymous.post(&in_query).await.status, 400);
    let in_both = anonymous.post_form(&in_query, &[("logout_token", &token)]).await;
    assert_eq!(in_both.status, 400);
    let as_json = anonymous
        .post_json(ROUTE, &json!({ "logout_token": token }))
        .await;
    assert_eq!(as_json.status, 415);
    for length in [17 * 1024, 1024 * 1024] {
        let long = "a".repeat(length);
        let reply = anonymous.post_form(ROUTE, &[("logout_token", &long)]).await;
        assert_eq!(verdict(&reply), (413, "payload_too_large".to_owned()));
    }
    assert!(is_alive(&world, &login).await);
    send(&world, &token).await.expect_status(200);
}

#[tokio::test]
async fn b18_neither_origin_nor_cookie_matter() {
    let world = World::embedded(&[WITH_CLIENT, ("CORS_ORIGINS", "https://app.example")]).await;
    let login = log_in(&world, "user-1", "s-1").await;
    let token = sign(&world, &of_session(&world, "s-1"));
    // With the cookie and from another site: neither refused for it, nor readable by that page.
    let reply = login
        .browser
        .send(Method::POST, ROUTE, |request| {
            request
                .header("origin", "https://app.example")
                .header("sec-fetch-site", "cross-site")
                .form(&[("logout_token", &token)])
        })
        .await
        .expect_status(200);
    assert_eq!(reply.header("access-control-allow-origin"), None);
    assert!(!is_alive(&world, &login).await);
}

#[tokio::test]
async fn b19_only_post_and_only_a_known_provider() {
    let world = World::embedded(&[WITH_CLIENT]).await;
    let anonymous = world.anonymous();
    assert_eq!(anonymous.get(ROUTE).await.status, 405);
    let token = sign(&world, &of_session(&world, "s-1"));
    let form = [("logout_token", token.as_str())];
    for id in ["other", "Default", "default2"] {
        let reply = anonymous
            .post_form(&format!("/auth/backchannel-logout/{id}"), &form)
            .await;
        assert_eq!(verdict(&reply), (404, "not_found".to_owned()));
    }
    // Without a client at the provider there is no provider.
    let world = World::embedded(&[]).await;
    assert_eq!(world.anonymous().post_form(ROUTE, &form).await.status, 404);
}

#[tokio::test]
async fn b20_the_provider_does_not_wait() {
    let world = World::embedded(&[WITH_CLIENT]).await;
    world.keys_are_known().await;
    let mut times = Vec::new();
    for number in 0..9 {
        let sid = format!("s-{number}");
        log_in(&world, "user-1", &sid).await;
        let token = sign(&world, &of_session(&world, &sid));
        let began = Instant::now();
        send(&world, &token).await.expect_status(200);
        times.push(began.elapsed());
    }
    times.sort();
    // The median, because a test runs beside others.
    assert!(times[4].as_millis() < 100, "{times:?}");
}

#[tokio::test]
async fn b21_forged_tokens_cost_no_key_fetch() {
    let world = World::embedded(&[WITH_CLIENT, ("RATE_LIMIT_PER_ADDRESS", "1/min burst 10")]).await;
    world.keys_are_known().await;
    let before = world.auth.count_requests(JWKS);
    let stranger = TokenForge::es256(world.auth.forge().issuer());
    let mut statuses = Vec::new();
    for number in 0..40 {
        let claims = of_session(&world, &format!("s-{number}"));
        let header = json!({ "alg": "ES256", "kid": format!("unknown-{number}"), "typ": "logout+jwt" });
        let reply = send(&world, &stranger.sign_with_header(&header, &claims)).await;
        statuses.push(reply.status.as_u16());
    }
    assert!(world.auth.count_requests(JWKS) <= before + 1);
    assert!(
        statuses.iter().all(|status| [400, 429, 503].contains(status)),
        "{statuses:?}"
    );
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn b22_a_new_key_is_fetched_once() {
    let world = World::embedded(&[WITH_CLIENT]).await;
    world.keys_are_known().await;
    let login = log_in(&world, "user-1", "s-1").await;
    let before = world.auth.count_requests(JWKS);
    // Beyond the time for which the keys are not fetched again.
    world.gateway.clock.advance(std::time::Duration::from_secs(120));
    world.auth.forge().add_key(ForgeAlgorithm::Es256);
    let at = maxlab_auth_testkit::forge::now() + 120;
    let claims = with(with(of_session(&world, "s-1"), "iat", at), "exp", at + 60);
    end(&world, &claims).await;
    assert_eq!(world.auth.count_requests(JWKS), before + 1);
    assert_eq!(login.browser.get(super::ME).await.status, 401);
}

#[tokio::test]
async fn b23_another_issuer_does_not_end_the_same_sid() {
    let world = World::embedded(&[WITH_CLIENT]).await;
    let login = log_in(&world, "user-1", "s-1").await;
    let other = TokenForge::es256("https://other.example");
    let claims = json!({ "aud": CLIENT, "iss": "https://other.example" });
    let mut forged = of_session(&world, "s-1");
    forged["iss"] = claims["iss"].clone();
    let reply = send(&world, &super::sign_as(&other, Some("logout+jwt"), &forged)).await;
    assert_eq!(reply.status, 400);
    assert!(is_alive(&world, &login).await);
}
