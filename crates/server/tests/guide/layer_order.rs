//! The order of the layers, what their answers add up to, and who is not asked at all.

use maxlab_auth_testkit::{Lie, RawClient, TokenForge};
use serde_json::json;

use crate::gateway::World;
use crate::observe::Logs;

const GUIDE: &str = "oauth_userinfo,traditional_auth,local_jwt";
const USERINFO: &str = "/oauth/userinfo";
const ACCOUNT: &str = "/api/v1/auth/me";

fn yes(who: &str) -> Lie {
    Lie::json(200, json!({ "sub": who, "user_id": who }))
}

#[tokio::test]
async fn the_first_yes_wins_and_the_setting_sets_the_order() {
    for (layers, source) in [
        ("oauth_userinfo,traditional_auth", "oauth_userinfo"),
        ("traditional_auth,oauth_userinfo", "traditional_auth"),
        (GUIDE, "oauth_userinfo"),
        ("local_jwt,oauth_userinfo", "local_jwt"),
    ] {
        let world = World::embedded(&[("VERIFY_LAYERS", layers)]).await;
        let me = world
            .me(&world.stray_token("user-1"))
            .await
            .expect_status(200)
            .json();
        assert_eq!(
            (me["verification_source"].as_str(), me["user_id"].as_str()),
            (Some(source), Some("user-1")),
            "{layers}"
        );
    }
}

#[tokio::test]
async fn an_answer_about_another_subject_is_none() {
    for layer in ["oauth_userinfo", "introspection"] {
        let own = [
            ("OAUTH_CLIENT_ID", "gateway"),
            ("OAUTH_CLIENT_SECRET", "a-secret-of-the-gateway"),
        ];
        let world = World::embedded(&[("VERIFY_LAYERS", layer), own[0], own[1]]).await;
        let other = json!({ "active": true, "sub": "somebody-else" });
        world.auth.on(USERINFO, Lie::json(200, other.clone()));
        world.auth.on("/oauth/introspect", Lie::json(200, other));
        let token = world.auth.forge().access_token("user-1").sign();
        assert_eq!(
            world.verdict(&token).await,
            (503, "upstream_unavailable".into()),
            "{layer}"
        );
    }
}

#[tokio::test]
async fn the_answers_add_up() {
    let world = World::embedded(&[("VERIFY_LAYERS", GUIDE), ("VERIFY_CACHE_SECONDS", "0")]).await;
    world.keys_are_known().await;
    let good = || world.auth.forge().access_token("user-1").sign();
    let opaque = || "opaque-1".to_owned();
    let (no, away, absent) = (|| Lie::status(401), || Lie::status(503), || Lie::status(404));
    let table: [(&str, Lie, Lie, String, u16); 12] = [
        ("a later yes counts after a no", no(), yes("u"), opaque(), 200),
        (
            "a later yes counts after an outage",
            away(),
            yes("u"),
            opaque(),
            200,
        ),
        (
            "a later yes counts where a layer is absent",
            absent(),
            yes("u"),
            opaque(),
            200,
        ),
        ("a no outweighs an outage", no(), away(), opaque(), 401),
        ("in either order", away(), no(), opaque(), 401),
        ("a no is no reason to ask the fallback", no(), away(), good(), 401),
        ("nor in either order", away(), no(), good(), 401),
        ("in an outage the fallback is asked", away(), away(), good(), 200),
        (
            "and has no opinion on opaque tokens",
            away(),
            away(),
            opaque(),
            503,
        ),
        (
            "where nobody is there it is asked",
            absent(),
            absent(),
            good(),
            200,
        ),
        ("half an outage and nobody else", absent(), away(), good(), 200),
        ("nobody knows it", absent(), absent(), opaque(), 401),
    ];
    for (what, userinfo, account, token, status) in table {
        world.auth.on(USERINFO, userinfo);
        world.auth.on(ACCOUNT, account);
        assert_eq!(world.me(&token).await.status, status, "{what}");
    }
}

#[tokio::test]
async fn local_first_decides_without_any_call() {
    let world = World::embedded(&[("VERIFY_LAYERS", "local_jwt"), ("VERIFY_CACHE_SECONDS", "0")]).await;
    let forge = world.auth.forge();
    assert_eq!(world.me(&forge.access_token("user-1").sign()).await.status, 200);
    let asked = world.auth.count_token_requests();
    for _ in 0..50 {
        assert_eq!(world.me(&forge.access_token("user-1").sign()).await.status, 200);
    }
    assert_eq!(world.auth.count_token_requests(), asked);
    world.auth.stop().await;
    assert_eq!(world.me(&forge.access_token("user-1").sign()).await.status, 200);
}

#[tokio::test]
async fn what_known_keys_prove_worthless_never_reaches_the_authorization_server() {
    let world = World::embedded(&[
        ("VERIFY_LAYERS", GUIDE),
        ("VERIFY_CACHE_SECONDS", "0"),
        ("JWT_AUDIENCE", "maxlab-api"),
    ])
    .await;
    world.keys_are_known().await;
    let forge = world.auth.forge();
    let good = forge.access_token("user-1");
    let signed = good.clone().sign();
    let asked = world.auth.count_token_requests();
    let mut junk = vec![
        forge.forged_twin(&signed),
        TokenForge::wrong_signature(&signed),
        good.clone().expires_in(-100).sign(),
        good.clone().claim("aud", "x").sign(),
        good.clone().typ("logout+jwt").sign(),
        TokenForge::padding_variant(&signed),
        TokenForge::trailing_bits_variant(&signed),
        forge.unsigned(&good.claims())[0].clone(),
        forge.with_crit(&good.claims()),
    ];
    junk.extend((0..20).map(|_| forge.forged_twin(&signed)));
    for token in &junk {
        assert_eq!(world.me(token).await.status, 401, "{token}");
    }
    assert_eq!(
        world.auth.count_token_requests(),
        asked,
        "{} junk tokens, no call",
        junk.len()
    );
}

#[tokio::test]
async fn one_token_is_asked_about_once_however_many_present_it() {
    let world = World::embedded(&[("VERIFY_LAYERS", "oauth_userinfo")]).await;
    let gate = maxlab_auth_testkit::ReplyGate::closed();
    world.auth.on(USERINFO, Lie::gated(&gate, yes("user-1")));
    let address = world
        .gateway
        .url
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap();
    let mut asking = Vec::new();
    for _ in 0..20 {
        let mut client = RawClient::connect(address).await.unwrap();
        let request = "GET /api/v1/auth/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer opaque-1\r\n\r\n";
        client.send(request).await.unwrap();
        asking.push(client);
    }
    for client in &asking {
        client.wait_until_read().await;
    }
    world.auth.wait_for_requests(USERINFO, 1).await;
    gate.open();
    for mut client in asking {
        assert_eq!(client.reply().await.unwrap().status, 200);
    }
    assert_eq!(world.auth.count_requests(USERINFO), 1);
}

#[tokio::test]
async fn a_remembered_verdict_is_of_this_token_and_for_a_while() {
    let world = World::embedded(&[("VERIFY_LAYERS", "oauth_userinfo"), ("VERIFY_CACHE_SECONDS", "3")]).await;
    world
        .auth
        .on(USERINFO, Lie::by_token(|token| yes(token.unwrap_or_default())));
    for token in ["opaque-a", "opaque-b", "opaque-a"] {
        assert_eq!(world.me(token).await.expect_status(200).json()["user_id"], token);
    }
    assert_eq!(world.auth.count_requests(USERINFO), 2);
    world.auth.on(USERINFO, Lie::status(401));
    crate::gateway::eventually("the verdict is asked for again", async || {
        world.me("opaque-a").await.status == 401
    })
    .await;
}

#[tokio::test]
async fn a_remembered_verdict_never_outlives_the_token() {
    let settings = [
        ("VERIFY_CACHE_SECONDS", "300"),
        ("CLOCK_SKEW_SECONDS", "0"),
        ("VERIFY_LAYERS", "oauth_userinfo"),
    ];
    let world = World::embedded(&settings).await;
    let builder = world.auth.forge().access_token("user-1").expires_in(4);
    let token = builder.clone().sign();
    world.auth.accept_token(&token, builder.claims());
    assert_eq!(world.me(&token).await.status, 200);
    world.auth.reject_token(&token);
    assert_eq!(world.me(&token).await.status, 200, "it is remembered");
    crate::gateway::eventually("it expires", async || world.me(&token).await.status == 401).await;
}

#[tokio::test]
async fn s7_a_key_that_the_issuer_does_not_publish_is_shown_to_no_other_layer() {
    let world = World::embedded(&[
        ("VERIFY_LAYERS", "local_jwt,oauth_userinfo"),
        ("VERIFY_CACHE_SECONDS", "0"),
    ])
    .await;
    world.auth.on(USERINFO, yes("admin"));
    let forge = world.auth.forge();
    assert_eq!(world.me(&forge.access_token("user-1").sign()).await.status, 200);
    let asked = world.auth.count_token_requests();
    let builder = forge.access_token("admin");
    let mut junk: Vec<_> = (0..10)
        .map(|_| TokenForge::es256(forge.issuer()).access_token("admin").sign())
        .collect();
    junk.extend(forge.hs256_with_public_key(&builder.claims()));
    let named = builder.clone().header("alg", "HS256").sign();
    junk.push(TokenForge::wrong_signature(&named));
    for token in &junk {
        assert_eq!(
            world.verdict(token).await,
            (401, "invalid_token".into()),
            "{token}"
        );
    }
    assert_eq!(
        world.auth.count_token_requests(),
        asked,
        "{} junk tokens, no call",
        junk.len()
    );
    // What is not of our issuer is another layer's business.
    let foreign = TokenForge::es256("https://other.example")
        .access_token("admin")
        .sign();
    assert_eq!(world.me(&foreign).await.status, 200);
}

#[tokio::test]
async fn s7_while_the_keys_cannot_be_looked_for_nothing_is_refuted() {
    let world = World::embedded(&[
        ("VERIFY_LAYERS", "local_jwt"),
        ("VERIFY_CACHE_SECONDS", "0"),
        ("UPSTREAM_TIMEOUT_SECONDS", "1"),
    ])
    .await;
    world.auth.on("/.well-known/jwks.json", Lie::status(500));
    let world = world.restarted(&[]).await;
    let token = world.auth.forge().access_token("user-1").sign();
    assert_eq!(world.verdict(&token).await, (503, "upstream_unavailable".into()));
    let world = world
        .restarted(&[("VERIFY_LAYERS", "local_jwt,oauth_userinfo")])
        .await;
    world.auth.accept_token(&token, json!({ "sub": "user-1" }));
    assert_eq!(world.me(&token).await.status, 200, "another layer can say");
}

#[tokio::test]
async fn s8_a_silent_layer_does_not_turn_the_next_ones_no_into_a_yes() {
    let world = World::embedded(&[
        ("VERIFY_LAYERS", GUIDE),
        ("VERIFY_CACHE_SECONDS", "0"),
        ("UPSTREAM_TIMEOUT_SECONDS", "0.5"),
    ])
    .await;
    world.keys_are_known().await;
    world.auth.on(USERINFO, Lie::hang());
    world.auth.on(ACCOUNT, Lie::status(401));
    for _ in 0..4 {
        let token = world.auth.forge().access_token("user-1").sign();
        assert_eq!(world.verdict(&token).await, (401, "invalid_token".into()));
    }
    assert_eq!(
        world.auth.count_requests(ACCOUNT),
        4,
        "each question reaches the second layer"
    );
}

/// The debug log explains a refusal step by step, with the request id and without the token.
#[tokio::test]
async fn a_refusal_is_explained_in_the_debug_log_of_its_request() {
    let logs = Logs::listen();
    let world = World::embedded(&[("VERIFY_LAYERS", "oauth_userinfo,local_jwt")]).await;
    world.auth.on(USERINFO, Lie::status(401));
    let token = "an-opaque-token-that-is-in-no-log";
    let reply = world.me(token).await;
    assert_eq!(reply.status, 401);
    let id = reply.header("x-request-id").unwrap();
    let logged = logs.text();
    let mine: Vec<&str> = logged.lines().filter(|line| line.contains(id)).collect();
    for step in [
        "step=\"token\" verdict=\"noted\" why=\"opaque",
        "step=\"request\" verdict=\"noted\" why=\"GET ",
        "step=\"oauth_userinfo\" verdict=\"rejected\"",
        "step=\"local_jwt\" verdict=\"skipped\"",
    ] {
        assert!(mine.iter().any(|line| line.contains(step)), "{step}: {mine:#?}");
    }
    assert!(!logged.contains(token));
}
