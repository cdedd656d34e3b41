//! The programs that benchmarks want and this machine may lack. What is installed is said first.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::install;
use crate::shell::{self, Workspace};

/// Debian's packages for a comparison, each named as its program, and what it is for.
const COMPARED: [(&str, &str); 4] = [
    ("wrk", "it loads the servers"),
    ("nginx", "it is compared with"),
    ("haproxy", "it is compared with"),
    ("redis-server", "revocations arrive through it"),
];

/// Where programs of crates.io are installed for this workspace alone.
const OWN: &str = "target/tools";

/// Installs what is compared. What can't be is left to the benchmark, which leaves it out or says that it can't do without.
pub(crate) fn for_comparison(workspace: &Workspace) {
    for (package, why) in COMPARED {
        if !there(workspace, package)
            && let Err(error) = debian(workspace, package, why)
        {
            println!("{package} is not installed: {error:#}");
        }
    }
    if !workspace.at("e2e/.venv/bin/envoy").exists() && !there(workspace, "envoy") {
        println!("Envoy is not compared: `cargo xtask test --only proxies` installs it");
    }
}

/// Installs what counts instructions; where the runner is.
///
/// # Errors
/// It can't be installed.
pub(crate) fn for_counting(workspace: &Workspace) -> Result<PathBuf> {
    if !there(workspace, "valgrind") {
        debian(workspace, "valgrind", "its callgrind counts instructions")?;
    }
    let version = locked_version(workspace, "gungraun-runner")?;
    let runner = workspace.at(OWN).join("bin/gungraun-runner");
    let said = workspace.output(&runner.to_string_lossy(), &["--version"]);
    if !said.is_some_and(|said| said.ends_with(&version)) {
        println!(
            "installing gungraun-runner {version} (crates.io, into {OWN}): it runs the benchmarks under callgrind"
        );
        let exactly = format!("={version}");
        let install = [
            "install",
            "--quiet",
            "--locked",
            "--force",
            "--root",
            OWN,
            "--version",
            &exactly,
        ];
        shell::run(&mut workspace.cargo(&[install.as_slice(), &["gungraun-runner"]].concat()))?;
    }
    Ok(runner)
}

fn there(workspace: &Workspace, program: &str) -> bool {
    workspace.answers("which", &[program])
}

fn debian(workspace: &Workspace, package: &str, why: &str) -> Result<()> {
    println!("installing {package} (apt): {why}");
    install::apt_install(workspace, &[package])
}

/// The version of a crate in `Cargo.lock`: a library and the program that belongs to it must be of the same one.
fn locked_version(workspace: &Workspace, name: &str) -> Result<String> {
    let lock = std::fs::read_to_string(workspace.at("Cargo.lock")).context("cannot read Cargo.lock")?;
    let (_, after) = lock
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .with_context(|| format!("Cargo.lock does not name {name}"))?;
    let (version, _) = after.split_once('"').context("Cargo.lock is cut off")?;
    Ok(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_is_of_the_librarys_version() {
        let workspace = Workspace::locate().unwrap();
        let version = |name| locked_version(&workspace, name).unwrap();
        assert_eq!(version("gungraun"), version("gungraun-runner"));
    }
}
