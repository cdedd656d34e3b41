//! Checks which types of other crates the guard library shows in its public functions, fields and traits.
//!
//! An application names the guard alone. So a type of another crate of this workspace must be exported by the
//! guard, and a third-party crate must be one that the application uses anyway (axum, http, tower).

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value};

use crate::report::StepOutcome;
use crate::shell::{self, Workspace};

const LIBRARY: &str = "maxlab-auth-guard";
/// Beginning of the names of this workspace's crates in paths.
const OWN_CRATES: &str = "maxlab_auth_";
/// Other crates whose types the library may show.
const ALLOWED_CRATES: [&str; 7] = [
    "alloc",
    "axum_core",
    "core",
    "http",
    "std",
    "tower_layer",
    "tower_service",
];
/// Folder of the script that runs rustdoc.
const FOLDER: &str = "target/public-api";

/// Checks the public API of the guard library, as rustdoc describes it.
///
/// # Errors
/// The library shows a type that an application cannot name through it, or cannot be documented.
pub(crate) fn check(workspace: &Workspace) -> Result<StepOutcome> {
    let folder = workspace.at(FOLDER);
    fs::create_dir_all(&folder)?;
    // The JSON form of rustdoc is unstable, so a stable rustdoc must be told to accept it. In the environment
    // of cargo this would build all dependencies again, and so a script sets it for rustdoc alone.
    let rustdoc = folder.join("rustdoc");
    fs::write(&rustdoc, "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n")?;
    fs::set_permissions(&rustdoc, fs::Permissions::from_mode(0o755))?;
    let target = workspace.at("target");
    let mut describe = workspace.cargo(&["rustdoc", "--locked", "--lib", "-p", LIBRARY, "--target-dir"]);
    describe
        .arg(&target)
        .args(["--", "-Z", "unstable-options", "--output-format", "json"]);
    shell::run(describe.env("RUSTDOC", &rustdoc))?;
    let text = fs::read_to_string(target.join("doc/maxlab_auth_guard.json"))?;
    let found = foreign_types(&serde_json::from_str(&text).context("rustdoc's JSON cannot be read")?)?;
    ensure!(
        found.is_empty(),
        "{LIBRARY} shows types that an application cannot name through it:\n{}",
        found.join("\n")
    );
    Ok(StepOutcome::Passed)
}

/// Returns the types of other crates that the described crate shows and neither exports nor may show.
fn foreign_types(description: &Value) -> Result<Vec<String>> {
    let members = ["index", "paths", "external_crates"].map(|name| description[name].as_object());
    let [Some(items), Some(paths), Some(crates)] = members else {
        anyhow::bail!("rustdoc's JSON has another form than this check knows");
    };
    let own_items = || items.values().filter(|item| item["crate_id"] == 0);
    let exported: BTreeSet<&str> = own_items()
        .filter_map(|item| item["inner"]["use"]["name"].as_str().or(item["name"].as_str()))
        .collect();
    let mut ids = BTreeSet::new();
    for item in own_items().filter(|item| !is_generated(item)) {
        collect_type_ids(&item["inner"], &mut ids);
    }
    let mut found = BTreeSet::new();
    for id in ids {
        let Some((crate_name, path)) = resolve(paths, crates, &id) else {
            continue;
        };
        let name = path.rsplit("::").next().unwrap_or(&path);
        let is_fine = ALLOWED_CRATES.contains(&crate_name)
            || (crate_name.starts_with(OWN_CRATES) && exported.contains(name));
        if !is_fine {
            found.insert(path);
        }
    }
    Ok(found.into_iter().collect())
}

/// Returns whether an item is an impl that the compiler made: an auto trait, or a blanket impl of another crate.
fn is_generated(item: &Value) -> bool {
    let implementation = &item["inner"]["impl"];
    implementation["is_synthetic"] == true || implementation["blanket_impl"].is_object()
}

/// Collects the ids of all types and traits that are named in a part of the description.
fn collect_type_ids(part: &Value, ids: &mut BTreeSet<String>) {
    match part {
        Value::Object(members) => {
            if members.contains_key("path") && members.contains_key("args") {
                ids.extend(members.get("id").map(Value::to_string));
            }
            members.values().for_each(|member| collect_type_ids(member, ids));
        }
        Value::Array(members) => members.iter().for_each(|member| collect_type_ids(member, ids)),
        _ => {}
    }
}

/// Returns the crate of a type and its whole path; `None` if it is one of the described crate.
fn resolve<'d>(
    paths: &'d Map<String, Value>,
    crates: &'d Map<String, Value>,
    id: &str,
) -> Option<(&'d str, String)> {
    let entry = paths.get(id)?;
    let crate_id = entry["crate_id"].as_u64().filter(|id| *id != 0)?;
    let crate_name = crates.get(&crate_id.to_string())?["name"].as_str()?;
    let segments: Vec<_> = entry["path"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    Some((crate_name, segments.join("::")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_library_shows_only_what_an_application_can_name() {
        check(&Workspace::locate().unwrap()).unwrap();
    }

    #[test]
    fn a_type_that_is_not_exported_is_found() {
        let named = |id: u32| json!({ "resolved_path": { "path": "x", "id": id, "args": null } });
        let item = |inner: Value| json!({ "crate_id": 0, "name": "f", "inner": inner });
        let description = json!({
            "index": {
                "1": item(json!({ "function": { "output": named(11), "inputs": [named(12), named(13)] } })),
                "2": item(json!({ "use": { "name": "Identity", "id": 12 } })),
                "3": item(json!({ "impl": { "trait": named(14), "is_synthetic": true } })),
            },
            "paths": {
                "11": { "crate_id": 1, "path": ["maxlab_auth_core", "Engine"] },
                "12": { "crate_id": 1, "path": ["maxlab_auth_core", "identity", "Identity"] },
                "13": { "crate_id": 2, "path": ["http", "Request"] },
                "14": { "crate_id": 3, "path": ["url", "Url"] },
            },
            "external_crates": {
                "1": { "name": "maxlab_auth_core" }, "2": { "name": "http" }, "3": { "name": "url" },
            },
        });
        assert_eq!(foreign_types(&description).unwrap(), ["maxlab_auth_core::Engine"]);
        assert!(foreign_types(&json!({})).is_err());
    }
}
