//! What continuous integration asks beyond tests: formatting, lints, the dependency rules, the docs.

use std::time::Duration;

use anyhow::Result;

use crate::library;
use crate::report::{Ended, Report};
use crate::shell::{self, Workspace, run_within};

/// How long the advisory database may take to arrive.
const ADVISORY_LIMIT: Duration = Duration::from_secs(60);

/// Runs every check, whether or not an earlier one failed.
pub(crate) fn run(workspace: &Workspace, report: &mut Report) {
    report.step("format", || cargo(workspace, &["fmt", "--all", "--check"]));
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
        install_cargo_deny(workspace)?;
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
    report.step("the guard library is light", || library::is_light(workspace));
    report.step("the guard library alone", || library::builds_alone(workspace));
    report.step("the guard library's documentation", || {
        library::shows_what_compiles(workspace)
    });
    // Those of the service would build it a second time: its own tests run them (`hardening/fuzz_targets.rs`).
    report.step("fuzz seeds", || {
        let own = ["--manifest-path", "fuzz/Cargo.toml", "--target-dir", "target"];
        cargo(workspace, &[&["test", "--quiet", "--lib"], &own[..]].concat())
    });
    report.step("advisories", || advisories(workspace));
    report.step("docs", || {
        let mut doc = workspace.cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
        shell::run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
        Ok(Ended::Passed)
    });
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result<Ended> {
    shell::run(&mut workspace.cargo(arguments))?;
    Ok(Ended::Passed)
}

fn install_cargo_deny(workspace: &Workspace) -> Result<()> {
    if workspace.answers("cargo", &["deny", "--version"]) {
        return Ok(());
    }
    println!("installing cargo-deny (cargo): it enforces deny.toml; this takes a few minutes, once");
    shell::run(&mut workspace.cargo(&["install", "cargo-deny", "--locked"]))
}

/// Known vulnerabilities, where the database can be fetched: a machine without that network still passes.
fn advisories(workspace: &Workspace) -> Result<Ended> {
    let mut fetch = workspace.cargo(&["deny", "fetch", "db"]);
    let fetched = run_within(fetch.env("GIT_TERMINAL_PROMPT", "0"), ADVISORY_LIMIT)?;
    if !fetched.is_some_and(|status| status.success()) {
        return Ok(Ended::Skipped("advisory database not reachable".to_owned()));
    }
    cargo(workspace, &["deny", "check", "--disable-fetch", "advisories"])
}
