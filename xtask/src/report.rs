//! Report of the steps: their duration, and their results.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Result of a step that did not fail.
#[derive(Debug)]
pub(crate) enum StepOutcome {
    /// The step ran, and everything in it passed.
    Passed,
    /// The step did not run. The text is the reason.
    Skipped(String),
}

#[derive(Debug)]
struct FinishedStep {
    name: &'static str,
    duration: Duration,
    outcome: Result<StepOutcome>,
}

/// Finished steps, in order. A failed step does not stop the next one.
#[derive(Debug, Default)]
pub(crate) struct StepReport {
    steps: Vec<FinishedStep>,
}

impl StepReport {
    /// Runs a step, and records its duration and result. Returns whether it succeeded.
    pub(crate) fn step(&mut self, name: &'static str, run: impl FnOnce() -> Result<StepOutcome>) -> bool {
        // Printed before the step runs, so that a step that hangs is known.
        println!("\n== {name}");
        let started = Instant::now();
        let outcome = run();
        // Printed at once, next to the output of the step.
        if let Err(error) = &outcome {
            println!("{name} failed: {error:#}");
        }
        let succeeded = outcome.is_ok();
        self.steps.push(FinishedStep {
            name,
            duration: started.elapsed(),
            outcome,
        });
        succeeded
    }

    /// Returns whether any step failed.
    pub(crate) fn failed(&self) -> bool {
        self.steps.iter().any(|step| step.outcome.is_err())
    }

    fn count(&self, is: impl Fn(&Result<StepOutcome>) -> bool) -> usize {
        self.steps.iter().filter(|step| is(&step.outcome)).count()
    }
}

impl fmt::Display for StepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: f64 = self.steps.iter().map(|step| step.duration.as_secs_f64()).sum();
        writeln!(f, "\n{:<24} {:>8}  result", "step", "seconds")?;
        for step in &self.steps {
            let result = match &step.outcome {
                Ok(StepOutcome::Passed) => "ok".to_owned(),
                Ok(StepOutcome::Skipped(why)) => format!("skipped: {why}"),
                // Said again: a log that is cut keeps its end.
                Err(error) => format!("FAILED: {error:#}"),
            };
            writeln!(
                f,
                "{:<24} {:>8.1}  {result}",
                step.name,
                step.duration.as_secs_f64()
            )?;
        }
        writeln!(f, "{:<24} {total:>8.1}\n", "total")?;
        let passed = self.count(|outcome| matches!(outcome, Ok(StepOutcome::Passed)));
        let skipped = self.count(|outcome| matches!(outcome, Ok(StepOutcome::Skipped(_))));
        let failed = self.count(Result::is_err);
        write!(f, "steps: {passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_fails_the_report_and_the_next_still_runs() {
        let mut report = StepReport::default();
        assert!(!report.step("broken", || anyhow::bail!("no")));
        let mut ran = false;
        report.step("next", || {
            ran = true;
            Ok(StepOutcome::Passed)
        });
        assert!(ran);
        assert!(report.failed());
        assert!(report.to_string().contains("FAILED: no\n"));
        assert!(
            report
                .to_string()
                .ends_with("steps: 1 passed, 1 failed, 0 skipped")
        );
    }

    #[test]
    fn a_skipped_step_says_why_and_is_no_failure() {
        let mut report = StepReport::default();
        report.step("advisories", || Ok(StepOutcome::Skipped("no network".to_owned())));
        assert!(!report.failed());
        assert!(report.to_string().contains("skipped: no network"));
    }
}
