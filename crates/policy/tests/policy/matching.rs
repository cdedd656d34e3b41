//! Matching of patterns, and the order of rules.

use proptest::prelude::*;

use super::{is_public, policy, ruled};
use maxlab_auth_core::policy::{
    CanonicalHost, CanonicalPath, HostPattern, MissingAttribute, PathPattern, PatternFault, PolicyRequest,
};

fn matches(pattern: &str, path: &str) -> bool {
    let pattern = PathPattern::parse(pattern).unwrap();
    pattern.matches(&CanonicalPath::parse(path.as_bytes()).unwrap())
}

#[test]
fn path_patterns() {
    for (pattern, good, bad) in [
        ("/", &["/"][..], &["/a"][..]),
        ("/a", &["/a", "/%61"], &["/a/", "/a/b", "/A", "/ab", "/"]),
        ("/a/", &["/a/"], &["/a", "/a/b"]),
        ("/a/*", &["/a/b", "/a/*"], &["/a", "/a/", "/a/b/c", "/a/b/"]),
        ("/a/**", &["/a", "/a/", "/a/b", "/a/b/c/"], &["/", "/ab", "/b/a"]),
        ("/**", &["/", "/a", "/a/b/"], &[]),
        (
            "/**/*.css",
            &["/x.css", "/a/b/x.css", "/.css"],
            &["/x.css/", "/x.css/a", "/x.csss", "/"],
        ),
        ("/a/**/z", &["/a/z", "/a/b/c/z"], &["/a", "/z", "/a/z/b", "/a/zz"]),
        (
            "/u/*/posts",
            &["/u/7/posts"],
            &["/u/posts", "/u//posts", "/u/7/8/posts"],
        ),
        ("/v*/x", &["/v1/x", "/v/x"], &["/w1/x", "/v1/2/x"]),
        ("/ab*ba", &["/abba", "/abxba"], &["/aba", "/ab"]),
        ("/C%23/%2A", &["/C%23/*", "/C%23/%2a"], &["/C%23/x"]),
        (
            "/문서/**",
            &["/%EB%AC%B8%EC%84%9C", "/%eb%ac%b8%ec%84%9c/x"],
            &["/x"],
        ),
    ] {
        for path in good {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for path in bad.iter().filter(|path| !path.contains("//")) {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }
    for (pattern, fault) in [
        ("/a/**/b/**", PatternFault::MultipleGlobstars),
        ("/a**", PatternFault::MultipleStars),
        ("/*a*", PatternFault::MultipleStars),
    ] {
        assert_eq!(PathPattern::parse(pattern), Err(fault), "{pattern}");
    }
    for pattern in [
        "",
        "a",
        "//",
        "/a//**",
        "/a/../b",
        "/%2f",
        "/a;b",
        "/%25%32%65",
        "/%ff*",
        "/a?b",
    ] {
        assert!(
            matches!(PathPattern::parse(pattern), Err(PatternFault::Path(_))),
            "{pattern}"
        );
    }
}

#[test]
fn host_patterns() {
    let matches = |pattern: &str, host: &str| {
        HostPattern::parse(pattern)
            .unwrap()
            .matches(&CanonicalHost::parse(host).unwrap())
    };
    for (pattern, good, bad) in [
        (
            "App.example",
            &["app.example", "APP.EXAMPLE.:80"][..],
            &["x.app.example", "app.example.org"][..],
        ),
        (
            "*.example",
            &["a.example"],
            &["example", "a.b.example", "aexample"],
        ),
        (
            "**.example",
            &["a.example", "a.b.example"],
            &["example", "a.example.org"],
        ),
        ("[::1]", &["[0:0::1]:80"], &["[::2]", "localhost"]),
        ("192.0.2.1", &["192.0.2.1:81"], &["192.0.2.10"]),
    ] {
        for host in good {
            assert!(matches(pattern, host), "{pattern} {host}");
        }
        for host in bad {
            assert!(!matches(pattern, host), "{pattern} {host}");
        }
    }
    for bad in [
        "*",
        "**",
        "a.*",
        "*a.example",
        "*.*.example",
        "a.example:80",
        "*.a:80",
        "",
        "a,b",
        "http://a",
    ] {
        assert!(HostPattern::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let policy = policy(
        r#"
        [[rule]]
        host = ["app.example", "*.app.example"]
        path = "/static/**"
        methods = "GET"
        access = "public"

        [[rule]]
        path = ["/admin", "/admin/**"]
        require = ["role=admin,owner", "group=ops"]

        [[rule]]
        path = "/internal/**"
        access = "deny"
        "#,
    );
    let require = "require role=admin,owner and group=ops";
    for (method, host, target, number, access) in [
        ("GET", "app.example", "/static/a.css?x=/admin", 1, "public"),
        ("HEAD", "app.example", "/static/a.css", 1, "public"),
        ("GET", "EU.app.example:443", "/static/", 1, "public"),
        ("POST", "app.example", "/static/a.css", 0, "authenticated"),
        ("GET", "other.example", "/static/a.css", 0, "authenticated"),
        ("GET", "app.example", "/admin", 2, require),
        ("GET", "app.example", "/admin/", 2, require),
        ("GET", "app.example", "/%61dmin/x", 2, require),
        ("GET", "app.example", "/internal/x", 3, "deny"),
        ("GET", "app.example", "/", 0, "authenticated"),
    ] {
        let ruled = ruled(&policy, method, host, target);
        assert_eq!(ruled, (number, access.to_owned()), "{method} {host} {target}");
    }
}

#[test]
fn a_slash_at_the_end_escapes_no_rule_that_asks_for_something_and_opens_no_door() {
    let policy = policy(
        r#"
        default = "deny"
        [[rule]]
        path = ["/a", "/b/"]
        access = "authenticated"
        [[rule]]
        path = ["/c", "/d/"]
        access = "public"
        "#,
    );
    for (path, number) in [
        ("/a", 1),
        ("/a/", 1),
        ("/b", 1),
        ("/b/", 1),
        ("/c", 2),
        ("/c/", 0),
        ("/d/", 2),
        ("/d", 0),
    ] {
        assert_eq!(ruled(&policy, "GET", "a", path).0, number, "{path}");
    }
}

#[test]
fn nothing_is_decided_about_what_is_not_known() {
    let policy = policy(
        r#"
        [[rule]]
        path = "/open"
        access = "public"
        [[rule]]
        path = "/**"
        methods = ["POST"]
        access = "deny"
        [[rule]]
        path = "/**"
        host = "a.example"
        access = "public"
        "#,
    );
    let decide = |method, host, target: Option<&'static str>| {
        let request = PolicyRequest::parse(method, host, target.map(str::as_bytes)).unwrap();
        policy.decide(&request).map(|decision| is_public(decision.access))
    };
    assert_eq!(decide(None, None, None), Err(MissingAttribute::Path));
    assert_eq!(decide(None, None, Some("/open")), Ok(true));
    assert_eq!(decide(None, None, Some("/x")), Err(MissingAttribute::Method));
    assert_eq!(decide(Some("GET"), None, Some("/x")), Err(MissingAttribute::Host));
    assert_eq!(decide(Some("GET"), Some("a.example"), Some("/x")), Ok(true));
    assert_eq!(decide(Some("GET"), Some("b.example"), Some("/x")), Ok(false));
}

/// Reference implementation of matching: slow, recursive, and obviously right.
fn plainly(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => (0..=path.len()).any(|skip| plainly(rest, &path[skip..])),
        (Some((own, rest)), Some((segment, others))) => {
            let fits = match own.split_once('*') {
                None => own == segment,
                Some((before, after)) => {
                    !segment.is_empty()
                        && segment
                            .strip_prefix(before)
                            .is_some_and(|tail| tail.ends_with(after))
                }
            };
            fits && plainly(rest, others)
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn matching_is_what_it_says(
        head in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "a*", "*b", "a*b"]), 0..4),
        tail in prop::option::of(prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "*b"]), 0..3)),
        path in prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "aab"]), 1..6),
        slash in any::<bool>(),
    ) {
        let mut pattern = head.clone();
        if let Some(tail) = &tail {
            pattern.push("**");
            pattern.extend(tail);
        }
        prop_assume!(!pattern.is_empty());
        let mut path = path;
        if slash {
            path.push("");
        }
        let (pattern_text, path_text) = (format!("/{}", pattern.join("/")), format!("/{}", path.join("/")));
        prop_assert_eq!(matches(&pattern_text, &path_text), plainly(&pattern, &path), "{} {}", pattern_text, path_text);
    }
}
