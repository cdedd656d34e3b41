//! The contract of `SessionStore` for sessions that move to another key.

use std::sync::Arc;

use maxlab_auth_core::session::{InsertOutcome, ReplaceOutcome, SessionLookup, SessionStore, StoredSession};

use super::fixtures::{indexed, later, now, sealed, session_key, subject};
use super::sessions::{insert_session, lookup_state, put_session};

pub(super) async fn a_moved_session_leaves_its_new_key_behind(store: Arc<impl SessionStore>) {
    let (old, session) = put_session(store.as_ref(), "u", "1").await;
    let new = session_key();
    let next = StoredSession {
        sealed: sealed("2"),
        idle_expires_at: later(150),
        ..session.clone()
    };
    let moved = store
        .rename(&old, &new, &session.sealed, &next, now(), now())
        .await
        .unwrap();
    assert_eq!(moved, ReplaceOutcome::Replaced);
    let found = store.read(&old, now()).await.unwrap();
    assert!(
        matches!(found, SessionLookup::Moved(to) if to == new),
        "it leads on"
    );
    assert_eq!(lookup_state(store.as_ref(), &new, 149).await, "2");
    assert_eq!(
        insert_session(store.as_ref(), &old, &session).await,
        InsertOutcome::KeyTaken
    );
    for write in [&session.sealed, &sealed("2"), &sealed("")] {
        let replaced = store.replace(&old, write, &sealed("3"), later(150), now()).await;
        assert_eq!(
            replaced.unwrap(),
            ReplaceOutcome::Gone,
            "no write succeeds with the old key"
        );
    }
}

pub(super) async fn a_session_moves_only_from_what_was_read(store: Arc<impl SessionStore>) {
    let (old, session) = put_session(store.as_ref(), "u", "1").await;
    let new = session_key();
    let next = StoredSession {
        sealed: sealed("2"),
        ..session.clone()
    };
    let changed = store
        .rename(&old, &new, &sealed("0"), &next, now(), now())
        .await
        .unwrap();
    assert_eq!(changed, ReplaceOutcome::Conflict);
    assert_eq!(lookup_state(store.as_ref(), &old, 0).await, "1");
    assert_eq!(lookup_state(store.as_ref(), &new, 0).await, "missing");
    let (taken, _) = put_session(store.as_ref(), "v", "theirs").await;
    assert!(
        store
            .rename(&old, &taken, &session.sealed, &next, now(), now())
            .await
            .is_err()
    );
    assert_eq!(
        lookup_state(store.as_ref(), &taken, 0).await,
        "theirs",
        "no move overwrites"
    );
    assert_eq!(
        lookup_state(store.as_ref(), &old, 0).await,
        "1",
        "nor loses what it could not move"
    );
    let again = store
        .rename(&old, &new, &session.sealed, &next, now(), now())
        .await
        .unwrap();
    assert_eq!(
        again,
        ReplaceOutcome::Replaced,
        "a move that failed can be tried again"
    );
}

pub(super) async fn a_moved_session_keeps_its_place_in_the_list(store: Arc<impl SessionStore>) {
    let (old, session) = put_session(store.as_ref(), "u", "1").await;
    let new = session_key();
    store
        .rename(&old, &new, &session.sealed, &session, now(), now())
        .await
        .unwrap();
    assert_eq!(
        store.of_user(&subject("u"), now()).await.unwrap(),
        [indexed(&new, &session)]
    );
    // A caller that read the list before the move cannot end the session by its old key, or hide the new one.
    assert!(
        !store
            .end(&subject("u"), &indexed(&old, &session), session.expires_at, now())
            .await
            .unwrap()
    );
    assert_eq!(
        store.of_user(&subject("u"), now()).await.unwrap(),
        [indexed(&new, &session)]
    );
    assert_eq!(lookup_state(store.as_ref(), &new, 0).await, "1");
}
