//! The verdict over a history: a pure function, so that it can itself be tested with planted violations.

mod evidence;
mod login_tests;
mod rules;
mod standing;
mod tests;

use std::time::Duration;

use crate::history::{At, CredentialId, History, Outcome, Way};

pub(crate) use evidence::show;
pub(crate) use standing::{Standing, standings};

/// What must not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) wrong: Wrong,
    /// When it began, which tells the fault that it belongs to.
    pub(crate) at: At,
    pub(crate) credential: Option<CredentialId>,
    pub(crate) instance: Option<usize>,
    /// The ending that it belongs to, if there was one.
    pub(crate) way: Option<Way>,
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
    /// I11: a 401 with another code, for a credential that is authentic and has not expired.
    RefusalForWantOfAnAnswer,
    /// A session that is missing without an attempt to end it and without a fault that may lose sessions.
    SessionLost,
    /// I7: a refresh token that was presented for the first time was refused as used.
    RefreshTokenLost,
    /// I6: accepted after it had been refused as revoked.
    RefusalTakenBack,
    /// I9: accepted as somebody else.
    AnothersIdentity,
    /// A status that neither says yes, no nor "nobody knows".
    OddAnswer,
    /// A process ended that nobody killed.
    Died,
    /// With every fault healed, an instance never gave an answer about a credential.
    SilentAtTheEnd,
}

impl Wrong {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AcceptAfterAcknowledgement => "accept after acknowledgement (I1)",
            Self::AcknowledgedRevocationLost => "acknowledged revocation lost (I2)",
            Self::FalseRefusal => "false refusal (I5)",
            Self::RefusalForWantOfAnAnswer => "401 for want of an answer (I11)",
            Self::SessionLost => "session lost without a cause",
            Self::RefreshTokenLost => "refresh token lost (I7)",
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

/// Every violation, in the order in which they began.
pub(crate) fn judge(history: &History, patience: Patience) -> Vec<Violation> {
    let mut found = Vec::new();
    for (id, standing) in standings(history).iter().enumerate() {
        for check in &standing.checks {
            let wrong = rules::wrong_of(check, standing, history, patience);
            found.extend(wrong.map(|(wrong, detail)| Violation {
                wrong,
                at: check.span.begun,
                credential: Some(id),
                instance: Some(check.instance),
                way: standing.ended_by(),
                detail,
            }));
        }
    }
    found.extend(odd_revocations(history));
    found.extend(history.deaths.iter().map(|death| Violation {
        wrong: Wrong::Died,
        at: death.at,
        credential: None,
        instance: None,
        way: None,
        detail: death.who.clone(),
    }));
    found.extend(history.silent.iter().map(|(id, instance, at)| Violation {
        wrong: Wrong::SilentAtTheEnd,
        at: *at,
        credential: Some(*id),
        instance: Some(*instance),
        way: None,
        detail: String::new(),
    }));
    found.sort_by_key(|violation| violation.at);
    found
}

fn odd_revocations(history: &History) -> impl Iterator<Item = Violation> {
    history.revocations.iter().filter_map(|revocation| {
        let Outcome::Odd(status) = revocation.answer else {
            return None;
        };
        Some(Violation {
            wrong: Wrong::OddAnswer,
            at: revocation.span.begun,
            credential: None,
            instance: Some(revocation.instance),
            way: Some(revocation.way),
            detail: format!(
                "{} of {:?} was answered {status}",
                revocation.way.name(),
                revocation.may_end
            ),
        })
    })
}
