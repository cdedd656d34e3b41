//! What a history says in numbers, fault by fault.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::faults::FaultKind;
use crate::history::{Answer, At, Check, Disturbance, History, Outcome, Revocation, Way};
use crate::run::Verdict;

/// A question whose answer took longer counts as one without an answer: it came too late for whoever waited.
const LATE: Duration = Duration::from_secs(1);

/// What happened under one fault. A request belongs to the fault under which it began.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) kind: FaultKind,
    pub(crate) times: usize,
    /// Revocations acknowledged.
    pub(crate) acknowledged: usize,
    /// Checks answered 200, each judged.
    pub(crate) accepts: usize,
    pub(crate) violations: usize,
    /// The sum over the instances of the time in which one did not answer, or answered 503.
    pub(crate) unavailable: Duration,
    /// How long each acknowledged revocation took over HTTP, in ascending order.
    pub(crate) latencies: Vec<Duration>,
}

impl Row {
    /// The latency that so many of a thousand revocations did not exceed.
    pub(crate) fn latency(&self, of_a_thousand: usize) -> Option<Duration> {
        quantile(&self.latencies, of_a_thousand)
    }
}

/// A quantile, in thousandths, of latencies in ascending order.
fn quantile(latencies: &[Duration], of_a_thousand: usize) -> Option<Duration> {
    let last = latencies.len().checked_sub(1)?;
    latencies.get(last * of_a_thousand / 1000).copied()
}

/// What came of one way to end something.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) way: Way,
    /// Requests.
    pub(crate) asked: usize,
    /// Requests without an answer, because the client gave up or the connection broke.
    pub(crate) unanswered: usize,
    pub(crate) acknowledged: usize,
    /// Acknowledgements of a repeat.
    pub(crate) of_repeats: usize,
    pub(crate) violations: usize,
    pub(crate) p99: Option<Duration>,
}

/// A row for each way to end something that was used.
pub(crate) fn operations(verdict: &Verdict) -> Vec<Operation> {
    let mut of_way: BTreeMap<Way, Vec<&Revocation>> = BTreeMap::new();
    for one in &verdict.history.revocations {
        of_way.entry(one.way).or_default().push(one);
    }
    let each = of_way.into_iter();
    each.map(|(way, requests)| {
        let acknowledged = requests.iter().filter(|one| one.answer.is_acknowledgement());
        let mut latencies: Vec<_> = acknowledged.clone().map(|one| one.span.length()).collect();
        latencies.sort_unstable();
        let lost = requests.iter().filter(|one| one.answer == Outcome::Nothing);
        Operation {
            way,
            asked: requests.len(),
            unanswered: lost.count(),
            acknowledged: latencies.len(),
            of_repeats: acknowledged.filter(|one| one.repeat).count(),
            violations: verdict
                .violations
                .iter()
                .filter(|one| one.way == Some(way))
                .count(),
            p99: quantile(&latencies, 990),
        }
    })
    .collect()
}

/// A row for each fault that there was, the undisturbed time first.
pub(crate) fn rows(verdict: &Verdict) -> Vec<Row> {
    let history = &verdict.history;
    let gaps = gaps(history, verdict.arrangement.instances());
    let kinds: BTreeSet<FaultKind> = history.disturbances.iter().map(|one| one.kind).collect();
    let kinds = [FaultKind::Undisturbed].into_iter().chain(kinds);
    kinds.map(|kind| row(verdict, kind, &gaps)).collect()
}

fn row(verdict: &Verdict, kind: FaultKind, gaps: &[(At, At)]) -> Row {
    let history = &verdict.history;
    let under = |at: At| history.fault_at(at) == kind;
    let acknowledged: Vec<_> = history
        .revocations
        .iter()
        .filter(|one| one.answer.is_acknowledgement() && under(one.span.begun))
        .collect();
    let over_http = acknowledged.iter().filter(|one| one.way != Way::CommandLine);
    let mut latencies: Vec<_> = over_http.map(|one| one.span.length()).collect();
    latencies.sort_unstable();
    let accepted = |check: &&Check| check.answer == Answer::Accepted && under(check.span.begun);
    let disturbances = history.disturbances.iter().filter(|one| one.kind == kind);
    let all: Duration = gaps.iter().map(|(from, to)| to.saturating_sub(*from)).sum();
    let unavailable = if kind == FaultKind::Undisturbed {
        all.saturating_sub(overlap(gaps, history.disturbances.iter()))
    } else {
        overlap(gaps, disturbances.clone())
    };
    Row {
        kind,
        times: disturbances.count(),
        acknowledged: acknowledged.len(),
        accepts: history.checks.iter().filter(accepted).count(),
        violations: verdict.violations.iter().filter(|one| under(one.at)).count(),
        unavailable,
        latencies,
    }
}

/// From a question without an answer, or with a late one, to the beginning of the next one that was answered.
fn gaps(history: &History, instances: usize) -> Vec<(At, At)> {
    let mut gaps = Vec::new();
    for instance in 0..instances {
        let its = history.checks.iter().filter(|check| check.instance == instance);
        let mut checks: Vec<_> = its.collect();
        checks.sort_by_key(|check| check.span.begun);
        let mut since = None;
        for check in checks {
            if check.answer.is_none() || check.span.length() > LATE {
                since.get_or_insert(check.span.begun);
            } else if let Some(since) = since.take() {
                gaps.push((since, check.span.begun));
            }
        }
    }
    gaps
}

fn overlap<'a>(gaps: &[(At, At)], disturbances: impl Iterator<Item = &'a Disturbance>) -> Duration {
    let common = |fault: &Disturbance| -> Duration {
        let within = |(from, to): &(At, At)| {
            let (from, to) = ((*from).max(fault.span.begun), (*to).min(fault.span.ended));
            to.saturating_sub(from)
        };
        gaps.iter().map(within).sum()
    };
    disturbances.map(common).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Span;

    fn asked(begun: u64, ended: u64, answer: Answer) -> Check {
        let (begun, ended) = (Duration::from_millis(begun), Duration::from_millis(ended));
        Check {
            credential: 0,
            instance: 0,
            span: Span { begun, ended },
            answer,
            last: false,
        }
    }

    #[test]
    fn a_gap_lasts_until_the_next_question_that_was_answered() {
        let history = History {
            checks: vec![
                asked(0, 5, Answer::Accepted),
                asked(100, 110, Answer::Unavailable(503)),
                asked(200, 210, Answer::Nothing),
                asked(300, 310, Answer::Revoked),
                asked(400, 2_000, Answer::Accepted),
                asked(2_100, 2_110, Answer::Accepted),
            ],
            ..History::default()
        };
        let ms = Duration::from_millis;
        let expected = [(ms(100), ms(300)), (ms(400), ms(2_100))];
        assert_eq!(gaps(&history, 1), expected);

        let fault = Disturbance {
            kind: FaultKind::CutLink,
            instance: Some(0),
            span: Span {
                begun: ms(250),
                ended: ms(500),
            },
        };
        assert_eq!(overlap(&expected, [&fault].into_iter()), ms(150));
    }
}
