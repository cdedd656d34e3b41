//! The Redis store under real Sentinels: its contracts, failovers, and passwords.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::{Duration, Instant};

use maxlab_auth_core::revocation::RevocationStore;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{RevocationKey, TokenKey};
use maxlab_auth_store::{RedisNodes, RedisStore};
use maxlab_auth_store_contract as contract;
use maxlab_auth_testkit::servers::RedisReply;
use maxlab_auth_testkit::wait::eventually_within;
use maxlab_auth_testkit::{RedisOptions, RedisSentinels};

/// Time limit of a failover on a busy machine: a second to detect it, an election or two, and following it.
const FAILOVER: Duration = Duration::from_secs(15);

/// Time limit for using a master after the Sentinels have agreed on it.
const FOLLOWED: Duration = Duration::from_secs(3);

fn nodes(deployment: &RedisSentinels) -> RedisNodes {
    RedisNodes {
        nodes: deployment.nodes(),
        service: deployment.service().to_owned(),
        database: 0,
        username: None,
        password: None,
        sentinel_password: None,
        tls: false,
        ca_certificates: None,
    }
}

async fn started() -> (RedisSentinels, RedisStore) {
    let deployment = RedisSentinels::start().await.unwrap();
    let store = RedisStore::open_sentinel(&nodes(&deployment));
    store.ping().await.unwrap();
    (deployment, store)
}

/// Empties the servers and returns a store on them.
async fn emptied(deployment: &RedisSentinels) -> RedisStore {
    let master = deployment.master().await.unwrap();
    deployment.server(master).flush_all().await.unwrap();
    RedisStore::open_sentinel(&nodes(deployment))
}

async fn revoke(store: &RedisStore, jti: &str) -> Result<(), Unavailable> {
    contract::revoke(store, &[contract::revoked_token(jti, 600)], contract::now()).await
}

async fn revoked(store: &RedisStore, jti: &str) -> Result<bool, Unavailable> {
    let key = RevocationKey::Token(TokenKey::from_jti(jti));
    Ok(store.find(&[key], &[], contract::now()).await?.revoked[0].is_some())
}

async fn has(deployment: &RedisSentinels, server: usize, jti: &str) -> bool {
    let exists = ["EXISTS", &format!("blacklist:{jti}")];
    deployment.server(server).command(&exists).await.unwrap() == RedisReply::Integer(1)
}

/// Waits until a server has an entry.
async fn replicated(deployment: &RedisSentinels, server: usize, jti: &str) {
    let what = format!("{jti} comes to {server}");
    eventually_within(FAILOVER, &what, async || has(deployment, server, jti).await).await;
}

/// Repeats a revocation until it is acknowledged. Returns the time that took.
async fn revoked_at_last(store: &RedisStore, jti: &str, limit: Duration) -> Duration {
    let started = Instant::now();
    eventually_within(limit, "the revocation is acknowledged", async || {
        revoke(store, jti).await.is_ok()
    })
    .await;
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_keep_their_contract() {
    let (deployment, _) = started().await;
    contract::revocations(async || emptied(&deployment).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_keep_their_contract() {
    let (deployment, _) = started().await;
    contract::sessions(async || emptied(&deployment).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_is_replaced() {
    let (mut deployment, store) = started().await;
    let old = deployment.master().await.unwrap();
    revoke(&store, "a").await.unwrap();
    for server in 0..3 {
        replicated(&deployment, server, "a").await;
    }
    deployment.server_mut(old).kill();
    let killed = Instant::now();
    assert!(revoke(&store, "b").await.is_err(), "nobody is the master yet");
    let agreed = async {
        let new = deployment.wait_for_new_master(old).await.unwrap();
        (new, killed.elapsed())
    };
    let followed = async {
        revoked_at_last(&store, "b", FAILOVER).await;
        killed.elapsed()
    };
    let ((new, agreed), followed) = tokio::join!(agreed, followed);
    eprintln!("the Sentinels agreed after {agreed:?}, a revocation was acknowledged after {followed:?}");
    assert!(followed < agreed + FOLLOWED, "{agreed:?}, {followed:?}");
    assert!(has(&deployment, new, "b").await);
    assert!(revoked(&store, "a").await.unwrap(), "it was replicated before");
    store.confirm().await.unwrap();
    // The old master comes back as a master, and without data.
    deployment.server_mut(old).restart().await.unwrap();
    for n in 0..50 {
        assert!(revoked(&store, "b").await.unwrap(), "look {n}");
    }
    replicated(&deployment, old, "b").await;
    assert!(revoked(&store, "b").await.unwrap());
}

/// Checks that no write goes to a master that was frozen, replaced, and resumed.
#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_wakes_up_after_its_replacement_gets_nothing() {
    let (deployment, store) = started().await;
    let old = deployment.master().await.unwrap();
    deployment.server(old).pause();
    let new = deployment.wait_for_new_master(old).await.unwrap();
    let took = revoked_at_last(&store, "first", FOLLOWED).await;
    eprintln!("followed {took:?} after the Sentinels had agreed");
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0..250 {
                    let jti = format!("{writer}-{n}");
                    if revoke(&store, &jti).await.is_ok() {
                        acknowledged.push(jti);
                    }
                }
                acknowledged
            })
        })
        .collect();
    deployment.server(old).resume();
    let mut acknowledged = vec!["first".to_owned()];
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    assert_eq!(acknowledged.len(), 1_001, "nothing was refused meanwhile");
    for jti in &acknowledged {
        assert!(
            has(&deployment, new, jti).await,
            "{jti} was acknowledged and is lost"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_slept_through_a_failover_is_not_believed() {
    let (deployment, store) = started().await;
    let old = deployment.master().await.unwrap();
    revoke(&store, "a").await.unwrap();
    let asleep = Instant::now();
    deployment.server(old).pause();
    let new = deployment.wait_for_new_master(old).await.unwrap();
    let long_enough = Duration::from_millis(1_100).saturating_sub(asleep.elapsed());
    tokio::time::sleep(long_enough).await;
    deployment.server(old).resume();
    revoke(&store, "b").await.unwrap();
    assert!(has(&deployment, new, "b").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_failover_is_followed_although_the_old_master_answers() {
    let (deployment, store) = started().await;
    let new = deployment.failover().await.unwrap();
    let agreed = Instant::now();
    // The old master accepts writes until the Sentinels have reconfigured it.
    for n in 0.. {
        let jti = n.to_string();
        if revoke(&store, &jti).await.is_ok() && has(&deployment, new, &jti).await {
            break;
        }
        assert!(agreed.elapsed() < FOLLOWED, "the new master gets nothing");
    }
    eprintln!("followed {:?} after the Sentinels had agreed", agreed.elapsed());
    store.confirm().await.unwrap();
    revoke(&store, "after").await.unwrap();
    for server in 0..3 {
        replicated(&deployment, server, "after").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_of_the_sentinels_nobody_is_connected_to() {
    let (mut deployment, store) = started().await;
    deployment.pause_sentinel(0);
    RedisStore::open_sentinel(&nodes(&deployment))
        .ping()
        .await
        .unwrap();
    deployment.kill_sentinel(1);
    let fault = RedisStore::open_sentinel(&nodes(&deployment))
        .ping()
        .await
        .unwrap_err();
    assert!(fault.to_string().contains("no majority"), "{fault}");
    assert!(store.confirm().await.is_err(), "nobody can confirm it");
    revoke(&store, "a").await.unwrap();
    assert!(revoked(&store, "a").await.unwrap(), "what stands goes on");
    deployment.resume_sentinel(0);
    RedisStore::open_sentinel(&nodes(&deployment))
        .ping()
        .await
        .unwrap();
    store.confirm().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_service_is_told() {
    let (deployment, _) = started().await;
    let other = RedisNodes {
        service: "other".to_owned(),
        ..nodes(&deployment)
    };
    let fault = RedisStore::open_sentinel(&other).ping().await.unwrap_err();
    assert!(
        fault.to_string().contains("know no master named other"),
        "{fault}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_wants_a_password_and_the_sentinels_may() {
    for (wanted, given) in [
        (None, None),
        (Some("canary-password"), None),
        (Some("canary-other"), Some("canary-other".into())),
    ] {
        let options = RedisOptions::plain().password("canary-password");
        let deployment = RedisSentinels::start_with(options, wanted).await.unwrap();
        let right = RedisNodes {
            password: Some("canary-password".into()),
            sentinel_password: given,
            database: 3,
            ..nodes(&deployment)
        };
        let store = RedisStore::open_sentinel(&right);
        revoke(&store, "a").await.unwrap();
        store.confirm().await.unwrap();
        for password in [None, Some("canary-wrong".into())] {
            let store = RedisStore::open_sentinel(&RedisNodes {
                password,
                ..right.clone()
            });
            let fault = store.ping().await.unwrap_err();
            let shown = format!("{fault} {fault:?} {store:?} {right:?}");
            assert!(!shown.contains("canary"), "{shown}");
        }
    }
}
