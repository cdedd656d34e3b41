//! Test suites. Each is one step of the report, or several.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::attack;
use crate::providers;
use crate::proxies;
use crate::report::{StepOutcome, StepReport};
use crate::shell::{self, Workspace};
use crate::{Suite, TestArguments};

/// Runs the chosen suites.
pub(crate) fn run(workspace: &Workspace, arguments: &TestArguments, report: &mut StepReport) {
    if arguments.wants(Suite::Rust) {
        rust(workspace, report);
    }
    // The Rust tests build their own gateway. Only the others need the program.
    if ![
        Suite::E2e,
        Suite::Proxies,
        Suite::Providers,
        Suite::Schemathesis,
        Suite::Attack,
    ]
    .iter()
    .any(|suite| arguments.wants(*suite))
    {
        return;
    }
    // Built with the features of the whole workspace, so that nothing is built again that the Rust tests have
    // built.
    let built = report.step("build the gateway", || {
        shell::run(&mut workspace.cargo(&["build", "--workspace", "--bin", "maxlab-auth", "--locked"]))?;
        Ok(StepOutcome::Passed)
    });
    // A program from an earlier build would prove nothing.
    let against_gateway = |command: &mut Command| -> Result<StepOutcome> {
        ensure!(built, "the build of the gateway failed, so there is none to test");
        shell::run(command)?;
        Ok(StepOutcome::Passed)
    };
    if arguments.wants(Suite::E2e) {
        report.step("e2e, embedded", || {
            against_gateway(&mut e2e(workspace, "embedded"))
        });
        report.step("e2e, Redis+PostgreSQL", || {
            against_gateway(&mut e2e(workspace, "shared"))
        });
    }
    if arguments.wants(Suite::Proxies) {
        report.step("front proxies", || {
            against_gateway(
                workspace
                    .command("npm", "e2e")
                    .args(["run", "proxies", "--silent"]),
            )?;
            proxies::test_outcome(workspace)
        });
    }
    if arguments.wants(Suite::Providers) {
        let all = arguments.only == Some(Suite::Providers);
        report.step("providers", || {
            let script = if all { "providers" } else { "providers:npm" };
            against_gateway(workspace.command("npm", "e2e").args(["run", script, "--silent"]))?;
            providers::test_outcome(workspace, all)
        });
    }
    if arguments.wants(Suite::Schemathesis) {
        report.step("schemathesis", || {
            against_gateway(workspace.command("node", "e2e").arg("schemathesis/run.js"))
        });
    }
    if arguments.wants(Suite::Attack) {
        report.step("attacks, short", || {
            against_gateway(&mut attack::short_command(workspace))
        });
    }
}

/// Runs the Rust tests, with nextest if it is installed.
fn rust(workspace: &Workspace, report: &mut StepReport) {
    let nextest = workspace.succeeds("cargo", &["nextest", "--version"]);
    let runner: &[&str] = if nextest { &["nextest", "run"] } else { &["test"] };
    let cargo = |rest: &[&str]| -> Result<StepOutcome> {
        shell::run(&mut workspace.cargo(&[runner, &["--workspace", "--locked"], rest].concat()))?;
        Ok(StepOutcome::Passed)
    };
    // First, so that missing vectors are seen before the long output of the tests.
    report.step("vectors", || Ok(vectors(workspace)));
    // A step of its own, so that the report separates building from testing.
    report.step("build Rust tests", || cargo(&["--no-run"]));
    report.step("Rust tests", || {
        cargo(if nextest { &[] } else { &["--no-fail-fast"] })
    });
}

/// Looks for the published test vectors that are outside the repository. Without them, the tests that need
/// them pass silently.
fn vectors(workspace: &Workspace) -> StepOutcome {
    let neighbour = || workspace.at("../shared/vectors");
    let folder = std::env::var_os("MAXLAB_VECTORS").map_or_else(neighbour, PathBuf::from);
    if folder.is_dir() {
        StepOutcome::Passed
    } else {
        let folder = folder.display();
        StepOutcome::Skipped(format!(
            "{folder} does not exist, so the vectors of Fernet and of redirects are not tested"
        ))
    }
}

/// Returns the command of the end-to-end tests on one kind of storage.
fn e2e(workspace: &Workspace, stores: &str) -> Command {
    let mut command = workspace.command("npm", "e2e");
    command.args(["test", "--silent"]).env("E2E_STORES", stores);
    command
}
