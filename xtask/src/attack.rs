//! Attacks with the means of strangers (`e2e/attack`), one after another, each on its own gateway.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::install;
use crate::shell::{self, Workspace};

/// Attacks to run, and their duration.
#[derive(Debug, clap::Args)]
pub(crate) struct AttackArguments {
    /// Run the short form, as in continuous integration: without slow tools, and judged by state and never by
    /// speed.
    #[arg(long)]
    short: bool,
    /// Seconds of each attack [default: 20, in the short form 2].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: Option<u32>,
    /// Run only this attack. Can be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Attack this program and do not build one.
    #[arg(long, value_name = "PATH")]
    gateway: Option<PathBuf>,
}

/// Builds the gateway, installs what the attacks need, and runs them. Writes a table to
/// `target/attack/report.md`.
///
/// # Errors
/// A build or an installation fails, or an attack succeeds.
pub(crate) fn run(workspace: &Workspace, arguments: &AttackArguments) -> Result<()> {
    // The tools first: a missing one must not be noticed after the build.
    install::attack_tools(workspace, !arguments.short)?;
    let gateway = match &arguments.gateway {
        // The attacks run in another folder, where a relative path would lead elsewhere.
        Some(gateway) => std::path::absolute(gateway)?,
        None => build_gateway(workspace, arguments.short)?,
    };
    let mut command = command(workspace, &gateway);
    if arguments.short {
        command.arg("--short");
    }
    if let Some(seconds) = arguments.seconds {
        command.args(["--seconds", &seconds.to_string()]);
    }
    for name in &arguments.only {
        command.args(["--only", name]);
    }
    shell::run(&mut command)
}

/// Returns the command of the short form against the gateway that the tests have built.
pub(crate) fn short_command(workspace: &Workspace) -> Command {
    // The suites have built it, with the whole workspace.
    let mut command = command(workspace, &workspace.at("target/debug/maxlab-auth"));
    command.arg("--short");
    command
}

/// Returns the command that runs the attacks against this gateway.
fn command(workspace: &Workspace, gateway: &Path) -> Command {
    // The Python of the environment has the pinned packages.
    let mut command = workspace.command(workspace.at("e2e/.venv/bin/python"), "e2e/attack");
    command
        .arg("run.py")
        .arg("--gateway")
        .arg(gateway)
        .arg("--out")
        .arg(workspace.at("target/attack/report.md"));
    command
}

/// Builds the gateway. The short form uses the tests' build, the long one the build for production, because
/// it measures.
fn build_gateway(workspace: &Workspace, short: bool) -> Result<PathBuf> {
    let build = ["build", "--quiet", "--locked", "--package", "maxlab-auth"];
    let (profile, path): (&[&str], _) = if short {
        (&[], "target/debug/maxlab-auth")
    } else {
        (&["--release"], "target/release/maxlab-auth")
    };
    shell::run(&mut workspace.cargo(&[&build, profile].concat()))?;
    Ok(workspace.at(path))
}
