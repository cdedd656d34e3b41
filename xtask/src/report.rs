//! What was run, how long it took and how it ended.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How a step ended when nothing failed.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It ran, and all of it holds.
    Passed,
    /// It was not run, for the reason given.
    Skipped(String),
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    took: Duration,
    outcome: Result<Ended>,
}

/// The steps so far, in order. A failed step never stops the next one.
#[derive(Debug, Default)]
pub(crate) struct Report {
    steps: Vec<Step>,
}

impl Report {
    /// Runs a step, notes its time and its outcome, and tells whether it went well.
    pub(crate) fn step(&mut self, name: &'static str, run: impl FnOnce() -> Result<Ended>) -> bool {
        println!("\n== {name}");
        let started = Instant::now();
        let outcome = run();
        if let Err(error) = &outcome {
            println!("{name} failed: {error:#}");
        }
        let well = outcome.is_ok();
        self.steps.push(Step {
            name,
            took: started.elapsed(),
            outcome,
        });
        well
    }

    /// Whether any step failed.
    pub(crate) fn failed(&self) -> bool {
        self.steps.iter().any(|step| step.outcome.is_err())
    }

    fn count(&self, is: impl Fn(&Result<Ended>) -> bool) -> usize {
        self.steps.iter().filter(|step| is(&step.outcome)).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: f64 = self.steps.iter().map(|step| step.took.as_secs_f64()).sum();
        writeln!(f, "\n{:<24} {:>8}  result", "where the time goes", "seconds")?;
        for step in &self.steps {
            let result = match &step.outcome {
                Ok(Ended::Passed) => "ok".to_owned(),
                Ok(Ended::Skipped(why)) => format!("skipped: {why}"),
                Err(_) => "FAILED".to_owned(),
            };
            writeln!(f, "{:<24} {:>8.1}  {result}", step.name, step.took.as_secs_f64())?;
        }
        writeln!(f, "{:<24} {total:>8.1}\n", "total")?;
        let passed = self.count(|outcome| matches!(outcome, Ok(Ended::Passed)));
        let skipped = self.count(|outcome| matches!(outcome, Ok(Ended::Skipped(_))));
        let failed = self.count(Result::is_err);
        write!(f, "steps: {passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_fails_the_report_and_the_next_still_runs() {
        let mut report = Report::default();
        assert!(!report.step("broken", || anyhow::bail!("no")));
        let mut ran = false;
        report.step("next", || {
            ran = true;
            Ok(Ended::Passed)
        });
        assert!(ran);
        assert!(report.failed());
        assert!(
            report
                .to_string()
                .ends_with("steps: 1 passed, 1 failed, 0 skipped")
        );
    }

    #[test]
    fn a_skipped_step_says_why_and_is_no_failure() {
        let mut report = Report::default();
        report.step("advisories", || Ok(Ended::Skipped("no network".to_owned())));
        assert!(!report.failed());
        assert!(report.to_string().contains("skipped: no network"));
    }
}
