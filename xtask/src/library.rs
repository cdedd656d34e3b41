//! What the guard library brings into an application that uses it: no database, no gRPC, no telemetry, no command line.

use anyhow::{Context, Result, ensure};

use crate::report::Ended;
use crate::shell::{self, Workspace};

const LIBRARY: &str = "maxlab-auth-guard";
/// Whose other crates begin with the same name.
const SERVICE: &str = "maxlab-auth";

/// Crates that stay in the service, by the beginning of their names.
const NOT_IN_AN_APPLICATION: [&str; 12] = [
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
];

/// The library must build by itself, whatever features the other crates of the workspace switch on.
pub(crate) fn builds_alone(workspace: &Workspace) -> Result<Ended> {
    shell::run(&mut workspace.cargo(&["check", "--locked", "-p", LIBRARY]))?;
    Ok(Ended::Passed)
}

/// What its documentation shows compiles, and what it says cannot compile does not. (nextest runs no such tests.)
pub(crate) fn shows_what_compiles(workspace: &Workspace) -> Result<Ended> {
    shell::run(&mut workspace.cargo(&["test", "--doc", "--locked", "-p", LIBRARY]))?;
    Ok(Ended::Passed)
}

/// Nothing of the service's own weight stands in the library's dependencies.
pub(crate) fn is_light(workspace: &Workspace) -> Result<Ended> {
    let tree = [
        "tree", "--locked", "-p", LIBRARY, "-e", "normal", "--prefix", "none",
    ];
    let listed = workspace
        .output("cargo", &tree)
        .context("cargo tree does not answer")?;
    let heavy = heavy(&listed);
    ensure!(heavy.is_empty(), "{LIBRARY} depends on {}", heavy.join(", "));
    Ok(Ended::Passed)
}

/// The crates of a listing that have no place in an application.
fn heavy(listed: &str) -> Vec<&str> {
    let mut found: Vec<_> = listed
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| *name == SERVICE || NOT_IN_AN_APPLICATION.iter().any(|family| is_of(name, family)))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether a crate is this one or one of its parts (`sqlx`, `sqlx-core`).
fn is_of(name: &str, family: &str) -> bool {
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
        assert_eq!(heavy(listed), ["clap", "opentelemetry_sdk", "sqlx", "sqlx-core"]);
        assert_eq!(heavy("maxlab-auth v0.1.0"), ["maxlab-auth"]);
        assert!(heavy("maxlab-auth-guard v0.1.0\nclapper v1.0.0").is_empty());
    }

    #[test]
    fn the_library_is_light() {
        is_light(&Workspace::locate().unwrap()).unwrap();
    }
}
