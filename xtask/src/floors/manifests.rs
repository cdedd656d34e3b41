//! Dependencies between crates, and dependencies that only some crates may have.

use super::source::SourceFile;

/// Beginning of the names of this workspace's crates.
const PREFIX: &str = "maxlab-auth-";

/// Crates below `crates/`, and the crates of this workspace that each may depend on (tests aside).
const CRATE_DEPENDENCIES: [(&str, &[&str]); 14] = [
    ("jose", &[]),
    ("policy", &[]),
    ("pages", &[]),
    ("listener", &[]),
    ("core", &["jose", "policy"]),
    ("providers", &["core"]),
    ("store", &["core"]),
    ("store-contract", &["core"]),
    ("upstream", &["core", "jose"]),
    ("dev-idp", &[]),
    ("ext-authz", &["core"]),
    ("guard", &["core", "jose", "store", "upstream"]),
    (
        "server",
        &[
            "core",
            "dev-idp",
            "ext-authz",
            "jose",
            "listener",
            "pages",
            "providers",
            "store",
            "upstream",
        ],
    ),
    ("testkit", &[]),
];

/// Dependencies, and the crates that may have them. Benchmarks and fuzz targets are not checked.
const EXCLUSIVE_DEPENDENCIES: [(&str, &[&str]); 14] = [
    ("askama", &["pages"]),
    ("redis", &["store"]),
    ("sqlx", &["store"]),
    ("reqwest", &["guard", "server", "testkit", "upstream"]),
    ("toml", &["policy", "providers"]),
    ("axum", &["dev-idp", "ext-authz", "guard", "server"]),
    ("hyper", &["listener"]),
    ("hyper-util", &["listener"]),
    ("httparse", &["listener"]),
    ("tokio-rustls", &["listener"]),
    ("rustls", &["listener", "server"]),
    ("tonic", &["ext-authz"]),
    ("prost", &["ext-authz"]),
    ("clap", &["server"]),
];

/// Returns the dependencies of the manifests that the tables do not allow.
pub(super) fn check(manifests: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in manifests {
        let name = file
            .path
            .strip_prefix("crates/")
            .and_then(|rest| rest.strip_suffix("/Cargo.toml"));
        let Some(name) = name else { continue };
        let Some((_, allowed)) = CRATE_DEPENDENCIES.iter().find(|(known, _)| *known == name) else {
            found.push(format!(
                "{}: {name} is not in CRATE_DEPENDENCIES of xtask/src/floors/manifests.rs",
                file.path
            ));
            continue;
        };
        for dependency in dependencies(file) {
            let fits = match dependency.strip_prefix(PREFIX) {
                Some(own) => allowed.contains(&own),
                None => EXCLUSIVE_DEPENDENCIES
                    .iter()
                    .all(|(exclusive, owners)| *exclusive != dependency || owners.contains(&name)),
            };
            if !fits {
                found.push(format!("{}: {name} may not depend on {dependency}", file.path));
            }
        }
    }
    found
}

/// Returns the names in the section `[dependencies]`.
fn dependencies(manifest: &SourceFile) -> Vec<&str> {
    let mut within = false;
    let mut found = Vec::new();
    for (_, line) in manifest.lines() {
        if line.starts_with('[') {
            within = line.trim() == "[dependencies]";
        } else if within && line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            // `name = …` or `name.workspace = true`.
            found.push(line.split(['.', '=', ' ']).next().unwrap_or(line));
        }
    }
    found
}
