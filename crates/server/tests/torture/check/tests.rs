//! The checker finds each kind of violation when it is planted, and nothing in a clean history.

use std::time::Duration;

use super::{Patience, Wrong, judge, show};
use crate::faults::FaultKind;
use crate::history::{
    Answer, At, Check, Covers, CredentialKind, CredentialRecord, Death, Disturbance, History, Outcome,
    Revocation, Span, Way,
};

const PATIENCE: Patience = Patience {
    lease: Duration::from_secs(1),
    slack: Duration::from_secs(1),
};

fn ms(millis: u64) -> At {
    Duration::from_millis(millis)
}

fn span(begun: u64, ended: u64) -> Span {
    Span {
        begun: ms(begun),
        ended: ms(ended),
    }
}

fn token_of(user: usize) -> CredentialRecord {
    CredentialRecord {
        kind: CredentialKind::AccessToken,
        user,
        login: None,
        issued: ms(0),
    }
}

/// Tokens 0, 1 and 2 of users 0, 1 and 1. Token 0 is revoked from 100 to 110 ms, user 1 logged out from 200 to 250 ms.
fn clean() -> History {
    let mut history = History {
        credentials: vec![token_of(0), token_of(1), token_of(1)],
        ..History::default()
    };
    revoke(
        &mut history,
        Covers::Credential(0),
        (100, 110),
        Outcome::Acknowledged,
    );
    revoke(&mut history, Covers::User(1), (200, 250), Outcome::Acknowledged);
    check(&mut history, 0, 0, (90, 99), Answer::Accepted);
    // Begun before the acknowledgement, answered long after it.
    check(&mut history, 0, 1, (109, 400), Answer::Accepted);
    check(&mut history, 0, 2, (101, 105), Answer::Revoked);
    check(&mut history, 0, 0, (111, 120), Answer::Revoked);
    check(&mut history, 0, 0, (130, 140), Answer::Unavailable(503));
    check(&mut history, 0, 0, (140, 150), Answer::Nothing);
    check(&mut history, 2, 2, (150, 160), Answer::Accepted);
    check(&mut history, 2, 2, (260, 270), Answer::Revoked);
    history
}

fn revoke(history: &mut History, covers: Covers, (begun, ended): (u64, u64), answer: Outcome) {
    history.revocations.push(Revocation {
        may_end: vec![covers],
        promises: vec![covers],
        way: Way::Revoke,
        instance: 0,
        span: span(begun, ended),
        answer,
        repeat: false,
    });
}

fn check(
    history: &mut History,
    credential: usize,
    instance: usize,
    (begun, ended): (u64, u64),
    answer: Answer,
) {
    history.checks.push(Check {
        credential,
        instance,
        span: span(begun, ended),
        answer,
        last: false,
    });
}

fn found(history: &History) -> Vec<Wrong> {
    judge(history, PATIENCE).iter().map(|one| one.wrong).collect()
}

/// What is found when `plant` spoils a clean history.
fn planted(plant: impl FnOnce(&mut History)) -> Vec<Wrong> {
    let mut history = clean();
    plant(&mut history);
    found(&history)
}

#[test]
fn a_clean_history_passes() {
    // The check from 109 ms is no taking back: another instance refused it, less than a lease before.
    assert_eq!(found(&clean()), []);
}

#[test]
fn an_accept_begun_after_the_acknowledgement_is_found_on_any_instance() {
    for instance in 0..3 {
        let wrong = planted(|history| check(history, 0, instance, (111, 112), Answer::Accepted));
        assert_eq!(wrong, [Wrong::AcceptAfterAcknowledgement]);
    }
    let begun_before = planted(|history| check(history, 0, 1, (110, 9_000), Answer::Accepted));
    assert_eq!(begun_before, []);
}

#[test]
fn a_logout_of_everything_covers_each_token_of_the_user() {
    for token in [1, 2] {
        let wrong = planted(|history| check(history, token, 0, (251, 260), Answer::Accepted));
        assert_eq!(wrong, [Wrong::AcceptAfterAcknowledgement]);
    }
}

#[test]
fn the_first_of_several_acknowledgements_counts() {
    let wrong = planted(|history| {
        revoke(history, Covers::Credential(0), (500, 600), Outcome::Acknowledged);
        check(history, 0, 0, (300, 310), Answer::Accepted);
    });
    assert_eq!(wrong, [Wrong::AcceptAfterAcknowledgement]);
}

#[test]
fn what_was_acknowledged_and_is_accepted_at_the_end_is_lost() {
    let wrong = planted(|history| {
        check(history, 0, 0, (90_000, 90_001), Answer::Accepted);
        history.checks.last_mut().unwrap().last = true;
    });
    assert_eq!(wrong, [Wrong::AcknowledgedRevocationLost]);
}

#[test]
fn a_refusal_that_nobody_asked_for_is_found() {
    let never = planted(|history| {
        history.credentials.push(token_of(7));
        check(history, 3, 0, (10, 20), Answer::Revoked);
    });
    assert_eq!(never, [Wrong::FalseRefusal]);
    let before_the_attempt = planted(|history| check(history, 1, 0, (10, 199), Answer::Revoked));
    assert_eq!(before_the_attempt, [Wrong::FalseRefusal]);
    let while_it_is_attempted = planted(|history| check(history, 1, 0, (10, 201), Answer::Revoked));
    assert_eq!(while_it_is_attempted, []);
}

#[test]
fn a_401_with_another_code_is_found_even_of_a_revoked_token() {
    for (begun, ended) in [(10, 20), (500, 510)] {
        let wrong = planted(|history| check(history, 0, 0, (begun, ended), Answer::Refused("invalid_token")));
        assert_eq!(wrong, [Wrong::RefusalForWantOfAnAnswer]);
    }
}

/// Token 0 alone, and an attempt on it that was not acknowledged.
fn unacknowledged(answer: Outcome) -> History {
    let mut history = History {
        credentials: vec![token_of(0)],
        ..History::default()
    };
    revoke(&mut history, Covers::Credential(0), (100, 110), answer);
    history
}

#[test]
fn an_unacknowledged_attempt_may_go_either_way_until_an_instance_refuses() {
    for answer in [Outcome::Unacknowledged(503), Outcome::Nothing] {
        let mut history = unacknowledged(answer);
        check(&mut history, 0, 0, (120, 130), Answer::Accepted);
        check(&mut history, 0, 0, (140, 150), Answer::Revoked);
        check(&mut history, 0, 1, (160, 170), Answer::Accepted);
        assert_eq!(found(&history), []);

        let mut same = unacknowledged(answer);
        check(&mut same, 0, 0, (140, 150), Answer::Revoked);
        check(&mut same, 0, 0, (151, 160), Answer::Accepted);
        assert_eq!(found(&same), [Wrong::RefusalTakenBack]);
    }
}

#[test]
fn a_refusal_binds_the_others_after_a_lease_and_its_slack() {
    for (begun, wrong) in [(2_149, vec![]), (2_151, vec![Wrong::RefusalTakenBack])] {
        let mut history = unacknowledged(Outcome::Nothing);
        check(&mut history, 0, 0, (140, 150), Answer::Revoked);
        check(&mut history, 0, 1, (begun, 9_000), Answer::Accepted);
        assert_eq!(found(&history), wrong);
    }
}

#[test]
fn odd_answers_strangers_deaths_and_silence_are_found() {
    let odd = planted(|history| check(history, 0, 0, (50, 60), Answer::Odd(500)));
    assert_eq!(odd, [Wrong::OddAnswer]);
    let odd_revoke = planted(|history| revoke(history, Covers::Credential(0), (300, 310), Outcome::Odd(500)));
    assert_eq!(odd_revoke, [Wrong::OddAnswer]);
    let stranger = planted(|history| check(history, 0, 0, (50, 60), Answer::Stranger));
    assert_eq!(stranger, [Wrong::AnothersIdentity]);
    let death = planted(|history| {
        history.deaths.push(Death {
            at: ms(5),
            who: "instance 1".to_owned(),
        });
    });
    assert_eq!(death, [Wrong::Died]);
    let silent = planted(|history| history.silent.push((0, 1, ms(99_000))));
    assert_eq!(silent, [Wrong::SilentAtTheEnd]);
}

#[test]
fn the_evidence_names_the_fault_the_attempt_and_the_answer() {
    let mut history = clean();
    history.disturbances.push(Disturbance {
        kind: FaultKind::FlushRedis,
        instance: None,
        span: span(105, 5_000),
    });
    check(&mut history, 0, 2, (300, 310), Answer::Accepted);
    let violations = judge(&history, PATIENCE);
    let shown = show(&history, &violations[0]);
    for part in [
        "accept after acknowledgement (I1) under \"FLUSHALL\", instance 2, access token 0: begun 190.0ms after the acknowledgement of \"revoke: token\"",
        "0.100000 s  revoke: token at instance 0 begins",
        "0.110000 s  revoke: token at instance 0: Acknowledged",
        "0.300000 s  check at instance 2 begins; 10.0ms later Accepted  <==",
        "0.105000 s  \"FLUSHALL\" begins",
    ] {
        assert!(shown.contains(part), "{part:?} is not in:\n{shown}");
    }
}
