//! Revocations in a real Redis: their contract, their keys, and a Python deployment on the same Redis.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_core::clock::{self, Clock as _, SystemClock, SystemMonotonicClock};
use maxlab_auth_core::events::IgnoredEvents;
use maxlab_auth_core::revocation::{
    CutoffExemption, GateDeps, InstanceId, Journal as _, JournalEntry, LeaseRenewal, Revocation,
    RevocationGate, RevocationLog, RevocationPolicy, RevocationReason, RevocationStore,
};
use maxlab_auth_core::session::SessionStore;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{RevocationKey, TokenKey};
use maxlab_auth_store::{RedisStore, SqlDatabase};
use maxlab_auth_store_contract as contract;
use maxlab_auth_testkit::servers::RedisReply;
use maxlab_auth_testkit::{RedisOptions, RedisServer};
use tokio::task::JoinSet;

async fn plain() -> (RedisServer, RedisStore) {
    let server = RedisServer::start_with(RedisOptions::plain()).await.unwrap();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    (server, store)
}

/// Empties the server and returns a store on it.
async fn emptied(server: &RedisServer) -> RedisStore {
    server.flush_all().await.unwrap();
    RedisStore::connect(&server.url()).await.unwrap()
}

async fn number(server: &RedisServer, command: &[&str]) -> i64 {
    match server.command(command).await.unwrap() {
        RedisReply::Integer(number) => number,
        other => unreachable!("{other:?}"),
    }
}

fn token(jti: &str) -> RevocationKey {
    RevocationKey::Token(TokenKey::from_jti(jti))
}

async fn find(store: &RedisStore, jti: &str) -> Result<Option<RevocationReason>, Unavailable> {
    let findings = store.find(&[token(jti)], &[], contract::now()).await?;
    Ok(findings.revoked[0].as_ref().map(|found| found.reason))
}

async fn apply(store: &RedisStore, jti: &str, seconds: u64) -> Result<(), Unavailable> {
    contract::revoke(store, &[contract::revoked_token(jti, seconds)], contract::now()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_keep_their_contract() {
    let (server, _) = plain().await;
    contract::revocations(async || emptied(&server).await).await;
    contract::revocation_log(async || emptied(&server).await).await;
}

#[tokio::test]
async fn the_guides_deployment_reads_what_we_write() {
    let (server, store) = plain().await;
    apply(&store, "urn:uuid:1", 60).await.unwrap();
    let value = server
        .command(&["GET", "blacklist:urn:uuid:1"])
        .await
        .unwrap()
        .text()
        .unwrap();
    let entry: serde_json::Value = serde_json::from_str(&value).unwrap();
    assert_eq!(entry["reason"], "logout");
    assert_eq!(entry["user_id"], "u1");
    assert_eq!(entry["blacklisted_at"], "2026-09-21T14:13:20.123Z");
    assert_eq!(entry["exp"], 1_790_000_061_i64, "the first whole second after it");
    let left = number(&server, &["PTTL", "blacklist:urn:uuid:1"]).await;
    assert!((50_000..=60_000).contains(&left), "{left}");
    store
        .record_user_token(
            &contract::subject("u1"),
            &TokenKey::from_jti("j"),
            contract::later(60),
            contract::now(),
        )
        .await
        .unwrap();
    assert_eq!(number(&server, &["SISMEMBER", "user_tokens:u1", "j"]).await, 1);
    store
        .record_user_token(
            &contract::subject("u1"),
            &TokenKey::from_jti("k"),
            contract::later(20),
            contract::now(),
        )
        .await
        .unwrap();
    assert!(
        number(&server, &["PTTL", "user_tokens:u1"]).await > 30_000,
        "the longest of them counts"
    );
}

#[tokio::test]
async fn what_the_guides_deployment_writes_counts() {
    let (server, store) = plain().await;
    let python =
        r#"{"reason": "compromised", "blacklisted_at": "2026-09-21T14:00:00.5+00:00", "user_id": "u2"}"#;
    for (jti, value) in [
        ("python", python),
        ("junk", "\u{7f}{"),
        ("empty", ""),
        ("list", "[1]"),
    ] {
        server
            .command(&["SETEX", &format!("blacklist:{jti}"), "60", value])
            .await
            .unwrap();
        assert_eq!(
            find(&store, jti).await.unwrap(),
            Some(RevocationReason::Other),
            "{jti}"
        );
    }
    let (listed, _) = store
        .list(Some(&contract::subject("u2")), None, 10, contract::now())
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0].key, listed[0].reason),
        (&token("python"), RevocationReason::Other)
    );
    server
        .command(&["HSET", "blacklist:strange", "a", "b"])
        .await
        .unwrap();
    assert!(
        find(&store, "strange").await.is_err(),
        "what cannot be read is not unrevoked"
    );
    server
        .command(&["SADD", "user_tokens:u2", "theirs"])
        .await
        .unwrap();
    assert_eq!(
        store.user_tokens(&contract::subject("u2")).await.unwrap(),
        [TokenKey::from_jti("theirs")]
    );
}

#[tokio::test]
async fn no_entry_is_ever_shortened() {
    let (server, store) = plain().await;
    for seconds in [100, 10] {
        apply(&store, "a", seconds).await.unwrap();
        let cut = Revocation {
            cutoff: Some(contract::now()),
            ..contract::revoked_token("a", seconds)
        };
        let orders = [
            Revocation {
                key: RevocationKey::user(&contract::subject("u")),
                ..cut.clone()
            },
            Revocation {
                key: RevocationKey::Session("s".into()),
                cutoff: None,
                ..cut
            },
        ];
        contract::revoke(&store, &orders, contract::now()).await.unwrap();
    }
    for key in [
        "blacklist:a",
        "gateway:cutoff:user:u",
        "gateway:revoked:session:s",
    ] {
        let left = number(&server, &["PTTL", key]).await;
        assert!(left > 50_000, "{key} has {left}");
    }
    server
        .command(&["SETEX", "blacklist:theirs", "5000", "{}"])
        .await
        .unwrap();
    apply(&store, "theirs", 10).await.unwrap();
    assert!(number(&server, &["TTL", "blacklist:theirs"]).await > 4_000);
    assert!(apply(&store, "b", 0).await.is_ok());
    assert_eq!(
        find(&store, "b").await.unwrap(),
        None,
        "what has expired needs no entry"
    );
}

#[tokio::test]
async fn a_purge_removes_what_never_expires_and_ours_is_never_that() {
    let (server, store) = plain().await;
    for n in 0..300 {
        server
            .command(&["SET", &format!("blacklist:endless{n}"), "{}"])
            .await
            .unwrap();
    }
    apply(&store, "ours", 60).await.unwrap();
    apply(&store, "endless0", 60).await.unwrap();
    assert_eq!(
        RevocationStore::purge(&store, contract::now()).await.unwrap(),
        299
    );
    assert_eq!(
        find(&store, "ours").await.unwrap(),
        Some(RevocationReason::Logout)
    );
    assert_eq!(
        find(&store, "endless0").await.unwrap(),
        Some(RevocationReason::Logout)
    );
    let RedisReply::Array(left) = server.command(&["KEYS", "blacklist:*"]).await.unwrap() else {
        unreachable!()
    };
    assert_eq!(left.len(), 2);
}

#[tokio::test]
async fn everything_but_the_generation_has_an_end() {
    let (server, store) = plain().await;
    let (now, later) = (contract::now(), contract::later(60));
    let order = contract::revoked_token("a", 60);
    let parties =
        ["user", "client", "issuer", "session"].map(|kind| RevocationKey::from_parts(kind, "n").unwrap());
    let orders = parties.map(|key| Revocation {
        cutoff: key.is_cutoff().then_some(now),
        key,
        ..order.clone()
    });
    contract::revoke(&store, &orders, now).await.unwrap();
    contract::revoke(&store, &[order], now).await.unwrap();
    let spare = CutoffExemption {
        key: token("b"),
        began_at: now,
        expires_at: later,
        subject: Some(contract::subject("u")),
    };
    contract::exempt(&store, &[spare], now).await.unwrap();
    store
        .record_user_token(&contract::subject("u"), &TokenKey::from_jti("a"), later, now)
        .await
        .unwrap();
    let (keys, session) = (
        [contract::session_key(), contract::session_key()],
        contract::session("u", "x"),
    );
    store.insert(&keys[0], &session, now, 100, now).await.unwrap();
    store
        .rename(&keys[0], &keys[1], &session.sealed, &session, now, now)
        .await
        .unwrap();
    let epoch = store.view("journal").await.unwrap().epoch;
    let instance = InstanceId::new("i.1");
    let renewal = LeaseRenewal {
        epoch: &epoch,
        holder: Some((&instance, 0)),
        lease: 1_000_000,
        number: 1,
    };
    store.renew_lease(renewal).await.unwrap();
    let entry = JournalEntry::Revoked(contract::revoked_token("c", 60));
    store.publish(&epoch, &[entry], now).await.unwrap();
    store.report_applied(&instance, 1).await.unwrap();
    let RedisReply::Array(all) = server.command(&["KEYS", "*"]).await.unwrap() else {
        unreachable!()
    };
    let mut endless = Vec::new();
    for key in all.iter().filter_map(RedisReply::text) {
        if number(&server, &["PTTL", &key]).await < 0 {
            endless.push(key);
        }
    }
    endless.sort();
    let bounded = ["generation", "leases", "notices", "position", "snapshots"];
    let mut expected: Vec<_> = bounded
        .iter()
        .map(|name| format!("gateway:{{revocations}}:{name}"))
        .collect();
    expected.push("revocations".to_owned());
    assert_eq!(endless, expected, "what has no end is bounded in length");
    assert_eq!(all.len(), 19);
}

#[tokio::test]
async fn a_flushed_store_has_no_generation() {
    let (server, store) = plain().await;
    let first = store.view("journal").await.unwrap().epoch;
    apply(&store, "a", 60).await.unwrap();
    server.flush_all().await.unwrap();
    let findings = store.find(&[token("a")], &[], contract::now()).await.unwrap();
    assert_eq!((findings.revoked, findings.epoch), (vec![None], None));
    assert_ne!(store.view("journal").await.unwrap().epoch, first);
}

/// Creates a gate on this store, with a journal that other gates share.
fn gate(store: &RedisStore, journal: &SqlDatabase) -> RevocationGate {
    let parts = GateDeps {
        journal: Arc::new(journal.clone()),
        store: Arc::new(store.clone()),
        log: Arc::new(store.clone()),
        clock: Arc::new(SystemClock),
        ticks: Arc::new(SystemMonotonicClock),
        events: Arc::new(IgnoredEvents),
    };
    let policy = RevocationPolicy {
        skew: Duration::ZERO,
        retention: Duration::from_secs(600),
        reads_replica: true,
        lease: Duration::from_secs(1),
    };
    RevocationGate::new(parts, policy).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn instances_that_find_a_flushed_store_fill_it_once_and_not_each() {
    const LINES: i64 = 2_500;
    let (server, store) = plain().await;
    let folder = tempfile::tempdir().unwrap();
    let journal = SqlDatabase::connect_sqlite(&folder.path().join("journal.db"))
        .await
        .unwrap();
    let now = SystemClock.now();
    let orders = (0..LINES).map(|n| Revocation {
        revoked_at: now,
        expires_at: clock::after(now, Duration::from_secs(600)),
        ..contract::revoked_token(&format!("j{n}"), 600)
    });
    gate(&store, &journal)
        .revoke(orders.collect(), &[], now)
        .await
        .unwrap();
    server.flush_all().await.unwrap();
    let mut comers = JoinSet::new();
    for _ in 0..6 {
        let gate = gate(&store, &journal);
        comers.spawn(async move { gate.ensure_store_filled(now).await });
    }
    for came in comers.join_all().await {
        came.unwrap();
    }
    assert_eq!(number(&server, &["XLEN", "revocations"]).await, LINES);
    assert_eq!(
        journal.current_term().await.unwrap().unwrap().number,
        2,
        "one registered it for all"
    );
    let key = [RevocationKey::Token(TokenKey::from_jti("j7"))];
    assert!(store.find(&key, &[], now).await.unwrap().revoked[0].is_some());
}
