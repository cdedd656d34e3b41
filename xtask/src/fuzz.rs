//! The fuzz targets of `fuzz/`, under libFuzzer for as long as one likes.

use std::fmt;
use std::fs::{self, File};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::shell::{self, Workspace};
use crate::torture::minutes;

/// One input may take this long, in seconds; what takes longer counts as found.
const SLOWEST_SECONDS: u32 = 10;
/// The longest input: the longest token, and some.
const LONGEST_INPUT: usize = 20 * 1024;

/// How long, and what.
#[derive(Debug, clap::Args)]
pub(crate) struct FuzzArguments {
    /// How long each target runs; they run one after another.
    #[arg(long, default_value_t = 10.0, value_parser = minutes)]
    minutes: f64,
    /// These targets only; without any, all of them.
    #[arg(value_enum)]
    targets: Vec<Target>,
}

/// What reads bytes of strangers. The program in `fuzz/fuzz_targets` bears the same name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Target {
    /// Tokens: their form, their signature, their claims.
    Token,
    /// What a front proxy says about a request.
    #[value(name = "forwarded_headers")]
    ForwardedHeaders,
    /// The canonical form of paths.
    Path,
    /// Policy files.
    Policy,
    /// Published key sets.
    Jwks,
    /// The session cookie.
    Cookie,
}

impl Target {
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

    /// Whether the service is built for it, which takes minutes.
    fn is_of_the_service(self) -> bool {
        matches!(self, Self::ForwardedHeaders | Self::Cookie)
    }

    /// `cargo fuzz` with the toolchain that is there: without a sanitizer, every flag that it passes is a stable one.
    fn cargo_fuzz(self, workspace: &Workspace, does: &str) -> std::process::Command {
        let mut command = workspace.cargo(&["fuzz", does, "--sanitizer", "none"]);
        if self.is_of_the_service() {
            command.args(["--features", "server"]);
        }
        command.arg(self.name());
        command
    }
}

/// What came of one target.
#[derive(Debug)]
struct Outcome {
    target: Target,
    /// What libFuzzer printed.
    log: String,
    well: bool,
}

/// Builds the targets, runs them, and prints what each of them reached.
///
/// # Errors
/// When a target can't be built, or one of them finds something.
pub(crate) fn run(workspace: &Workspace, arguments: &FuzzArguments) -> Result<()> {
    install(workspace)?;
    let targets = match arguments.targets.as_slice() {
        [] => Target::value_variants(),
        chosen => chosen,
    };
    for target in targets {
        shell::run(&mut target.cargo_fuzz(workspace, "build"))?;
    }
    let mut outcomes = Vec::new();
    for target in targets {
        outcomes.push(one(workspace, *target, arguments.minutes)?);
    }
    println!("\n{}", Table(&outcomes));
    let broken: Vec<_> = outcomes
        .iter()
        .filter(|outcome| !outcome.well)
        .map(|outcome| outcome.target.name())
        .collect();
    ensure!(broken.is_empty(), "something was found: {}", broken.join(", "));
    Ok(())
}

fn install(workspace: &Workspace) -> Result<()> {
    if workspace.answers("cargo", &["fuzz", "--version"]) {
        return Ok(());
    }
    println!(
        "installing cargo-fuzz (cargo): it builds the targets for libFuzzer; this takes a few minutes, once"
    );
    shell::run(&mut workspace.cargo(&["install", "cargo-fuzz", "--locked"]))
}

/// Runs a target from its seeds and from what earlier runs reached.
fn one(workspace: &Workspace, target: Target, minutes: f64) -> Result<Outcome> {
    let name = target.name();
    let (corpus, seeds) = (format!("fuzz/corpus/{name}"), format!("fuzz/seeds/{name}"));
    fs::create_dir_all(workspace.at(&corpus))?;
    let logs = workspace.at("fuzz/target/logs");
    fs::create_dir_all(&logs)?;
    let log = logs.join(format!("{name}.log"));
    let mut command = target.cargo_fuzz(workspace, "run");
    command.args([&corpus, &seeds, "--"]).args([
        format!("-max_total_time={:.0}", minutes * 60.0),
        format!("-dict=fuzz/dictionaries/{name}.dict"),
        format!("-timeout={SLOWEST_SECONDS}"),
        format!("-max_len={LONGEST_INPUT}"),
        "-print_final_stats=1".to_owned(),
    ]);
    println!("{name}: {minutes} min, what it prints goes to {}", log.display());
    command
        .stderr(File::create(&log)?)
        .stdout(File::options().append(true).open(&log)?);
    let status = command.status().context("cannot start cargo")?;
    Ok(Outcome {
        target,
        log: String::from_utf8_lossy(&fs::read(&log)?).into_owned(),
        well: status.success(),
    })
}

impl Outcome {
    /// How many inputs were tried.
    fn executions(&self) -> Option<&str> {
        self.after_last("stat::number_of_executed_units:")
    }

    /// How many edges of the code were reached, as libFuzzer counts them.
    fn coverage(&self) -> Option<&str> {
        self.after_last(" cov:")
    }

    fn result(&self) -> String {
        if self.well {
            return "nothing found".to_owned();
        }
        match self.after_last("Test unit written to") {
            Some(input) => format!("FOUND by {input}"),
            None => "FAILED, see its log".to_owned(),
        }
    }

    fn after_last(&self, words: &str) -> Option<&str> {
        self.log.rsplit_once(words)?.1.split_whitespace().next()
    }
}

/// The outcomes, one a line.
struct Table<'o>(&'o [Outcome]);

impl fmt::Display for Table<'_> {
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

    fn outcome(log: &str, well: bool) -> Outcome {
        let (target, log) = (Target::Path, log.to_owned());
        Outcome { target, log, well }
    }

    #[test]
    fn the_last_figures_count() {
        let log = "#2 INITED cov: 10 ft: 11\n#9 NEW    cov: 42 ft: 50 corp: 3/4b\nstat::number_of_executed_units: 123\n";
        let shown = Table(&[outcome(log, true)]).to_string();
        assert!(
            shown.ends_with("path                        123        42  nothing found\n"),
            "{shown}"
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
        for target in Target::value_variants() {
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
