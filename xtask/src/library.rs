//! Checks what the guard library adds to an application: no database, no gRPC, no telemetry, no command line.

use anyhow::{Context, Result, ensure};

use crate::report::StepOutcome;
use crate::shell::{self, Workspace};

const LIBRARY: &str = "maxlab-auth-guard";
/// The service. Its name is the beginning of the other crates' names.
const SERVICE: &str = "maxlab-auth";

/// Crates that only the service may use, by the beginning of their names.
const SERVICE_ONLY_CRATES: [&str; 13] = [
    "sqlx",
    "libsqlite3-sys",
    "tonic",
    "prost",
    "envoy-types",
    "opentelemetry",
    "metrics-exporter-prometheus",
    "tracing-subscriber",
    "clap",
    "mimalloc",
    "maxlab-auth-dev-idp",
    "maxlab-auth-ext-authz",
    "maxlab-auth-listener",
];

/// Checks that the library builds alone. Otherwise features of other crates in the workspace could hide a
/// missing one.
pub(crate) fn builds_alone(workspace: &Workspace) -> Result<StepOutcome> {
    shell::run(&mut workspace.cargo(&["check", "--locked", "-p", LIBRARY]))?;
    Ok(StepOutcome::Passed)
}

/// Runs the examples in the library's documentation, also those that must not compile. nextest runs no such
/// tests.
pub(crate) fn test_docs(workspace: &Workspace) -> Result<StepOutcome> {
    shell::run(&mut workspace.cargo(&["test", "--doc", "--locked", "-p", LIBRARY]))?;
    Ok(StepOutcome::Passed)
}

/// Checks that the library depends on no crate of the service.
pub(crate) fn check_dependencies(workspace: &Workspace) -> Result<StepOutcome> {
    // Normal dependencies only: those of tests and builds do not reach an application.
    let tree = [
        "tree", "--locked", "-p", LIBRARY, "-e", "normal", "--prefix", "none",
    ];
    let listed = workspace.output("cargo", &tree).context("cargo tree failed")?;
    let heavy = service_only_dependencies(&listed);
    ensure!(heavy.is_empty(), "{LIBRARY} depends on {}", heavy.join(", "));
    Ok(StepOutcome::Passed)
}

/// Returns the crates of a listing that only the service may use.
fn service_only_dependencies(listing: &str) -> Vec<&str> {
    let mut found: Vec<_> = listing
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| {
            // Exactly the service: `maxlab-auth-core` begins with its name and is allowed.
            *name == SERVICE
                || SERVICE_ONLY_CRATES
                    .iter()
                    .any(|family| is_in_family(name, family))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Returns whether a crate is this one, or a part of it (`sqlx`, `sqlx-core`).
fn is_in_family(name: &str, family: &str) -> bool {
    // `clapper` begins with `clap` and is another crate.
    name.strip_prefix(family)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heavy_is_found_in_a_listing() {
        let listed = "maxlab-auth-guard v0.1.0 (/w)\naxum v0.8.9\nsqlx-core v0.9.0\nsqlx v0.9.0 (*)\nmaxlab-auth-core v0.1.0\n\
            opentelemetry_sdk v0.31.0\nclap v4.5.0";
        assert_eq!(
            service_only_dependencies(listed),
            ["clap", "opentelemetry_sdk", "sqlx", "sqlx-core"]
        );
        assert_eq!(service_only_dependencies("maxlab-auth v0.1.0"), ["maxlab-auth"]);
        assert!(service_only_dependencies("maxlab-auth-guard v0.1.0\nclapper v1.0.0").is_empty());
    }

    #[test]
    fn the_library_is_light() {
        check_dependencies(&Workspace::locate().unwrap()).unwrap();
    }
}
