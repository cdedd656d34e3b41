//! The issuer's keys: fetched when one is missing, but not at a forger's wish; kept for a while, and no longer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use maxlab_auth::upstream::{AuthServer, KeySetAddress, PublishedKeys, UpstreamConfig};
use maxlab_auth_core::clock;
use maxlab_auth_core::verify::KeySource;
use maxlab_auth_testkit::{Algorithm, Lie, LyingAuthServer, TokenForge};

use crate::gateway::World;

const JWKS: &str = "/.well-known/jwks.json";
const START: i64 = 1_790_000_000;

/// A key source whose time the test tells.
struct Watched {
    auth: LyingAuthServer,
    keys: PublishedKeys,
}

impl Watched {
    async fn new() -> Self {
        let auth = LyingAuthServer::start().await.unwrap();
        let config = UpstreamConfig {
            base: format!("{}/", auth.url()).parse().unwrap(),
            issuer: None,
            introspection_url: None,
            client: None,
            timeout: Duration::from_secs(2),
        };
        let server = Arc::new(AuthServer::new(config).unwrap());
        let keys = PublishedKeys::at(KeySetAddress::new(server, None));
        Self { auth, keys }
    }

    /// Whether a key of that name is there `second` seconds after the start.
    async fn has(&self, kid: &str, second: u64) -> Option<bool> {
        let keys = self.keys.keys_for(Some(kid), at(second)).await.ok()??;
        Some(keys.contains_kid(kid))
    }

    fn fetches(&self) -> usize {
        self.auth.count(JWKS)
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
    let second = watched.auth.forge().add_key(Algorithm::Es256);
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
async fn a_removed_key_is_dead_within_a_minute() {
    let watched = Watched::new().await;
    let removed = watched.auth.forge().kid();
    assert_eq!(watched.has(&removed, 0).await, Some(true));
    watched.auth.forge().add_key(Algorithm::Es256);
    watched.auth.forge().remove_key(&removed);
    // A verdict of the local layer is over with its keys, or within 15 s where nobody knows of them.
    assert_eq!(watched.has(&removed, 45).await, Some(false));
}

#[tokio::test]
async fn only_another_key_set_is_another_edition() {
    let watched = Watched::new().await;
    assert_eq!(watched.keys.in_force(), None, "there are none yet");
    let after = async |second: u64| {
        watched.keys.renew(at(second)).await;
        watched.keys.in_force().unwrap()
    };
    let first = after(0).await;
    assert_eq!(first.fresh_until, at(40));
    let known = watched.keys.known(at(1)).unwrap();
    let same = after(30).await;
    assert_eq!((same.edition, same.fresh_until), (first.edition, at(70)));
    assert!(Arc::ptr_eq(&known, &watched.keys.known(at(31)).unwrap()));
    let added = watched.auth.forge().add_key(Algorithm::Es256);
    let more = after(60).await;
    assert_ne!(more.edition, first.edition);
    watched.auth.forge().remove_key(&added);
    let fewer = after(90).await;
    assert_ne!(fewer.edition, more.edition);
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
        assert!(watched.keys.known(at(second)).is_some());
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
    watched.auth.behave();
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
    let asked = watched.auth.total();
    for second in 1..120 {
        watched.keys.renew(at(second)).await;
    }
    assert_eq!(watched.auth.total(), asked);
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
    assert_eq!(world.auth.count(JWKS), 1);
}

#[tokio::test]
async fn every_kind_of_published_key_verifies() {
    for algorithm in [Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa] {
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
    let forge = TokenForge::new("https://issuer.example", Algorithm::Es256);
    let keys = LyingAuthServer::start_with(forge.clone()).await.unwrap();
    let address = format!("{}{JWKS}", keys.url());
    let world = World::embedded(&[
        ("VERIFY_LAYERS", "local_jwt"),
        ("VERIFY_CACHE_SECONDS", "300"),
        ("JWKS_URL", &address),
        ("JWT_ISSUER", "https://issuer.example"),
    ])
    .await;
    let removed = forge.kid();
    let old = forge.access_token("user-1").sign();
    forge.add_key(Algorithm::Es256);
    let new = forge.access_token("user-2").sign();
    for token in [&old, &new] {
        assert_eq!(world.me(token).await.status, 200);
    }
    let fetched = keys.count(JWKS);
    forge.remove_key(&removed);
    let began = Instant::now();
    while world.me(&old).await.status == 200 {
        assert!(began.elapsed() < Duration::from_secs(60), "it is still good");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(keys.count(JWKS) > fetched, "nobody could know before");
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
    assert_eq!(evil.total(), 0);
}
