//! Floors of the core: a module uses modules of lower floors, and none of its own floor or above.

use super::source::SourceFile;

const CORE: &str = "crates/core/src/";

/// Modules of the core, from the ground up. A new module needs a place here.
const CORE_FLOORS: &[&[&str]] = &[
    &["sync", "error_code"],
    &["unavailable", "clock", "identity"],
    &["random", "seal", "workspace", "token_endpoint"],
    &["credential", "outbox"],
    // What is known about a credential, without a question.
    &["verdict", "audit", "used_codes"],
    &["issued_tokens", "events"],
    // The steps of the pipeline. None knows the others.
    &["verify", "revocation", "session", "guard"],
    &["login", "policy"],
    &["identity_token"],
    // Where the steps meet.
    &["engine"],
    // May this request pass? The entry points translate to it and back.
    &["access"],
];

/// Returns the imports of the file that go up or sideways.
pub(super) fn check(file: &SourceFile) -> Vec<String> {
    let Some(within) = file.path.strip_prefix(CORE) else {
        return Vec::new();
    };
    let module = within.split('/').next().unwrap_or(within);
    let module = module.strip_suffix(".rs").unwrap_or(module);
    if module == "lib" {
        return Vec::new();
    }
    let Some(own_floor) = floor_of(module) else {
        return vec![format!(
            "{}:1: {module} has no floor; add it to CORE_FLOORS in xtask/src/floors/imports.rs",
            file.path
        )];
    };
    let mut found = Vec::new();
    for (number, line) in file.code_lines() {
        for used in used_modules(line) {
            // A name without a floor is no module of the core's root, for example a macro.
            if used != module && floor_of(used).is_some_and(|floor| floor >= own_floor) {
                found.push(format!(
                    "{}:{number}: {module} may not use {used} (CORE_FLOORS in xtask/src/floors/imports.rs)",
                    file.path
                ));
            }
        }
    }
    found
}

fn floor_of(module: &str) -> Option<usize> {
    CORE_FLOORS.iter().position(|floor| floor.contains(&module))
}

/// Returns the names that follow `crate::` on a line, also those of a list in braces.
fn used_modules(line: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, start) in line.match_indices("crate::") {
        // `pub(in crate::x)` grants and does not use; `$crate::` is a macro for others.
        if line[..at].ends_with(['$', '_']) || line[..at].ends_with("(in ") {
            continue;
        }
        let rest = &line[at + start.len()..];
        let list = rest
            .strip_prefix('{')
            .map_or(rest, |list| list.split('}').next().unwrap_or(list));
        let items = if rest.starts_with('{') {
            list.split(',').collect()
        } else {
            vec![list]
        };
        for item in items {
            let item = item.trim_start();
            found.push(item.split(|c| !is_name(c)).next().unwrap_or(item));
        }
    }
    found
}
