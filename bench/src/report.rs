//! Table of measured figures and their targets.

use std::fmt;

/// Figures of one measurement, rendered as a Markdown table.
#[derive(Debug, Default)]
pub(crate) struct BenchReport {
    title: String,
    rows: Vec<[String; 4]>,
}

impl BenchReport {
    /// Creates an empty table.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            rows: Vec::new(),
        }
    }

    /// Adds a figure that must not exceed its target.
    pub(crate) fn at_most(&mut self, what: &str, target: f64, measured: f64, unit: &str) {
        // Upper case, so that a miss is seen in a long table.
        let met = if measured <= target { "yes" } else { "NO" };
        self.push(
            what,
            &format!("≤ {}", format_figure(target)),
            &with_unit(measured, unit),
            met,
        );
    }

    /// Adds a figure that must reach its target.
    pub(crate) fn at_least(&mut self, what: &str, target: f64, measured: f64, unit: &str) {
        let met = if measured >= target { "yes" } else { "NO" };
        self.push(
            what,
            &format!("≥ {}", format_figure(target)),
            &with_unit(measured, unit),
            met,
        );
    }

    /// Adds a figure without a target.
    pub(crate) fn figure(&mut self, what: &str, measured: f64, unit: &str) {
        self.push(what, "", &with_unit(measured, unit), "");
    }

    /// Adds a row for something that cannot be measured here, with the reason.
    pub(crate) fn skipped(&mut self, why: &str) {
        self.push(why, "", "left out", "");
    }

    fn push(&mut self, what: &str, target: &str, measured: &str, met: &str) {
        self.rows.push([what, target, measured, met].map(str::to_owned));
    }
}

impl fmt::Display for BenchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["what", "target", "measured", "met?"].map(str::to_owned);
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&heads]);
            // Characters and not bytes: µ and ≤ are one column wide.
            cells.map(|row| row[column].chars().count()).max().unwrap_or(0)
        };
        let widths = [0, 1, 2, 3].map(width);
        let line = |f: &mut fmt::Formatter<'_>, row: &[String; 4]| {
            for (cell, width) in row.iter().zip(widths) {
                write!(f, "| {cell:<width$} ")?;
            }
            writeln!(f, "|")
        };
        writeln!(f, "{}\n", self.title)?;
        line(f, &heads)?;
        line(f, &widths.map(|width| "-".repeat(width)))?;
        self.rows.iter().try_for_each(|row| line(f, row))
    }
}

fn with_unit(value: f64, unit: &str) -> String {
    format!("{} {unit}", format_figure(value)).trim_end().to_owned()
}

/// Formats a figure with two digits after the point, or none if it is large or whole.
fn format_figure(value: f64) -> String {
    if value >= 1_000.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_target_is_shown_as_missed() {
        let mut report = BenchReport::new("memory");
        report.at_most("bytes", 24.0, 24.0, "B");
        report.at_most("pause", 5.0, 7.25, "µs");
        report.at_least("rate", 10.0, 9.0, "");
        report.figure("entries", 12_345.6, "");
        let text = report.to_string();
        assert!(text.contains("| bytes   | ≤ 24   | 24 B     | yes  |"), "{text}");
        assert!(text.contains("| pause   | ≤ 5    | 7.25 µs  | NO   |"), "{text}");
        assert!(text.contains("| rate    | ≥ 10   | 9        | NO   |"), "{text}");
        assert!(text.contains("| entries |        | 12346    |      |"), "{text}");
    }
}
