//! ID tokens that are refused (OpenID Connect Core §3.1.3.7), and those that are not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maxlab_auth_testkit::forge::{ForgeAlgorithm, TokenBuilder, now};
use maxlab_auth_testkit::wait::eventually;
use maxlab_auth_testkit::{Actor as _, BearerActor, Lie, LoginRequest, TokenForge};
use serde_json::{Value, json};

use crate::world::{CLIENT, SESSION, World, error_of, new_code, page, person_of};

/// Change of a valid ID token.
type TokenChange = Box<dyn Fn(TokenBuilder) -> TokenBuilder + Send>;

/// Logs in with an ID token that `forge` makes. Returns status and code of the error page, or 303 and the person.
async fn outcome(world: &World, forge: impl FnOnce(&World, &LoginRequest) -> String) -> (u16, String) {
    let browser = world.browser();
    let login = world.begin(&browser, "return_to=/start").await;
    world.provider.issue("ann", &forge(world, &login));
    let before = world.provider.redemptions().len();
    let reply = world.return_with(&browser, &login, &new_code()).await;
    assert_eq!(world.provider.redemptions().len(), before + 1, "redeemed once");
    let person = person_of(&browser).await;
    if reply.status == 303 {
        assert_eq!(reply.header("location"), Some("/start"));
        return (303, person.expect("a session"));
    }
    assert_eq!(browser.cookie(SESSION), None);
    assert_eq!(person, None);
    error_of(&reply)
}

/// Checks that every change of a valid ID token is refused.
async fn all_refused(changes: Vec<(&str, TokenChange)>) {
    let world = World::start().await;
    for (name, change) in changes {
        let found = outcome(&world, |world, login| {
            change(world.provider.id_token("ann", login)).sign()
        });
        assert_eq!(found.await, page(502, "id_token_invalid"), "{name}");
    }
}

/// Checks that every change of a valid ID token is accepted.
async fn all_accepted(changes: Vec<(&str, TokenChange)>) {
    let world = World::start().await;
    for (name, change) in changes {
        let found = outcome(&world, |world, login| {
            change(world.provider.id_token("ann", login)).sign()
        });
        assert_eq!(found.await, page(303, "ann"), "{name}");
    }
}

/// A claim with this value.
fn set(name: &'static str, value: impl Into<Value>) -> TokenChange {
    let value = value.into();
    Box::new(move |token| token.claim(name, value.clone()))
}

/// No such claim.
fn unset(name: &'static str) -> TokenChange {
    Box::new(move |token| token.without(name))
}

/// This `typ`.
fn typed(kind: &'static str) -> TokenChange {
    Box::new(move |token| token.typ(kind))
}

#[tokio::test]
async fn c22_a_token_answer_without_an_id_token_is_refused() {
    let world = World::start().await;
    for id_token in [None, Some(Value::Null), Some(json!("")), Some(json!(["a"]))] {
        let browser = world.browser();
        let login = world.begin(&browser, "return_to=/").await;
        let mut answer = world.provider.token_answer("ann", "");
        match &id_token {
            Some(value) => answer["id_token"] = value.clone(),
            None => drop(answer.as_object_mut().unwrap().remove("id_token")),
        }
        world.provider.answer_tokens(Lie::json(200, answer));
        let reply = world.return_with(&browser, &login, &new_code()).await;
        assert_eq!(error_of(&reply), page(502, "id_token_invalid"), "{id_token:?}");
        assert_eq!(browser.cookie(SESSION), None);
    }
}

#[tokio::test]
async fn c23_unsigned_id_tokens_and_those_of_another_algorithm_are_refused() {
    let world = World::start().await;
    let forms = |world: &World, login: &LoginRequest| {
        let (forge, claims) = (
            world.provider.server().forge().clone(),
            world.provider.id_token("ann", login).typ("JWT").claims(),
        );
        let mut forms = forge.unsigned(&claims);
        forms.extend(forge.hs256_with_public_key(&claims));
        forms.push(forge.with_embedded_jwk(&claims));
        forms
            .push(TokenForge::hs256(forge.issuer(), "a-secret-of-the-gateway-at-the-provider").sign(&claims));
        forms.push(TokenForge::wrong_signature(
            &world.provider.id_token("ann", login).sign(),
        ));
        forms.push(forge.forged_twin(&world.provider.id_token("ann", login).sign()));
        // `typ` of these forms is that of an access token; without it the signature alone decides.
        forms.push(as_untyped(&forge.unsigned(&claims)[0]));
        forms
    };
    let count = forms(&world, &world.begin(&world.browser(), "").await).len();
    for index in 0..count {
        let found = outcome(&world, |world, login| forms(world, login).swap_remove(index));
        assert_eq!(found.await, page(502, "id_token_invalid"), "form {index}");
    }
}

/// The same token with `alg` none and no `typ`.
fn as_untyped(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "none" }).to_string());
    let (_, rest) = token.split_once('.').unwrap();
    format!("{header}.{rest}")
}

#[tokio::test]
async fn c24_a_key_that_was_published_a_moment_ago_is_fetched() {
    let world = World::start().await;
    let plain = |world: &World, login: &LoginRequest| world.provider.id_token("ann", login).sign();
    assert_eq!(outcome(&world, plain).await, page(303, "ann"));
    world.provider.server().forge().add_key(ForgeAlgorithm::Es256);
    // The keys are fetched at most once in a second, and were fetched for the login before.
    eventually("the new key is known", async || {
        outcome(&world, plain).await == page(303, "ann")
    })
    .await;
    // Several keys, and no name of the right one.
    let unnamed = |world: &World, login: &LoginRequest| {
        world.provider.id_token("ann", login).without_header("kid").sign()
    };
    assert_eq!(outcome(&world, unnamed).await, page(303, "ann"));
}

#[tokio::test]
async fn c25_another_issuer_is_refused_and_so_is_another_spelling_of_it() {
    all_refused(vec![
        ("another", set("iss", "https://other.example")),
        ("missing", unset("iss")),
        ("null", set("iss", Value::Null)),
        ("list", set("iss", json!(["https://other.example"]))),
        (
            "slash",
            Box::new(|token| {
                let slashed = format!("{}/", token.claims()["iss"].as_str().unwrap());
                token.claim("iss", slashed)
            }),
        ),
        (
            "capitals",
            Box::new(|token| {
                let capitals = token.claims()["iss"].as_str().unwrap().to_uppercase();
                token.claim("iss", capitals)
            }),
        ),
    ])
    .await;
}

#[tokio::test]
async fn c26_an_audience_beside_the_gateway_is_refused() {
    all_refused(vec![
        ("missing", unset("aud")),
        ("other", set("aud", "another-client")),
        ("empty list", set("aud", json!([]))),
        ("other beside", set("aud", json!([CLIENT, "another-client"]))),
        ("number in list", set("aud", json!([CLIENT, 1]))),
        ("capitals", set("aud", CLIENT.to_uppercase())),
        ("other azp", set("azp", "another-client")),
        ("azp no text", set("azp", 1)),
        (
            "other beside with azp",
            Box::new(|token| {
                token
                    .claim("aud", json!([CLIENT, "another-client"]))
                    .claim("azp", CLIENT)
            }),
        ),
    ])
    .await;
    all_accepted(vec![
        ("list", set("aud", json!([CLIENT]))),
        ("azp", set("azp", CLIENT)),
    ])
    .await;
}

#[tokio::test]
async fn c27_the_nonce_is_that_of_this_attempt() {
    all_refused(vec![
        ("missing", unset("nonce")),
        ("null", set("nonce", Value::Null)),
        ("empty", set("nonce", "")),
        ("other", set("nonce", "n-0S6_WzA2Mj")),
        ("number", set("nonce", 7)),
    ])
    .await;
    let world = World::start().await;
    let other = world.begin(&world.browser(), "return_to=/other").await;
    let found = outcome(&world, |world, _| world.provider.id_token("ann", &other).sign());
    assert_eq!(found.await, page(502, "id_token_invalid"));
}

#[tokio::test]
async fn c28_times_are_checked_with_a_minute_of_difference() {
    all_refused(vec![
        ("no iat", unset("iat")),
        ("no exp", unset("exp")),
        ("iat in the future", set("iat", now() + 600)),
        ("exp past", set("exp", now() - 120)),
        ("exp beyond the calendar", set("exp", 1e300)),
        ("exp text", set("exp", "2030")),
        ("exp negative", set("exp", -1)),
        ("iat text", set("iat", now().to_string())),
        ("nbf in the future", set("nbf", now() + 600)),
        ("nbf list", set("nbf", json!([]))),
    ])
    .await;
    all_accepted(vec![
        ("fast clock", set("iat", now() + 40)),
        ("after 2038", set("exp", 4_102_444_800_i64)),
        ("fraction", set("exp", 4_102_444_800.5)),
    ])
    .await;
}

#[tokio::test]
async fn c29_an_at_hash_of_another_access_token_is_refused() {
    all_refused(vec![
        ("other", set("at_hash", "77QmUPtjPfzWtF2AnpK9RQ")),
        ("empty", set("at_hash", "")),
        ("number", set("at_hash", 1)),
    ])
    .await;
}

#[tokio::test]
async fn c30_another_kind_of_token_is_no_id_token() {
    all_refused(vec![
        ("access token", typed("at+jwt")),
        ("logout token", typed("logout+jwt")),
        ("whole media type", typed("application/at+jwt")),
        ("capitals", typed("AT+JWT")),
        ("entity statement", typed("entity-statement+jwt")),
        ("request object", typed("oauth-authz-req+jwt")),
    ])
    .await;
    all_accepted(vec![
        ("small", typed("jwt")),
        ("none", Box::new(|token| token.without_header("typ"))),
    ])
    .await;
    // The other way round: the ID token of a login opens nothing as a bearer token.
    let world = World::start().await;
    let login = world.begin(&world.browser(), "").await;
    let id_token = world.provider.id_token("ann", &login).sign();
    let bearer = BearerActor::new(&world.gateway.url(), &id_token);
    bearer.get("/api/v1/auth/me").await.expect_status(401);
}

#[tokio::test]
async fn c31_a_subject_that_is_no_subject_is_refused() {
    all_refused(vec![
        ("missing", unset("sub")),
        ("empty", set("sub", "")),
        ("256 bytes", set("sub", "a".repeat(256))),
        ("control", set("sub", "ann\u{7}")),
        ("line", set("sub", "ann\r\nX-Auth-Roles: admin")),
        ("not ASCII", set("sub", "김")),
        ("number", set("sub", 7)),
        ("other person than the access token", set("sub", "bob")),
    ])
    .await;
}

#[tokio::test]
async fn c33_an_encrypted_id_token_is_refused() {
    let world = World::start().await;
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "RSA-OAEP", "enc": "A256GCM" }).to_string());
    let found = outcome(&world, |_, _| format!("{header}.a2V5.aXY.dGV4dA.dGFn"));
    assert_eq!(found.await, page(502, "id_token_invalid"));
}
