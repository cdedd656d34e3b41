use super::*;

#[test]
fn a_host_is_plain_or_the_routers() {
    for plain in ["a", "a.example:8080", "127.0.0.1:59999", "x_y-z:1"] {
        assert!(is_plain_host(plain.as_bytes()), "{plain}");
    }
    for other in [
        "", "a,b", "[::1]", "a:", "a:x", "a:60000", "a:99999", "u@a", "a b", "a:1:2",
    ] {
        assert!(!is_plain_host(other.as_bytes()), "{other}");
    }
}

#[test]
fn s6_a_usual_host_is_one_that_the_router_takes_too() {
    use maxlab_auth_core::policy::CanonicalHost;
    for usual in ["a", "app.example", "App.Example.:8443", "x_y-z.a1:80", "a.b.c"] {
        assert!(is_common_host(usual), "{usual}");
        assert!(CanonicalHost::parse(usual).is_ok(), "{usual}");
    }
    let long = "a".repeat(64);
    for other in [
        "",
        ".",
        "a..b",
        ".a",
        "a..",
        "127.1",
        "127.0.0.1",
        "a.0x7f",
        "[::1]",
        "u@a",
        "a/b",
        "a b",
        "a,b",
        "a:",
        "a:x",
        "a:1:2",
        long.as_str(),
    ] {
        assert!(!is_common_host(other), "{other}");
    }
}

#[test]
fn a_query_has_one_reading_or_is_the_routers() {
    assert_eq!(verify_query("/auth/verify"), Some(""));
    assert_eq!(verify_query("/auth/verify?role=a,b%20c"), Some("role=a,b%20c"));
    for other in [
        "/auth/verify/",
        "/auth/verifyx",
        "/auth/verify#x",
        "/auth/verify?a=\"",
        "/auth/verify?a b",
        "/",
    ] {
        assert_eq!(verify_query(other), None, "{other}");
    }
}

#[test]
fn a_session_cookie_is_read_as_the_router_reads_it_or_left_to_it() {
    let id = "A".repeat(43);
    let read = |cookies: &str| {
        let mut session = None;
        read_cookies(cookies.as_bytes(), "maxlab_session", &mut session).map(|()| session.is_some())
    };
    for (cookies, expected) in [
        (String::new(), Some(false)),
        (
            "a=1; b=maxlab_session; maxlab_session; xmaxlab_session=1".into(),
            Some(false),
        ),
        (format!("maxlab_session={id}"), Some(true)),
        (format!("a=\u{fc}; maxlab_session={id} ;b=2"), Some(true)),
        (format!("maxlab_session={id}; maxlab_session={id}"), None),
        (format!("maxlab_session=; maxlab_session={id}"), None),
        (format!("maxlab_session=\"{id}\""), None),
        (format!("maxlab_session = {id}"), Some(false)),
    ] {
        assert_eq!(read(&cookies), expected, "{cookies}");
    }
}

#[test]
fn an_unsafe_request_with_a_cookie_is_the_routers() {
    use maxlab_auth_core::credential::SessionId;
    let id = || SessionId::parse(&"A".repeat(43));
    for (method, plain) in [
        (None, true),
        (Some("GET"), true),
        (Some("HEAD"), true),
        (Some("POST"), false),
        (Some("get"), false),
    ] {
        assert_eq!(
            plain_credential(None, id(), method).is_some(),
            plain,
            "{method:?}"
        );
        // A page of another site cannot add a token.
        assert!(matches!(
            plain_credential(Some(b"Bearer t"), id(), method),
            Some(Some(PlainCredential::Token("t")))
        ));
    }
}
