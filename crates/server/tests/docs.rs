//! The documents say what the code says: settings, error codes, metrics, routes, tests, links, and both READMEs.
//!
//! `MAXLAB_BLESS=1 cargo test -p maxlab-auth --test docs` writes the table in `docs/SETTINGS.md` anew.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use maxlab_auth::config::{DefaultValue, Exposure, SettingDoc, reference};

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
    for folder in ["", "docs", "docs/decisions", "e2e", "deploy"] {
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
    let secret = if doc.exposure == Exposure::Secret {
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

#[test]
fn settings_are_described_as_the_program_knows_them() {
    const BEGIN: &str = "<!-- table: begin -->\n";
    const END: &str = "<!-- table: end -->";
    let text = read("docs/SETTINGS.md");
    let (before, rest) = text
        .split_once(BEGIN)
        .expect("docs/SETTINGS.md has lost its first marker");
    let (table, after) = rest
        .split_once(END)
        .expect("docs/SETTINGS.md has lost its second marker");
    let rows: String = reference().iter().map(setting_row).collect();
    let expected =
        format!("| setting | form | when it is not set | what it does |\n|---|---|---|---|\n{rows}");
    if table != expected && std::env::var_os("MAXLAB_BLESS").is_some() {
        let file = root().join("docs/SETTINGS.md");
        std::fs::write(file, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        table, expected,
        "run: MAXLAB_BLESS=1 cargo test -p maxlab-auth --test docs"
    );
}

/// The texts between double quotes, with what stands before each.
fn literals(source: &str) -> Vec<(String, String)> {
    let pieces: Vec<&str> = source.split('"').collect();
    let pair = |pair: &[&str]| (pair[0].trim_end().to_owned(), pair[1].to_owned());
    pieces.chunks_exact(2).map(pair).collect()
}

/// Whether the text has the form of an error code.
fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Error codes in the source: what stands right after a status, and words with an underscore.
fn codes_in_source() -> BTreeSet<String> {
    let layers = "crates/server/src/http/layers";
    let mut files = vec![
        "crates/server/src/http/error.rs".to_owned(),
        format!("{layers}.rs"),
    ];
    for entry in std::fs::read_dir(root().join(layers)).unwrap() {
        files.push(format!(
            "{layers}/{}",
            entry.unwrap().file_name().to_str().unwrap()
        ));
    }
    let mut found = BTreeSet::new();
    for file in files {
        // Comments hold quotation marks of their own, tests hold other words.
        let text = read(&file);
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        for (before, literal) in literals(&code.join("\n").replace("\\\"", "'")) {
            let after_status = before.rsplit("StatusCode::").next().is_some_and(|tail| {
                before.contains("StatusCode::") && tail.ends_with(',') && tail.matches(',').count() == 1
            });
            if is_code(&literal) && (after_status || literal.contains('_')) {
                found.insert(literal);
            }
        }
    }
    assert!(
        found.contains("token_revoked") && found.contains("timeout"),
        "{found:?}"
    );
    found
}

#[test]
fn every_error_code_is_documented_and_no_other() {
    let text = read("docs/ERRORS.md");
    let source = codes_in_source();
    for code in &source {
        assert!(
            text.contains(&format!("`{code}`")),
            "docs/ERRORS.md does not mention `{code}`"
        );
    }
    let documented = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let documented: Vec<&str> = documented
        .map(|(code, _)| code)
        .filter(|code| is_code(code))
        .collect();
    assert!(documented.len() > 15, "{documented:?}");
    for code in documented {
        assert!(
            source.contains(code),
            "docs/ERRORS.md describes `{code}`, which the source does not have"
        );
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
    for document in ["docs/THREATS.md", "CONTRIBUTING.md"] {
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
