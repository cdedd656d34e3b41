//! The order of the layers, what their answers add up to, and who is not asked at all.

use maxlab_auth_testkit::{Lie, TokenForge};
use serde_json::json;

use crate::gateway::World;

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
    let asked = world.auth.about_tokens();
    for _ in 0..50 {
        assert_eq!(world.me(&forge.access_token("user-1").sign()).await.status, 200);
    }
    assert_eq!(world.auth.about_tokens(), asked);
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
    let asked = world.auth.about_tokens();
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
        world.auth.about_tokens(),
        asked,
        "{} junk tokens, no call",
        junk.len()
    );
}

#[tokio::test]
async fn one_token_is_asked_about_once_however_many_present_it() {
    let world = std::sync::Arc::new(World::embedded(&[("VERIFY_LAYERS", "oauth_userinfo")]).await);
    let gate = maxlab_auth_testkit::Gate::closed();
    world.auth.on(USERINFO, Lie::held(&gate, yes("user-1")));
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let world = std::sync::Arc::clone(&world);
            tokio::spawn(async move { world.me("opaque-1").await.status.as_u16() })
        })
        .collect();
    world.auth.asked(USERINFO, 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    gate.open();
    for one in asking {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert_eq!(world.auth.count(USERINFO), 1);
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
    assert_eq!(world.auth.count(USERINFO), 2);
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
    world.auth.know(&token, builder.claims());
    assert_eq!(world.me(&token).await.status, 200);
    world.auth.forget(&token);
    assert_eq!(world.me(&token).await.status, 200, "it is remembered");
    crate::gateway::eventually("it expires", async || world.me(&token).await.status == 401).await;
}
