//! Constructors that lock the pipeline: only the step that has done its check may call them.

use super::source::SourceFile;

/// Constructors, and the beginnings of the paths that may call them.
const LOCKED_CONSTRUCTORS: [(&str, &[&str]); 2] = [
    (
        "ActiveCredential::new(",
        &["crates/core/src/revocation/", "crates/core/src/verdict/"],
    ),
    (
        "Verified::new(",
        &[
            "crates/core/src/verify/chain",
            "crates/core/src/session/",
            "crates/core/src/verdict/",
        ],
    ),
];

/// Returns the calls of locked constructors from other places.
pub(super) fn check(file: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    for (constructor, allowed) in LOCKED_CONSTRUCTORS {
        if allowed.iter().any(|place| file.path.starts_with(place)) {
            continue;
        }
        for (number, line) in file.code_lines().filter(|(_, line)| line.contains(constructor)) {
            // `NotVerified::new(` is another type.
            let at = line.find(constructor).unwrap_or_default();
            if !line[..at].ends_with(|c: char| c.is_alphanumeric()) {
                found.push(format!(
                    "{}:{number}: {constructor} is called only in {}",
                    file.path,
                    allowed.join(", ")
                ));
            }
        }
    }
    found
}
