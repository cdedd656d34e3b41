//! The benchmarks, each a subcommand of the package `maxlab-auth-bench`.

use anyhow::Result;
use clap::ValueEnum;

use crate::shell::{self, Workspace};

/// What can be measured. The package's subcommand bears the same name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Benchmark {
    /// The in-memory index of revocations, with ten million entries.
    Replica,
    /// Revoking through real gateways, and below their HTTP door.
    Revoke,
    /// `/auth/verify` over HTTP, beside other servers.
    Verify,
}

impl Benchmark {
    fn subcommand(self) -> &'static str {
        match self {
            Self::Replica => "replica",
            Self::Revoke => "revoke",
            Self::Verify => "verify",
        }
    }
}

/// Builds the benchmark as the service is built for production, and runs it.
///
/// # Errors
/// When it can't be built or does not run to its end.
pub(crate) fn run(workspace: &Workspace, what: Benchmark) -> Result<()> {
    if what != Benchmark::Replica {
        shell::run(&mut workspace.cargo(&[
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--package",
            "maxlab-auth",
        ]))?;
    }
    shell::run(&mut workspace.cargo(&[
        "run",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "maxlab-auth-bench",
        "--",
        what.subcommand(),
    ]))
}
