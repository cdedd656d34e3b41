//! Checks of continuous integration other than tests: formatting, lints, dependency rules, documentation.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::report::{StepOutcome, StepReport};
use crate::shell::{self, Workspace, run_within};
use crate::{floors, library, public_api};

/// Maximum time to fetch the advisory database.
const ADVISORY_LIMIT: Duration = Duration::from_secs(60);

/// Runs every check, even if an earlier one failed.
pub(crate) fn run(workspace: &Workspace, report: &mut StepReport) {
    report.step("format", || cargo(workspace, &["fmt", "--all", "--check"]));
    report.step("floors", || floors::check(workspace));
    report.step("lints", || {
        cargo(
            workspace,
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ],
        )
    });
    report.step("dependency rules", || {
        // Inside the step, so that a failed installation fails this check only.
        install_tool(workspace, "deny", "it enforces deny.toml")?;
        cargo(
            workspace,
            &[
                "deny",
                "--log-level",
                "error",
                "check",
                "--hide-inclusion-graph",
                "bans",
                "licenses",
                "sources",
            ],
        )
    });
    report.step("unused dependencies", || unused_dependencies(workspace));
    report.step("oldest toolchain", || oldest_toolchain(workspace));
    report.step("the guard library is light", || {
        library::check_dependencies(workspace)
    });
    report.step("the guard library alone", || library::builds_alone(workspace));
    report.step("the guard library's documentation", || {
        library::test_docs(workspace)
    });
    report.step("the guard library's public API", || public_api::check(workspace));
    // The service's own fuzz targets are run by its tests (`hardening/fuzz_targets.rs`): here they would
    // build it again.
    report.step("fuzz seeds", || {
        // The fuzz targets are not part of the workspace.
        let own = ["--manifest-path", "fuzz/Cargo.toml", "--target-dir", "target"];
        cargo(workspace, &[&["test", "--quiet", "--lib"], &own[..]].concat())
    });
    report.step("advisories", || advisories(workspace));
    report.step("docs", || {
        let mut doc = workspace.cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
        shell::run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
        Ok(StepOutcome::Passed)
    });
}

/// Runs a cargo command as a step.
fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result<StepOutcome> {
    shell::run(&mut workspace.cargo(arguments))?;
    Ok(StepOutcome::Passed)
}

/// Installs the cargo command `name` if it is missing.
fn install_tool(workspace: &Workspace, name: &str, why: &str) -> Result<()> {
    if workspace.succeeds("cargo", &[name, "--version"]) {
        return Ok(());
    }
    println!("installing cargo-{name} (cargo): {why} (once, takes a few minutes)");
    shell::run(&mut workspace.cargo(&["install", &format!("cargo-{name}"), "--locked"]))
}

/// Checks that every dependency is used. Skipped if cargo-machete cannot be installed: it needs the crate
/// registry, and says nothing about how the gateway behaves.
fn unused_dependencies(workspace: &Workspace) -> Result<StepOutcome> {
    if let Err(error) = install_tool(workspace, "machete", "it finds unused dependencies") {
        return Ok(StepOutcome::Skipped(format!("cargo-machete: {error:#}")));
    }
    // Only the crates of this repository: folders that tests fill may contain other people's manifests.
    // Without `--with-metadata`, which asks the registry.
    let mut machete = workspace.cargo(&["machete", "crates", "xtask", "fuzz"]);
    // `cargo xtask` is `cargo run`, which sets this. cargo-machete then believes that it was not started by
    // cargo, and takes its own name for a folder to search.
    shell::run(machete.env_remove("CARGO_PKG_NAME"))?;
    Ok(StepOutcome::Passed)
}

/// Checks that the workspace builds with the toolchain that `rust-version` promises. Skipped if rustup does
/// not have it: this command installs no toolchain.
fn oldest_toolchain(workspace: &Workspace) -> Result<StepOutcome> {
    let manifest = fs::read_to_string(workspace.at("Cargo.toml")).context("cannot read Cargo.toml")?;
    let oldest = rust_version(&manifest).context("Cargo.toml has no rust-version")?;
    let toolchain = format!("+{oldest}");
    if !workspace.succeeds("cargo", &[&toolchain, "--version"]) {
        return Ok(StepOutcome::Skipped(format!(
            "toolchain {oldest} is not there: rustup toolchain install {oldest} --profile minimal"
        )));
    }
    let mut check = workspace.command("cargo", ".");
    check.args([&toolchain, "check", "--workspace", "--locked"]);
    // Its own folder: artifacts of another compiler would all be built again. The toolchain of this process
    // must not override the one that the argument names.
    check
        .env("CARGO_TARGET_DIR", workspace.at("target/oldest-toolchain"))
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC")
        .env_remove("RUSTDOC");
    shell::run(&mut check)?;
    Ok(StepOutcome::Passed)
}

/// Returns the value of `rust-version` in a manifest.
fn rust_version(manifest: &str) -> Option<&str> {
    let mut lines = manifest.lines();
    lines.find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'))
}

/// Checks for known vulnerabilities. Skipped if the database cannot be fetched, so that a machine without
/// that network passes.
fn advisories(workspace: &Workspace) -> Result<StepOutcome> {
    // Fetched with a time limit, then checked offline: a slow network must not hang the whole run.
    let mut fetch = workspace.cargo(&["deny", "fetch", "db"]);
    // git must not ask for a password.
    let fetched = run_within(fetch.env("GIT_TERMINAL_PROMPT", "0"), ADVISORY_LIMIT)?;
    if !fetched.is_some_and(|status| status.success()) {
        return Ok(StepOutcome::Skipped("advisory database not reachable".to_owned()));
    }
    cargo(workspace, &["deny", "check", "--disable-fetch", "advisories"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_toolchain_is_the_one_that_the_readme_names() {
        let workspace = Workspace::locate().unwrap();
        let manifest = fs::read_to_string(workspace.at("Cargo.toml")).unwrap();
        let oldest = rust_version(&manifest).unwrap();
        let readme = fs::read_to_string(workspace.at("README.md")).unwrap();
        assert!(readme.contains(&format!("Rust {oldest} or newer")), "{oldest}");
    }
}
