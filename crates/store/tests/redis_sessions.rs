//! Sessions in a real Redis: their contract, and the life of their keys.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::{Duration, Instant};

use maxlab_auth_core::clock;
use maxlab_auth_core::session::{ReplaceOutcome, SessionLookup, SessionStore, StoredSession};
use maxlab_auth_store::RedisStore;
use maxlab_auth_store_contract as contract;
use maxlab_auth_testkit::servers::RedisReply;
use maxlab_auth_testkit::{RedisOptions, RedisServer};

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

#[tokio::test(flavor = "multi_thread")]
async fn sessions_keep_their_contract() {
    let (server, _) = plain().await;
    contract::sessions(async || emptied(&server).await).await;
}

#[tokio::test]
async fn dead_sessions_leave_no_lines_behind() {
    let (server, store) = plain().await;
    let now = contract::now();
    let short = |n: u64| {
        let idle_expires_at = clock::after(now, Duration::from_millis(1 + n % 5));
        StoredSession {
            idle_expires_at,
            ..contract::session("u", "x")
        }
    };
    for n in 0..200 {
        store
            .insert(&contract::session_key(), &short(n), now, 100, now)
            .await
            .unwrap();
    }
    let lines = number(&server, &["HLEN", "user_sessions:u"]).await;
    assert!(lines < 60, "logins alone keep the index small: {lines}");
    let (key, session) = (contract::session_key(), contract::session("u", "x"));
    store.insert(&key, &session, now, 100, now).await.unwrap();
    let started = Instant::now();
    while store.of_user(&contract::subject("u"), now).await.unwrap().len() > 1 {
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(
        number(&server, &["HLEN", "user_sessions:u"]).await,
        1,
        "listing drops what is gone"
    );
    store
        .insert(&contract::session_key(), &short(0), now, 100, now)
        .await
        .unwrap();
    let mut dropped = 0;
    while dropped == 0 {
        assert!(started.elapsed() < Duration::from_secs(5));
        dropped = SessionStore::purge(&store, now).await.unwrap();
    }
    assert_eq!(
        number(&server, &["HLEN", "user_sessions:u"]).await,
        1,
        "and so does a purge"
    );
    assert!(matches!(
        store.read(&key, now).await.unwrap(),
        SessionLookup::Active(_)
    ));
}

#[tokio::test]
async fn listing_extends_nothing() {
    let (server, store) = plain().await;
    let (key, now) = (contract::session_key(), contract::now());
    store
        .insert(&key, &contract::session("u", "x"), now, 100, now)
        .await
        .unwrap();
    let name = format!("session:{}", key.as_str());
    server.command(&["PEXPIRE", &name, "5000"]).await.unwrap();
    server
        .command(&["PEXPIRE", "user_sessions:u", "6000"])
        .await
        .unwrap();
    store.of_user(&contract::subject("u"), now).await.unwrap();
    store.read(&key, now).await.unwrap();
    assert!(number(&server, &["PTTL", &name]).await <= 5_000);
    assert!(number(&server, &["PTTL", "user_sessions:u"]).await <= 6_000);
}

#[tokio::test]
async fn a_session_ended_while_it_moves_lives_under_neither_key() {
    let (server, store) = plain().await;
    let (old, new, session) = (
        contract::session_key(),
        contract::session_key(),
        contract::session("u", "x"),
    );
    let now = contract::now();
    store.insert(&old, &session, now, 100, now).await.unwrap();
    // The tombstone of the new key, written before the move activates it: a caller found it in the index.
    let ended = format!("session_ended:{{session:{}}}", new.as_str());
    let moving = tokio::spawn({
        let (store, old, new, session) = (store.clone(), old.clone(), new.clone(), session.clone());
        async move {
            store
                .rename(&old, &new, &session.sealed, &session, now, now)
                .await
        }
    });
    let started = Instant::now();
    while number(&server, &["EXISTS", &format!("session:{}", new.as_str())]).await == 0 {
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    server.command(&["SET", &ended, "1"]).await.unwrap();
    let moved = moving.await.unwrap().unwrap();
    let found = store.read(&new, now).await.unwrap();
    assert!(matches!(found, SessionLookup::Ended), "{moved:?} {found:?}");
    assert!(matches!(moved, ReplaceOutcome::Replaced | ReplaceOutcome::Gone));
    let left = store.read(&old, now).await.unwrap();
    assert!(
        matches!(left, SessionLookup::Moved(to) if to == new),
        "it leads to what is ended"
    );
}
