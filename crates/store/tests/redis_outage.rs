//! The Redis store when Redis is down, frozen, full, a replica, or refuses the connection.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::{Duration, Instant};

use maxlab_auth_core::revocation::RevocationStore;
use maxlab_auth_core::session::{InsertOutcome, SessionStore};
use maxlab_auth_core::unavailable::{GatewayComponent, Unavailable, UnavailableReason};
use maxlab_auth_core::verdict::{RevocationKey, TokenKey};
use maxlab_auth_store::RedisStore;
use maxlab_auth_store_contract as contract;
use maxlab_auth_testkit::wait::eventually_within;
use maxlab_auth_testkit::{BreakableLink, RedisOptions, RedisServer};

/// Time limit of a call during an outage: the client's 2 seconds, with room for a slow machine.
const LIMIT: Duration = Duration::from_secs(5);

async fn revoked(store: &RedisStore, jti: &str) -> Result<bool, Unavailable> {
    let key = RevocationKey::Token(TokenKey::from_jti(jti));
    Ok(store.find(&[key], &[], contract::now()).await?.revoked[0].is_some())
}

async fn revoke(store: &RedisStore, jti: &str) -> Result<(), Unavailable> {
    contract::revoke(store, &[contract::revoked_token(jti, 60)], contract::now()).await
}

async fn heals(store: &RedisStore) {
    let limit = Duration::from_secs(10);
    eventually_within(limit, "the store answers", async || store.ping().await.is_ok()).await;
}

/// Checks that each of many simultaneous calls reports an unavailable store within the limit.
async fn all_refuse_in_time(store: &RedisStore) {
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let started = Instant::now();
                let fault = revoked(&store, "a").await.unwrap_err();
                (fault.component(), started.elapsed())
            })
        })
        .collect();
    for call in calls {
        let (component, took) = call.await.unwrap();
        assert_eq!(component, GatewayComponent::Store);
        assert!(took < LIMIT, "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_killed_and_comes_back() {
    let mut server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    revoke(&store, "a").await.unwrap();
    server.kill();
    all_refuse_in_time(&store).await;
    let key = contract::session_key();
    let (session, now) = (contract::session("u", "x"), contract::now());
    assert!(store.insert(&key, &session, now, 100, now).await.is_err());
    server.restart().await.unwrap();
    heals(&store).await;
    assert!(revoked(&store, "a").await.unwrap(), "it kept what it was told");
    let inserted = store.insert(&key, &session, now, 100, now).await.unwrap();
    assert_eq!(inserted, InsertOutcome::Inserted(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_while_nobody_asks_is_not_felt() {
    let mut server = RedisServer::start().await.unwrap();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    server.restart().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    revoke(&store, "a").await.unwrap();
    assert!(revoked(&store, "a").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_frozen_and_thaws() {
    let server = RedisServer::start_with(RedisOptions::plain()).await.unwrap();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    server.pause();
    all_refuse_in_time(&store).await;
    server.resume();
    heals(&store).await;
    revoke(&store, "b").await.unwrap();
    assert!(revoked(&store, "b").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_goes_silent_is_given_up() {
    let server = RedisServer::start_with(RedisOptions::plain()).await.unwrap();
    let link = BreakableLink::to(server.addr()).await.unwrap();
    let store = RedisStore::connect(&format!("redis://{}", link.addr()))
        .await
        .unwrap();
    revoke(&store, "a").await.unwrap();
    link.stall();
    all_refuse_in_time(&store).await;
    link.heal().await.unwrap();
    heals(&store).await;
    link.cut().await;
    all_refuse_in_time(&store).await;
    link.heal().await.unwrap();
    heals(&store).await;
    assert!(revoked(&store, "a").await.unwrap());
}

#[tokio::test]
async fn a_full_redis_refuses_writes_and_still_answers() {
    let options = RedisOptions::plain().setting("maxmemory-policy", "noeviction");
    let server = RedisServer::start_with(options).await.unwrap();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    revoke(&store, "a").await.unwrap();
    server
        .command(&["CONFIG", "SET", "maxmemory", "1"])
        .await
        .unwrap();
    let fault = revoke(&store, "b").await.unwrap_err();
    assert_eq!(fault.component(), GatewayComponent::Store);
    assert!(fault.to_string().contains("OOM"), "{fault}");
    let (key, session, now) = (
        contract::session_key(),
        contract::session("u", "x"),
        contract::now(),
    );
    assert!(store.insert(&key, &session, now, 100, now).await.is_err());
    assert!(revoked(&store, "a").await.unwrap());
    server
        .command(&["CONFIG", "SET", "maxmemory", "0"])
        .await
        .unwrap();
    revoke(&store, "b").await.unwrap();
}

#[tokio::test]
async fn a_replica_is_refused_and_a_master_without_its_replicas_refuses_writes() {
    let master = RedisServer::start_with(RedisOptions::plain()).await.unwrap();
    let replica = RedisServer::start_with(RedisOptions::plain().replica_of(&master))
        .await
        .unwrap();
    let store = RedisStore::open(&replica.url()).unwrap();
    let fault = revoke(&store, "a").await.unwrap_err();
    assert!(fault.to_string().contains("READONLY"), "{fault}");
    assert!(
        revoked(&store, "a").await.is_err(),
        "a replica may not know yet what was revoked"
    );
    replica.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    heals(&store).await;
    revoke(&store, "a").await.unwrap();
    assert!(revoked(&store, "a").await.unwrap());
    replica
        .command(&["CONFIG", "SET", "min-replicas-to-write", "1"])
        .await
        .unwrap();
    let fault = revoke(&store, "b").await.unwrap_err();
    assert!(fault.to_string().contains("NOREPLICAS"), "{fault}");
}

#[tokio::test]
async fn the_eviction_policy_is_told() {
    for policy in ["noeviction", "allkeys-lru"] {
        let options = RedisOptions::plain().setting("maxmemory-policy", policy);
        let server = RedisServer::start_with(options).await.unwrap();
        let store = RedisStore::connect(&server.url()).await.unwrap();
        assert_eq!(store.eviction_policy().await.unwrap().as_deref(), Some(policy));
    }
}

#[tokio::test]
async fn no_error_repeats_a_password() {
    let server = RedisServer::start_with(RedisOptions::plain().password("right"))
        .await
        .unwrap();
    RedisStore::connect(&server.url())
        .await
        .unwrap()
        .ping()
        .await
        .unwrap();
    let port = server.port();
    let urls = [
        format!("redis://:canary-password@127.0.0.1:{port}/"),
        // TLS to a server without TLS.
        format!("rediss://:canary-password@127.0.0.1:{port}/"),
        "redis://:canary-password@127.0.0.1:1/".to_owned(),
        "redis://:canary-password@127.0.0.1:not-a-port/".to_owned(),
        "http://:canary-password@127.0.0.1/".to_owned(),
        "redis+unix:///canary-password".to_owned(),
        "canary-password".to_owned(),
    ];
    for url in urls {
        let started = Instant::now();
        let fault = RedisStore::connect(&url).await.unwrap_err();
        let shown = format!("{fault} {fault:?} {:?}", RedisStore::open(&url));
        assert!(!shown.contains("canary"), "{shown}");
        assert!(started.elapsed() < LIMIT);
    }
}

#[tokio::test]
async fn n9_why_redis_cannot_be_used_is_named() {
    let mut redis = RedisServer::start_with(RedisOptions::plain().password("right"))
        .await
        .unwrap();
    let address = redis.addr();
    let reason = async |url: String| {
        let fault = RedisStore::open(&url).unwrap().ping().await.unwrap_err();
        assert!(!fault.to_string().contains("canary"), "{fault}");
        fault.reason()
    };
    for url in [
        format!("redis://:canary@{address}/0"),
        format!("redis://user:canary@{address}/0"),
        format!("redis://{address}/0"),
    ] {
        assert_eq!(
            reason(url.clone()).await,
            UnavailableReason::CredentialsRefused,
            "{url}"
        );
    }
    redis.stop().await.unwrap();
    assert_eq!(reason(redis.url()).await, UnavailableReason::ConnectionRefused);
}
