//! The contract of `UnprovenTokens`.

use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_core::credential::sha256;
use maxlab_auth_core::revocation::{PlaceReservation, UnprovenToken, UnprovenTokens};
use maxlab_auth_core::verdict::TokenKey;
use tokio::task::JoinSet;

use super::fixtures::{later, now, sealed};
use super::run_cases;

const LEASE: Duration = Duration::from_secs(10);

/// Checks that a set of unproven tokens keeps its contract. `make` creates an empty one.
pub async fn unproven_tokens<S: UnprovenTokens + 'static>(make: impl AsyncFn() -> S) {
    run_cases!(make:
        w4_the_bound_holds_however_many_come_at_once,
        w4_a_repeat_takes_no_second_place,
        w4_a_place_is_free_when_its_line_has_expired,
        w4_a_long_token_takes_more_places,
        w5_what_is_kept_is_asked_about_until_it_is_settled,
    );
}

fn unproven_token(name: &str, seconds: u64) -> UnprovenToken {
    UnprovenToken {
        key: TokenKey::from_signing_input_digest(&sha256(name.as_bytes())),
        sealed: None,
        places: 1,
        ip_address: Some("192.0.2.1".to_owned()),
        recorded_at: now(),
        expires_at: later(seconds),
        keep_until: later(seconds),
        attempts: 0,
    }
}

/// Creates a token whose text is kept for a year.
fn sealed_token(name: &str) -> UnprovenToken {
    UnprovenToken {
        sealed: Some(sealed(name)),
        keep_until: later(31_536_000),
        ..unproven_token(name, 600)
    }
}

async fn w4_the_bound_holds_however_many_come_at_once(set: Arc<impl UnprovenTokens + 'static>) {
    let mut callers = JoinSet::new();
    for n in 0..12 {
        let set = Arc::clone(&set);
        callers.spawn(async move {
            set.reserve(&unproven_token(&n.to_string(), 60), 5, now())
                .await
                .unwrap()
        });
    }
    let answers = callers.join_all().await;
    let count = |expected| answers.iter().filter(|answer| **answer == expected).count();
    assert_eq!(count(PlaceReservation::Reserved), 5);
    assert_eq!(count(PlaceReservation::Full), 7);
    assert_eq!(set.places_taken(now()).await.unwrap(), 5);
}

async fn w4_a_repeat_takes_no_second_place(set: Arc<impl UnprovenTokens>) {
    let one = unproven_token("a", 60);
    assert_eq!(
        set.reserve(&one, 1, now()).await.unwrap(),
        PlaceReservation::Reserved
    );
    assert_eq!(
        set.reserve(&one, 1, now()).await.unwrap(),
        PlaceReservation::AlreadyReserved(one.expires_at)
    );
    // If less than half of the time is left, the reservation is renewed in the same place.
    let again = UnprovenToken {
        recorded_at: later(40),
        expires_at: later(100),
        ..one.clone()
    };
    assert_eq!(
        set.reserve(&again, 1, later(40)).await.unwrap(),
        PlaceReservation::Reserved
    );
    assert_eq!(
        set.reserve(&unproven_token("b", 60), 1, later(40)).await.unwrap(),
        PlaceReservation::Full
    );
    assert_eq!(set.places_taken(later(99)).await.unwrap(), 1);
}

async fn w4_a_place_is_free_when_its_line_has_expired(set: Arc<impl UnprovenTokens>) {
    set.reserve(&unproven_token("a", 60), 1, now()).await.unwrap();
    assert_eq!(
        set.reserve(&unproven_token("b", 90), 1, later(59)).await.unwrap(),
        PlaceReservation::Full
    );
    assert_eq!(
        set.reserve(&unproven_token("b", 90), 1, later(60)).await.unwrap(),
        PlaceReservation::Reserved
    );
    assert_eq!(set.purge(later(60)).await.unwrap(), 1);
    assert_eq!(set.places_taken(later(60)).await.unwrap(), 1);
    assert_eq!(set.purge(later(90)).await.unwrap(), 1);
}

async fn w4_a_long_token_takes_more_places(set: Arc<impl UnprovenTokens>) {
    let long = UnprovenToken {
        places: UnprovenToken::places_of(&"x".repeat(16_384), true),
        ..sealed_token("long")
    };
    assert_eq!(long.places, 8);
    assert_eq!(
        set.reserve(&long, 8, now()).await.unwrap(),
        PlaceReservation::Reserved
    );
    assert_eq!(
        set.reserve(&unproven_token("a", 60), 8, now()).await.unwrap(),
        PlaceReservation::Full
    );
    // The text took the additional places.
    set.settle_unknown(&long.key).await.unwrap();
    assert_eq!(
        set.reserve(&unproven_token("a", 60), 8, now()).await.unwrap(),
        PlaceReservation::Reserved
    );
}

async fn w5_what_is_kept_is_asked_about_until_it_is_settled(set: Arc<impl UnprovenTokens>) {
    let names = async |at, limit| -> Vec<TokenKey> {
        let due = set.take_due(later(at), LEASE, limit).await.unwrap();
        due.into_iter().map(|token| token.key).collect()
    };
    let (one, other) = (sealed_token("a"), sealed_token("b"));
    set.reserve(&unproven_token("plain", 60), 9, now()).await.unwrap();
    set.reserve(&one, 9, now()).await.unwrap();
    set.reserve(&other, 9, now()).await.unwrap();
    let due = set.take_due(now(), LEASE, 1).await.unwrap();
    assert_eq!(due.len(), 1);
    assert!(
        due[0] == one || due[0] == other,
        "the token is unchanged: {due:?}"
    );
    assert_eq!(
        names(0, 9).await.len(),
        1,
        "the other one, because the first is leased"
    );
    set.retry_at(&one.key, later(20), later(900)).await.unwrap();
    set.settle_unknown(&other.key).await.unwrap();
    assert_eq!(names(19, 9).await, []);
    let due = set.take_due(later(20), LEASE, 9).await.unwrap();
    assert_eq!(
        (due.len(), due[0].attempts, due[0].expires_at),
        (1, 1, later(900))
    );
    // The token outlives its journal line, because its state is still unknown.
    assert_eq!(set.purge(later(1_000)).await.unwrap(), 2);
    assert_eq!(names(1_000, 9).await, std::slice::from_ref(&one.key));
    assert_eq!(set.places_taken(later(1_000)).await.unwrap(), 1);
    let outliving = async |after: Option<&TokenKey>, before, at| {
        let found = set
            .due_for_line_renewal(after, later(before), later(at), 9)
            .await
            .unwrap();
        found.into_iter().map(|token| token.key).collect::<Vec<_>>()
    };
    assert_eq!(outliving(None, 901, 1_000).await, std::slice::from_ref(&one.key));
    assert_eq!(outliving(None, 900, 1_000).await, []);
    assert_eq!(outliving(Some(&one.key), 901, 1_000).await, []);
    assert_eq!(outliving(None, 901, 31_536_000).await, []);
    set.settle_proven(&one.key).await.unwrap();
    assert_eq!(set.places_taken(later(1_000)).await.unwrap(), 0);
    assert_eq!(names(2_000, 9).await, []);
}
