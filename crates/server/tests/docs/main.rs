//! The documents say what the code says: settings, error codes, metrics, routes, tests, links, and both READMEs.
//!
//! `MAXLAB_BLESS=1 cargo test -p maxlab-auth --test docs` writes the tables in `docs/SETTINGS.md` and
//! `docs/ERRORS.md` anew.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod observation;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use maxlab_auth::config::{DefaultValue, SettingDoc, ValueExposure, reference};
use maxlab_auth_core::error_code::ErrorCode;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|fault| panic!("{path}: {fault}"))
}

/// Every Markdown file of the project, by its path from the root.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["", "docs", "docs/decisions", "docs/ko", "e2e", "deploy"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if Path::new(&name)
                .extension()
                .is_some_and(|extension| extension == "md")
            {
                found.push(if folder.is_empty() {
                    name
                } else {
                    format!("{folder}/{name}")
                });
            }
        }
    }
    found.sort();
    assert!(found.len() > 10, "{found:?}");
    found
}

/// The lines outside code blocks; the lines of code blocks are left empty.
fn prose(text: &str) -> Vec<&str> {
    let mut inside = false;
    let lines = text.lines().map(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        if inside || fence { "" } else { line }
    });
    lines.collect()
}

fn setting_row(doc: &SettingDoc) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let default = match doc.default {
        DefaultValue::Value(text) => format!("`{text}`"),
        DefaultValue::Unset(words) => format!("*{words}*"),
    };
    let secret = if doc.exposure == ValueExposure::Secret {
        " **Secret.**"
    } else {
        ""
    };
    format!(
        "| `{}` | {} | {} | {}{secret} |\n",
        doc.name,
        cell(doc.unit),
        cell(&default),
        cell(doc.meaning)
    )
}

/// Compares the table between two markers of a document with the expected one, or writes it (`MAXLAB_BLESS`).
fn compare_table(document: &str, [begin, end]: [&str; 2], expected: &str) {
    let text = read(document);
    let (before, rest) = text
        .split_once(begin)
        .unwrap_or_else(|| panic!("{document} has lost its first marker"));
    let (table, after) = rest
        .split_once(end)
        .unwrap_or_else(|| panic!("{document} has lost its second marker"));
    if table != expected && std::env::var_os("MAXLAB_BLESS").is_some() {
        std::fs::write(
            root().join(document),
            format!("{before}{begin}{expected}{end}{after}"),
        )
        .unwrap();
        return;
    }
    assert_eq!(
        table, expected,
        "run: MAXLAB_BLESS=1 cargo test -p maxlab-auth --test docs"
    );
}

#[test]
fn settings_are_described_as_the_program_knows_them() {
    let rows: String = reference().iter().map(setting_row).collect();
    let expected =
        format!("| setting | form | when it is not set | what it does |\n|---|---|---|---|\n{rows}");
    compare_table(
        "docs/SETTINGS.md",
        ["<!-- table: begin -->\n", "<!-- table: end -->"],
        &expected,
    );
}

fn error_row(code: ErrorCode) -> String {
    format!(
        "| `{}` | {} | {} | {} |\n",
        code.as_str(),
        code.status(),
        code.doc(),
        code.remedy()
    )
}

#[test]
fn error_codes_are_described_as_the_program_knows_them() {
    let rows: String = ErrorCode::ALL.into_iter().map(error_row).collect();
    let expected = format!("| code | status | when | what the client does |\n|---|---|---|---|\n{rows}");
    compare_table(
        "docs/ERRORS.md",
        ["<!-- codes: begin -->\n", "<!-- codes: end -->"],
        &expected,
    );
}

#[test]
fn the_korean_table_has_the_same_codes() {
    let text = read("docs/ko/ERRORS.md");
    // The first such line is the head of the table.
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .skip(1)
        .collect();
    assert_eq!(rows.len(), ErrorCode::ALL.len());
    for (row, code) in rows.iter().zip(ErrorCode::ALL) {
        let begin = format!("| `{}` | {} |", code.as_str(), code.status());
        assert!(row.starts_with(&begin), "{row}: {begin}");
    }
}

#[test]
fn every_metric_is_documented() {
    let text = read("docs/OPERATIONS.md");
    let source = ["mod.rs", "revocation.rs"].map(|file| read(&format!("crates/server/src/metrics/{file}")));
    let source = source.concat();
    let consts = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split('"').nth(1));
    let names: Vec<&str> = consts.collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(
            text.contains(&format!("`{name}`")),
            "docs/OPERATIONS.md does not mention `{name}`"
        );
    }
}

#[test]
fn both_readmes_list_every_route() {
    let router = read("crates/server/src/http/router.rs");
    let routes: Vec<&str> = router
        .split(".route(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(routes.len() > 20, "{routes:?}");
    for file in ["README.md", "README.ko.md"] {
        let text = read(file);
        for route in &routes {
            assert!(
                text.contains(&format!("{route}`")),
                "{file} does not list {route}"
            );
        }
    }
}

#[test]
fn the_korean_readme_follows_the_english_one() {
    let shape = |file: &str| {
        let text = read(file);
        let fences = text
            .lines()
            .filter(|line| line.starts_with("```"))
            .map(str::to_owned);
        let headings = prose(&text).into_iter().filter(|line| line.starts_with('#'));
        let levels: Vec<usize> = headings
            .map(|line| line.bytes().take_while(|byte| *byte == b'#').count())
            .collect();
        let rows = prose(&text)
            .into_iter()
            .filter(|line| line.starts_with('|'))
            .count();
        (levels, fences.collect::<Vec<_>>(), rows)
    };
    assert_eq!(shape("README.md"), shape("README.ko.md"));
}

/// A heading's anchor: lower case, without punctuation, with hyphens for spaces.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The targets of a document's links that lead to somewhere within the project.
fn links(text: &str) -> Vec<String> {
    let lines = prose(text).join("\n");
    let targets = lines
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_link_within_the_project_leads_somewhere() {
    let mut checked = 0;
    for document in documents() {
        let text = read(&document);
        for link in links(&text) {
            let (path, fragment) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                root().join(&document)
            } else {
                root().join(&document).parent().unwrap().join(path)
            };
            assert!(target.exists(), "{document}: ({link}) leads nowhere");
            if !fragment.is_empty() {
                let there = std::fs::read_to_string(&target).unwrap();
                let known = prose(&there)
                    .into_iter()
                    .any(|l| l.starts_with('#') && anchor(l) == fragment);
                assert!(known, "{document}: ({link}) names no heading");
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} links were found");
}

/// Tests are cited as `path::what is to be found in that file`.
#[test]
fn every_test_that_a_document_cites_exists() {
    let mut checked = 0;
    for document in ["docs/THREATS.md", "docs/OPERATIONS.md", "CONTRIBUTING.md"] {
        let text = read(document);
        let lines = prose(&text).join("\n");
        for cited in lines.split('`').skip(1).step_by(2) {
            let Some((path, name)) = cited.split_once("::") else {
                continue;
            };
            if !path.contains('/') {
                continue;
            }
            assert!(root().join(path).is_file(), "{document}: {path} is no file");
            // In JavaScript a title stands between single quotes, which hide an apostrophe.
            let there = read(path).replace("\\'", "'");
            assert!(there.contains(name), "{document}: {path} has no test `{name}`");
            checked += 1;
        }
    }
    assert!(checked > 30, "only {checked} citations were found");
}

/// Names of the types and traits in the sources of the workspace's crates.
fn types_in_sources() -> BTreeSet<String> {
    let crates = std::fs::read_dir(root().join("crates")).unwrap();
    let mut folders: Vec<PathBuf> = crates.map(|entry| entry.unwrap().path().join("src")).collect();
    let mut types = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                types.extend(text.lines().filter_map(type_declared_in).map(str::to_owned));
            }
        }
    }
    types
}

/// The type or trait that a line of Rust begins to declare.
fn type_declared_in(line: &str) -> Option<&str> {
    let mut words = line
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .skip_while(|word| matches!(*word, "" | "pub" | "crate" | "super" | "in"));
    matches!(words.next()?, "struct" | "enum" | "trait" | "type").then(|| words.next())?
}

#[test]
fn every_type_of_the_glossary_exists() {
    let text = read("docs/GLOSSARY.md");
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(1);
    let types = types_in_sources();
    let mut checked = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [term, _, named, _] = cells[..] else {
            panic!("{row} has not four columns");
        };
        let mut names = named.split('`').skip(1).step_by(2).peekable();
        assert!(names.peek().is_some(), "{term} names no type");
        for name in names {
            assert!(types.contains(name), "{term}: there is no type `{name}`");
            checked += 1;
        }
    }
    assert!(checked > 60, "only {checked} types are named");
}

/// Settings that are a size, a number or a time at which something is refused, cut or ended.
fn is_limit(name: &str) -> bool {
    ["MAX_", "_MAX", "TIMEOUT", "RATE_", "SHUTDOWN_SECONDS"]
        .iter()
        .any(|part| name.contains(part))
}

#[test]
fn w14_every_limit_stands_in_one_table_with_its_setting_and_its_test() {
    let text = read("docs/OPERATIONS.md");
    let section = text.split("\n## Limits\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows: Vec<Vec<&str>> = section
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() >= 20, "{} limits", rows.len());
    let mut settings = BTreeSet::new();
    for row in &rows {
        let [what, limit, setting, _, test] = row[..] else {
            panic!("{row:?} has not five columns");
        };
        assert!(!what.is_empty() && !limit.is_empty(), "{row:?}");
        assert!(test.contains("::"), "{what}: no test");
        let names: Vec<&str> = setting.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty() || setting == "–", "{what}: {setting}");
        settings.extend(names);
    }
    for name in &settings {
        assert!(
            reference().iter().any(|doc| doc.name == *name),
            "{name} is no setting"
        );
    }
    for doc in reference().iter().filter(|doc| is_limit(doc.name)) {
        assert!(settings.contains(doc.name), "{} has no row", doc.name);
    }
}
