//! Runs the benchmarks, each a subcommand of the package `maxlab-auth-bench`.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::instructions;
use crate::shell::{self, Workspace};
use crate::tools;

/// Benchmark to run, with its options.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// Benchmark to run.
    #[arg(value_enum)]
    what: Benchmark,
    /// Options of the benchmark, such as `--only cached,grpc --seconds 2 --rounds 1`. `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

/// Benchmark, with the same name as its subcommand.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Benchmark {
    /// The in-memory index of revocations, with ten million entries.
    Replica,
    /// Revocation through real gateways, and without HTTP.
    Revoke,
    /// `/auth/verify` over all transports, compared with other servers.
    Verify,
    /// Cached verdict, revocation check and requirement inside one process.
    InProcess,
    /// Instructions of the hot path, compared with `bench/instructions.txt`. An increase is a failure.
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

/// Builds the benchmark with the profile of production, and runs it.
///
/// # Errors
/// The build fails, or the benchmark does not run to its end.
pub(crate) fn run(workspace: &Workspace, arguments: &BenchArguments) -> Result<()> {
    let options: Vec<_> = arguments.options.iter().map(String::as_str).collect();
    // Run by gungraun and not by the package's own program.
    if arguments.what == Benchmark::Instructions {
        return instructions::run(workspace, &options);
    }
    // Only this one compares with other servers.
    if arguments.what == Benchmark::Verify {
        tools::install_for_comparison(workspace);
    }
    // These start the gateway as a process, which is another package than the benchmark.
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
