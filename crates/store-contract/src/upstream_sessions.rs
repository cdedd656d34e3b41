//! The contract of a `SessionStore` that has an index by the session at the authorization server.

use std::sync::Arc;

use maxlab_auth_core::identity::{Issuer, Subject, UpstreamSession};
use maxlab_auth_core::session::{IndexedSession, ReplaceOutcome, SessionLookup, SessionStore, StoredSession};

use super::fixtures::{indexed, later, now, session, session_key};
use super::run_cases;
use super::sessions::insert_session;

/// Checks that a session store finds sessions by issuer and `sid`. `make` creates an empty one.
pub async fn sessions_by_upstream<S: SessionStore + 'static>(make: impl AsyncFn() -> S) {
    run_cases!(make:
        a_session_is_found_by_issuer_and_sid_while_it_is_active,
    );
}

fn upstream(issuer: &str, sid: &str) -> UpstreamSession {
    UpstreamSession::new(Issuer::of(None, issuer), sid)
}

async fn a_session_is_found_by_issuer_and_sid_while_it_is_active(store: Arc<impl SessionStore>) {
    let found = async |issuer: &str, sid: &str, at: u64| -> Vec<(Subject, IndexedSession)> {
        store
            .of_upstream(&upstream(issuer, sid), later(at))
            .await
            .unwrap()
    };
    let mut lines = Vec::new();
    // The same `sid` at two issuers is two sessions; one session there may be several here.
    for (user, issuer, sid) in [
        ("u", "https://a", "1"),
        ("v", "https://b", "1"),
        ("u", "https://a", "1"),
        ("u\0", "https://a", "2\0"),
    ] {
        let (key, stored) = (
            session_key(),
            StoredSession {
                upstream: Some(upstream(issuer, sid)),
                ..session(user, "x")
            },
        );
        insert_session(store.as_ref(), &key, &stored).await;
        let SessionLookup::Active(read) = store.read(&key, now()).await.unwrap() else {
            panic!("the session is not active")
        };
        assert_eq!(read.upstream, stored.upstream);
        lines.push((stored.subject.clone(), indexed(&key, &stored), stored));
    }
    insert_session(store.as_ref(), &session_key(), &session("u", "x")).await;
    let mut both = found("https://a", "1", 0).await;
    both.sort_by(|one, other| one.1.key.cmp(&other.1.key));
    let mut expected = [&lines[0], &lines[2]].map(|(user, line, _)| (user.clone(), line.clone()));
    expected.sort_by(|one, other| one.1.key.cmp(&other.1.key));
    assert_eq!(both, expected);
    assert_eq!(
        found("https://b", "1", 0).await,
        [(lines[1].0.clone(), lines[1].1.clone())]
    );
    assert_eq!(
        found("https://a", "2\0", 0).await,
        [(lines[3].0.clone(), lines[3].1.clone())]
    );
    for (issuer, sid) in [("https://a/", "1"), ("https://a", "2"), ("", "")] {
        assert_eq!(found(issuer, sid, 0).await, []);
    }
    assert_eq!(found("https://b", "1", 100).await, [], "it was idle for too long");
    // A session that moves stays findable under its new key; an ended one does not.
    let (user, line, stored) = &lines[1];
    let moved = session_key();
    let outcome = store
        .rename(&line.key, &moved, &stored.sealed, stored, now(), now())
        .await;
    assert_eq!(outcome.unwrap(), ReplaceOutcome::Replaced);
    let line = IndexedSession {
        key: moved,
        ..line.clone()
    };
    assert_eq!(found("https://b", "1", 0).await, [(user.clone(), line.clone())]);
    store.end(user, &line, stored.expires_at, now()).await.unwrap();
    assert_eq!(found("https://b", "1", 0).await, []);
}
