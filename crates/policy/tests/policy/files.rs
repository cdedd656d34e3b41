//! Policy files, valid and invalid.

use super::{admin, policy, ruled};
use maxlab_auth_core::policy::{AccessPolicy, AccessRequirement};

#[test]
fn without_a_rule_the_default_holds_everywhere_and_an_empty_file_is_an_accident() {
    for text in ["", "# nothing\n"] {
        assert!(AccessPolicy::parse(text, &admin()).is_err(), "{text}");
    }
    assert!(matches!(
        policy("default = \"authenticated\"").default_access(),
        AccessRequirement::Authenticated
    ));
    assert!(matches!(
        policy("default = \"deny\"").default_access(),
        AccessRequirement::Deny
    ));
}

#[test]
fn every_fault_is_reported_at_once_with_its_line_and_rule() {
    let text = r#"defualt = "deny"
default = "public"

[[rule]]
path = "/a/../b"
access = "public"

[[rule]]
host = ["*", "a.example:80"]
acess = "deny"
path = "/b"

[[rule]]
path = ["/c", 7]
methods = ["get", "POST"]
require = ["rol=a", "role=", "role=a, b", "role"]

[[rule]]
access = "allow"
require = "role=a"
methods = []
"#;
    let faults = AccessPolicy::parse(text, &admin()).unwrap_err();
    let found: Vec<_> = faults.iter().map(|fault| (fault.line, fault.rule)).collect();
    let expected = [
        (1, None),
        (2, None),
        (5, Some(1)),
        (8, Some(2)),
        (9, Some(2)),
        (9, Some(2)),
        (10, Some(2)),
        (14, Some(3)),
        (15, Some(3)),
        (16, Some(3)),
        (16, Some(3)),
        (16, Some(3)),
        (16, Some(3)),
        (18, Some(4)),
        (20, Some(4)),
        (21, Some(4)),
    ];
    assert_eq!(found, expected.map(|(line, rule)| (Some(line), rule)), "{faults}");
    let report = faults.to_string();
    for words in [
        "line 1: unknown key \"defualt\"",
        "line 5 (rule 1): path \"/a/../b\": no request can match it: the path contains a dot segment",
        "a method must be in capital letters",
        "unknown requirement `rol`",
        "the requirement `role` has an empty value",
        "there is a space around a value",
        "the rule has both access and require",
        "the rule has no path",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
    assert!(faults.iter().all(|fault| !fault.remedy.is_empty()));
}

#[test]
fn what_is_not_toml_is_said_with_its_line() {
    let faults = AccessPolicy::parse("x = 1\ndefault = deny\n[[rule]\npath = \"/\"\n", &admin()).unwrap_err();
    assert!(faults.iter().count() >= 2, "{faults}");
    assert_eq!(faults.iter().next().unwrap().line, Some(2), "{faults}");
    for junk in [
        "rule = 1",
        "[rule]\npath = \"/\"\naccess = \"deny\"",
        "rule = [1]",
        "\u{0}",
        "default = \"deny\"\ndefault = \"deny\"",
        "[[rule]]\npath = \"/\"\naccess = \"deny\"\naccess = \"public\"",
    ] {
        assert!(AccessPolicy::parse(junk, &admin()).is_err(), "{junk:?}");
    }
}

#[test]
fn a_rule_that_an_earlier_one_leaves_nothing_to_is_a_fault() {
    let unreachable = |earlier: &str, later: &str| {
        let text = format!("[[rule]]\n{earlier}\n[[rule]]\n{later}\n");
        AccessPolicy::parse(&text, &admin()).is_err()
    };
    let deny = |rule: &str| format!("{rule}\naccess = \"deny\"");
    let public = |rule: &str| format!("{rule}\naccess = \"public\"");
    for (earlier, later) in [
        (public("path = \"/**\""), deny("path = \"/admin/**\"")),
        (
            public("path = \"/a/**\""),
            deny("path = [\"/a/b\", \"/a/*/c/**\"]\nmethods = \"POST\""),
        ),
        (
            deny("path = \"/a\""),
            public("path = \"/a\"\nhost = \"a.example\""),
        ),
        (
            deny("path = \"/x\"\nhost = \"**.example\""),
            deny("path = \"/x\"\nhost = [\"a.b.example\", \"*.c.example\"]"),
        ),
        (
            deny("path = \"/x\"\nmethods = \"GET\""),
            deny("path = \"/x\"\nmethods = \"HEAD\""),
        ),
    ] {
        assert!(unreachable(&earlier, &later), "{earlier} / {later}");
    }
    for (earlier, later) in [
        (public("path = \"/a\""), deny("path = \"/a\"")),
        (
            public("path = \"/a/**\"\nmethods = \"GET\""),
            deny("path = \"/a/**\""),
        ),
        (public("path = \"/a/*\""), deny("path = \"/a/**\"")),
        (public("path = \"/a/*.css\""), deny("path = \"/a/*\"")),
        (
            deny("path = \"/**\"\nhost = \"*.example\""),
            deny("path = \"/**\"\nhost = \"**.example\""),
        ),
    ] {
        assert!(!unreachable(&earlier, &later), "{earlier} / {later}");
    }
}

fn of_the_project(path: &str) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

#[test]
fn the_example_says_what_its_comments_say() {
    let policy = policy(&of_the_project("deploy/policy.example.toml"));
    let write = "require scope=documents.write and permission=documents:edit";
    for (method, url, access) in [
        ("GET", "https://app.example.com/", "public"),
        ("HEAD", "https://app.example.com/assets/a/b.css", "public"),
        ("POST", "https://app.example.com/login", "authenticated"),
        ("GET", "https://app.example.com/account", "authenticated"),
        ("OPTIONS", "https://api.example.com/v1/documents/7", "public"),
        ("OPTIONS", "https://app.example.com/account", "authenticated"),
        ("GET", "https://app.example.com/metrics", "deny"),
        ("GET", "https://api.example.com/internal/x", "deny"),
        (
            "GET",
            "https://app.example.com/admin",
            "require role=admin,owner and group=ops",
        ),
        (
            "GET",
            "https://api.example.com/v1/documents",
            "require scope=documents.read",
        ),
        ("PUT", "https://eu.api.example.com/v2/documents/7/", write),
        (
            "GET",
            "https://app.example.com/workspaces/research/",
            "require workspace=research",
        ),
    ] {
        let request =
            maxlab_auth_core::policy::PolicyRequest::parse(Some(method), None, Some(url.as_bytes())).unwrap();
        let decision = policy.decide(&request).unwrap();
        assert_eq!(decision.access.to_string(), access, "{method} {url}");
    }
}

#[test]
fn the_policies_in_the_documents_are_good() {
    let text = of_the_project("docs/FORWARD_AUTH.md");
    let blocks: Vec<_> = text
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let policy = policy(block);
        assert_eq!(
            ruled(&policy, "GET", "a.example.com", "/admin/"),
            (2, "require role=admin,owner and group=ops".into())
        );
    }
}
