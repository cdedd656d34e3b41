//! The checker's rules for what hangs on a login: cookies, refresh tokens, and answers that repeat an ending.

use std::time::Duration;

use super::{Patience, Wrong, judge};
use crate::faults::FaultKind;
use crate::history::{
    Answer, Check, Covers, CredentialKind, CredentialRecord, Disturbance, History, Outcome, Revocation, Span,
    Way,
};

const PATIENCE: Patience = Patience {
    lease: Duration::from_secs(1),
    slack: Duration::from_secs(1),
};
const COOKIE: usize = 0;
const ACCESS: usize = 1;
const REFRESH: usize = 2;
/// The cookie of another login.
const OTHER: usize = 3;

fn span(begun: u64, ended: u64) -> Span {
    Span {
        begun: Duration::from_millis(begun),
        ended: Duration::from_millis(ended),
    }
}

/// Two logins of one user: of the first a cookie, an access token and a refresh token, of the second a cookie.
fn two_logins() -> History {
    let record = |kind, login| CredentialRecord {
        kind,
        user: 0,
        login: Some(login),
        issued: Duration::ZERO,
    };
    History {
        credentials: vec![
            record(CredentialKind::SessionCookie, 0),
            record(CredentialKind::AccessToken, 0),
            record(CredentialKind::RefreshToken, 0),
            record(CredentialKind::SessionCookie, 1),
        ],
        ..History::default()
    }
}

fn ended(may_end: Covers, promises: Covers, (begun, ended): (u64, u64), answer: Outcome) -> Revocation {
    Revocation {
        may_end: vec![may_end],
        promises: vec![promises],
        way: Way::LogoutBearer,
        instance: 0,
        span: span(begun, ended),
        answer,
        repeat: false,
    }
}

fn asked(credential: usize, (begun, ended): (u64, u64), answer: Answer) -> Check {
    Check {
        credential,
        instance: 0,
        span: span(begun, ended),
        answer,
        last: false,
    }
}

fn found(history: &History) -> Vec<Wrong> {
    judge(history, PATIENCE).iter().map(|one| one.wrong).collect()
}

#[test]
fn a_login_that_was_ended_covers_its_credentials_and_no_others() {
    for (credential, wrong) in [
        (COOKIE, vec![Wrong::AcceptAfterAcknowledgement]),
        (ACCESS, vec![Wrong::AcceptAfterAcknowledgement]),
        (REFRESH, vec![Wrong::AcceptAfterAcknowledgement]),
        (OTHER, vec![]),
    ] {
        let mut history = two_logins();
        let login = Covers::Login(0);
        history
            .revocations
            .push(ended(login, login, (100, 110), Outcome::Acknowledged));
        history
            .checks
            .push(asked(credential, (120, 130), Answer::Accepted));
        assert_eq!(found(&history), wrong, "{credential}");
    }
    let mut history = two_logins();
    let login = Covers::Login(0);
    history
        .revocations
        .push(ended(login, login, (100, 110), Outcome::Acknowledged));
    history.checks.push(asked(OTHER, (120, 130), Answer::Revoked));
    assert_eq!(found(&history), [Wrong::FalseRefusal]);
}

#[test]
fn what_an_attempt_may_end_is_not_promised() {
    let mut history = two_logins();
    let (login, token) = (Covers::Login(0), Covers::Credential(ACCESS));
    history
        .revocations
        .push(ended(login, token, (100, 110), Outcome::Acknowledged));
    history.checks.push(asked(COOKIE, (120, 130), Answer::Accepted));
    history.checks.push(asked(REFRESH, (120, 130), Answer::Revoked));
    assert_eq!(found(&history), []);
    history.checks.push(asked(ACCESS, (120, 130), Answer::Accepted));
    assert_eq!(found(&history), [Wrong::AcceptAfterAcknowledgement]);
}

#[test]
fn the_answer_to_a_repeat_is_an_acknowledgement() {
    for answer in [Outcome::Acknowledged, Outcome::Over(404), Outcome::Over(401)] {
        let mut history = two_logins();
        let login = Covers::Login(0);
        history
            .revocations
            .push(ended(login, login, (100, 400), Outcome::Nothing));
        history.revocations.push(ended(login, login, (401, 410), answer));
        history.checks.push(asked(COOKIE, (405, 420), Answer::Accepted));
        assert_eq!(found(&history), []);
        history.checks.push(asked(COOKIE, (411, 420), Answer::Accepted));
        assert_eq!(found(&history), [Wrong::AcceptAfterAcknowledgement]);
    }
}

#[test]
fn the_old_cookie_of_a_rotation_is_over_and_the_new_one_is_not() {
    let mut history = two_logins();
    let old = Covers::Credential(COOKIE);
    history
        .revocations
        .push(ended(old, old, (100, 110), Outcome::Acknowledged));
    history.credentials.push(CredentialRecord {
        kind: CredentialKind::SessionCookie,
        user: 0,
        login: Some(0),
        issued: Duration::from_millis(100),
    });
    history.checks.push(asked(4, (120, 130), Answer::Accepted));
    history.checks.push(asked(COOKIE, (120, 130), Answer::Missing));
    assert_eq!(found(&history), []);
    history
        .checks
        .push(asked(COOKIE, (9_000, 9_010), Answer::Accepted));
    assert_eq!(found(&history), [Wrong::AcceptAfterAcknowledgement]);
}

#[test]
fn a_session_is_lost_only_by_a_fault_that_loses_sessions() {
    for (in_redis, kind, wrong) in [
        (true, FaultKind::KillGateway, vec![Wrong::SessionLost]),
        (true, FaultKind::FlushRedis, vec![]),
        (false, FaultKind::FlushRedis, vec![Wrong::SessionLost]),
    ] {
        let mut history = two_logins();
        history.sessions_in_redis = in_redis;
        history.disturbances.push(Disturbance {
            kind,
            instance: None,
            span: span(50, 90),
        });
        history.checks.push(asked(COOKIE, (100, 110), Answer::Missing));
        assert_eq!(found(&history), wrong);
    }
    let mut before = two_logins();
    before.sessions_in_redis = true;
    before.credentials[COOKIE].issued = Duration::from_millis(95);
    before.disturbances.push(Disturbance {
        kind: FaultKind::FlushRedis,
        instance: None,
        span: span(50, 90),
    });
    before.checks.push(asked(COOKIE, (100, 110), Answer::Missing));
    assert_eq!(found(&before), [Wrong::SessionLost]);
}

#[test]
fn a_refresh_token_is_refused_as_used_only_after_it_was_used() {
    let mut history = two_logins();
    history.checks.push(asked(REFRESH, (100, 110), Answer::Accepted));
    history.checks.push(asked(REFRESH, (200, 210), Answer::Spent));
    assert_eq!(found(&history), []);
    let mut never = two_logins();
    never.checks.push(asked(REFRESH, (200, 210), Answer::Spent));
    assert_eq!(found(&never), [Wrong::RefreshTokenLost]);
}

#[test]
fn a_refusal_by_an_instance_that_does_not_know_the_token_may_run_out() {
    let mut history = two_logins();
    history.revocations.push(Revocation {
        way: Way::RevokeRefresh,
        promises: Vec::new(),
        ..ended(
            Covers::Login(0),
            Covers::Login(0),
            (1_000, 1_100),
            Outcome::Acknowledged,
        )
    });
    history
        .checks
        .push(asked(REFRESH, (2_000, 2_010), Answer::Revoked));
    history
        .checks
        .push(asked(REFRESH, (900_000, 900_010), Answer::Accepted));
    assert_eq!(judge(&history, PATIENCE), []);
    // Where the end was promised, the same refusal binds.
    history.revocations[0].promises = vec![Covers::Login(0)];
    assert_eq!(judge(&history, PATIENCE).len(), 1);
}
