//! The verdict over a history: a pure function, so that it can itself be tested with planted violations.

mod evidence;
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use crate::history::{Answer, At, Check, Covers, History, Outcome, Token};

pub(crate) use evidence::show;

/// What must not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) wrong: Wrong,
    /// When it began, which tells the fault that it belongs to.
    pub(crate) at: At,
    pub(crate) token: Option<Token>,
    pub(crate) instance: Option<usize>,
    /// What there is to say beyond that.
    pub(crate) detail: String,
}

/// The kinds of violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wrong {
    /// I1: accepted, and the question began after the acknowledgement.
    AcceptAfterAcknowledgement,
    /// I2: the same, at the end, with every fault healed.
    AcknowledgedRevocationLost,
    /// I5: refused as revoked before anybody tried to revoke it.
    FalseRefusal,
    /// I11: a 401 with another code than `token_revoked`, for a token that is authentic and has not expired.
    RefusalForWantOfAnAnswer,
    /// I6: accepted after it had been refused as revoked.
    RefusalTakenBack,
    /// I9: accepted as somebody else.
    AnothersIdentity,
    /// A status that neither says yes, no nor "nobody knows".
    OddAnswer,
    /// A process ended that nobody killed.
    Died,
    /// With every fault healed, an instance never said what becomes of a token.
    SilentAtTheEnd,
}

impl Wrong {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AcceptAfterAcknowledgement => "accept after acknowledgement (I1)",
            Self::AcknowledgedRevocationLost => "acknowledged revocation lost (I2)",
            Self::FalseRefusal => "false refusal (I5)",
            Self::RefusalForWantOfAnAnswer => "401 for want of an answer (I11)",
            Self::RefusalTakenBack => "refusal taken back (I6)",
            Self::AnothersIdentity => "another's identity (I9)",
            Self::OddAnswer => "odd answer",
            Self::Died => "a process died by itself",
            Self::SilentAtTheEnd => "no answer after all was healed",
        }
    }
}

/// How long a refusal by one instance may take to bind the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) lease: Duration,
    pub(crate) slack: Duration,
}

/// What is known of one token.
#[derive(Debug, Default)]
struct Case<'a> {
    /// When somebody first tried to revoke it.
    tried: Option<At>,
    /// When it was first acknowledged.
    acknowledged: Option<At>,
    checks: Vec<&'a Check>,
}

/// Every violation, in the order in which they began.
pub(crate) fn judge(history: &History, patience: Patience) -> Vec<Violation> {
    let mut found = Vec::new();
    for (token, case) in cases(history).iter().enumerate() {
        for check in &case.checks {
            let wrong = fault_of_answer(check)
                .or_else(|| fault_of_accept(check, case, patience))
                .or_else(|| fault_of_refusal(check, case));
            found.extend(wrong.map(|(wrong, detail)| Violation {
                wrong,
                at: check.span.begun,
                token: Some(token),
                instance: Some(check.instance),
                detail,
            }));
        }
    }
    found.extend(odd_revocations(history));
    found.extend(history.deaths.iter().map(|death| Violation {
        wrong: Wrong::Died,
        at: death.at,
        token: None,
        instance: None,
        detail: death.who.clone(),
    }));
    found.extend(history.silent.iter().map(|(token, instance, at)| Violation {
        wrong: Wrong::SilentAtTheEnd,
        at: *at,
        token: Some(*token),
        instance: Some(*instance),
        detail: String::new(),
    }));
    found.sort_by_key(|violation| violation.at);
    found
}

fn cases(history: &History) -> Vec<Case<'_>> {
    let mut of_user: HashMap<usize, Vec<Token>> = HashMap::new();
    for (token, user) in history.users.iter().enumerate() {
        of_user.entry(*user).or_default().push(token);
    }
    let mut cases: Vec<Case<'_>> = Vec::new();
    cases.resize_with(history.users.len(), Case::default);
    for revocation in &history.revocations {
        let one;
        let covered: &[Token] = match revocation.covers {
            Covers::Token(token) => {
                one = [token];
                &one
            }
            Covers::User(user) => of_user.get(&user).map_or(&[], Vec::as_slice),
        };
        for token in covered {
            let case = &mut cases[*token];
            case.tried = earliest(case.tried, revocation.span.begun);
            if revocation.answer == Outcome::Acknowledged {
                case.acknowledged = earliest(case.acknowledged, revocation.span.ended);
            }
        }
    }
    for check in &history.checks {
        cases[check.token].checks.push(check);
    }
    cases
}

fn earliest(known: Option<At>, at: At) -> Option<At> {
    Some(known.map_or(at, |known| known.min(at)))
}

fn fault_of_answer(check: &Check) -> Option<(Wrong, String)> {
    match check.answer {
        Answer::Stranger => Some((Wrong::AnothersIdentity, String::new())),
        Answer::Odd(status) => Some((Wrong::OddAnswer, format!("a check was answered {status}"))),
        Answer::Refused(code) => Some((Wrong::RefusalForWantOfAnAnswer, format!("code {code}"))),
        Answer::Accepted | Answer::Revoked | Answer::Unavailable(_) | Answer::Nothing => None,
    }
}

/// Only the order of moments counts, never how long anything took: an accept that a slow machine delays began early.
fn fault_of_accept(check: &Check, case: &Case<'_>, patience: Patience) -> Option<(Wrong, String)> {
    if check.answer != Answer::Accepted {
        return None;
    }
    let begun = check.span.begun;
    if let Some(acknowledged) = case.acknowledged.filter(|at| begun > *at) {
        let wrong = if check.last {
            Wrong::AcknowledgedRevocationLost
        } else {
            Wrong::AcceptAfterAcknowledgement
        };
        let late = begun.saturating_sub(acknowledged);
        return Some((wrong, format!("begun {late:.1?} after the acknowledgement")));
    }
    let binding = case.checks.iter().find(|earlier| {
        let bound = if earlier.instance == check.instance {
            earlier.span.ended
        } else {
            earlier.span.ended + patience.lease + patience.slack
        };
        earlier.answer == Answer::Revoked && begun > bound
    })?;
    let (by, before) = (binding.instance, begun.saturating_sub(binding.span.ended));
    Some((
        Wrong::RefusalTakenBack,
        format!("instance {by} refused it {before:.1?} before"),
    ))
}

fn fault_of_refusal(check: &Check, case: &Case<'_>) -> Option<(Wrong, String)> {
    let early = case.tried.is_none_or(|tried| check.span.ended < tried);
    (check.answer == Answer::Revoked && early).then(|| (Wrong::FalseRefusal, String::new()))
}

fn odd_revocations(history: &History) -> impl Iterator<Item = Violation> {
    history.revocations.iter().filter_map(|revocation| {
        let Outcome::Odd(status) = revocation.answer else {
            return None;
        };
        Some(Violation {
            wrong: Wrong::OddAnswer,
            at: revocation.span.begun,
            token: match revocation.covers {
                Covers::Token(token) => Some(token),
                Covers::User(_) => None,
            },
            instance: Some(revocation.instance),
            detail: format!(
                "{:?} of {:?} was answered {status}",
                revocation.way, revocation.covers
            ),
        })
    })
}
