//! The chores of this repository: `cargo xtask test`, `ci`, `bench`, `torture` and `fuzz`.

mod bench;
mod checks;
mod fuzz;
mod install;
mod instructions;
mod library;
mod proxies;
mod report;
mod shell;
mod suites;
mod tools;
mod torture;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use report::{Ended, Report};
use shell::Workspace;

/// Proves that the project works: installs what the tests need, runs them, and tells where the time went.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Run every test: Rust, end to end on both kinds of storage, behind every front proxy, and the API's description against its
    /// answers.
    Test(TestArguments),
    /// Run what continuous integration runs: formatting, lints, dependency rules, docs, then every test.
    Ci,
    /// Measure, and set the figures beside their targets. It reports; missing a target is no failure. (More instructions than noted are.)
    Bench(bench::BenchArguments),
    /// Torture real gateways with faults for some minutes, and judge the history of every answer.
    Torture(torture::TortureArguments),
    /// Feed whatever reads strangers' bytes with inputs that libFuzzer makes, for some minutes each.
    Fuzz(fuzz::FuzzArguments),
}

#[derive(Debug, Default, clap::Args)]
struct TestArguments {
    /// Install nothing: fail where something is missing.
    #[arg(long)]
    no_install: bool,
    /// Run one suite only.
    #[arg(long, value_enum)]
    only: Option<Suite>,
}

/// A part of the tests that can be run alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Suite {
    /// Unit, contract and integration tests in Rust.
    Rust,
    /// A real OpenID provider and a real client around the gateway.
    E2e,
    /// nginx, Caddy, Traefik, Envoy, HAProxy and Apache, each with its configuration of `deploy/`, before the gateway.
    Proxies,
    /// Requests generated from `/openapi.json`.
    Schemathesis,
}

impl TestArguments {
    fn wants(&self, suite: Suite) -> bool {
        self.only.is_none_or(|only| only == suite)
    }
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut workspace = Workspace::locate()?;
    let mut report = Report::default();
    match arguments.chore {
        Chore::Bench(arguments) => {
            bench::run(&workspace, &arguments)?;
            return Ok(ExitCode::SUCCESS);
        }
        Chore::Test(test) => run_tests(&mut workspace, &test, &mut report),
        Chore::Ci => {
            checks::run(&workspace, &mut report);
            run_tests(&mut workspace, &TestArguments::default(), &mut report);
        }
        Chore::Fuzz(arguments) => {
            report.step("fuzz", || {
                fuzz::run(&workspace, &arguments)?;
                Ok(Ended::Passed)
            });
        }
        Chore::Torture(arguments) => {
            report.step("torture", || {
                torture::run(&workspace, &arguments)?;
                Ok(Ended::Passed)
            });
        }
    }
    println!("{report}");
    Ok(if report.failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn run_tests(workspace: &mut Workspace, arguments: &TestArguments, report: &mut Report) {
    if !arguments.no_install {
        report.step("install", || install::missing(workspace, arguments));
    }
    workspace.prefer_installed_tools();
    suites::run(workspace, arguments, report);
}
