//! The Redis store when Redis is gone, frozen, full, a replica, or not the one it should be.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::{Duration, Instant};

use maxlab_auth_core::revocation::{RevocationKey, RevocationStore, TokenKey};
use maxlab_auth_core::session::SessionStore;
use maxlab_auth_core::unavailable::{Component, Unavailable};
use maxlab_auth_store::{RedisStore, contract};
use maxlab_auth_testkit::{BreakableLink, RedisOptions, RedisServer};

/// What a call may take during an outage: the limit of 2 seconds, and a slow machine.
const LIMIT: Duration = Duration::from_secs(5);

async fn revoked(store: &RedisStore, jti: &str) -> Result<bool, Unavailable> {
    let key = RevocationKey::Token(TokenKey::from_jti(jti));
    Ok(store.find(&[key], &[], contract::now()).await?.revoked[0].is_some())
}

async fn revoke(store: &RedisStore, jti: &str) -> Result<(), Unavailable> {
    contract::revoke(store, &[contract::revoked_token(jti, 60)], contract::now()).await
}

async fn heals(store: &RedisStore) {
    let started = Instant::now();
    while let Err(fault) = store.ping().await {
        assert!(started.elapsed() < Duration::from_secs(10), "{fault}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Many calls at once, each of which must say within the limit that the store is unavailable.
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
        assert_eq!(component, Component::Store);
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
    assert!(store.insert(&key, &session, now, now).await.is_err());
    server.restart().await.unwrap();
    heals(&store).await;
    assert!(revoked(&store, "a").await.unwrap(), "it kept what it was told");
    assert!(store.insert(&key, &session, now, now).await.unwrap());
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
    assert_eq!(fault.component(), Component::Store);
    assert!(fault.to_string().contains("OOM"), "{fault}");
    let (key, session, now) = (
        contract::session_key(),
        contract::session("u", "x"),
        contract::now(),
    );
    assert!(store.insert(&key, &session, now, now).await.is_err());
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
        // TLS against a server that speaks none.
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
