//! Runs the fuzz targets of `fuzz/` under libFuzzer.

use std::fmt;
use std::fs::{self, File};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::shell::{self, Workspace};
use crate::torture::parse_minutes;

/// Time limit of one input, in seconds. A slower input counts as a finding.
const MAX_INPUT_SECONDS: u32 = 10;
/// Maximum length of an input, in bytes: a little more than the longest token.
const MAX_INPUT_BYTES: usize = 20 * 1024;

/// Targets to run, and the time for each.
#[derive(Debug, clap::Args)]
pub(crate) struct FuzzArguments {
    /// Minutes for each target. They run one after another.
    #[arg(long, default_value_t = 10.0, value_parser = parse_minutes)]
    minutes: f64,
    /// Targets to run. Default: all.
    #[arg(value_enum)]
    targets: Vec<FuzzTarget>,
}

/// Parser of untrusted bytes. Its program in `fuzz/fuzz_targets` has the same name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum FuzzTarget {
    /// Tokens: form, signature, claims.
    Token,
    /// Headers of a front proxy that describe the original request.
    #[value(name = "forwarded_headers")]
    ForwardedHeaders,
    /// Canonical form of paths.
    Path,
    /// Policy files.
    Policy,
    /// Published key sets.
    Jwks,
    /// The session cookie.
    Cookie,
}

impl FuzzTarget {
    fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::ForwardedHeaders => "forwarded_headers",
            Self::Path => "path",
            Self::Policy => "policy",
            Self::Jwks => "jwks",
            Self::Cookie => "cookie",
        }
    }

    /// Returns whether the target needs the service, whose build takes minutes.
    fn needs_server(self) -> bool {
        matches!(self, Self::ForwardedHeaders | Self::Cookie)
    }

    /// Returns the command `cargo fuzz` for the installed toolchain.
    fn cargo_fuzz(self, workspace: &Workspace, subcommand: &str) -> std::process::Command {
        // Sanitizers need a nightly toolchain. All other flags of cargo-fuzz are stable.
        let mut command = workspace.cargo(&["fuzz", subcommand, "--sanitizer", "none"]);
        if self.needs_server() {
            command.args(["--features", "server"]);
        }
        command.arg(self.name());
        command
    }
}

/// Result of one target.
#[derive(Debug)]
struct FuzzOutcome {
    target: FuzzTarget,
    /// Output of libFuzzer.
    log: String,
    succeeded: bool,
}

/// Builds the targets, runs them, and prints their results.
///
/// # Errors
/// A target cannot be built, or finds something.
pub(crate) fn run(workspace: &Workspace, arguments: &FuzzArguments) -> Result<()> {
    install_cargo_fuzz(workspace)?;
    let targets = match arguments.targets.as_slice() {
        [] => FuzzTarget::value_variants(),
        chosen => chosen,
    };
    // All builds first, so that a target that does not compile is reported at once.
    for target in targets {
        shell::run(&mut target.cargo_fuzz(workspace, "build"))?;
    }
    let mut outcomes = Vec::new();
    for target in targets {
        outcomes.push(run_target(workspace, *target, arguments.minutes)?);
    }
    // The table before the error, so that it is printed in any case.
    println!("\n{}", FuzzTable(&outcomes));
    let broken: Vec<_> = outcomes
        .iter()
        .filter(|outcome| !outcome.succeeded)
        .map(|outcome| outcome.target.name())
        .collect();
    ensure!(broken.is_empty(), "findings in: {}", broken.join(", "));
    Ok(())
}

/// Installs cargo-fuzz if it is missing.
fn install_cargo_fuzz(workspace: &Workspace) -> Result<()> {
    if workspace.succeeds("cargo", &["fuzz", "--version"]) {
        return Ok(());
    }
    println!(
        "installing cargo-fuzz (cargo): it builds the targets for libFuzzer (once, takes a few minutes)"
    );
    shell::run(&mut workspace.cargo(&["install", "cargo-fuzz", "--locked"]))
}

/// Runs one target. It starts with its seeds, and with the inputs that earlier runs found interesting.
fn run_target(workspace: &Workspace, target: FuzzTarget, minutes: f64) -> Result<FuzzOutcome> {
    let name = target.name();
    let (corpus, seeds) = (format!("fuzz/corpus/{name}"), format!("fuzz/seeds/{name}"));
    // libFuzzer writes what it finds interesting into the first folder, which must exist.
    fs::create_dir_all(workspace.at(&corpus))?;
    let logs = workspace.at("fuzz/target/logs");
    fs::create_dir_all(&logs)?;
    let log = logs.join(format!("{name}.log"));
    let mut command = target.cargo_fuzz(workspace, "run");
    command.args([&corpus, &seeds, "--"]).args([
        format!("-max_total_time={:.0}", minutes * 60.0),
        format!("-dict=fuzz/dictionaries/{name}.dict"),
        format!("-timeout={MAX_INPUT_SECONDS}"),
        format!("-max_len={MAX_INPUT_BYTES}"),
        "-print_final_stats=1".to_owned(),
    ]);
    println!("{name}: {minutes} min, output in {}", log.display());
    // Both streams go into one file. Standard output appends, or it would overwrite standard error.
    command
        .stderr(File::create(&log)?)
        .stdout(File::options().append(true).open(&log)?);
    let status = command.status().context("cannot start cargo")?;
    Ok(FuzzOutcome {
        target,
        log: String::from_utf8_lossy(&fs::read(&log)?).into_owned(),
        // libFuzzer ends with a failure if it found something.
        succeeded: status.success(),
    })
}

impl FuzzOutcome {
    /// Returns the number of inputs that were tried.
    fn executions(&self) -> Option<&str> {
        self.after_last("stat::number_of_executed_units:")
    }

    /// Returns the number of edges in the code that were reached, as libFuzzer counts them.
    fn coverage(&self) -> Option<&str> {
        self.after_last(" cov:")
    }

    /// Returns the result in words.
    fn result(&self) -> String {
        if self.succeeded {
            return "nothing found".to_owned();
        }
        match self.after_last("Test unit written to") {
            Some(input) => format!("FOUND by {input}"),
            // Without a written input, the target itself failed. That must not look like "nothing found".
            None => "FAILED, see its log".to_owned(),
        }
    }

    /// Returns the word after the last occurrence of `words`: libFuzzer prints its figures again and again.
    fn after_last(&self, words: &str) -> Option<&str> {
        self.log.rsplit_once(words)?.1.split_whitespace().next()
    }
}

/// Table of the results, one line each.
struct FuzzTable<'o>(&'o [FuzzOutcome]);

impl fmt::Display for FuzzTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<18} {:>12} {:>9}  result",
            "target", "executions", "coverage"
        )?;
        for outcome in self.0 {
            let (executions, coverage) = (outcome.executions(), outcome.coverage());
            let (executions, coverage) = (executions.unwrap_or("?"), coverage.unwrap_or("?"));
            let (name, result) = (outcome.target.name(), outcome.result());
            writeln!(f, "{name:<18} {executions:>12} {coverage:>9}  {result}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(log: &str, succeeded: bool) -> FuzzOutcome {
        let (target, log) = (FuzzTarget::Path, log.to_owned());
        FuzzOutcome {
            target,
            log,
            succeeded,
        }
    }

    #[test]
    fn the_last_figures_count() {
        let log = "#2 INITED cov: 10 ft: 11\n#9 NEW    cov: 42 ft: 50 corp: 3/4b\nstat::number_of_executed_units: 123\n";
        let text = FuzzTable(&[outcome(log, true)]).to_string();
        assert!(
            text.ends_with("path                        123        42  nothing found\n"),
            "{text}"
        );
    }

    #[test]
    fn what_was_found_is_named_and_a_failure_is_never_nothing() {
        let log = "artifact_prefix='a/'; Test unit written to a/crash-1\n";
        assert_eq!(outcome(log, false).result(), "FOUND by a/crash-1");
        assert_eq!(
            outcome("error: no such target", false).result(),
            "FAILED, see its log"
        );
    }

    #[test]
    fn every_target_has_its_program_seeds_and_dictionary() {
        let workspace = Workspace::locate().unwrap();
        for target in FuzzTarget::value_variants() {
            let name = target.name();
            assert_eq!(target.to_possible_value().unwrap().get_name(), name);
            for path in [
                format!("fuzz_targets/{name}.rs"),
                format!("seeds/{name}"),
                format!("dictionaries/{name}.dict"),
            ] {
                assert!(workspace.at("fuzz").join(&path).exists(), "{path}");
            }
        }
    }
}
