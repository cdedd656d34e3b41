//! Bodies, queries and paths that are no such thing: refused with a word of what is wrong, never half understood.

use maxlab_auth_testkit::{Actor, BearerActor};

use crate::support::{Answer, Stack, assert_lives, get_with, log_in, post_with, refused};

const JSON: &str = "content-type: application/json\r\n";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

/// The routes that read JSON.
const JSON_ROUTES: [&str; 6] = [
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/introspect",
    "/oauth/token/validate",
    "/api/v1/auth/logout",
    "/api/v1/auth/logout/all",
];
/// The routes that read forms.
const FORM_ROUTES: [&str; 4] = [
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/introspect",
    "/oauth/token/validate",
];

fn bad_json() -> Vec<Vec<u8>> {
    let text = |text: &str| text.as_bytes().to_vec();
    let nested =
        |depth: usize| format!("{{\"token\":{}1{}}}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
    vec![
        text(r#"{"token":"a","token":"b"}"#),
        text(r#"{"token":"a","\u0074oken":"b"}"#),
        text(r#"{"token":"a","x":{"y":1,"y":2}}"#),
        text(r#"{"token":"a"} x"#),
        text(r#"{"token":"a"}{"token":"b"}"#),
        text(r#"{"token":"\ud800"}"#),
        text(r#"{"token":"\udc00\ud800"}"#),
        text(r#"{"token":"\u12"}"#),
        text(r#"{"token":NaN}"#),
        text(r#"{"token":-Infinity}"#),
        text(r#"{"token":1e999}"#),
        text(r#"{"token":01}"#),
        text(r#"{"token":+1}"#),
        text(r#"{"token":.5}"#),
        text(r#"{"token":0x10}"#),
        text(r#"{"token":'a'}"#),
        text(r#"{token:"a"}"#),
        text(r#"{"token":"a",}"#),
        text(r#"{"token":"a" /* b */}"#),
        text("{\"token\":\"a\nb\"}"),
        text("{\"token\":\"a\0b\"}"),
        text("\u{feff}{\"token\":\"a\"}"),
        text(r#"{"token":"a""#),
        text(r#"{"token":["a"]}"#),
        text(r#"{"token":{"$ne":null}}"#),
        text("[]"),
        text("null"),
        text("\"token\""),
        text("1"),
        text("{"),
        text(&"[".repeat(60_000)),
        text(&"{\"a\":".repeat(10_000)),
        nested(32),
        nested(33),
        nested(200),
        b"{\"token\":\"\xff\xfe\"}".to_vec(),
        b"{\"token\":\"\xed\xa0\x80\"}".to_vec(),
        b"\xff\xfe{\0}\0".to_vec(),
    ]
}

#[tokio::test]
async fn json_has_one_reading() {
    let stack = Stack::start().await;
    for route in JSON_ROUTES {
        for body in bad_json() {
            let what = format!("{route} {}", String::from_utf8_lossy(&body[..body.len().min(60)]));
            let ours = route.starts_with("/api/") && what.contains("{\"token\":[\"a\"]}");
            let operator = route.starts_with("/api/") && what.contains("$ne");
            let deep_enough =
                route.starts_with("/api/") && body.starts_with(b"{\"token\":[[") && body.len() < 80;
            let reply = post_with(stack.addr(), route, JSON, &body).await;
            refused(&reply, &what);
            // `token` means nothing to a logout, whose body is then well-formed: it is refused for want of a login.
            let expected = if ours || operator || deep_enough { 401 } else { 400 };
            assert!(
                matches!(reply.status, 400) || reply.status == expected,
                "{what}: {}",
                reply.shown()
            );
        }
    }
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn the_type_of_a_member_matters() {
    let stack = Stack::start().await;
    let token = stack.token("ann");
    let headers = format!("{JSON}authorization: Bearer {token}\r\n");
    for body in [
        r#"{"logout_all_devices":"true"}"#,
        r#"{"logout_all_devices":1}"#,
        r#"{"logout_all_devices":[]}"#,
        r#"{"refresh_token":7}"#,
        r#"{"refresh_token":{"a":"b"}}"#,
        r#"{"refresh_token":"a b"}"#,
    ] {
        let reply = post_with(stack.addr(), "/api/v1/auth/logout", &headers, body.as_bytes()).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.shown());
        refused(&reply, body);
    }
    BearerActor::new(&stack.url(), &token)
        .get("/api/v1/auth/me")
        .await
        .expect_status(200);
}

#[tokio::test]
async fn forms_have_one_reading() {
    let stack = Stack::start().await;
    let bad: [&[u8]; 15] = [
        b"token=a&token=b",
        b"token=a&%74oken=b",
        b"token=&token=a",
        b"token&token=a",
        b"token=%",
        b"token=%a",
        b"token=%zz",
        b"token=a%+1",
        b"token=%u0061",
        b"token=%ff",
        b"token=%c0%ae",
        b"token=%ed%a0%80",
        b"token=\xff",
        b"%ff=a&token=b",
        b"token=a&client_id=x&client_id=y",
    ];
    for route in FORM_ROUTES {
        for body in bad {
            let what = format!("{route} {}", String::from_utf8_lossy(body));
            let reply = post_with(stack.addr(), route, FORM, body).await;
            assert_eq!(reply.status, 400, "{what}: {}", reply.shown());
            refused(&reply, &what);
        }
    }
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn no_parameter_of_a_login_comes_twice() {
    let stack = Stack::start().await;
    let good = [
        ("grant_type", "authorization_code"),
        ("code", "ann~1"),
        ("client_id", "test-app"),
        ("redirect_uri", "https%3A%2F%2Fapp.example%2Fcb"),
        ("code_verifier", "v"),
    ];
    let form: Vec<String> = good
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    for (name, _) in good {
        let body = format!("{}&{name}=other", form.join("&"));
        let reply = post_with(stack.addr(), "/oauth/token", FORM, body.as_bytes()).await;
        assert_eq!(
            (reply.status, reply.error_code().as_str()),
            (400, "invalid_request"),
            "{name}"
        );
        assert!(
            reply.shown().contains(name),
            "it names the parameter: {}",
            reply.shown()
        );
    }
    let query = "response_type=code&client_id=c&redirect_uri=https%3A%2F%2Fapp.example%2Fcb\
                 &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    for more in [
        "client_id=d",
        "redirect_uri=https%3A%2F%2Fevil.example%2F",
        "response_type=token",
        "state=%ff",
        "state=%",
    ] {
        let reply = get_with(stack.addr(), &format!("/oauth/authorize?{query}&{more}"), "").await;
        let fits = more.starts_with("state") || reply.shown().contains("is repeated");
        assert!(reply.status == 400 && fits, "{more}: {}", reply.shown());
        assert_eq!(reply.header("location"), None, "{more}");
    }
    assert_eq!(
        stack.auth.count_requests("/oauth/token"),
        0,
        "nothing of it reached the authorization server"
    );
}

#[tokio::test]
async fn a_body_is_of_a_kind_that_is_read() {
    let stack = Stack::start().await;
    let kinds = [
        "",
        "content-type: \r\n",
        "content-type: text/plain\r\n",
        "content-type: multipart/form-data; boundary=x\r\n",
        "content-type: application/xml\r\n",
        "content-type: application/jsonp\r\n",
        "content-type: application/json, application/x-www-form-urlencoded\r\n",
        "content-type: application/json\r\ncontent-type: application/x-www-form-urlencoded\r\n",
        "content-type: \u{80}\r\n",
        "content-type: application/x-www-form-urlencoded\r\ncontent-encoding: gzip\r\n",
    ];
    for kind in kinds {
        let reply = post_with(stack.addr(), "/oauth/revoke", kind, b"token=abc").await;
        assert!(matches!(reply.status, 400 | 415), "{kind}: {}", reply.shown());
        refused(&reply, kind);
    }
    let reply = post_with(stack.addr(), "/oauth/token", "", b"").await;
    assert_eq!(reply.status, 400, "{}", reply.shown());
    assert!(reply.shown().contains("grant_type"), "{}", reply.shown());
}

#[tokio::test]
async fn paths_and_queries_of_every_shape() {
    let stack = Stack::start().await;
    let login = log_in(
        &maxlab_auth_testkit::AnonymousActor::new(&stack.url()),
        "admin-ann",
    )
    .await;
    let headers = format!("authorization: Bearer {}\r\n", login.access);
    for path in [
        "/api/v1/auth/access/groups/%ff",
        "/api/v1/auth/access/groups/%zz",
        "/api/v1/auth/access/groups/%00",
        "/api/v1/auth/access/workspaces/%ff%fe",
        "/api/v1/auth/access/workspaces/'%20OR%201=1%20--",
        "/api/v1/admin/denylist?limit=0",
        "/api/v1/admin/denylist?limit=-1",
        "/api/v1/admin/denylist?limit=1&limit=2",
        "/api/v1/admin/denylist?limit=%ff",
        "/api/v1/admin/audit?limit=1001",
        "/api/v1/admin/audit?kind=nonsense",
        "/api/v1/admin/audit?since=yesterday",
        "/api/v1/admin/audit?since=9999999999999999",
        "/api/v1/auth/sessions/",
        "/api/v1/auth/me/",
        "//api/v1/auth/me",
        "/api/v1/auth/../auth/me",
        "/api/v1/auth/%6de",
        "/api/v1/auth/me%00",
        "/api/v1/auth/me;a=b",
        "/API/V1/AUTH/ME",
    ] {
        let reply = get_with(stack.addr(), path, &headers).await;
        if path.contains("%6de") || path.contains("workspaces/'") {
            // An encoded letter is that letter (RFC 3986 §6.2.2.2), and an administrator may enter any workspace.
            assert!(reply.status < 500, "{path}: {}", reply.shown());
            continue;
        }
        refused(&reply, path);
    }
    for place in [
        "%00",
        "9:%00",
        "x",
        "18446744073709551616",
        "1:a:b",
        "-1",
        "%F0%9F%98%80",
    ] {
        let path = format!("/api/v1/admin/denylist?after={place}");
        let reply = get_with(stack.addr(), &path, &headers).await;
        assert!(reply.status < 500, "{path}: {}", reply.shown());
    }
    let delete = |handle: &str| {
        format!(
            "DELETE /api/v1/auth/sessions/{handle} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n"
        )
    };
    for handle in [
        "%ff",
        "..",
        "%2e%2e%2fx",
        "*",
        "'--",
        &"a".repeat(5_000),
        &"A".repeat(32),
        &"0".repeat(32),
        "%00",
    ] {
        let reply = crate::support::raw(stack.addr(), delete(handle)).await;
        assert!(matches!(reply.status, 400 | 404), "{handle}: {}", reply.shown());
        refused(&reply, handle);
    }
    assert_lives(&stack.gateway).await;
}
