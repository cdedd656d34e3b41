//! Package managers: apt and pip.

use std::io::IsTerminal as _;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{self, Workspace};

/// Installs Debian packages.
///
/// # Errors
/// The packages cannot be installed. The error says what to install by hand.
pub(crate) fn apt_install(workspace: &Workspace, names: &[&str]) -> Result<()> {
    let by_hand = format!("install by hand: apt-get install {}", names.join(" "));
    if !workspace.succeeds("apt-get", &["--version"]) {
        bail!("this machine has no apt-get; {by_hand}");
    }
    // A failed update is no failure: the packages may be in the lists that exist.
    let update = shell::run(as_root(workspace, &by_hand)?.args(["apt-get", "update", "-qq"]));
    if let Err(error) = update {
        println!("the package lists were not updated: {error:#}");
    }
    // One command for all packages, which needs at most one password.
    let mut install = as_root(workspace, &by_hand)?;
    install
        .args(["apt-get", "install", "-qq", "-y", "--no-install-recommends"])
        .args(names);
    shell::run(&mut install).context(by_hand)
}

/// Returns `env` as root, with the variable that keeps apt from asking questions.
fn as_root(workspace: &Workspace, by_hand: &str) -> Result<Command> {
    // In order: root itself, sudo without a password, sudo that can ask for one at a terminal.
    let mut command = if workspace.output("id", &["-u"]).as_deref() == Some("0") {
        workspace.command("env", ".")
    } else if workspace.succeeds("sudo", &["-n", "true"]) {
        sudo(workspace, &["-n"])
    } else if std::io::stdin().is_terminal() && workspace.succeeds("sudo", &["--version"]) {
        sudo(workspace, &[])
    } else {
        bail!("this user is not root and cannot use sudo; {by_hand}");
    };
    command.arg("DEBIAN_FRONTEND=noninteractive");
    Ok(command)
}

/// Returns `sudo env` with these flags.
fn sudo(workspace: &Workspace, flags: &[&str]) -> Command {
    let mut command = workspace.command("sudo", ".");
    command.args(flags).arg("env");
    command
}

/// Returns the command `pip install` in `e2e/.venv`.
pub(crate) fn pip(workspace: &Workspace) -> Command {
    let mut pip = workspace.command(workspace.at("e2e/.venv/bin/pip"), "e2e");
    pip.args(["install", "--quiet", "--disable-pip-version-check"]);
    pip
}
