//! The contract of `SessionStore`.

use std::sync::Arc;

use maxlab_auth_core::credential::SessionKey;
use maxlab_auth_core::session::{Lookup, Replaced, SessionStore, StoredSession};

use super::given::{HOSTILE, indexed, later, now, sealed, session, session_key};
use super::{cases, session_races};

/// Holds a session store to its contract; `make` makes an empty one.
pub async fn sessions<S: SessionStore + 'static>(make: impl AsyncFn() -> S) {
    cases!(make:
        a_session_comes_back_as_it_was_put,
        an_insert_overwrites_nothing,
        an_ended_session_stays_ended,
        a_session_dies_of_idleness_and_of_age,
        a_replacement_needs_the_contents_that_were_read,
        a_moved_session_leaves_an_ended_one_behind,
        a_session_moves_only_from_what_was_read,
        a_moved_session_keeps_its_place_in_the_list,
        a_list_shows_the_oldest_first_and_touches_nothing,
        users_keep_apart,
        a_purge_takes_nothing_that_lives,
        session_races::one_of_two_inserts_wins,
        session_races::a_replacement_never_brings_back_what_was_ended,
        session_races::a_move_and_an_end_never_leave_both,
        session_races::ending_all_that_is_listed_ends_what_moves,
        session_races::one_of_two_moves_wins,
    );
}

pub(super) async fn put(
    store: &impl SessionStore,
    user: &str,
    contents: &str,
) -> (SessionKey, StoredSession) {
    let (key, session) = (session_key(), session(user, contents));
    assert!(store.insert(&key, &session, now(), now()).await.unwrap());
    (key, session)
}

/// The word for what is found, with the contents of what lives.
pub(super) async fn look(store: &impl SessionStore, key: &SessionKey, at: u64) -> String {
    match store.read(key, later(at)).await.unwrap() {
        Lookup::Live(session) => session.sealed.as_str().to_owned(),
        Lookup::Ended => "ended".to_owned(),
        Lookup::Missing => "missing".to_owned(),
    }
}

async fn a_session_comes_back_as_it_was_put(store: Arc<impl SessionStore>) {
    for user in HOSTILE {
        let (key, put) = put(store.as_ref(), user, "contents").await;
        let Lookup::Live(found) = store.read(&key, now()).await.unwrap() else {
            panic!("it does not live")
        };
        assert_eq!(
            (found.user_id.as_str(), &found.handle, &found.sealed),
            (user, &put.handle, &put.sealed)
        );
        assert_eq!((found.idle_at, found.dead_at), (later(100), later(1_000)));
    }
    assert_eq!(look(store.as_ref(), &session_key(), 0).await, "missing");
}

async fn an_insert_overwrites_nothing(store: Arc<impl SessionStore>) {
    let (key, _) = put(store.as_ref(), "u", "first").await;
    assert!(
        !store
            .insert(&key, &session("v", "second"), now(), now())
            .await
            .unwrap()
    );
    assert_eq!(look(store.as_ref(), &key, 0).await, "first");
    assert_eq!(store.of_user("v", now()).await.unwrap(), []);
}

async fn an_ended_session_stays_ended(store: Arc<impl SessionStore>) {
    let (key, session) = put(store.as_ref(), "u", "contents").await;
    let line = indexed(&key, &session);
    assert!(store.end("u", &line, session.dead_at, now()).await.unwrap());
    assert_eq!(look(store.as_ref(), &key, 0).await, "ended");
    assert_eq!(look(store.as_ref(), &key, 999).await, "ended");
    assert!(!store.end("u", &line, session.dead_at, now()).await.unwrap());
    assert!(!store.insert(&key, &session, now(), now()).await.unwrap());
    let replaced = store
        .replace(&key, &session.sealed, &sealed("next"), later(200), now())
        .await
        .unwrap();
    assert_eq!(replaced, Replaced::Gone);
    let moved = store
        .rename(&key, &session_key(), &session.sealed, &session, now(), now())
        .await
        .unwrap();
    assert_eq!(moved, Replaced::Gone);
    assert_eq!(look(store.as_ref(), &key, 0).await, "ended");
    assert_eq!(store.of_user("u", now()).await.unwrap(), []);
    let never = indexed(&session_key(), &session);
    assert!(
        !store.end("u", &never, session.dead_at, now()).await.unwrap(),
        "there was none to end"
    );
}

async fn a_session_dies_of_idleness_and_of_age(store: Arc<impl SessionStore>) {
    let (key, session) = put(store.as_ref(), "u", "contents").await;
    assert_eq!(look(store.as_ref(), &key, 99).await, "contents");
    assert_eq!(
        look(store.as_ref(), &key, 100).await,
        "missing",
        "looking at it has not kept it"
    );
    let at_100 = store
        .replace(&key, &session.sealed, &sealed("x"), later(300), later(100))
        .await
        .unwrap();
    assert_eq!(at_100, Replaced::Gone);
    let at_99 = store
        .replace(&key, &session.sealed, &sealed("kept"), later(5_000), later(99))
        .await
        .unwrap();
    assert_eq!(at_99, Replaced::Done);
    assert_eq!(look(store.as_ref(), &key, 999).await, "kept");
    assert_eq!(
        look(store.as_ref(), &key, 1_000).await,
        "missing",
        "no touch leads beyond its age"
    );
    let dead = store
        .rename(
            &key,
            &session_key(),
            &sealed("kept"),
            &session,
            now(),
            later(1_000),
        )
        .await
        .unwrap();
    assert_eq!(dead, Replaced::Gone);
    assert!(
        !store
            .end("u", &indexed(&key, &session), later(1_000), later(1_000))
            .await
            .unwrap()
    );
}

async fn a_replacement_needs_the_contents_that_were_read(store: Arc<impl SessionStore>) {
    let (key, session) = put(store.as_ref(), "u", "1").await;
    let replace = async |current: &str, next: &str| {
        store
            .replace(&key, &sealed(current), &sealed(next), later(100), now())
            .await
            .unwrap()
    };
    assert_eq!(replace("1", "2").await, Replaced::Done);
    assert_eq!(replace("1", "3").await, Replaced::Changed);
    assert_eq!(look(store.as_ref(), &key, 0).await, "2");
    let absent = store
        .replace(&session_key(), &session.sealed, &sealed("x"), later(100), now())
        .await
        .unwrap();
    assert_eq!(absent, Replaced::Gone, "and it makes nothing");
    assert_eq!(store.of_user("u", now()).await.unwrap().len(), 1);
}

async fn a_moved_session_leaves_an_ended_one_behind(store: Arc<impl SessionStore>) {
    let (old, session) = put(store.as_ref(), "u", "1").await;
    let new = session_key();
    let next = StoredSession {
        sealed: sealed("2"),
        idle_at: later(150),
        ..session.clone()
    };
    let moved = store
        .rename(&old, &new, &session.sealed, &next, now(), now())
        .await
        .unwrap();
    assert_eq!(moved, Replaced::Done);
    assert_eq!(look(store.as_ref(), &old, 0).await, "ended");
    assert_eq!(look(store.as_ref(), &new, 149).await, "2");
    assert!(!store.insert(&old, &session, now(), now()).await.unwrap());
}

async fn a_session_moves_only_from_what_was_read(store: Arc<impl SessionStore>) {
    let (old, session) = put(store.as_ref(), "u", "1").await;
    let new = session_key();
    let next = StoredSession {
        sealed: sealed("2"),
        ..session.clone()
    };
    let changed = store
        .rename(&old, &new, &sealed("0"), &next, now(), now())
        .await
        .unwrap();
    assert_eq!(changed, Replaced::Changed);
    assert_eq!(look(store.as_ref(), &old, 0).await, "1");
    assert_eq!(look(store.as_ref(), &new, 0).await, "missing");
    let (taken, _) = put(store.as_ref(), "v", "theirs").await;
    assert!(
        store
            .rename(&old, &taken, &session.sealed, &next, now(), now())
            .await
            .is_err()
    );
    assert_eq!(
        look(store.as_ref(), &taken, 0).await,
        "theirs",
        "no move overwrites"
    );
    assert_eq!(
        look(store.as_ref(), &old, 0).await,
        "1",
        "nor loses what it could not move"
    );
    let again = store
        .rename(&old, &new, &session.sealed, &next, now(), now())
        .await
        .unwrap();
    assert_eq!(again, Replaced::Done, "a move that failed can be tried again");
}

async fn a_moved_session_keeps_its_place_in_the_list(store: Arc<impl SessionStore>) {
    let (old, session) = put(store.as_ref(), "u", "1").await;
    let new = session_key();
    store
        .rename(&old, &new, &session.sealed, &session, now(), now())
        .await
        .unwrap();
    assert_eq!(
        store.of_user("u", now()).await.unwrap(),
        [indexed(&new, &session)]
    );
    // Whoever read the list before the move ends nothing by it, and hides nothing.
    assert!(
        !store
            .end("u", &indexed(&old, &session), session.dead_at, now())
            .await
            .unwrap()
    );
    assert_eq!(
        store.of_user("u", now()).await.unwrap(),
        [indexed(&new, &session)]
    );
    assert_eq!(look(store.as_ref(), &new, 0).await, "1");
}

async fn a_list_shows_the_oldest_first_and_touches_nothing(store: Arc<impl SessionStore>) {
    let mut expected = Vec::new();
    for age in [30, 10, 20] {
        let (key, session) = (session_key(), session("u", "x"));
        store.insert(&key, &session, later(age), now()).await.unwrap();
        expected.push((later(age), session.handle, key));
    }
    expected.sort_by_key(|(created_at, ..)| *created_at);
    for at in [0, 50, 99] {
        let listed = store.of_user("u", later(at)).await.unwrap();
        let listed: Vec<_> = listed
            .into_iter()
            .map(|line| (line.created_at, line.handle, line.key))
            .collect();
        assert_eq!(listed, expected);
    }
    assert_eq!(
        look(store.as_ref(), &expected[0].2, 100).await,
        "missing",
        "being listed has not kept it"
    );
}

async fn users_keep_apart(store: Arc<impl SessionStore>) {
    let long = "김".repeat(340);
    let users: Vec<&str> = HOSTILE.into_iter().chain([long.as_str()]).collect();
    let mut lines = Vec::new();
    for user in &users {
        let (key, session) = put(store.as_ref(), user, "x").await;
        lines.push(indexed(&key, &session));
    }
    for (user, line) in users.iter().zip(&lines) {
        assert_eq!(
            store.of_user(user, now()).await.unwrap(),
            std::slice::from_ref(line),
            "{user:?}"
        );
        assert!(store.end(user, line, later(1_000), now()).await.unwrap());
        assert_eq!(store.of_user(user, now()).await.unwrap(), []);
    }
}

async fn a_purge_takes_nothing_that_lives(store: Arc<impl SessionStore>) {
    let (live, _) = put(store.as_ref(), "u", "x").await;
    let (over, session) = put(store.as_ref(), "u", "y").await;
    store
        .end("u", &indexed(&over, &session), session.dead_at, now())
        .await
        .unwrap();
    assert_eq!(store.purge(later(99)).await.unwrap(), 0);
    assert_eq!(look(store.as_ref(), &live, 99).await, "x");
    assert_eq!(
        look(store.as_ref(), &over, 99).await,
        "ended",
        "the end is remembered until its age"
    );
    assert_eq!(store.of_user("u", now()).await.unwrap().len(), 1);
}
