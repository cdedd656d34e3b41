//! The table of a run, as Markdown that also reads well in a terminal.

use std::fmt::Write as _;
use std::time::Duration;

use crate::figures::{Operation, Row};
use crate::run::Verdict;

const HEAD: [&str; 7] = [
    "fault",
    "times",
    "revocations acknowledged",
    "accepts checked",
    "violations",
    "seconds unavailable",
    "revoke p99",
];

const HEAD_OF_OPERATIONS: [&str; 7] = [
    "operation",
    "requests",
    "without an answer",
    "acknowledged",
    "of them repeats",
    "violations",
    "p99",
];

/// The table of the faults, with a row that adds up all.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut lines: Vec<[String; 7]> = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    lines.push(cells_of_all(rows));
    aligned(&lines)
}

/// The table of the ways to end something.
pub(crate) fn table_of_operations(operations: &[Operation]) -> String {
    let mut lines: Vec<[String; 7]> = vec![HEAD_OF_OPERATIONS.map(str::to_owned)];
    lines.extend(operations.iter().map(|operation| {
        [
            operation.way.name().to_owned(),
            operation.asked.to_string(),
            operation.unanswered.to_string(),
            operation.acknowledged.to_string(),
            operation.of_repeats.to_string(),
            operation.violations.to_string(),
            operation.p99.map_or_else(|| "–".to_owned(), milliseconds),
        ]
    }));
    aligned(&lines)
}

/// Lines as a Markdown table, the first one as its head.
fn aligned(lines: &[[String; 7]]) -> String {
    let width = |column: usize| lines.iter().map(|cells| cells[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut text = String::new();
    for (n, cells) in lines.iter().enumerate() {
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(text, "| {cell:<width$} "),
                _ => write!(text, "| {cell:>width$} "),
            };
        }
        text.push_str("|\n");
        if n == 0 {
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width + 1);
                text.push_str(&if column == 0 {
                    format!("|{dashes}-")
                } else {
                    format!("|{dashes}:")
                });
            }
            text.push_str("|\n");
        }
    }
    text
}

/// The heading of a run: what it was and how to have it again.
pub(crate) fn heading(verdict: &Verdict) -> String {
    format!(
        "{}: {:.0} s under load, {} checks, {} requests to end something, seed {}",
        verdict.arrangement.name(),
        verdict.took.as_secs_f64(),
        verdict.history.checks.len(),
        verdict.history.revocations.len(),
        verdict.plan.seed,
    )
}

fn cells(row: &Row) -> [String; 7] {
    let times = if row.times == 0 {
        String::new()
    } else {
        row.times.to_string()
    };
    [
        row.kind.name().to_owned(),
        times,
        row.acknowledged.to_string(),
        row.accepts.to_string(),
        row.violations.to_string(),
        format!("{:.1}", row.unavailable.as_secs_f64()),
        row.latency(990).map_or_else(|| "–".to_owned(), milliseconds),
    ]
}

fn cells_of_all(rows: &[Row]) -> [String; 7] {
    let sum = |of: fn(&Row) -> usize| rows.iter().map(of).sum::<usize>().to_string();
    let unavailable: Duration = rows.iter().map(|row| row.unavailable).sum();
    [
        "all".to_owned(),
        sum(|row| row.times),
        sum(|row| row.acknowledged),
        sum(|row| row.accepts),
        sum(|row| row.violations),
        format!("{:.1}", unavailable.as_secs_f64()),
        String::new(),
    ]
}

fn milliseconds(latency: Duration) -> String {
    let ms = latency.as_secs_f64() * 1e3;
    if ms < 100.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::FaultKind;

    #[test]
    fn the_columns_are_those_that_are_promised_and_the_last_row_adds_up() {
        let row = |kind, times| Row {
            kind,
            times,
            acknowledged: 10,
            accepts: 20,
            violations: 1,
            unavailable: Duration::from_millis(1_250),
            latencies: (1..=100).map(Duration::from_millis).collect(),
        };
        let text = table(&[row(FaultKind::Undisturbed, 0), row(FaultKind::KillGateway, 3)]);
        let bare = |line: &str| {
            line.split('|')
                .map(|cell| cell.trim().to_owned())
                .collect::<Vec<_>>()
                .join("|")
        };
        let lines: Vec<_> = text.lines().map(bare).collect();
        assert_eq!(
            lines[0],
            "|fault|times|revocations acknowledged|accepts checked|violations|seconds unavailable|revoke p99|"
        );
        assert_eq!(lines[2], "|undisturbed||10|20|1|1.2|99.0 ms|");
        assert_eq!(lines[3], "|kill -9|3|10|20|1|1.2|99.0 ms|");
        assert_eq!(lines[4], "|all|3|20|40|2|2.5||");
    }

    #[test]
    fn each_operation_has_its_line() {
        let text = table_of_operations(&[Operation {
            way: crate::history::Way::Rotate,
            asked: 9,
            unanswered: 2,
            acknowledged: 5,
            of_repeats: 1,
            violations: 0,
            p99: None,
        }]);
        let last = text.lines().last().unwrap();
        let cells: Vec<_> = last.split('|').map(str::trim).collect();
        assert_eq!(cells, ["", "rotation", "9", "2", "5", "1", "0", "–", ""]);
    }
}
