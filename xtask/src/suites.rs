//! The test suites, each one step of the report.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::proxies;
use crate::report::{Ended, Report};
use crate::shell::{self, Workspace};
use crate::{Suite, TestArguments};

/// Runs the suites that were asked for.
pub(crate) fn run(workspace: &Workspace, arguments: &TestArguments, report: &mut Report) {
    if arguments.wants(Suite::Rust) {
        rust(workspace, report);
    }
    if ![Suite::E2e, Suite::Proxies, Suite::Schemathesis]
        .iter()
        .any(|suite| arguments.wants(*suite))
    {
        return;
    }
    // Built with the whole workspace's features, so that nothing the Rust tests built is built again.
    let built = report.step("build the gateway", || {
        shell::run(&mut workspace.cargo(&["build", "--workspace", "--bin", "maxlab-auth", "--locked"]))?;
        Ok(Ended::Passed)
    });
    // A program left over from an earlier build would prove nothing.
    let against_gateway = |command: &mut Command| -> Result<Ended> {
        ensure!(built, "there is no gateway to test: its build failed");
        shell::run(command)?;
        Ok(Ended::Passed)
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
            proxies::ended(workspace)
        });
    }
    if arguments.wants(Suite::Schemathesis) {
        report.step("schemathesis", || {
            against_gateway(workspace.command("node", "e2e").arg("schemathesis/run.js"))
        });
    }
}

fn rust(workspace: &Workspace, report: &mut Report) {
    let nextest = workspace.answers("cargo", &["nextest", "--version"]);
    let runner: &[&str] = if nextest { &["nextest", "run"] } else { &["test"] };
    let cargo = |rest: &[&str]| -> Result<Ended> {
        shell::run(&mut workspace.cargo(&[runner, &["--workspace", "--locked"], rest].concat()))?;
        Ok(Ended::Passed)
    };
    report.step("vectors", || Ok(vectors(workspace)));
    report.step("build Rust tests", || cargo(&["--no-run"]));
    report.step("Rust tests", || {
        cargo(if nextest { &[] } else { &["--no-fail-fast"] })
    });
}

/// Published test vectors lie outside the repository. Without them the tests that judge them pass without a word.
fn vectors(workspace: &Workspace) -> Ended {
    let beside = || workspace.at("../shared/vectors");
    let folder = std::env::var_os("MAXLAB_VECTORS").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        Ended::Passed
    } else {
        let folder = folder.display();
        Ended::Skipped(format!(
            "{folder} is not there; Wycheproof's, Fernet's and the redirects' cases are not judged"
        ))
    }
}

fn e2e(workspace: &Workspace, stores: &str) -> Command {
    let mut command = workspace.command("npm", "e2e");
    command.args(["test", "--silent"]).env("E2E_STORES", stores);
    command
}
