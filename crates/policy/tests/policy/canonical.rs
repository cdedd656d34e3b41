//! Canonical forms of paths, hosts and targets, and the texts that have none.

use percent_encoding::percent_decode;
use proptest::prelude::*;

use super::readings::readings;
use maxlab_auth_core::policy::{
    AmbiguousRequest, CanonicalHost, CanonicalPath, HostFault, PathFault, PolicyRequest,
};

fn path(text: &str) -> Result<String, PathFault> {
    CanonicalPath::parse(text.as_bytes()).map(|path| path.as_str().to_owned())
}

#[test]
fn one_path_has_one_form_whatever_its_spelling() {
    for (spelling, canonical) in [
        ("/", "/"),
        ("/a", "/a"),
        ("/a/", "/a/"),
        ("/%61%64min", "/admin"),
        ("/%41", "/A"),
        ("/a%40b@c", "/a@b@c"),
        ("/C%23%3F", "/C#?"),
        ("/%ea%b9%80", "/김"),
        ("/%EA%b9%80", "/김"),
        ("/100%25", "/100%"),
        ("/100%25/x", "/100%/x"),
        ("/a%20b", "/a b"),
        ("/a|b^[c]", "/a|b^[c]"),
        ("/...", "/..."),
        ("/.well-known/x", "/.well-known/x"),
        ("/a..b/..c", "/a..b/..c"),
        ("/%2A", "/*"),
    ] {
        assert_eq!(path(spelling).as_deref(), Ok(canonical), "{spelling}");
    }
}

#[test]
fn what_two_servers_could_read_differently_has_none() {
    use PathFault as F;
    for (spelling, fault) in [
        ("", F::NotAbsolute),
        ("a", F::NotAbsolute),
        ("*", F::NotAbsolute),
        ("a.example:443", F::NotAbsolute),
        ("//", F::EmptySegment),
        ("//evil.example/", F::EmptySegment),
        ("/a//b", F::EmptySegment),
        ("/a//", F::EmptySegment),
        ("/.", F::DotSegment),
        ("/a/../b", F::DotSegment),
        ("/a/..", F::DotSegment),
        ("/a/./b", F::DotSegment),
        ("/a/%2e%2e/b", F::DotSegment),
        ("/a/.%2E/b", F::DotSegment),
        ("/a/%2e", F::DotSegment),
        ("/a%2fb", F::EncodedSlash),
        ("/a%2Fb", F::EncodedSlash),
        ("/a\\b", F::Backslash),
        ("/a%5cb", F::Backslash),
        ("/..%5C..", F::Backslash),
        ("/a;b", F::Semicolon),
        ("/..;/b", F::Semicolon),
        ("/a%3Bjsessionid=1", F::Semicolon),
        ("/%", F::BadEncoding),
        ("/%4", F::BadEncoding),
        ("/%zz", F::BadEncoding),
        ("/%+1", F::BadEncoding),
        ("/%u002e", F::BadEncoding),
        ("/%252e%252e/", F::EncodedTwice),
        ("/%25%32%65", F::EncodedTwice),
        ("/%2%35", F::BadEncoding),
        ("/a%00", F::Control),
        ("/a%0d%0ab", F::Control),
        ("/a\tb", F::Control),
        ("/a\u{7f}", F::Control),
        ("/a%7F", F::Control),
        ("/a%C2%85", F::Control),
        ("/%ff", F::NotUtf8),
        ("/%c0%ae%c0%ae/", F::NotUtf8),
        ("/%ed%a0%80", F::NotUtf8),
        ("/%ea%b9", F::NotUtf8),
        ("/김", F::Unencoded),
        ("/a b", F::Unencoded),
        ("/a#b", F::Unencoded),
        ("/a?b", F::Unencoded),
    ] {
        assert_eq!(path(spelling), Err(fault), "{spelling}");
    }
    assert_eq!(path(&format!("/{}", "a".repeat(8192))), Err(F::TooLong));
    assert_eq!(CanonicalPath::parse(b"/\xff"), Err(F::Unencoded));
}

#[test]
fn one_host_has_one_form_and_two_have_none() {
    for (spelling, canonical) in [
        ("app.example", "app.example"),
        ("APP.Example.:8443", "app.example"),
        ("app.example:", "app.example"),
        ("localhost", "localhost"),
        ("a_b.xn--bcher-kva.example", "a_b.xn--bcher-kva.example"),
        ("192.0.2.7:80", "192.0.2.7"),
        ("[2001:DB8:0::1]:443", "[2001:db8::1]"),
        ("[::1]", "[::1]"),
        ("0xa.example", "0xa.example"),
    ] {
        let host = CanonicalHost::parse(spelling).unwrap();
        assert_eq!(host.as_str(), canonical, "{spelling}");
        assert_eq!(
            CanonicalHost::parse(host.as_str()),
            Ok(host.clone()),
            "{spelling}"
        );
    }
    for (spelling, fault) in [
        ("", HostFault::Length),
        (".", HostFault::Length),
        (":80", HostFault::Length),
        ("a..", HostFault::Name),
        ("a..b", HostFault::Name),
        (".a", HostFault::Name),
        ("a.example, b.example", HostFault::Name),
        ("a.example,b.example", HostFault::Name),
        ("user@a.example", HostFault::Name),
        ("a.example:x", HostFault::Port),
        ("a.example:65536", HostFault::Port),
        ("a.example:+80", HostFault::Port),
        ("a:80:90", HostFault::Port),
        ("a.example/x", HostFault::Name),
        ("a%2eexample", HostFault::Name),
        ("a b", HostFault::Name),
        ("bücher.example", HostFault::Name),
        ("[::1", HostFault::Name),
        ("[::1]x", HostFault::Name),
        ("[::1%25eth0]", HostFault::Name),
        ("127.1", HostFault::Address),
        ("0x7f.0x0", HostFault::Address),
        ("0177.0.0.1", HostFault::Address),
        ("2130706433", HostFault::Address),
    ] {
        assert_eq!(CanonicalHost::parse(spelling), Err(fault), "{spelling}");
    }
    assert!(CanonicalHost::parse(&"a".repeat(64)).is_err());
    assert!(CanonicalHost::parse(&["a"; 128].join(".")).is_err());
}

#[test]
fn a_target_is_a_path_with_a_query_or_a_whole_url() {
    let read = |host, target: &str| {
        PolicyRequest::parse(Some("GET"), host, Some(target.as_bytes())).map(|request| {
            (
                request.host().map(ToString::to_string).unwrap_or_default(),
                request.path().unwrap().to_string(),
            )
        })
    };
    let good = |host: &str, path: &str| Ok((host.to_owned(), path.to_owned()));
    assert_eq!(read(Some("A.example:80"), "/x?y=/../z;"), good("a.example", "/x"));
    assert_eq!(read(None, "https://A.example:8443/x?y"), good("a.example", "/x"));
    assert_eq!(
        read(Some("a.example"), "HTTP://a.example"),
        good("a.example", "/")
    );
    assert_eq!(read(None, "http://a.example?x"), good("a.example", "/"));
    assert_eq!(
        read(Some("b.example"), "https://a.example/x"),
        Err(AmbiguousRequest::ConflictingHosts)
    );
    assert!(read(None, "https://u@a.example/x").is_err());
    assert!(read(None, "ftp://a.example/x").is_err());
    assert!(read(None, "https:///x").is_err());
    for method in ["", "get", "Get", "GE T", "G\u{c9}T", &"A".repeat(33)] {
        let read = PolicyRequest::parse(Some(method), None, Some(b"/"));
        assert_eq!(read.unwrap_err(), AmbiguousRequest::Method, "{method:?}");
    }
}

/// Texts made of the pieces that servers read differently.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => Just("/".to_owned()),
        2 => prop::sample::select(vec!["a", "b", "admin", "A", "..", ".", "*", "~", "@", "+", "|"]).prop_map(str::to_owned),
        3 => prop::sample::select(vec![
            "%2e", "%2E", "%2f", "%5c", "\\", ";", "%3b", "%00", "%25", "%252e", "%61", "%41", "%40", "%ea%b9%80", "%ff",
            "%c0%af", "%", "%2", "%20", "%2A", "%7C", "%2B", "//", "/./", "/../", "\u{85}", "김", " ", "#",
        ]).prop_map(str::to_owned),
        1 => "\\PC".prop_map(|text| text),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_bytes_are_read_or_refused(raw in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = CanonicalPath::parse(&raw);
        let _ = PolicyRequest::parse(None, None, Some(&raw));
        if let Ok(text) = std::str::from_utf8(&raw) {
            let _ = PolicyRequest::parse(Some(text), Some(text), None);
        }
    }

    #[test]
    fn reading_a_canonical_path_again_changes_nothing(raw in tricky()) {
        if let Ok(path) = CanonicalPath::parse(raw.as_bytes()) {
            let text = path.to_string();
            let again = CanonicalPath::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(&again, &path);
            prop_assert_eq!(again.to_string(), text);
        }
    }

    /// Every server derives the same segments as the canonical form, so that a rule and the application never
    /// see different paths.
    #[test]
    fn every_server_reads_a_canonical_path_alike(raw in tricky()) {
        if let Ok(path) = CanonicalPath::parse(raw.as_bytes()) {
            let ours: Vec<Vec<u8>> = path.as_str().split('/').map(|segment| segment.as_bytes().to_vec()).collect();
            for (at, theirs) in readings(&raw).into_iter().enumerate() {
                // The last reading folds slashes. It may drop our first and last empty segment,
                // and nothing else.
                let ours: Vec<_> = if at == 8 {
                    ours.iter().filter(|segment| !segment.is_empty()).cloned().collect()
                } else {
                    ours.clone()
                };
                prop_assert_eq!(theirs, ours, "server {} reads {} otherwise", at, raw);
            }
        }
    }

    #[test]
    fn two_spellings_have_one_form_only_if_they_decode_alike(one in tricky(), other in tricky()) {
        if let (Ok(a), Ok(b)) = (CanonicalPath::parse(one.as_bytes()), CanonicalPath::parse(other.as_bytes())) {
            let decoded = |text: &str| percent_decode(text.as_bytes()).collect::<Vec<u8>>();
            prop_assert_eq!(a == b, decoded(&one) == decoded(&other));
        }
    }

    #[test]
    fn reading_a_canonical_host_again_changes_nothing(raw in "[aA0:.\\[\\]x,@_-]{0,12}") {
        if let Ok(host) = CanonicalHost::parse(&raw) {
            prop_assert_eq!(CanonicalHost::parse(host.as_str()), Ok(host));
        }
    }
}
