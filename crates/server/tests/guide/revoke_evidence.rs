//! What suffices to revoke a token: a good signature, whatever the token says of its times; never the word of a layer that
//! hangs.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maxlab_auth_testkit::{Actor as _, BearerActor, ForgeAlgorithm, Lie, TokenForge};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Stores, World, eventually, on_embedded_and_redis, on_every_store, verdict};
use crate::issuer::Code;

const JWKS: &str = "/.well-known/jwks.json";
const VERIFY: &str = "/auth/verify";

/// Another gateway on the same stores.
struct Beside {
    gateway: Gateway,
    _data: tempfile::TempDir,
}

impl Beside {
    async fn of(world: &World) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut settings: BTreeMap<_, _> = world.settings.clone();
        settings.insert("DATA_DIR".to_owned(), data.path().display().to_string());
        Self {
            gateway: Gateway::start(&settings).await,
            _data: data,
        }
    }

    async fn verdict(&self, token: &str, path: &str) -> (u16, String) {
        verdict(&BearerActor::new(&self.gateway.url, token).get(path).await)
    }
}

fn revoked() -> (u16, String) {
    (401, "token_revoked".to_owned())
}

/// A token that becomes valid in so many seconds.
fn of_the_future(world: &World, claim: &str, seconds: i64) -> String {
    let begins = maxlab_auth_testkit::forge::now() + seconds;
    let builder = world
        .auth
        .forge()
        .access_token("user-1")
        .claim(claim, begins)
        .expires_in(600);
    let (token, claims) = (builder.sign(), builder.claims());
    world.auth.accept_token(&token, claims);
    token
}

async fn jti_is_journalled(world: &World, token: &str) -> bool {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    let jti = claims["jti"].as_str().unwrap();
    let select = format!("SELECT CAST(count(*) AS TEXT) FROM revocations WHERE name = '{jti}'");
    world.sql(&select).await == "1"
}

async fn w1_a_token_not_valid_yet_stays_revoked_when_its_time_comes(stores: Stores) {
    for layers in ["local_jwt", "oauth_userinfo,traditional_auth,local_jwt"] {
        let world = World::on(stores, &[("VERIFY_LAYERS", layers), ("CLOCK_SKEW_SECONDS", "0")]).await;
        world.keys_are_known().await;
        for claim in ["nbf", "iat"] {
            let (token, bystander) = (of_the_future(&world, claim, 3), of_the_future(&world, claim, 3));
            world.revoke(&token).await.expect_status(200);
            assert!(jti_is_journalled(&world, &token).await, "{layers} {claim}");
            eventually("their time comes", async || {
                world.me(&bystander).await.status == 200
            })
            .await;
            assert_eq!(world.verdict(&token).await, revoked(), "{layers} {claim}");
            let fast = world.bearer(&token).get(VERIFY).await;
            assert_eq!(verdict(&fast), revoked(), "{layers} {claim}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w1_another_instance_refuses_it_when_its_time_comes() {
    let settings = [("VERIFY_LAYERS", "local_jwt"), ("CLOCK_SKEW_SECONDS", "0")];
    let world = World::on(Stores::Shared, &settings).await;
    let beside = Beside::of(&world).await;
    let (token, bystander) = (of_the_future(&world, "nbf", 3), of_the_future(&world, "nbf", 3));
    world.revoke(&token).await.expect_status(200);
    for path in [VERIFY, "/api/v1/auth/me"] {
        eventually("its time comes there", async || {
            beside.verdict(&bystander, path).await.0 == 200
        })
        .await;
        assert_eq!(beside.verdict(&token, path).await, revoked());
    }
    beside.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w1_what_can_never_be_accepted_leaves_nothing_and_what_is_signed_does() {
    let world = World::embedded(&[("VERIFY_LAYERS", "local_jwt"), ("CLOCK_SKEW_SECONDS", "5")]).await;
    world.keys_are_known().await;
    let forge = world.auth.forge();
    let good = forge.access_token("user-1");
    for worthless in [
        TokenForge::wrong_signature(&good.sign()),
        forge.forged_twin(&good.sign()),
        good.clone().expires_in(-60).sign(),
        forge.unsigned(&good.claims()).swap_remove(0),
    ] {
        world.revoke(&worthless).await.expect_status(200);
    }
    let lines = "SELECT CAST(count(*) AS TEXT) FROM revocations";
    assert_eq!(world.sql(lines).await, "0");
    // The issuer's token of another kind may have the `jti` of an access token, which does not end with it.
    let access = good.clone().claim("jti", "shared");
    let other = access.clone().typ("logout+jwt").claim("events", json!({}));
    let (access, other) = (access.sign(), other.sign());
    world.revoke(&other).await.expect_status(200);
    assert_eq!(world.sql(lines).await, "1");
    assert_eq!(world.me(&access).await.status, 200);
    // So does a token of another issuer that is signed with the same key.
    let foreign = good
        .clone()
        .claim("jti", "shared")
        .claim("iss", "https://another.example");
    world.revoke(&foreign.sign()).await.expect_status(200);
    assert_eq!(world.me(&access).await.status, 200);
}

async fn w8_a_token_whose_key_is_not_known_yet_stays_revoked_when_it_is(stores: Stores) {
    let settings = [
        ("VERIFY_LAYERS", "local_jwt"),
        (
            "SESSION_ENCRYPTION_KEY",
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
        ),
    ];
    let world = World::on(stores, &settings).await;
    let beside = match stores {
        Stores::Shared => Some(Beside::of(&world).await),
        _ => None,
    };
    // Junk key ids keep the gateway from fetching the keys.
    let junk = world.auth.forge().access_token("x").header("kid", "junk").sign();
    eventually("the keys were fetched a moment ago", async || {
        world.me(&junk).await.status == 401
    })
    .await;
    world.auth.forge().add_key(ForgeAlgorithm::Es256);
    let (token, bystander) = (world.stray_token("user-1"), world.stray_token("user-1"));
    world.revoke(&token).await.expect_status(200);
    assert_eq!(
        world.sql("SELECT CAST(count(*) AS TEXT) FROM audit_events").await,
        "0",
        "nothing proves it yet"
    );
    let respelt = TokenForge::malleate_es256(&token);
    eventually("the key is known", async || {
        world.me(&bystander).await.status == 200
    })
    .await;
    for form in [&token, &respelt] {
        assert_eq!(world.verdict(form).await, revoked());
        assert_eq!(verdict(&world.bearer(form).get(VERIFY).await), revoked());
        if let Some(beside) = &beside {
            eventually("the key is known there", async || {
                beside.verdict(&bystander, VERIFY).await.0 == 200
            })
            .await;
            assert_eq!(beside.verdict(form, VERIFY).await, revoked());
        }
    }
    eventually("it is revoked by its name", async || {
        jti_is_journalled(&world, &token).await
    })
    .await;
    eventually("its place is free", async || {
        world
            .sql("SELECT CAST(count(*) AS TEXT) FROM unproven_tokens")
            .await
            == "0"
    })
    .await;
    let audited = "SELECT kind, user_id FROM audit_events";
    assert_eq!(world.sql(audited).await, "revoke|user-1");
    world.auth.wait_for_requests("/oauth/revoke", 1).await;
    if let Some(beside) = beside {
        beside.gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w8_without_any_key_a_signed_token_is_not_acknowledged() {
    let world = World::embedded(&[("VERIFY_LAYERS", "local_jwt")]).await;
    world.auth.on(JWKS, Lie::status(500));
    let world = world.restarted(&[]).await;
    let token = world.stray_token("user-1");
    let reply = world.revoke(&token).await;
    assert_eq!(verdict(&reply), (503, "upstream_unavailable".into()));
    assert!(reply.header("retry-after").is_some());
    world.auth.on(JWKS, Lie::honest());
    eventually("it is revoked once there is a key", async || {
        world.revoke(&token).await.status == 200
    })
    .await;
    assert_eq!(world.verdict(&token).await, revoked());
}

async fn s14_a_layer_that_hangs_holds_up_no_revoke(stores: Stores) {
    // Who waited for the layers would wait for a minute, and be cut off.
    let settings = [
        ("VERIFY_LAYERS", "oauth_userinfo,traditional_auth"),
        ("UPSTREAM_TIMEOUT_SECONDS", "300"),
    ];
    let world = World::on(stores, &settings).await;
    world.auth.on("/oauth/userinfo", Lie::hang());
    let signed = world.stray_token("user-1");
    world.revoke(&signed).await.expect_status(200);
    assert_eq!(
        world.auth.count_requests("/oauth/userinfo"),
        0,
        "the signature says enough"
    );
    assert!(jti_is_journalled(&world, &signed).await);
    assert_eq!(world.verdict(&signed).await, revoked());
    let opaque = world.opaque_token("user-2");
    world.revoke(&opaque).await.expect_status(200);
    assert_eq!(world.verdict(&opaque).await, revoked());
    let kept = "SELECT CAST(count(*) AS TEXT) FROM unproven_tokens WHERE sealed IS NOT NULL";
    assert_eq!(world.sql(kept).await, "1");
    let audited = "SELECT CAST(count(*) AS TEXT) FROM audit_events WHERE user_id = 'user-2'";
    assert_eq!(world.sql(audited).await, "0", "whose it is nobody has said");
    // Once somebody answers it is revoked like any other.
    world.auth.clear_scripts();
    world.auth.stop().await;
    world.auth.restart().await.unwrap();
    eventually("it is settled", async || world.sql(audited).await == "1").await;
    eventually("its place is free", async || world.sql(kept).await == "0").await;
    eventually("the authorization server is asked to revoke it", async || {
        let sent = world.auth.requests("/oauth/revoke");
        sent.iter()
            .any(|request| request.form("token").as_ref() == Some(&opaque))
    })
    .await;
    assert_eq!(world.verdict(&opaque).await, revoked());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_a_token_that_was_given_out_here_needs_nobodys_word() {
    let world = World::embedded(&[("UPSTREAM_TIMEOUT_SECONDS", "300")]).await;
    let login = world.log_in_with(&Code::of("user-1").opaque()).await;
    world.auth.on("/oauth/userinfo", Lie::hang());
    let asked = world.auth.count_token_requests();
    world.revoke(&login.access).await.expect_status(200);
    assert_eq!(world.auth.count_token_requests(), asked);
    let user = "SELECT user_id FROM revocations WHERE kind = 'token'";
    assert_eq!(world.sql(user).await, "user-1");
    assert_eq!(world.verdict(&login.access).await, revoked());
}

async fn w12_a_repeated_revoke_writes_nothing(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let counts = async || {
        let count = async |table: &str| {
            let select = format!("SELECT CAST(count(*) AS TEXT) FROM {table}");
            world.sql(&select).await.parse::<usize>().unwrap()
        };
        (count("revocations").await, count("audit_events").await)
    };
    let opaque = world.opaque_token("user-1");
    for (revoked_before, token) in [world.stray_token("user-1"), opaque.clone()].iter().enumerate() {
        for _ in 0..3 {
            // It is as good as before at the authorization server.
            world.auth.accept_token(&opaque, json!({ "sub": "user-1" }));
            world.revoke(token).await.expect_status(200);
            assert_eq!(counts().await, (revoked_before + 1, revoked_before + 1));
        }
        eventually("it is sent on", async || {
            world.sql("SELECT CAST(count(*) AS TEXT) FROM outbox").await == "0"
        })
        .await;
        assert_eq!(
            world.auth.count_requests("/oauth/revoke"),
            revoked_before + 1,
            "once"
        );
    }
}

on_every_store!(
    w8_a_token_whose_key_is_not_known_yet_stays_revoked_when_it_is,
    w12_a_repeated_revoke_writes_nothing,
);
on_embedded_and_redis!(
    w1_a_token_not_valid_yet_stays_revoked_when_its_time_comes,
    s14_a_layer_that_hangs_holds_up_no_revoke,
);
