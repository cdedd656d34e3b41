//! The contract of `SessionStore` for all sessions of a user: lists, the limit, and the purge.

use std::sync::Arc;

use maxlab_auth_core::session::{IndexedSession, InsertOutcome, SessionStore};

use super::fixtures::{HOSTILE_USER_IDS, indexed, later, now, session, session_key, subject};
use super::sessions::{lookup_state, put_session};

pub(super) async fn a_list_shows_the_oldest_first_and_touches_nothing(store: Arc<impl SessionStore>) {
    let mut expected = Vec::new();
    for age in [30, 10, 20] {
        let (key, session) = (session_key(), session("u", "x"));
        store
            .insert(&key, &session, later(age), 100, now())
            .await
            .unwrap();
        expected.push((later(age), session.handle, key));
    }
    expected.sort_by_key(|(created_at, ..)| *created_at);
    for at in [0, 50, 99] {
        let listed = store.of_user(&subject("u"), later(at)).await.unwrap();
        let listed: Vec<_> = listed
            .into_iter()
            .map(|line| (line.created_at, line.handle, line.key))
            .collect();
        assert_eq!(listed, expected);
    }
    assert_eq!(
        lookup_state(store.as_ref(), &expected[0].2, 100).await,
        "missing",
        "being listed has not extended it"
    );
}

pub(super) async fn users_keep_apart(store: Arc<impl SessionStore>) {
    let long = "김".repeat(340);
    let users: Vec<&str> = HOSTILE_USER_IDS.into_iter().chain([long.as_str()]).collect();
    let mut lines = Vec::new();
    for user in &users {
        let (key, session) = put_session(store.as_ref(), user, "x").await;
        lines.push(indexed(&key, &session));
    }
    for (user, line) in users.iter().zip(&lines) {
        assert_eq!(
            store.of_user(&subject(user), now()).await.unwrap(),
            std::slice::from_ref(line),
            "{user:?}"
        );
        assert!(
            store
                .end(&subject(user), line, later(1_000), now())
                .await
                .unwrap()
        );
        assert_eq!(store.of_user(&subject(user), now()).await.unwrap(), []);
    }
}

pub(super) async fn sessions_beyond_the_limit_are_named(store: Arc<impl SessionStore>) {
    let mut lines: Vec<IndexedSession> = Vec::new();
    for age in 0..4 {
        let (key, session) = (session_key(), session("u", "x"));
        let inserted = store.insert(&key, &session, later(age), 2, now()).await.unwrap();
        let surplus = lines.len().saturating_sub(1);
        assert_eq!(
            inserted,
            InsertOutcome::Inserted(lines[..surplus].to_vec()),
            "they stay active"
        );
        lines.push(IndexedSession {
            created_at: later(age),
            ..indexed(&key, &session)
        });
    }
    // A session that began before the others is still never beyond the limit itself.
    let (key, late) = (session_key(), session("u", "x"));
    let inserted = store.insert(&key, &late, now(), 2, now()).await.unwrap();
    assert_eq!(inserted, InsertOutcome::Inserted(lines[..3].to_vec()));
    let (key, other) = (session_key(), session("v", "x"));
    let inserted = store.insert(&key, &other, now(), 1, now()).await.unwrap();
    assert_eq!(inserted, InsertOutcome::Inserted(vec![]), "others do not count");
    for line in store.of_user(&subject("u"), now()).await.unwrap() {
        store
            .end(&subject("u"), &line, later(1_000), now())
            .await
            .unwrap();
    }
    let (key, after) = (session_key(), session("u", "x"));
    let inserted = store.insert(&key, &after, now(), 1, now()).await.unwrap();
    assert_eq!(inserted, InsertOutcome::Inserted(vec![]), "neither do ended ones");
}

pub(super) async fn a_purge_takes_nothing_that_lives(store: Arc<impl SessionStore>) {
    let (live, _) = put_session(store.as_ref(), "u", "x").await;
    let (over, session) = put_session(store.as_ref(), "u", "y").await;
    store
        .end(
            &subject("u"),
            &indexed(&over, &session),
            session.expires_at,
            now(),
        )
        .await
        .unwrap();
    assert_eq!(store.purge(later(99)).await.unwrap(), 0);
    assert_eq!(lookup_state(store.as_ref(), &live, 99).await, "x");
    assert_eq!(
        lookup_state(store.as_ref(), &over, 99).await,
        "ended",
        "the end is remembered until its age"
    );
    assert_eq!(store.of_user(&subject("u"), now()).await.unwrap().len(), 1);
}
