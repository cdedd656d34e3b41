//! Rules of the token, at the route.

use serde_json::{Value, json};

use super::{EVENT, WITH_CLIENT, claims, is_alive, log_in, of_session, send, sign, sign_as, with, without};
use crate::gateway::World;
use maxlab_auth_testkit::TokenForge;
use maxlab_auth_testkit::forge::now;

/// Sends each token, and expects 400 and no effect.
async fn expect_refused(world: &World, tokens: impl IntoIterator<Item = String>) {
    let login = log_in(world, "user-1", "s-1").await;
    for token in tokens {
        let reply = send(world, &token).await;
        assert_eq!(reply.status, 400, "{token}: {}", reply.text());
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let body = reply.json();
        assert_eq!(body["error"], "invalid_request");
        assert!(
            body["error_description"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    assert!(is_alive(world, &login).await);
}

async fn expect_claims_refused(changed: impl Fn(&World) -> Vec<Value>) {
    let world = World::embedded(&[WITH_CLIENT]).await;
    let tokens: Vec<_> = changed(&world)
        .iter()
        .map(|claims| sign(&world, claims))
        .collect();
    expect_refused(&world, tokens).await;
}

fn good(world: &World) -> Value {
    of_session(world, "s-1")
}

#[tokio::test]
async fn b04_a_token_that_names_nobody_is_refused() {
    expect_claims_refused(|world| {
        let nobody = claims(world);
        vec![
            nobody.clone(),
            with(nobody.clone(), "sub", ""),
            with(nobody.clone(), "sid", ""),
            with(nobody.clone(), "sub", 7),
            with(good(world), "sub", Value::Null),
            with(nobody, "sid", json!(["s-1"])),
        ]
    })
    .await;
}

#[tokio::test]
async fn b06_only_configured_algorithms_count() {
    let world = World::embedded(&[WITH_CLIENT]).await;
    let (forge, claims) = (world.auth.forge(), good(&world));
    let mut tokens = forge.unsigned(&claims);
    tokens.extend(forge.hs256_with_public_key(&claims));
    tokens.push(TokenForge::hs256(forge.issuer(), "a secret that the gateway does not have").sign(&claims));
    tokens.push(forge.with_crit(&claims));
    tokens.push(forge.with_embedded_jwk(&claims));
    tokens.push(TokenForge::wrong_signature(&sign(&world, &claims)));
    tokens.push(sign_as(
        &TokenForge::es256(forge.issuer()),
        Some("logout+jwt"),
        &claims,
    ));
    tokens.push("no token".to_owned());
    expect_refused(&world, tokens).await;
}

#[tokio::test]
async fn b07_issuer_audience_event_and_nonce_are_checked() {
    expect_claims_refused(|world| {
        let good = || good(world);
        let issuer = world.auth.forge().issuer().to_owned();
        vec![
            with(good(), "aud", "somebody-else"),
            with(good(), "aud", json!([])),
            without(good(), "aud"),
            with(good(), "iss", format!("{issuer}/")),
            with(good(), "iss", "https://other.example"),
            without(good(), "iss"),
            with(
                good(),
                "events",
                json!({ "http://schemas.openid.net/event/other": {} }),
            ),
            without(good(), "events"),
            with(good(), "events", json!({ EVENT: true })),
            with(good(), "events", json!([EVENT])),
            with(good(), "events", EVENT),
            with(good(), "nonce", "n"),
            with(good(), "nonce", Value::Null),
        ]
    })
    .await;
}

#[tokio::test]
async fn b08_the_typ_of_a_logout_token_a_plain_one_or_none_is_accepted() {
    let world = World::embedded(&[WITH_CLIENT]).await;
    let signed = |typ: Option<&str>| sign_as(world.auth.forge(), typ, &good(&world));
    for typ in [
        None,
        Some("JWT"),
        Some("logout+jwt"),
        Some("application/logout+jwt"),
    ] {
        send(&world, &signed(typ)).await.expect_status(200);
    }
    let world = World::embedded(&[WITH_CLIENT]).await;
    let signed = |typ: &str| sign_as(world.auth.forge(), Some(typ), &good(&world));
    expect_refused(&world, ["at+jwt", "secevent+jwt", ""].map(signed)).await;
}

#[tokio::test]
async fn b09_an_id_token_is_no_logout_token() {
    let world = World::embedded(&[WITH_CLIENT]).await;
    let id_token = with(
        with(without(good(&world), "events"), "nonce", "n"),
        "sub",
        "user-1",
    );
    let tokens = [Some("JWT"), None].map(|typ| sign_as(world.auth.forge(), typ, &id_token));
    expect_refused(&world, tokens).await;
}

#[tokio::test]
async fn b11_jti_and_iat_are_required() {
    expect_claims_refused(|world| {
        vec![
            without(good(world), "jti"),
            with(good(world), "jti", ""),
            with(good(world), "jti", 5),
            without(good(world), "iat"),
            with(good(world), "iat", "now"),
        ]
    })
    .await;
}

#[tokio::test]
async fn b12_without_exp_a_token_lives_for_two_minutes() {
    let world = World::embedded(&[WITH_CLIENT]).await;
    let issued = |ago: i64| with(without(good(&world), "exp"), "iat", now() - ago);
    send(&world, &sign(&world, &issued(60))).await.expect_status(200);
    expect_refused(&world, [sign(&world, &issued(200))]).await;
}

#[tokio::test]
async fn b13_the_time_of_issue_is_bounded() {
    expect_claims_refused(|world| {
        let issued = |at: i64, expires: i64| with(with(good(world), "iat", at), "exp", expires);
        vec![
            issued(now() - 600, now() + 600),
            issued(now() + 600, now() + 700),
            issued(now() - 200, now() - 100),
            with(good(world), "nbf", now() + 600),
        ]
    })
    .await;
}
