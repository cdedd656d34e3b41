//! Rules that the source itself keeps: one place for statuses, for the cookie's name, for each dependency.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};

use maxlab_auth::config::reference;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Source files below a folder, by path from the root, without comments and without their tests.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                let code = code
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .collect::<Vec<_>>();
                found.push((name, code.join("\n")));
            }
        }
    }
    assert!(!found.is_empty(), "{folder}");
    found
}

#[test]
fn h4_secret_key_is_used_as_its_description_says() {
    let doc = reference().iter().find(|doc| doc.name == "SECRET_KEY").unwrap();
    assert!(doc.meaning.starts_with("Seals the state of a browser login"));
    for document in ["docs/OPERATIONS.md", "docs/SETTINGS.md"] {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        assert!(text.contains("eals the state of a browser login"), "{document}");
        assert!(text.contains("seals the state of a"), "{document}");
    }
    let reads: Vec<_> = sources("crates/server/src")
        .into_iter()
        .filter(|(_, code)| code.contains("session.secret_key") || code.contains("settings.secret_key"))
        .map(|(file, _)| file)
        .collect();
    assert_eq!(
        reads,
        ["crates/server/src/app/browser_login.rs"],
        "say in its description what it does"
    );
}

#[test]
fn h5_the_cookies_name_is_decided_in_one_place() {
    let mut places = Vec::new();
    for folder in ["server", "guard", "core", "ext-authz"] {
        for (file, code) in sources(&format!("crates/{folder}/src")) {
            let names = ["\"__Host-maxlab_session\"", "\"maxlab_session\""];
            if names.iter().any(|name| code.contains(name)) {
                places.push(file);
            }
        }
    }
    assert_eq!(places, ["crates/core/src/session/cookie_name.rs"]);
}

#[test]
fn h6_every_dependency_is_used() {
    let mut checked = 0;
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
        let section = section.split("\n[").next().unwrap();
        let code = sources(folder.join("src").strip_prefix(root()).unwrap().to_str().unwrap());
        for line in section.lines().filter(|line| !line.starts_with('#')) {
            let Some(name) = line.split(['.', ' ', '=']).next().filter(|name| !name.is_empty()) else {
                continue;
            };
            // A dependency that is there for a feature of another one is named for cargo-machete too, with a reason.
            if manifest.contains(&format!("\nignored = [\"{name}\"]")) {
                continue;
            }
            let name = name.replace('-', "_");
            let used = code.iter().any(|(_, text)| text.contains(&name));
            assert!(used, "{} does not use {name}", folder.display());
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

/// Statuses of failures that a handler or a layer could write by itself.
const ERROR_STATUSES: [&str; 12] = [
    "BAD_REQUEST",
    "UNAUTHORIZED",
    "FORBIDDEN",
    "NOT_FOUND",
    "METHOD_NOT_ALLOWED",
    "REQUEST_TIMEOUT",
    "PAYLOAD_TOO_LARGE",
    "URI_TOO_LONG",
    "INTERNAL_SERVER_ERROR",
    "BAD_GATEWAY",
    "SERVICE_UNAVAILABLE",
    "GATEWAY_TIMEOUT",
];

#[test]
fn h10_only_the_error_map_writes_a_status_of_a_failure_or_retry_after() {
    let mut map_is_there = false;
    for (file, code) in sources("crates/server/src/http") {
        if file == "crates/server/src/http/error.rs" {
            map_is_there = code.contains("RETRY_AFTER");
            continue;
        }
        assert!(
            !code.contains("RETRY_AFTER") || file.ends_with("http/oauth/mod.rs"),
            "{file}"
        );
        for line in code.lines() {
            let writes = ERROR_STATUSES
                .iter()
                .any(|status| line.contains(&format!("StatusCode::{status}")));
            // A comparison reads the status of the authorization server.
            assert!(!writes || line.contains("== StatusCode::"), "{file}: {line}");
        }
    }
    assert!(map_is_there);
}
