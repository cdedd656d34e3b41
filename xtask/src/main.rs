//! Tasks of this repository: `cargo xtask test`, `ci`, `bench`, `torture`, `attack` and `fuzz`.

mod attack;
mod bench;
mod checks;
mod floors;
mod fuzz;
mod install;
mod instructions;
mod library;
mod packages;
mod providers;
mod proxies;
mod public_api;
mod report;
mod shell;
mod suites;
mod tools;
mod torture;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use report::{StepOutcome, StepReport};
use shell::Workspace;

/// Checks that the project works: installs what the tests need, runs them, and prints how long each step
/// took.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: XtaskCommand,
}

#[derive(Debug, Subcommand)]
enum XtaskCommand {
    /// Run all tests: Rust, end to end on both kinds of storage, behind every front proxy, and the OpenAPI
    /// description against the real answers.
    Test(TestArguments),
    /// Run what continuous integration runs: formatting, lints, dependency rules, documentation, then all
    /// tests.
    Ci,
    /// Measure, and compare the figures with their targets. A missed target is not a failure. (An increase of
    /// instructions is.)
    Bench(bench::BenchArguments),
    /// Run gateways under load and faults for some minutes, and check the history of all answers.
    Torture(torture::TortureArguments),
    /// Attack gateways with raw frames, floods, slow clients and broken log readers, and print the results.
    Attack(attack::AttackArguments),
    /// Run libFuzzer on every parser of untrusted bytes, for some minutes each.
    Fuzz(fuzz::FuzzArguments),
}

#[derive(Debug, Default, clap::Args)]
struct TestArguments {
    /// Install nothing. Fail if something is missing.
    #[arg(long)]
    no_install: bool,
    /// Run only one suite.
    #[arg(long, value_enum)]
    only: Option<Suite>,
}

/// Part of the tests that can be run alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Suite {
    /// Unit, contract and integration tests in Rust.
    Rust,
    /// A real OpenID provider and a real client with the gateway between them.
    E2e,
    /// nginx, Caddy, Traefik, Envoy, HAProxy and Apache in front of the gateway, each with its configuration
    /// in `deploy/`.
    Proxies,
    /// oidc-provider, Keycloak and Ory Hydra behind the gateway, with the settings of `docs/PROVIDERS.md`.
    Providers,
    /// Requests generated from `/openapi.json`.
    Schemathesis,
    /// The short form of `cargo xtask attack`.
    Attack,
}

impl TestArguments {
    /// Returns whether the suite was chosen. Without a choice, all suites are.
    fn wants(&self, suite: Suite) -> bool {
        self.only.is_none_or(|only| only == suite)
    }
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut workspace = Workspace::locate()?;
    let mut report = StepReport::default();
    match arguments.command {
        // Without a report of steps: the benchmark prints its own tables.
        XtaskCommand::Bench(arguments) => {
            bench::run(&workspace, &arguments)?;
            return Ok(ExitCode::SUCCESS);
        }
        XtaskCommand::Test(test) => run_tests(&mut workspace, &test, &mut report),
        XtaskCommand::Ci => {
            checks::run(&workspace, &mut report);
            run_tests(&mut workspace, &TestArguments::default(), &mut report);
        }
        XtaskCommand::Fuzz(arguments) => {
            report.step("fuzz", || {
                fuzz::run(&workspace, &arguments)?;
                Ok(StepOutcome::Passed)
            });
        }
        XtaskCommand::Attack(arguments) => {
            report.step("attack", || {
                attack::run(&workspace, &arguments)?;
                Ok(StepOutcome::Passed)
            });
        }
        XtaskCommand::Torture(arguments) => {
            report.step("torture", || {
                torture::run(&workspace, &arguments)?;
                Ok(StepOutcome::Passed)
            });
        }
    }
    println!("{report}");
    // A failed step does not stop the others, so the exit status is decided here.
    Ok(if report.failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Installs what is missing, then runs the chosen suites.
fn run_tests(workspace: &mut Workspace, arguments: &TestArguments, report: &mut StepReport) {
    if !arguments.no_install {
        report.step("install", || install::install_missing(workspace, arguments));
    }
    // Also without an installation: an earlier run may have brought a Node.js.
    workspace.prefer_installed_tools();
    suites::run(workspace, arguments, report);
}
