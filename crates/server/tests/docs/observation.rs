//! Spans and events: the table of spans is that of the source, and metrics are made in one place.

use std::collections::BTreeSet;

use super::{read, root};

/// The Rust files below a folder, by their path from the root.
fn rust_files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(rust_files(&path));
        } else if path.ends_with(".rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The spans at INFO of a source file: each function that has one, with its fields.
fn info_spans(source: &str) -> Vec<(String, Vec<String>)> {
    let mut spans = Vec::new();
    for part in source.split("#[tracing::instrument(").skip(1) {
        let (attribute, rest) = part.split_once(")]").unwrap();
        if attribute.contains("level = ") {
            continue;
        }
        let fields = attribute.split_once("fields(").map_or("", |(_, fields)| fields);
        let names = fields.split(',').filter_map(|field| field.split('=').next());
        let names = names.map(|name| name.trim().to_owned());
        let function = rest.split("fn ").nth(1).unwrap();
        let function = function.split(['(', '<']).next().unwrap().to_owned();
        spans.push((function, names.filter(|name| !name.is_empty()).collect()));
    }
    spans
}

#[test]
fn the_table_of_spans_has_those_of_the_source_and_no_others() {
    let crates = std::fs::read_dir(root().join("crates")).unwrap();
    let mut source = BTreeSet::new();
    for name in crates.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        for file in rust_files(&format!("crates/{name}/src")) {
            for (span, fields) in info_spans(&read(&file)) {
                source.insert((span, fields, file.clone()));
            }
        }
    }
    assert!(source.len() > 15, "{source:?}");
    let text = read("docs/LOGGING.md");
    let quoted =
        |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let mut documented = BTreeSet::new();
    for row in text.lines().filter(|line| line.contains(" | INFO | ")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let [spans, _, fields, file] = cells[..] else {
            continue;
        };
        for span in quoted(spans) {
            documented.insert((span, quoted(fields), quoted(file)[0].clone()));
        }
    }
    assert_eq!(source, documented, "docs/LOGGING.md, \"Spans\"");
}

/// Functions that count what a use case did. Only the receiver of the events calls them (decision 27).
#[test]
fn revocations_and_sessions_are_counted_from_events_only() {
    const COUNTED: [&str; 8] = [
        "revoked",
        "session_created",
        "session_ended",
        "verdict_refreshed",
        "unproven_settled",
        "unproven_tokens_held",
        "unproven_limit_reached",
        "record_acknowledged",
    ];
    let receiver = read("crates/server/src/events.rs");
    for function in COUNTED {
        let call = format!("::{function}(");
        assert!(receiver.contains(&call), "{function} is never called");
        for file in rust_files("crates/server/src") {
            let own = file.ends_with("/events.rs");
            assert!(own || !read(&file).contains(&call), "{file} calls {function}");
        }
    }
}

/// Names in a text that look like metrics: what stands before `{` or `[`, or after `metric: `.
fn metric_names(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices('{') {
        let before = text.split_at(at).0;
        let start = before.rfind(|c| !is_name(c)).map_or(0, |end| end + 1);
        let name = before.split_at(start).1;
        if name.contains('_') {
            found.insert(name.to_owned());
        }
    }
    found
}

#[test]
fn n15_alerts_and_dashboard_ask_for_metrics_that_there_are() {
    let documented = read("docs/OPERATIONS.md");
    for file in ["deploy/prometheus/rules.yaml", "deploy/prometheus/dashboard.json"] {
        let names = metric_names(&read(file));
        assert!(names.len() > 10, "{file}: {names:?}");
        for name in names {
            let name = name.strip_suffix("_bucket").unwrap_or(&name);
            assert!(documented.contains(&format!("`{name}`")), "{file}: {name}");
        }
    }
}

#[test]
fn n15_the_examples_leave_more_time_than_a_stop_takes() {
    let kubernetes = read("deploy/kubernetes/maxlab-auth.yaml");
    let number = |name: &str| -> u64 {
        let (_, rest) = kubernetes.split_once(&format!("{name}: ")).unwrap();
        let digits: String = rest
            .chars()
            .skip_while(|c| *c == '"')
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().unwrap()
    };
    let stop = number("SHUTDOWN_DELAY_SECONDS") + number("SHUTDOWN_SECONDS");
    assert!(number("terminationGracePeriodSeconds") > stop);
    for path in ["/health", "/health/ready"] {
        assert!(kubernetes.contains(&format!("path: {path},")), "{path}");
    }
}
