//! The contract of `SessionStore` under concurrency: no race brings an ended session back (invariant I4).

use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_core::credential::SessionKey;
use maxlab_auth_core::session::{InsertOutcome, ReplaceOutcome, SessionStore, StoredSession};

use super::fixtures::{indexed, later, now, sealed, session, session_key, subject};
use super::sessions::{insert_session, lookup_state, put_session};

/// Number of runs of each race. Each run starts the two sides with another delay.
const ROUNDS: u64 = 60;

/// Delays one of the two sides in alternation, in steps of 40 microseconds.
async fn stagger(round: u64, side: u64) {
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
                let inserted = insert_session(store.as_ref(), &key, &session(user, user)).await;
                matches!(inserted, InsertOutcome::Inserted(_))
            })
        };
        let (one, two) = (insert("one"), insert("two"));
        let (one, two) = (one.await.unwrap(), two.await.unwrap());
        assert!(one ^ two, "one {one}, two {two}");
        assert_eq!(
            lookup_state(store.as_ref(), &key, 0).await,
            if one { "one" } else { "two" }
        );
    }
}

pub(super) async fn a_replacement_never_brings_back_what_was_ended(store: Arc<impl SessionStore + 'static>) {
    for round in 0..ROUNDS {
        let (key, session) = put_session(store.as_ref(), "u", "0").await;
        let writer = {
            let (store, key) = (Arc::clone(&store), key.clone());
            tokio::spawn(async move {
                stagger(round, 0).await;
                for n in 0..1_000 {
                    let (current, next) = (sealed(&n.to_string()), sealed(&(n + 1).to_string()));
                    let replaced = store
                        .replace(&key, &current, &next, later(100), now())
                        .await
                        .unwrap();
                    if replaced != ReplaceOutcome::Replaced {
                        return replaced;
                    }
                }
                ReplaceOutcome::Replaced
            })
        };
        stagger(round, 1).await;
        assert!(
            store
                .end(&subject("u"), &indexed(&key, &session), session.expires_at, now())
                .await
                .unwrap()
        );
        assert_eq!(lookup_state(store.as_ref(), &key, 0).await, "ended");
        assert_eq!(writer.await.unwrap(), ReplaceOutcome::Gone);
        assert_eq!(lookup_state(store.as_ref(), &key, 0).await, "ended");
        assert_eq!(store.of_user(&subject("u"), now()).await.unwrap(), []);
    }
}

fn spawn_rename(
    store: &Arc<impl SessionStore + 'static>,
    round: u64,
    old: &SessionKey,
    new: &SessionKey,
    next: &StoredSession,
) -> tokio::task::JoinHandle<ReplaceOutcome> {
    let (store, old, new, next) = (Arc::clone(store), old.clone(), new.clone(), next.clone());
    tokio::spawn(async move {
        stagger(round, 0).await;
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
        let (old, session) = put_session(store.as_ref(), &user, "x").await;
        let new = session_key();
        let moving = spawn_rename(&store, round, &old, &new, &session);
        stagger(round, 1).await;
        let ended = store
            .end(
                &subject(&user),
                &indexed(&old, &session),
                session.expires_at,
                now(),
            )
            .await
            .unwrap();
        let moved = moving.await.unwrap();
        let found = lookup_state(store.as_ref(), &old, 0).await;
        assert_eq!(found, if ended { "ended" } else { "moved" }, "round {round}");
        let listed = store.of_user(&subject(&user), now()).await.unwrap();
        if ended {
            ended_first += 1;
            assert_eq!(moved, ReplaceOutcome::Gone, "round {round}");
            assert_eq!(
                lookup_state(store.as_ref(), &new, 0).await,
                "missing",
                "round {round}"
            );
            assert_eq!(listed, [], "round {round}");
        } else {
            assert_eq!(moved, ReplaceOutcome::Replaced, "round {round}");
            assert_eq!(lookup_state(store.as_ref(), &new, 0).await, "x", "round {round}");
            assert_eq!(
                listed,
                [indexed(&new, &session)],
                "round {round}: an active session is listed"
            );
        }
    }
    eprintln!("  {ended_first} of {ROUNDS} ended first");
}

pub(super) async fn ending_all_that_is_listed_ends_what_moves(store: Arc<impl SessionStore + 'static>) {
    for round in 0..ROUNDS {
        let user = format!("u{round}");
        let (old, session) = put_session(store.as_ref(), &user, "x").await;
        let new = session_key();
        let moving = spawn_rename(&store, round, &old, &new, &session);
        stagger(round, 1).await;
        let mut ended = false;
        for line in store.of_user(&subject(&user), now()).await.unwrap() {
            ended |= store
                .end(&subject(&user), &line, session.expires_at, now())
                .await
                .unwrap();
        }
        let moved = moving.await.unwrap();
        let is_active = lookup_state(store.as_ref(), &new, 0).await == "x";
        let found = lookup_state(store.as_ref(), &old, 0).await;
        assert!(
            matches!(found.as_str(), "ended" | "moved"),
            "round {round}: {found}"
        );
        assert!(
            !(ended && is_active),
            "round {round}: it was ended, and is active"
        );
        assert_eq!(
            is_active,
            !store.of_user(&subject(&user), now()).await.unwrap().is_empty(),
            "round {round}"
        );
        if !ended {
            assert_eq!(moved, ReplaceOutcome::Replaced, "round {round}: no one ended it");
            assert!(is_active);
        }
    }
}

pub(super) async fn one_of_two_moves_wins(store: Arc<impl SessionStore + 'static>) {
    for round in 0..ROUNDS / 2 {
        let user = format!("u{round}");
        let (old, session) = put_session(store.as_ref(), &user, "x").await;
        let (one, two) = (session_key(), session_key());
        let moving = [
            spawn_rename(&store, round, &old, &one, &session),
            spawn_rename(&store, round + 1, &old, &two, &session),
        ];
        let mut done = Vec::new();
        for (moving, new) in moving.into_iter().zip([one, two]) {
            let moved = moving.await.unwrap();
            assert_ne!(moved, ReplaceOutcome::Conflict);
            let expected = if moved == ReplaceOutcome::Replaced {
                "x"
            } else {
                "missing"
            };
            assert_eq!(lookup_state(store.as_ref(), &new, 0).await, expected);
            done.extend((moved == ReplaceOutcome::Replaced).then_some(new));
        }
        assert_eq!(done.len(), 1, "round {round}");
        assert_eq!(
            store.of_user(&subject(&user), now()).await.unwrap(),
            [indexed(&done[0], &session)]
        );
    }
}

pub(super) async fn parallel_inserts_leave_no_more_than_the_limit(store: Arc<impl SessionStore + 'static>) {
    for round in 0..ROUNDS / 6 {
        let user = format!("u{round}");
        let logins: Vec<_> = (0..8)
            .map(|_| {
                let (store, user) = (Arc::clone(&store), user.clone());
                tokio::spawn(async move {
                    let (key, session) = (session_key(), session(&user, "x"));
                    let inserted = store.insert(&key, &session, now(), 3, now()).await.unwrap();
                    let InsertOutcome::Inserted(surplus) = inserted else {
                        panic!("a new key was taken")
                    };
                    assert!(surplus.iter().all(|line| line.key != key), "never the new one");
                    for line in surplus {
                        store
                            .end(&subject(&user), &line, later(1_000), now())
                            .await
                            .unwrap();
                    }
                })
            })
            .collect();
        for login in logins {
            login.await.unwrap();
        }
        let found = store.of_user(&subject(&user), now()).await.unwrap();
        assert_eq!(found.len(), 3, "round {round}");
        for line in found {
            assert_eq!(lookup_state(store.as_ref(), &line.key, 0).await, "x");
        }
    }
}
