//! The contract of `SessionStore` under concurrency: no interleaving brings an ended session back (invariant I4).

use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_core::credential::SessionKey;
use maxlab_auth_core::session::{Replaced, SessionStore, StoredSession};

use super::given::{indexed, later, now, sealed, session, session_key};
use super::sessions::{look, put};

/// How many interleavings each race is run through; each begins the two sides at another distance.
const ROUNDS: u64 = 60;

/// Lets one side begin a little later, or the other, by steps of 40 microseconds.
async fn head_start(round: u64, side: u64) {
    if round % 2 == side {
        tokio::time::sleep(Duration::from_micros(round / 2 % 20 * 40)).await;
    }
}

pub(super) async fn one_of_two_inserts_wins(store: Arc<impl SessionStore + 'static>) {
    for _ in 0..ROUNDS / 4 {
        let key = session_key();
        let insert = |user: &'static str| {
            let (store, key) = (Arc::clone(&store), key.clone());
            tokio::spawn(async move {
                store
                    .insert(&key, &session(user, user), now(), now())
                    .await
                    .unwrap()
            })
        };
        let (one, two) = (insert("one"), insert("two"));
        let (one, two) = (one.await.unwrap(), two.await.unwrap());
        assert!(one ^ two, "one {one}, two {two}");
        assert_eq!(
            look(store.as_ref(), &key, 0).await,
            if one { "one" } else { "two" }
        );
    }
}

pub(super) async fn a_replacement_never_brings_back_what_was_ended(store: Arc<impl SessionStore + 'static>) {
    for round in 0..ROUNDS {
        let (key, session) = put(store.as_ref(), "u", "0").await;
        let writer = {
            let (store, key) = (Arc::clone(&store), key.clone());
            tokio::spawn(async move {
                head_start(round, 0).await;
                for n in 0..1_000 {
                    let (current, next) = (sealed(&n.to_string()), sealed(&(n + 1).to_string()));
                    let replaced = store
                        .replace(&key, &current, &next, later(100), now())
                        .await
                        .unwrap();
                    if replaced != Replaced::Done {
                        return replaced;
                    }
                }
                Replaced::Done
            })
        };
        head_start(round, 1).await;
        assert!(
            store
                .end("u", &indexed(&key, &session), session.dead_at, now())
                .await
                .unwrap()
        );
        assert_eq!(look(store.as_ref(), &key, 0).await, "ended");
        assert_eq!(writer.await.unwrap(), Replaced::Gone);
        assert_eq!(look(store.as_ref(), &key, 0).await, "ended");
        assert_eq!(store.of_user("u", now()).await.unwrap(), []);
    }
}

fn rename(
    store: &Arc<impl SessionStore + 'static>,
    round: u64,
    old: &SessionKey,
    new: &SessionKey,
    next: &StoredSession,
) -> tokio::task::JoinHandle<Replaced> {
    let (store, old, new, next) = (Arc::clone(store), old.clone(), new.clone(), next.clone());
    tokio::spawn(async move {
        head_start(round, 0).await;
        store
            .rename(&old, &new, &next.sealed, &next, now(), now())
            .await
            .unwrap()
    })
}

pub(super) async fn a_move_and_an_end_never_leave_both(store: Arc<impl SessionStore + 'static>) {
    let mut ended_first = 0;
    for round in 0..ROUNDS {
        let user = format!("u{round}");
        let (old, session) = put(store.as_ref(), &user, "x").await;
        let new = session_key();
        let moving = rename(&store, round, &old, &new, &session);
        head_start(round, 1).await;
        let ended = store
            .end(&user, &indexed(&old, &session), session.dead_at, now())
            .await
            .unwrap();
        let moved = moving.await.unwrap();
        assert_eq!(look(store.as_ref(), &old, 0).await, "ended");
        let listed = store.of_user(&user, now()).await.unwrap();
        if ended {
            ended_first += 1;
            assert_eq!(moved, Replaced::Gone, "round {round}");
            assert_eq!(look(store.as_ref(), &new, 0).await, "missing", "round {round}");
            assert_eq!(listed, [], "round {round}");
        } else {
            assert_eq!(moved, Replaced::Done, "round {round}");
            assert_eq!(look(store.as_ref(), &new, 0).await, "x", "round {round}");
            assert_eq!(
                listed,
                [indexed(&new, &session)],
                "round {round}: what lives is listed"
            );
        }
    }
    eprintln!("  {ended_first} of {ROUNDS} ended first");
}

pub(super) async fn ending_all_that_is_listed_ends_what_moves(store: Arc<impl SessionStore + 'static>) {
    for round in 0..ROUNDS {
        let user = format!("u{round}");
        let (old, session) = put(store.as_ref(), &user, "x").await;
        let new = session_key();
        let moving = rename(&store, round, &old, &new, &session);
        head_start(round, 1).await;
        let mut ended = false;
        for line in store.of_user(&user, now()).await.unwrap() {
            ended |= store.end(&user, &line, session.dead_at, now()).await.unwrap();
        }
        let moved = moving.await.unwrap();
        let lives = look(store.as_ref(), &new, 0).await == "x";
        assert_eq!(look(store.as_ref(), &old, 0).await, "ended");
        assert!(!(ended && lives), "round {round}: it was ended, and lives");
        assert_eq!(
            lives,
            !store.of_user(&user, now()).await.unwrap().is_empty(),
            "round {round}"
        );
        if !ended {
            assert_eq!(moved, Replaced::Done, "round {round}: nobody ended it");
            assert!(lives);
        }
    }
}

pub(super) async fn one_of_two_moves_wins(store: Arc<impl SessionStore + 'static>) {
    for round in 0..ROUNDS / 2 {
        let user = format!("u{round}");
        let (old, session) = put(store.as_ref(), &user, "x").await;
        let (one, two) = (session_key(), session_key());
        let moving = [
            rename(&store, round, &old, &one, &session),
            rename(&store, round + 1, &old, &two, &session),
        ];
        let mut done = Vec::new();
        for (moving, new) in moving.into_iter().zip([one, two]) {
            let moved = moving.await.unwrap();
            assert_ne!(moved, Replaced::Changed);
            let expected = if moved == Replaced::Done { "x" } else { "missing" };
            assert_eq!(look(store.as_ref(), &new, 0).await, expected);
            done.extend((moved == Replaced::Done).then_some(new));
        }
        assert_eq!(done.len(), 1, "round {round}");
        assert_eq!(
            store.of_user(&user, now()).await.unwrap(),
            [indexed(&done[0], &session)]
        );
    }
}
