//! Cookies that no gateway set: each is no session, and none is a way in (authentik's CVE-2026-25748).

use maxlab_auth_testkit::AnonymousActor;

use crate::support::{Answer, Stack, assert_lives, get_with, log_in, raw, refused};

const NAME: &str = "maxlab_session";

#[tokio::test]
async fn a_broken_cookie_is_no_session() {
    let stack = Stack::start().await;
    let login = log_in(&AnonymousActor::new(&stack.url()), "ann").await;
    let (_, good) = login.cookie.split_once('=').unwrap();
    assert_eq!(
        get_with(
            stack.addr(),
            "/api/v1/auth/me",
            &format!("cookie: {}\r\n", login.cookie)
        )
        .await
        .status,
        200
    );

    let mut values = vec![
        String::new(),
        "=".into(),
        "null".into(),
        "undefined".into(),
        "!!!!".into(),
        "%00".into(),
        "../../../etc/passwd".into(),
        "{\"user_id\":\"ann\"}".into(),
        "eyJ1c2VyX2lkIjoiYW5uIn0".into(),
        "'--".into(),
        "A".repeat(42),
        "A".repeat(43),
        "A".repeat(44),
        "A".repeat(8 * 1024),
        "*".repeat(8 * 1024),
        format!("{good}="),
        format!("{good}A"),
        format!("\"{good}\""),
        format!("{good},{good}"),
        format!("{good}%20"),
        good.to_lowercase(),
        good.chars().rev().collect(),
        login.handle.clone(),
        login.access.clone(),
        login.refresh.clone(),
    ];
    // A last character that decodes to the same bytes is another spelling of the cookie, and not the cookie.
    values.extend(
        ["B", "C", "D", "h", "x", "-", "_"]
            .map(|last| format!("{}{last}", &good[..42]))
            .into_iter()
            .filter(|v| v != good),
    );
    for value in &values {
        for path in ["/api/v1/auth/me", "/oauth/userinfo", "/api/v1/auth/sessions"] {
            let reply = get_with(stack.addr(), path, &format!("cookie: {NAME}={value}\r\n")).await;
            assert!(
                matches!(reply.status, 400 | 401),
                "{path} {value}: {}",
                reply.shown()
            );
            refused(&reply, value);
            assert_eq!(reply.header("set-cookie"), None);
        }
    }
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn a_cookie_header_has_one_reading() {
    let stack = Stack::start().await;
    let login = log_in(&AnonymousActor::new(&stack.url()), "ann").await;
    let good = &login.cookie;
    let many: String = (0..1_000).map(|n| format!("c{n}={n}; ")).collect();
    let many_of_ours: String = format!("{NAME}=x; ").repeat(1_000);
    let (_, value) = good.split_once('=').unwrap();
    let bad = [
        ("no =", NAME.to_owned()),
        ("no = but the value", format!("{NAME}{value}")),
        ("twice in one header", format!("{good}; {good}")),
        ("twice, the second junk", format!("{good}; {NAME}=x")),
        ("twice, the first junk", format!("{NAME}=x; {good}")),
        ("twice, in two headers", format!("{good}\r\ncookie: {good}")),
        ("a thousand of ours", many_of_ours),
        ("a thousand of others", many.clone()),
        ("another name's end", format!("x{good}")),
        ("other letters", format!("MAXLAB_SESSION={value}")),
        ("the name of production", format!("__Host-{good}")),
        ("a comma between", format!("a=b, {good}")),
        ("a bare byte", format!("{NAME}=\u{80}")),
        ("only separators", ";;;; ; ;".to_owned()),
        ("a dollar", format!("$Version=1; ${good}")),
    ];
    for (what, cookie) in bad {
        let reply = get_with(stack.addr(), "/api/v1/auth/me", &format!("cookie: {cookie}\r\n")).await;
        assert!(matches!(reply.status, 400 | 401), "{what}: {}", reply.shown());
        refused(&reply, what);
    }
    // NUL is no part of any header; the parser itself says so.
    let nul = format!("GET /api/v1/auth/me HTTP/1.1\r\nhost: x\r\ncookie: {good}\0\r\n\r\n");
    assert_eq!(raw(stack.addr(), nul).await.status, 400);
    // Among a thousand others it is found all the same.
    let among = get_with(
        stack.addr(),
        "/api/v1/auth/me",
        &format!("cookie: {many}{good}\r\n"),
    )
    .await;
    assert_eq!(among.status, 200, "{}", among.shown());
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn a_cookie_acts_only_from_our_own_pages() {
    let stack = Stack::start().await;
    let login = log_in(&AnonymousActor::new(&stack.url()), "ann").await;
    let host = stack.addr();
    let post = |path: &str, headers: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncookie: {}\r\ncontent-length: 0\r\n{headers}\r\n",
            login.cookie
        )
    };
    for path in [
        "/api/v1/auth/logout",
        "/api/v1/auth/logout/all",
        "/api/v1/auth/sessions/rotate",
    ] {
        for headers in [
            String::new(),
            "origin: null\r\n".into(),
            "origin: https://evil.example\r\n".into(),
            "origin: http://evil.example\r\nsec-fetch-site: same-origin\r\n".into(),
            format!("origin: http://{host}.evil.example\r\n"),
            format!("origin: http://{host}\r\nsec-fetch-site: cross-site\r\n"),
            format!("origin: ftp://{host}\r\n"),
            "sec-fetch-site: cross-site\r\n".into(),
            "sec-fetch-site: same-site\r\n".into(),
            "sec-fetch-site: none\r\n".into(),
            format!("referer: http://{host}/\r\n"),
            "x-requested-with: XMLHttpRequest\r\n".into(),
        ] {
            let reply = raw(stack.addr(), post(path, &headers)).await;
            assert_eq!(reply.status, 403, "{path} {headers}: {}", reply.shown());
            refused(&reply, &headers);
        }
    }
    let me = get_with(
        stack.addr(),
        "/api/v1/auth/me",
        &format!("cookie: {}\r\n", login.cookie),
    )
    .await;
    assert_eq!(me.status, 200, "nothing of it logged her out: {}", me.shown());
    let ours = raw(
        stack.addr(),
        post("/api/v1/auth/logout", &format!("origin: http://{host}\r\n")),
    )
    .await;
    assert_eq!(ours.status, 200, "{}", ours.shown());
}
