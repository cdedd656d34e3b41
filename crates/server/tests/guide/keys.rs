//! The issuer's keys: fetched when one is missing, but not at a forger's wish; kept for a while, and no longer.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use maxlab_auth::upstream::{
    AuthServer, AuthServerJwks, EndpointUrls, JwksEndpoint, Transport, UpstreamConfig, UpstreamEvents,
};
use maxlab_auth_core::clock;
use maxlab_auth_core::verify::KeySetProvider;
use maxlab_auth_testkit::wait::eventually_within;
use maxlab_auth_testkit::{ForgeAlgorithm, Lie, LyingAuthServer, TokenForge};
use serde_json::json;

use crate::gateway::World;

const JWKS: &str = "/.well-known/jwks.json";
const START: i64 = 1_790_000_000;

/// A key source whose time the test tells.
struct Watched {
    auth: LyingAuthServer,
    keys: AuthServerJwks,
}

impl Watched {
    async fn new() -> Self {
        let auth = LyingAuthServer::start().await.unwrap();
        let config = UpstreamConfig {
            base: format!("{}/", auth.url()).parse().unwrap(),
            issuer: None,
            endpoints: EndpointUrls::default(),
            client: None,
            auth_method: None,
            transport: Transport::default(),
            timeout: Duration::from_secs(2),
            events: UpstreamEvents::default(),
        };
        let server = Arc::new(AuthServer::new(config).unwrap());
        let keys = AuthServerJwks::new(JwksEndpoint::new(server, None));
        Self { auth, keys }
    }

    /// Whether a key of that name is there `second` seconds after the start.
    async fn has(&self, kid: &str, second: u64) -> Option<bool> {
        let keys = self.keys.keys_for(Some(kid), at(second)).await.ok()??;
        Some(keys.contains_kid(kid))
    }

    fn fetches(&self) -> usize {
        self.auth.count_requests(JWKS)
    }
}

fn at(second: u64) -> Timestamp {
    clock::after(
        Timestamp::from_second(START).unwrap(),
        Duration::from_secs(second),
    )
}

#[tokio::test]
async fn an_unknown_key_is_fetched_at_most_once_in_ten_seconds() {
    let watched = Watched::new().await;
    let first = watched.auth.forge().kid();
    assert_eq!(watched.has(&first, 0).await, Some(true));
    let second = watched.auth.forge().add_key(ForgeAlgorithm::Es256);
    for second_of_time in 1..10 {
        assert_eq!(watched.has(&second, second_of_time).await, Some(false));
        assert_eq!(watched.has("made-up", second_of_time).await, Some(false));
    }
    assert_eq!(watched.fetches(), 1, "a flood of made-up key ids costs nothing");
    assert_eq!(
        watched.has(&second, 10).await,
        Some(true),
        "the new key is found when it may be asked for"
    );
    assert_eq!(watched.fetches(), 2);
    for second_of_time in 11..100 {
        watched.has("made-up", second_of_time).await;
    }
    assert!(watched.fetches() <= 11, "{} fetches in 100 s", watched.fetches());
}

#[tokio::test]
async fn a_token_that_the_server_just_issued_brings_its_key() {
    let watched = Watched::new().await;
    let first = watched.auth.forge().kid();
    assert_eq!(watched.has(&first, 0).await, Some(true));
    let second = watched.auth.forge().add_key(ForgeAlgorithm::Es256);
    watched.keys.fetch_key_of_issued(&first, at(2)).await;
    assert_eq!(watched.fetches(), 1, "a known key is not fetched");
    watched.keys.fetch_key_of_issued(&second, at(2)).await;
    assert_eq!(watched.has(&second, 2).await, Some(true));
    watched.keys.fetch_key_of_issued("made-up", at(2)).await;
    assert_eq!(watched.fetches(), 2, "at most one fetch in a second");
}

#[tokio::test]
async fn a_login_by_a_key_that_was_published_a_moment_ago_has_a_session() {
    let world = World::embedded(&[("VERIFY_LAYERS", "local_jwt")]).await;
    // The gateway has the keys of this moment now, and fetches no others for ten seconds at a forger's wish.
    let before = world.auth.forge().access_token("user-1").sign();
    assert_eq!(world.verdict(&before).await.0, 200);
    world.auth.forge().add_key(ForgeAlgorithm::Es256);
    // Two fetches for new tokens are a second apart. Without them, ten seconds pass.
    eventually_within(
        Duration::from_secs(5),
        "a login has a session, and its token is good",
        async || {
            let login = world.log_in("user-1").await;
            !login.handle.is_empty() && world.verdict(&login.access).await.0 == 200
        },
    )
    .await;
}

#[tokio::test]
async fn a_removed_key_is_dead_within_a_minute() {
    let watched = Watched::new().await;
    let removed = watched.auth.forge().kid();
    assert_eq!(watched.has(&removed, 0).await, Some(true));
    watched.auth.forge().add_key(ForgeAlgorithm::Es256);
    watched.auth.forge().remove_key(&removed);
    // A verdict of the local layer is over with its keys, or within 15 s where nobody knows of them.
    assert_eq!(watched.has(&removed, 45).await, Some(false));
}

#[tokio::test]
async fn only_another_key_set_is_another_edition() {
    let watched = Watched::new().await;
    assert_eq!(watched.keys.current_version(), None, "there are none yet");
    let after = async |second: u64| {
        watched.keys.renew(at(second)).await;
        watched.keys.current_version().unwrap()
    };
    let first = after(0).await;
    assert_eq!(first.fresh_until, at(40));
    let known = watched.keys.cached(at(1)).unwrap();
    let same = after(30).await;
    assert_eq!((same.number, same.fresh_until), (first.number, at(70)));
    assert!(Arc::ptr_eq(&known, &watched.keys.cached(at(31)).unwrap()));
    let added = watched.auth.forge().add_key(ForgeAlgorithm::Es256);
    let more = after(60).await;
    assert_ne!(more.number, first.number);
    watched.auth.forge().remove_key(&added);
    let fewer = after(90).await;
    assert_ne!(fewer.number, more.number);
    watched.auth.on(JWKS, Lie::status(500));
    assert_eq!(
        after(120).await,
        fewer,
        "an outage changes nothing, and they grow old"
    );
}

#[tokio::test]
async fn keys_are_renewed_in_the_background_before_they_are_old() {
    let watched = Watched::new().await;
    watched.keys.renew(at(0)).await;
    assert_eq!(
        watched.fetches(),
        1,
        "they are there before the first token comes"
    );
    for second in 1..120 {
        watched.keys.renew(at(second)).await;
        assert!(watched.keys.cached(at(second)).is_some());
    }
    assert!((4..=6).contains(&watched.fetches()), "{}", watched.fetches());
}

#[tokio::test]
async fn the_last_good_keys_are_believed_for_fifteen_minutes() {
    let watched = Watched::new().await;
    let kid = watched.auth.forge().kid();
    assert_eq!(watched.has(&kid, 0).await, Some(true));
    for lie in [
        Lie::status(500),
        Lie::json(200, serde_json::json!({ "keys": "none" })),
        Lie::garbage(),
        Lie::huge(1 << 24),
    ] {
        watched.auth.on(JWKS, lie);
        assert_eq!(watched.has(&kid, 60).await, Some(true));
        assert_eq!(watched.has(&kid, 890).await, Some(true));
    }
    assert_eq!(watched.has(&kid, 901).await, None, "then nobody knows");
    watched.auth.clear_scripts();
    assert_eq!(watched.has(&kid, 950).await, Some(true));
}

#[tokio::test]
async fn a_server_that_publishes_no_keys_is_not_asked_for_ever() {
    let watched = Watched::new().await;
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        watched.auth.on(path, Lie::status(404));
    }
    assert!(
        matches!(watched.keys.keys_for(None, at(0)).await, Ok(None)),
        "it has none, which is not an outage"
    );
    let asked = watched.auth.count_all_requests();
    for second in 1..120 {
        watched.keys.renew(at(second)).await;
    }
    assert_eq!(watched.auth.count_all_requests(), asked);
}

#[tokio::test]
async fn s13_after_an_outage_of_the_metadata_there_are_keys_or_it_is_unknown() {
    let watched = Watched::new().await;
    let places = [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ];
    for lie in [
        Lie::status(503),
        Lie::garbage(),
        Lie::body(200, "text/html", "<h1>back soon</h1>"),
    ] {
        for place in places {
            watched.auth.on(place, lie.clone());
        }
        assert!(watched.keys.keys_for(None, at(0)).await.is_err(), "{lie:?}");
    }
    let watched = Watched::new().await;
    for place in places {
        watched.auth.on(place, Lie::status(503));
    }
    let outage = async |second| watched.keys.keys_for(None, at(second)).await.is_err();
    assert!(outage(0).await && outage(1).await);
    watched.auth.clear_scripts();
    assert!(outage(9).await, "it is looked for them every ten seconds");
    assert!(
        matches!(watched.keys.keys_for(None, at(10)).await, Ok(Some(_))),
        "then they are there, and at no time are there none"
    );
}

#[tokio::test]
async fn w13_keys_of_a_clock_that_was_set_back_are_fetched_anew() {
    let watched = Watched::new().await;
    watched.keys.renew(at(86_400)).await;
    let removed = watched.auth.forge().kid();
    watched.auth.forge().add_key(ForgeAlgorithm::Es256);
    watched.auth.forge().remove_key(&removed);
    watched.keys.renew(at(0)).await;
    assert_eq!(
        watched.has(&removed, 1).await,
        Some(false),
        "a removed key is dead"
    );
    assert_eq!(watched.fetches(), 2);
}

/// A gateway that takes its keys from elsewhere, and its authorization server.
async fn with_keys_elsewhere(keys: &LyingAuthServer, more: &[(&str, &str)]) -> anyhow::Result<World> {
    let address = format!("{}{JWKS}", keys.url());
    let settings = [("VERIFY_LAYERS", "local_jwt"), ("JWKS_URL", address.as_str())];
    World::try_embedded(&[&settings[..], more].concat(), |auth| {
        if more.iter().any(|(name, _)| *name == "JWT_ISSUER") {
            return;
        }
        for place in [
            "/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server",
        ] {
            auth.on(place, Lie::status(404));
        }
    })
    .await
}

#[tokio::test]
async fn s2_keys_at_a_set_address_are_those_of_the_issuer_that_the_metadata_names() {
    let world = World::embedded(&[("VERIFY_LAYERS", "local_jwt")]).await;
    let address = format!("{}{JWKS}", world.auth.url());
    let world = world.restarted(&[("JWKS_URL", &address)]).await;
    let token = world.auth.forge().access_token("user-1");
    assert_eq!(world.me(&token.clone().sign()).await.status, 200);
    let another_realm = format!("{}/realms/other", world.auth.url());
    for other in [token.clone().claim("iss", another_realm), token.without("iss")] {
        assert_eq!(world.verdict(&other.sign()).await, (401, "invalid_token".into()));
    }
}

#[tokio::test]
async fn s2_without_an_issuer_keys_at_a_set_address_are_no_start() {
    let keys = LyingAuthServer::start_with(TokenForge::es256("https://issuer.example"))
        .await
        .unwrap();
    let fault = with_keys_elsewhere(&keys, &[]).await.err().expect("no start");
    assert!(fault.to_string().contains("Set JWT_ISSUER"), "{fault}");
    let world = with_keys_elsewhere(&keys, &[("JWT_ISSUER", "https://issuer.example")])
        .await
        .unwrap();
    assert_eq!(
        world.me(&keys.forge().access_token("user-1").sign()).await.status,
        200
    );
}

#[tokio::test]
async fn a_new_key_signs_at_once_and_a_flood_of_key_ids_is_one_fetch() {
    let world = World::embedded(&[("VERIFY_LAYERS", "local_jwt"), ("VERIFY_CACHE_SECONDS", "0")]).await;
    let forge = world.auth.forge();
    assert_eq!(world.me(&forge.access_token("user-1").sign()).await.status, 200);
    for _ in 0..40 {
        let stranger = TokenForge::es256(forge.issuer());
        assert_eq!(
            world.verdict(&stranger.access_token("user-1").sign()).await.0,
            401
        );
    }
    assert_eq!(world.auth.count_requests(JWKS), 1);
}

#[tokio::test]
async fn every_kind_of_published_key_verifies() {
    for algorithm in [
        ForgeAlgorithm::Es256,
        ForgeAlgorithm::Rs256,
        ForgeAlgorithm::EdDsa,
    ] {
        let forge = TokenForge::new("https://issuer.example", algorithm);
        let keys = LyingAuthServer::start_with(forge.clone()).await.unwrap();
        let address = format!("{}{JWKS}", keys.url());
        let settings = [
            ("VERIFY_LAYERS", "local_jwt"),
            ("JWKS_URL", address.as_str()),
            ("JWT_ISSUER", "https://issuer.example"),
        ];
        let world = World::embedded(&settings).await;
        let token = forge.access_token("user-1");
        assert_eq!(world.me(&token.clone().sign()).await.status, 200, "{algorithm:?}");
        assert_eq!(
            world
                .me(&token.claim("iss", "https://other.example").sign())
                .await
                .status,
            401,
            "{algorithm:?}"
        );
    }
}

/// Keys are fetched every 25 s, and it is looked every few seconds whether they are due.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remembered_verdict_is_over_when_its_key_is_gone_and_no_other_is() {
    let forge = TokenForge::new("https://issuer.example", ForgeAlgorithm::Es256);
    let removed = forge.kid();
    let old = forge.access_token("user-1").sign();
    // Before the start: the keys may be fetched then, and not again within ten seconds.
    forge.add_key(ForgeAlgorithm::Es256);
    let new = forge.access_token("user-2").sign();
    let keys = LyingAuthServer::start_with(forge.clone()).await.unwrap();
    let address = format!("{}{JWKS}", keys.url());
    let world = World::embedded(&[
        ("VERIFY_LAYERS", "local_jwt"),
        ("VERIFY_CACHE_SECONDS", "300"),
        ("JWKS_URL", &address),
        ("JWT_ISSUER", "https://issuer.example"),
    ])
    .await;
    for token in [&old, &new] {
        assert_eq!(world.me(token).await.status, 200);
    }
    let fetched = keys.count_requests(JWKS);
    forge.remove_key(&removed);
    eventually_within(Duration::from_secs(60), "it is no longer good", async || {
        world.me(&old).await.status != 200
    })
    .await;
    assert!(keys.count_requests(JWKS) > fetched, "nobody could know before");
    assert_eq!(world.me(&old).await.status, 401);
    assert_eq!(world.me(&new).await.status, 200);
}

#[tokio::test]
async fn metadata_that_names_another_issuer_is_not_believed() {
    let world = World::embedded(&[("VERIFY_LAYERS", "local_jwt")]).await;
    let evil = LyingAuthServer::start().await.unwrap();
    let metadata = serde_json::json!({ "issuer": evil.url(), "jwks_uri": format!("{}{JWKS}", evil.url()) });
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        world.auth.on(path, Lie::json(200, metadata.clone()));
    }
    let world = world.restarted(&[]).await;
    assert_ne!(
        world.me(&evil.forge().access_token("user-1").sign()).await.status,
        200
    );
    assert_eq!(evil.count_all_requests(), 0);
}

/// F2, F15, F21 with a real provider's spelling: one RSA key per algorithm under one `kid`, padded, with nulls.
#[tokio::test]
async fn f2_f21_key_sets_as_providers_write_them_verify_their_tokens() {
    let world = World::embedded(&[("VERIFY_LAYERS", "local_jwt")]).await;
    let jwk = world.auth.forge().jwks()["keys"][0].clone();
    let entry = |more: serde_json::Value| {
        let mut entry = jwk.clone();
        for name in ["x", "y", "n"] {
            if let Some(text) = entry[name].as_str() {
                let padded = format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
                entry[name] = padded.replace('-', "+").replace('_', "/").into();
            }
        }
        entry
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        entry
    };
    let set =
        json!({ "keys": [entry(json!({ "use": null, "alg": null })), entry(json!({ "key_ops": null }))] });
    world.auth.on(JWKS, Lie::json(200, set));
    let token = world.auth.forge().access_token("user-1").sign();
    assert_eq!(world.me(&token).await.status, 200);
}

/// Keys that cannot be used say nothing of a token: 503, not 401.
#[tokio::test]
async fn f2_without_a_usable_key_nobody_can_say() {
    for keys in [
        json!([]),
        json!([{ "kty": "EC", "crv": "secp256k1", "kid": "odd" }]),
    ] {
        let world = World::embedded(&[("VERIFY_LAYERS", "local_jwt")]).await;
        world.auth.on(JWKS, Lie::json(200, json!({ "keys": keys })));
        for token in [
            world.auth.forge().access_token("user-1").sign(),
            world
                .auth
                .forge()
                .access_token("user-1")
                .without_header("kid")
                .sign(),
        ] {
            let verdict = world.verdict(&token).await;
            assert_eq!(verdict, (503, "upstream_unavailable".into()), "{keys}");
        }
    }
}
