//! The contract of `SessionStore`.

use std::sync::Arc;

use maxlab_auth_core::credential::SessionKey;
use maxlab_auth_core::session::{
    InsertOutcome, ReplaceOutcome, SessionChange, SessionLookup, SessionStore, StoredSession,
};

use super::fixtures::{HOSTILE_USER_IDS, indexed, later, now, sealed, session, session_key, subject};
use super::{run_cases, session_lists, session_moves, session_races};

/// Checks that a session store keeps its contract. `make` creates an empty one.
pub async fn sessions<S: SessionStore + 'static>(make: impl AsyncFn() -> S) {
    run_cases!(make:
        a_session_comes_back_as_it_was_put,
        an_insert_overwrites_nothing,
        an_ended_session_stays_ended,
        a_session_dies_of_idleness_and_of_age,
        a_replacement_needs_the_contents_that_were_read,
        of_many_replacements_each_is_decided_by_itself,
        session_moves::a_moved_session_leaves_its_new_key_behind,
        session_moves::a_session_moves_only_from_what_was_read,
        session_moves::a_moved_session_keeps_its_place_in_the_list,
        session_lists::a_list_shows_the_oldest_first_and_touches_nothing,
        session_lists::users_keep_apart,
        session_lists::sessions_beyond_the_limit_are_named,
        session_races::parallel_inserts_leave_no_more_than_the_limit,
        session_lists::a_purge_takes_nothing_that_lives,
        session_races::one_of_two_inserts_wins,
        session_races::a_replacement_never_brings_back_what_was_ended,
        session_races::a_move_and_an_end_never_leave_both,
        session_races::ending_all_that_is_listed_ends_what_moves,
        session_races::one_of_two_moves_wins,
    );
}

pub(super) async fn put_session(
    store: &impl SessionStore,
    user: &str,
    contents: &str,
) -> (SessionKey, StoredSession) {
    let (key, session) = (session_key(), session(user, contents));
    let inserted = insert_session(store, &key, &session).await;
    assert!(matches!(inserted, InsertOutcome::Inserted(_)));
    (key, session)
}

/// Inserts a session with a limit that is not reached.
pub(super) async fn insert_session(
    store: &impl SessionStore,
    key: &SessionKey,
    session: &StoredSession,
) -> InsertOutcome {
    store.insert(key, session, now(), 100, now()).await.unwrap()
}

/// Returns the contents of an active session, or a word for the state of any other.
pub(super) async fn lookup_state(store: &impl SessionStore, key: &SessionKey, at: u64) -> String {
    match store.read(key, later(at)).await.unwrap() {
        SessionLookup::Active(session) => session.sealed.as_str().to_owned(),
        SessionLookup::Ended => "ended".to_owned(),
        SessionLookup::Moved(_) => "moved".to_owned(),
        SessionLookup::Missing => "missing".to_owned(),
    }
}

async fn a_session_comes_back_as_it_was_put(store: Arc<impl SessionStore>) {
    for user in HOSTILE_USER_IDS {
        let (key, put) = put_session(store.as_ref(), user, "contents").await;
        let SessionLookup::Active(found) = store.read(&key, now()).await.unwrap() else {
            panic!("the session is not active")
        };
        assert_eq!(
            (&found.subject, &found.handle, &found.sealed),
            (&subject(user), &put.handle, &put.sealed)
        );
        assert_eq!(
            (found.idle_expires_at, found.expires_at),
            (later(100), later(1_000))
        );
    }
    assert_eq!(lookup_state(store.as_ref(), &session_key(), 0).await, "missing");
}

async fn an_insert_overwrites_nothing(store: Arc<impl SessionStore>) {
    let (key, _) = put_session(store.as_ref(), "u", "first").await;
    let second = insert_session(store.as_ref(), &key, &session("v", "second")).await;
    assert_eq!(second, InsertOutcome::KeyTaken);
    assert_eq!(lookup_state(store.as_ref(), &key, 0).await, "first");
    assert_eq!(store.of_user(&subject("v"), now()).await.unwrap(), []);
}

async fn an_ended_session_stays_ended(store: Arc<impl SessionStore>) {
    let (key, session) = put_session(store.as_ref(), "u", "contents").await;
    let line = indexed(&key, &session);
    assert!(
        store
            .end(&subject("u"), &line, session.expires_at, now())
            .await
            .unwrap()
    );
    assert_eq!(lookup_state(store.as_ref(), &key, 0).await, "ended");
    assert_eq!(lookup_state(store.as_ref(), &key, 999).await, "ended");
    assert!(
        !store
            .end(&subject("u"), &line, session.expires_at, now())
            .await
            .unwrap()
    );
    assert_eq!(
        insert_session(store.as_ref(), &key, &session).await,
        InsertOutcome::KeyTaken
    );
    let replaced = store
        .replace(&key, &session.sealed, &sealed("next"), later(200), now())
        .await
        .unwrap();
    assert_eq!(replaced, ReplaceOutcome::Gone);
    let moved = store
        .rename(&key, &session_key(), &session.sealed, &session, now(), now())
        .await
        .unwrap();
    assert_eq!(moved, ReplaceOutcome::Gone);
    assert_eq!(lookup_state(store.as_ref(), &key, 0).await, "ended");
    assert_eq!(store.of_user(&subject("u"), now()).await.unwrap(), []);
    let never = indexed(&session_key(), &session);
    assert!(
        !store
            .end(&subject("u"), &never, session.expires_at, now())
            .await
            .unwrap(),
        "there was none to end"
    );
}

async fn a_session_dies_of_idleness_and_of_age(store: Arc<impl SessionStore>) {
    let (key, session) = put_session(store.as_ref(), "u", "contents").await;
    assert_eq!(lookup_state(store.as_ref(), &key, 99).await, "contents");
    assert_eq!(
        lookup_state(store.as_ref(), &key, 100).await,
        "missing",
        "reading it has not extended it"
    );
    let at_100 = store
        .replace(&key, &session.sealed, &sealed("x"), later(300), later(100))
        .await
        .unwrap();
    assert_eq!(at_100, ReplaceOutcome::Gone);
    let at_99 = store
        .replace(
            &key,
            &session.sealed,
            &sealed("extended"),
            later(5_000),
            later(99),
        )
        .await
        .unwrap();
    assert_eq!(at_99, ReplaceOutcome::Replaced);
    assert_eq!(lookup_state(store.as_ref(), &key, 999).await, "extended");
    assert_eq!(
        lookup_state(store.as_ref(), &key, 1_000).await,
        "missing",
        "no update extends the absolute limit"
    );
    let dead = store
        .rename(
            &key,
            &session_key(),
            &sealed("extended"),
            &session,
            now(),
            later(1_000),
        )
        .await
        .unwrap();
    assert_eq!(dead, ReplaceOutcome::Gone);
    assert!(
        !store
            .end(
                &subject("u"),
                &indexed(&key, &session),
                later(1_000),
                later(1_000)
            )
            .await
            .unwrap()
    );
}

async fn a_replacement_needs_the_contents_that_were_read(store: Arc<impl SessionStore>) {
    let (key, session) = put_session(store.as_ref(), "u", "1").await;
    let replace = async |current: &str, next: &str| {
        store
            .replace(&key, &sealed(current), &sealed(next), later(100), now())
            .await
            .unwrap()
    };
    assert_eq!(replace("1", "2").await, ReplaceOutcome::Replaced);
    assert_eq!(replace("1", "3").await, ReplaceOutcome::Conflict);
    assert_eq!(lookup_state(store.as_ref(), &key, 0).await, "2");
    let absent = store
        .replace(&session_key(), &session.sealed, &sealed("x"), later(100), now())
        .await
        .unwrap();
    assert_eq!(absent, ReplaceOutcome::Gone, "and it creates nothing");
    assert_eq!(store.of_user(&subject("u"), now()).await.unwrap().len(), 1);
}

async fn of_many_replacements_each_is_decided_by_itself(store: Arc<impl SessionStore>) {
    store.replace_many(&[]).await.unwrap();
    let (mut keys, mut changes) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let (key, session) = put_session(store.as_ref(), "u", "old").await;
        let stale = n % 3 == 1;
        if n % 3 == 2 {
            store
                .end(&subject("u"), &indexed(&key, &session), session.expires_at, now())
                .await
                .unwrap();
        }
        changes.push(SessionChange {
            key: key.clone(),
            current: sealed(if stale { "older" } else { "old" }),
            next: sealed(&format!("new {n}")),
            idle_expires_at: later(250),
            at: later(99),
        });
        keys.push(key);
    }
    changes.push(SessionChange {
        key: session_key(),
        ..changes[0].clone()
    });
    // A use that came after the session had expired.
    let (idle, _) = put_session(store.as_ref(), "u", "old").await;
    changes.push(SessionChange {
        key: idle.clone(),
        at: later(100),
        ..changes[0].clone()
    });
    store.replace_many(&changes).await.unwrap();
    for (n, key) in keys.iter().enumerate() {
        let expected = match n % 3 {
            0 => format!("new {n}"),
            1 => "old".to_owned(),
            _ => "ended".to_owned(),
        };
        assert_eq!(lookup_state(store.as_ref(), key, 0).await, expected, "{n}");
    }
    assert_eq!(lookup_state(store.as_ref(), &idle, 0).await, "old");
    assert_eq!(lookup_state(store.as_ref(), &keys[0], 249).await, "new 0");
    assert_eq!(lookup_state(store.as_ref(), &keys[0], 250).await, "missing");
    assert_eq!(store.of_user(&subject("u"), now()).await.unwrap().len(), 21);
}
