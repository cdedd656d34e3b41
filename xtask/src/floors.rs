//! Rules of the house that the compiler does not check: which module may use which, who makes the types of the
//! pipeline, the length of files and functions, the words of comments, fixed sleeps in tests.

mod constructors;
mod imports;
mod manifests;
mod prose;
mod size;
mod source;

use anyhow::{Result, ensure};

use crate::report::StepOutcome;
use crate::shell::Workspace;
use source::SourceTree;

/// Checks every rule, and lists all violations.
///
/// # Errors
/// A rule is violated, or the sources cannot be read.
pub(crate) fn check(workspace: &Workspace) -> Result<StepOutcome> {
    let violations = find_violations(&SourceTree::read(&workspace.at("."))?);
    ensure!(
        violations.is_empty(),
        "{} violations of the rules in xtask/src/floors:\n{}",
        violations.len(),
        violations.join("\n")
    );
    Ok(StepOutcome::Passed)
}

/// Returns the violations of all rules, one line each.
fn find_violations(tree: &SourceTree) -> Vec<String> {
    let mut found = manifests::check(&tree.manifests);
    found.extend(prose::check_fixed_sleeps(&tree.sources));
    for file in &tree.sources {
        // Tests may use anything, be long, and quote anything.
        if file.is_test() {
            continue;
        }
        found.extend(imports::check(file));
        found.extend(constructors::check(file));
        found.extend(size::check(file));
        found.extend(prose::check(file));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::source::SourceFile;
    use super::*;

    fn violations_of(path: &str, text: &str) -> Vec<String> {
        find_violations(&SourceTree {
            sources: vec![SourceFile::new(path, text)],
            manifests: Vec::new(),
        })
    }

    #[test]
    fn the_repository_keeps_the_rules() {
        check(&Workspace::locate().unwrap()).unwrap();
    }

    #[test]
    fn a_violation_on_disk_is_read_and_found() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["bench", "crates/core/src/verify", "fuzz/target", "xtask"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let sideways = "use crate::revocation::RevocationGate;\n";
        fs::write(root.path().join("crates/core/src/verify/chain.rs"), sideways).unwrap();
        // The build writes sources of its own.
        fs::write(root.path().join("fuzz/target/built.rs"), "// Nobody.\n").unwrap();
        let found = find_violations(&SourceTree::read(root.path()).unwrap());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("crates/core/src/verify/chain.rs:1: verify may not use revocation"));
    }

    #[test]
    fn each_planted_violation_is_found_with_its_place() {
        let long_function = format!("fn long() {{\n{}}}\n", "    step();\n".repeat(80));
        let long_file = "const A: u8 = 0;\n".repeat(351);
        for (path, text, expected) in [
            (
                "crates/core/src/verify/x.rs",
                "use crate::engine::Engine;\n",
                "crates/core/src/verify/x.rs:1: verify may not use engine",
            ),
            (
                "crates/core/src/verdict/x.rs",
                "\nuse crate::{clock, revocation::RevocationGate};\n",
                "crates/core/src/verdict/x.rs:2: verdict may not use revocation",
            ),
            (
                "crates/core/src/session.rs",
                "fn f() -> crate::verify::X {}\n",
                "crates/core/src/session.rs:1: session may not use verify",
            ),
            (
                "crates/core/src/cellar/x.rs",
                "use crate::clock;\n",
                "crates/core/src/cellar/x.rs:1: cellar has no floor",
            ),
            (
                "crates/core/src/engine/x.rs",
                "fn f() { ActiveCredential::new(a, b); }\n",
                "crates/core/src/engine/x.rs:1: ActiveCredential::new(",
            ),
            (
                "crates/core/src/revocation/x.rs",
                "fn f() { Verified::new(a); }\n",
                "crates/core/src/revocation/x.rs:1: Verified::new(",
            ),
            (
                "crates/server/src/x.rs",
                &long_function,
                "crates/server/src/x.rs:1: function long has 82 lines",
            ),
            (
                "crates/server/src/x.rs",
                &long_file,
                "crates/server/src/x.rs: 351 lines",
            ),
            (
                "crates/guard/src/x.rs",
                "// Nobody is told.\n",
                "crates/guard/src/x.rs:1: \"nobody\"",
            ),
            (
                "crates/guard/src/x.rs",
                "/// It holds keys.\nstruct X;\n",
                "crates/guard/src/x.rs:1: a doc comment begins with \"It\"",
            ),
        ] {
            let found = violations_of(path, text);
            assert!(
                found.iter().any(|line| line.starts_with(expected)),
                "{expected}: {found:?}"
            );
        }
    }

    #[test]
    fn a_planted_dependency_is_found() {
        let manifests = |name: &str, line: &str| {
            let text = format!(
                "[package]\nname = \"x\"\n\n[dependencies]\n{line}\n\n[dev-dependencies]\nsqlx.workspace = true\n"
            );
            manifests::check(&[SourceFile::new(name, &text)])
        };
        for (manifest, line) in [
            ("crates/store/Cargo.toml", "maxlab-auth-jose.workspace = true"),
            (
                "crates/core/Cargo.toml",
                "maxlab-auth-store = { workspace = true }",
            ),
            ("crates/core/Cargo.toml", "reqwest.workspace = true"),
            ("crates/guard/Cargo.toml", "sqlx = \"0.9\""),
            ("crates/attic/Cargo.toml", "maxlab-auth-core.workspace = true"),
            ("crates/listener/Cargo.toml", "axum.workspace = true"),
            ("crates/server/Cargo.toml", "hyper-util.workspace = true"),
        ] {
            assert_eq!(manifests(manifest, line).len(), 1, "{manifest} {line}");
        }
        assert!(manifests("crates/upstream/Cargo.toml", "reqwest.workspace = true").is_empty());
    }

    #[test]
    fn what_is_allowed_is_not_reported() {
        for (path, text) in [
            (
                "crates/core/src/verify/x.rs",
                "use crate::verdict::Verified;\nuse crate::verify::chain;\n",
            ),
            (
                "crates/core/src/verify/chain.rs",
                "fn f() { Verified::new(a); }\n",
            ),
            (
                "crates/core/src/revocation/gate.rs",
                "fn f() { ActiveCredential::new(a, b); }\n",
            ),
            // The module of tests at the end of a file, and comments that name a path.
            (
                "crates/core/src/clock.rs",
                "// crate::engine\n#[cfg(test)]\nmod tests {\n    use crate::engine::X;\n}\n",
            ),
            ("crates/core/tests/x.rs", "// Nobody is told.\n"),
            (
                "crates/server/src/x.rs",
                "/// Besides, the itemized list.\nfn f() {}\n",
            ),
        ] {
            assert_eq!(violations_of(path, text), Vec::<String>::new(), "{path}");
        }
    }

    #[test]
    fn one_fixed_sleep_more_than_today_is_found() {
        let sleeps = |count: usize| {
            let text = format!("    {}(Duration::from_millis(100)).await;\n", "sleep").repeat(count);
            violations_of("crates/server/tests/x.rs", &text)
        };
        assert!(sleeps(prose::MAX_FIXED_SLEEPS).is_empty());
        assert_eq!(sleeps(prose::MAX_FIXED_SLEEPS + 1).len(), 1);
    }
}
