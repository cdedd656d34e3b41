//! The benchmarks, each a subcommand of the package `maxlab-auth-bench`.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::instructions;
use crate::shell::{self, Workspace};
use crate::tools;

/// What to measure, and how much.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// What to measure.
    #[arg(value_enum)]
    what: Benchmark,
    /// Options of the benchmark itself, such as `--only cached,grpc --seconds 2 --rounds 1`; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

/// What can be measured. The package's subcommand bears the same name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Benchmark {
    /// The in-memory index of revocations, with ten million entries.
    Replica,
    /// Revoking through real gateways, and below their HTTP door.
    Revoke,
    /// `/auth/verify` and its other doors, beside other servers.
    Verify,
    /// A remembered verdict, the revocation check and a requirement inside one process.
    InProcess,
    /// Instructions of the hot path, against those in `bench/instructions.txt`; more of them is a failure.
    Instructions,
}

impl Benchmark {
    fn subcommand(self) -> &'static str {
        match self {
            Self::Replica => "replica",
            Self::Revoke => "revoke",
            Self::Verify => "verify",
            Self::InProcess => "in-process",
            Self::Instructions => "instructions",
        }
    }
}

/// Builds the benchmark as the service is built for production, and runs it.
///
/// # Errors
/// When it can't be built or does not run to its end.
pub(crate) fn run(workspace: &Workspace, arguments: &BenchArguments) -> Result<()> {
    let options: Vec<_> = arguments.options.iter().map(String::as_str).collect();
    if arguments.what == Benchmark::Instructions {
        return instructions::run(workspace, &options);
    }
    if arguments.what == Benchmark::Verify {
        tools::for_comparison(workspace);
    }
    if matches!(arguments.what, Benchmark::Revoke | Benchmark::Verify) {
        shell::run(&mut workspace.cargo(&[
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--package",
            "maxlab-auth",
        ]))?;
    }
    let run = [
        "run",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "maxlab-auth-bench",
        "--",
        arguments.what.subcommand(),
    ];
    shell::run(&mut workspace.cargo(&[&run, options.as_slice()].concat()))
}
