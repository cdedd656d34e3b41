//! The Redis store in a real Cluster: its contracts, scans over all masters, moving slots, and a failover.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use maxlab_auth_core::clock;
use maxlab_auth_core::revocation::RevocationStore;
use maxlab_auth_core::session::{ReplaceOutcome, SessionLookup, SessionStore, StoredSession};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{RevocationKey, TokenKey};
use maxlab_auth_store::{RedisNodes, RedisStore};
use maxlab_auth_store_contract as contract;
use maxlab_auth_testkit::servers::RedisReply;
use maxlab_auth_testkit::wait::poll_within;
use maxlab_auth_testkit::{RedisCluster, RedisOptions, free_port};

/// Time limit of a failover on a busy machine: a second to detect it, an election or two, and following it.
const FAILOVER: Duration = Duration::from_secs(20);

fn store(cluster: &RedisCluster) -> RedisStore {
    RedisStore::open_cluster(&RedisNodes {
        nodes: cluster.nodes(),
        service: String::new(),
        database: 0,
        username: None,
        password: None,
        sentinel_password: None,
        tls: false,
        ca_certificates: None,
    })
}

async fn started() -> (RedisCluster, RedisStore) {
    let cluster = RedisCluster::start().await.unwrap();
    let store = store(&cluster);
    store.ping().await.unwrap();
    (cluster, store)
}

/// Empties the servers and returns a store on them.
async fn emptied(cluster: &RedisCluster) -> RedisStore {
    cluster.flush_all().await.unwrap();
    store(cluster)
}

async fn size(cluster: &RedisCluster, server: usize) -> i64 {
    match cluster.servers()[server].command(&["DBSIZE"]).await.unwrap() {
        RedisReply::Integer(number) => number,
        other => unreachable!("{other:?}"),
    }
}

fn token(jti: &str) -> RevocationKey {
    RevocationKey::Token(TokenKey::from_jti(jti))
}

async fn revoke(store: &RedisStore, jti: &str) -> Result<(), Unavailable> {
    contract::revoke(store, &[contract::revoked_token(jti, 600)], contract::now()).await
}

async fn revoked(store: &RedisStore, jti: &str) -> Result<bool, Unavailable> {
    let findings = store.find(&[token(jti)], &[], contract::now()).await?;
    Ok(findings.revoked[0].is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_keep_their_contract() {
    let (cluster, _) = started().await;
    contract::revocations(async || emptied(&cluster).await).await;
    contract::revocation_log(async || emptied(&cluster).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_keep_their_contract() {
    let (cluster, _) = started().await;
    contract::sessions(async || emptied(&cluster).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_master_has_its_part_and_a_listing_sees_all_of_them() {
    let (cluster, store) = started().await;
    let names: Vec<_> = (0..900).map(|n| format!("token{n}")).collect();
    let orders: Vec<_> = names
        .iter()
        .map(|name| contract::revoked_token(name, 600))
        .collect();
    contract::revoke(&store, &orders, contract::now()).await.unwrap();
    for server in 0..3 {
        let count = size(&cluster, server).await;
        assert!(count > 200, "server {server} has {count}");
    }
    let keys: Vec<_> = names.iter().map(|name| token(name)).collect();
    let findings = store.find(&keys, &[], contract::now()).await.unwrap();
    assert!(findings.revoked.iter().all(Option::is_some));
    let mut listed = HashSet::new();
    let mut place = None;
    loop {
        let page = store
            .list(None, place.as_deref(), 7, contract::now())
            .await
            .unwrap();
        assert!(page.0.len() <= 7);
        listed.extend(page.0.iter().map(|order| order.key.name()));
        place = page.1;
        if place.is_none() {
            break;
        }
    }
    assert_eq!(listed.len(), names.len());
    assert!(names.iter().all(|name| listed.contains(name)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_goes_to_every_master() {
    let (cluster, store) = started().await;
    for n in 0..60 {
        let key = format!("blacklist:endless{n}");
        cluster.command(&key, &["SET", &key, "{}"]).await.unwrap();
    }
    for server in 0..3 {
        assert!(size(&cluster, server).await > 5);
    }
    assert_eq!(RevocationStore::purge(&store, contract::now()).await.unwrap(), 60);
    let now = contract::now();
    for n in 0..60 {
        let session = StoredSession {
            idle_expires_at: clock::after(now, Duration::from_millis(1)),
            ..contract::session(&format!("user{n}"), "x")
        };
        store
            .insert(&contract::session_key(), &session, now, 100, now)
            .await
            .unwrap();
    }
    let (mut dropped, started) = (0, Instant::now());
    while dropped < 60 {
        assert!(started.elapsed() < FAILOVER, "{dropped}");
        dropped += SessionStore::purge(&store, now).await.unwrap();
    }
    assert_eq!(dropped, 60, "the index of every user, wherever it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_eviction_policy_of_all_masters_counts() {
    let (cluster, store) = started().await;
    assert_eq!(
        store.eviction_policy().await.unwrap().as_deref(),
        Some("noeviction")
    );
    let worse = ["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"];
    cluster.servers()[1].command(&worse).await.unwrap();
    assert_eq!(
        store.eviction_policy().await.unwrap().as_deref(),
        Some("allkeys-lru")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_is_followed() {
    let (mut cluster, store) = started().await;
    let now = contract::now();
    let key = contract::session_key();
    let session = contract::session("u", "x");
    store.insert(&key, &session, now, 100, now).await.unwrap();
    revoke(&store, "a").await.unwrap();
    let (entry, kept) = ("blacklist:a", format!("session:{}", key.as_str()));
    let new = cluster.join().await.unwrap();
    for moving in [entry, &kept] {
        let old = cluster.owner(moving).await.unwrap();
        cluster.begin_move(moving, old, new).await.unwrap();
        assert!(revoked(&store, "a").await.unwrap(), "its key is still here");
        cluster.migrate(moving, old, new).await.unwrap();
        assert!(revoked(&store, "a").await.unwrap(), "it is asked for there");
        cluster.end_move(moving, old, new).await.unwrap();
        assert!(revoked(&store, "a").await.unwrap(), "it has moved");
        assert!(matches!(
            store.read(&key, now).await.unwrap(),
            SessionLookup::Active(_)
        ));
        revoke(&store, "a").await.unwrap();
    }
    let next = contract::session("u", "y");
    let replaced = store
        .replace(&key, &session.sealed, &next.sealed, session.idle_expires_at, now)
        .await
        .unwrap();
    assert_eq!(replaced, ReplaceOutcome::Replaced);
    let started = Instant::now();
    while let Err(fault) = store.confirm().await {
        assert!(started.elapsed() < FAILOVER, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_is_replaced_by_its_replica() {
    let mut cluster = RedisCluster::start_with_replicas().await.unwrap();
    let store = store(&cluster);
    let names: Vec<_> = (0..60).map(|n| format!("token{n}")).collect();
    for name in &names {
        revoke(&store, name).await.unwrap();
    }
    let started = Instant::now();
    while size(&cluster, 1).await != size(&cluster, 4).await {
        assert!(started.elapsed() < FAILOVER);
    }
    cluster.server_mut(1).kill();
    let killed = Instant::now();
    for name in &names {
        let left = FAILOVER.saturating_sub(killed.elapsed());
        let found = poll_within(left, async || revoked(&store, name).await.ok()).await;
        assert_eq!(found, Some(true), "{name}: an outage is not a pardon");
    }
    eprintln!("every slot was read {:?} after the kill", killed.elapsed());
    for name in &names {
        revoke(&store, &format!("after-{name}")).await.unwrap();
    }
    store.confirm().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_that_is_there_is_enough_to_begin_and_a_password_is_kept() {
    let options = RedisOptions::plain().password("canary-password");
    let cluster = RedisCluster::start_with(options, 0).await.unwrap();
    let mut nodes = RedisNodes {
        nodes: vec![("127.0.0.1".to_owned(), free_port()), cluster.nodes()[2].clone()],
        service: String::new(),
        database: 0,
        username: None,
        password: Some("canary-password".into()),
        sentinel_password: None,
        tls: false,
        ca_certificates: None,
    };
    let store = RedisStore::open_cluster(&nodes);
    for n in 0..20 {
        revoke(&store, &n.to_string()).await.unwrap();
    }
    for password in [None, Some("canary-wrong".into())] {
        nodes.password = password;
        let store = RedisStore::open_cluster(&nodes);
        let fault = store.ping().await.unwrap_err();
        let shown = format!("{fault} {fault:?} {store:?} {nodes:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_lost_a_part_of_its_slots_is_unavailable() {
    let (mut cluster, store) = started().await;
    revoke(&store, "a").await.unwrap();
    cluster.server_mut(1).kill();
    let started = Instant::now();
    assert!(store.ping().await.is_err());
    assert!(
        revoked(&store, "a").await.is_err(),
        "what is not known is not a no"
    );
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}
