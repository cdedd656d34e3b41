//! What is wrong with one answer, given everything else that happened to its credential.

use super::{Patience, Standing, Wrong};
use crate::history::{Answer, Check, History};

/// The kind of violation and what there is to say of it.
type Fault = (Wrong, String);

/// What is wrong with one answer.
pub(super) fn wrong_of(
    check: &Check,
    standing: &Standing<'_>,
    history: &History,
    patience: Patience,
) -> Option<Fault> {
    let early = standing.tried.is_none_or(|(tried, _)| check.span.ended < tried);
    match check.answer {
        Answer::Stranger => Some((Wrong::AnothersIdentity, String::new())),
        Answer::Odd(status) => Some((Wrong::OddAnswer, format!("a check was answered {status}"))),
        Answer::Refused(code) => Some((Wrong::RefusalForWantOfAnAnswer, format!("code {code}"))),
        Answer::Unavailable(_) | Answer::Nothing => None,
        Answer::Accepted => wrong_of_accept(check, standing, patience),
        Answer::Revoked => early.then(|| (Wrong::FalseRefusal, String::new())),
        Answer::Missing => {
            let lost = history.may_lose_sessions(standing.record.issued, check.span.ended);
            (early && !lost).then(|| (Wrong::SessionLost, String::new()))
        }
        Answer::Spent => {
            let first = standing
                .checks
                .iter()
                .all(|other| other.span.begun >= check.span.begun);
            (early && first).then(|| (Wrong::RefreshTokenLost, String::new()))
        }
    }
}

/// Only the order of moments counts, never how long anything took: an accept that a slow machine delays began early.
fn wrong_of_accept(check: &Check, standing: &Standing<'_>, patience: Patience) -> Option<Fault> {
    let begun = check.span.begun;
    if let Some((acknowledged, way)) = standing.acknowledged.filter(|(at, _)| begun > *at) {
        let wrong = if check.last {
            Wrong::AcknowledgedRevocationLost
        } else {
            Wrong::AcceptAfterAcknowledgement
        };
        let late = begun.saturating_sub(acknowledged);
        let detail = format!("begun {late:.1?} after the acknowledgement of \"{}\"", way.name());
        return Some((wrong, detail));
    }
    if standing.refused_for_a_time {
        return None;
    }
    let binding = standing.checks.iter().find(|earlier| {
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
