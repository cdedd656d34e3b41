//! The few lines of a history that show a violation.

use std::fmt::Write as _;

use super::Violation;
use crate::history::{Answer, At, CredentialId, History};

/// How many checks of the credential are shown before and after the one in question.
const AROUND: usize = 3;
/// How many faults before it are shown.
const FAULTS: usize = 4;

/// A violation with the attempts to end its credential, the faults, and the answers around it.
pub(crate) fn show(history: &History, violation: &Violation) -> String {
    let mut text = format!(
        "{} under {}",
        violation.wrong.name(),
        under(history, violation.at)
    );
    if let Some(instance) = violation.instance {
        let _ = write!(text, ", instance {instance}");
    }
    if let Some(id) = violation.credential {
        let record = &history.credentials[id];
        let _ = write!(text, ", {} {id}", record.kind.name());
        if let Some(login) = record.login {
            let _ = write!(text, " of login {login}");
        }
    }
    if !violation.detail.is_empty() {
        let _ = write!(text, ": {}", violation.detail);
    }
    let mut lines = vec![];
    if let Some(id) = violation.credential {
        let record = &history.credentials[id];
        lines.push((record.issued, format!("the {} is asked for", record.kind.name())));
        lines.extend(attempts(history, id));
        lines.extend(answers(history, id, violation));
    }
    lines.extend(faults(history, violation.at));
    lines.sort_by_key(|(at, _)| *at);
    for (at, line) in lines {
        let _ = write!(text, "\n    {:>11.6} s  {line}", at.as_secs_f64());
    }
    text
}

fn under(history: &History, at: At) -> String {
    match history.disturbance_at(at) {
        Some(fault) => match fault.instance {
            Some(instance) => format!("\"{}\" of instance {instance}", fault.kind.name()),
            None => format!("\"{}\"", fault.kind.name()),
        },
        None => "no fault".to_owned(),
    }
}

fn attempts(history: &History, id: CredentialId) -> Vec<(At, String)> {
    let record = &history.credentials[id];
    let mut lines = vec![];
    for one in &history.revocations {
        if !one.may_end.iter().any(|covers| covers.includes(id, record)) {
            continue;
        }
        let again = if one.repeat { ", again," } else { "" };
        let what = format!("{}{again} at instance {}", one.way.name(), one.instance);
        lines.push((one.span.begun, format!("{what} begins")));
        let elsewhere =
            one.answer.is_acknowledgement() && !one.promises.iter().any(|covers| covers.includes(id, record));
        let limit = if elsewhere { " (of other credentials)" } else { "" };
        lines.push((one.span.ended, format!("{what}: {:?}{limit}", one.answer)));
    }
    lines
}

fn answers(history: &History, id: CredentialId, violation: &Violation) -> Vec<(At, String)> {
    let mut checks: Vec<_> = history
        .checks
        .iter()
        .filter(|check| check.credential == id && !check.answer.is_none())
        .collect();
    checks.sort_by_key(|check| check.span.begun);
    let here = checks.partition_point(|check| check.span.begun < violation.at);
    let first_refusal = checks.iter().position(|check| check.answer == Answer::Revoked);
    let shown = checks.iter().enumerate().filter(|(n, check)| {
        let near = n + AROUND >= here && *n <= here + AROUND;
        let it = check.span.begun == violation.at && Some(check.instance) == violation.instance;
        near || it || Some(*n) == first_refusal
    });
    shown
        .map(|(_, check)| {
            let it = check.span.begun == violation.at && Some(check.instance) == violation.instance;
            let mark = if it { "  <==" } else { "" };
            let took = check.span.ended.saturating_sub(check.span.begun);
            let line = format!(
                "check at instance {} begins; {took:.1?} later {:?}{mark}",
                check.instance, check.answer
            );
            (check.span.begun, line)
        })
        .collect()
}

/// The last faults before it, since what one of them lost may show much later.
fn faults(history: &History, at: At) -> Vec<(At, String)> {
    let begun = history.disturbances.partition_point(|one| one.span.begun <= at);
    let before = &history.disturbances[begun.saturating_sub(FAULTS)..begun];
    let mut lines = vec![];
    for fault in before {
        let what = match fault.instance {
            Some(instance) => format!("\"{}\" of instance {instance}", fault.kind.name()),
            None => format!("\"{}\"", fault.kind.name()),
        };
        lines.push((fault.span.begun, format!("{what} begins")));
        lines.push((fault.span.ended, format!("after {what} everything answers again")));
    }
    lines
}
