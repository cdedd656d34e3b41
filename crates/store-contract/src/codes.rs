//! The contract of `UsedCodes`.

use std::sync::Arc;

use maxlab_auth_core::used_codes::{CodeKey, UsedCodes};
use tokio::task::JoinSet;

use super::fixtures::{HOSTILE_USER_IDS, later, now};
use super::run_cases;

/// Checks that a record of used codes keeps its contract. `make` creates an empty one.
pub async fn used_codes<S: UsedCodes + 'static>(make: impl AsyncFn() -> S) {
    run_cases!(make:
        a_code_is_claimed_once_until_its_time,
        a_claim_that_was_given_back_can_be_made_again,
        of_many_claims_at_once_one_is_made,
        codes_are_forgotten_when_their_time_has_come,
    );
}

async fn a_code_is_claimed_once_until_its_time(codes: Arc<impl UsedCodes>) {
    for text in HOSTILE_USER_IDS {
        let code = CodeKey::of(text);
        assert!(codes.claim_code(&code, later(600), now()).await.unwrap());
        for (at, claimed) in [(0, false), (1, false), (599, false), (600, true)] {
            let again = codes.claim_code(&code, later(at + 600), later(at)).await.unwrap();
            assert_eq!(again, claimed, "{text:?} at {at}");
        }
    }
}

async fn a_claim_that_was_given_back_can_be_made_again(codes: Arc<impl UsedCodes>) {
    let (code, other) = (CodeKey::of("code"), CodeKey::of("other"));
    for code in [&code, &other] {
        assert!(codes.claim_code(code, later(600), now()).await.unwrap());
    }
    codes.release_code(&code).await.unwrap();
    assert!(!codes.claim_code(&other, later(600), now()).await.unwrap());
    assert!(codes.claim_code(&code, later(600), now()).await.unwrap());
    codes.release_code(&CodeKey::of("never claimed")).await.unwrap();
}

async fn of_many_claims_at_once_one_is_made(codes: Arc<impl UsedCodes + 'static>) {
    for round in 0..10 {
        let mut claims = JoinSet::new();
        for _ in 0..8 {
            let (codes, code) = (Arc::clone(&codes), CodeKey::of(&format!("code {round}")));
            claims.spawn(async move { codes.claim_code(&code, later(600), now()).await.unwrap() });
        }
        let made = claims.join_all().await.into_iter().filter(|made| *made).count();
        assert_eq!(made, 1, "round {round}");
    }
}

async fn codes_are_forgotten_when_their_time_has_come(codes: Arc<impl UsedCodes>) {
    for (text, seconds) in [("one", 10), ("two", 20)] {
        assert!(
            codes
                .claim_code(&CodeKey::of(text), later(seconds), now())
                .await
                .unwrap()
        );
    }
    assert_eq!(codes.purge_codes(later(9)).await.unwrap(), 0);
    assert_eq!(codes.purge_codes(later(10)).await.unwrap(), 1);
    assert!(
        !codes
            .claim_code(&CodeKey::of("two"), later(20), later(10))
            .await
            .unwrap()
    );
}
