//! `/auth/verify` as a client reaches it through a front proxy: nothing that it writes into its own request makes a yes, or
//! another's (authentik's CVE-2026-25748, oauth2-proxy's CVE-2025-64484 and CVE-2026-34457, Authelia's CVE-2021-32637,
//! Traefik's CVE-2024-45410).

use maxlab_auth_testkit::AnonymousActor;
use maxlab_auth_testkit::raw::RawReply;

use crate::support::{Answer, Stack, assert_lives, get_with, log_in, raw, refused};

const VERIFY: &str = "/auth/verify";
const IDENTITY: [&str; 6] = [
    "remote-user",
    "remote-name",
    "remote-email",
    "remote-groups",
    "remote-roles",
    "x-auth-source",
];

/// A refusal that says what is wrong, and names nobody.
#[track_caller]
fn names_nobody(reply: &RawReply, what: &str) {
    assert!(
        matches!(reply.status, 400 | 401 | 403),
        "{what}: {}",
        reply.shown()
    );
    refused(reply, what);
    for name in IDENTITY {
        assert_eq!(reply.header(name), None, "{what}: {name}");
    }
}

#[tokio::test]
async fn a_broken_credential_is_no_yes() {
    let stack = Stack::start().await;
    let login = log_in(&AnonymousActor::new(&stack.url()), "ann").await;
    let (good, token) = (&login.cookie, &login.access);
    let (_, id) = good.split_once('=').unwrap();
    for line in [
        "cookie: maxlab_session".to_owned(),
        "cookie: maxlab_session=".to_owned(),
        "cookie: maxlab_session=!!!!".to_owned(),
        "cookie: maxlab_session=%00".to_owned(),
        format!("cookie: maxlab_session={}", "A".repeat(43)),
        format!("cookie: maxlab_session={}", "A".repeat(8 * 1024)),
        format!("cookie: {good}="),
        format!("cookie: {good}; {good}"),
        format!("cookie: {good}\r\ncookie: {good}"),
        format!("cookie: maxlab_session=x; {good}"),
        format!("cookie: __Host-{good}"),
        format!("cookie: session_id={id}"),
        format!("cookie: maxlab_session={}", login.handle),
        format!("cookie: maxlab_session={token}"),
        format!("authorization: bearer  {token}"),
        format!("authorization: Bearer\t{token}"),
        format!("authorization: Bearer {token}, Bearer {token}"),
        format!("authorization: Bearer {token}\r\nauthorization: Bearer {token}"),
        format!("authorization: Basic {token}"),
        format!("authorization: Bearer junk\r\ncookie: {good}"),
        format!("x-access-token: {token}"),
        format!("x-forwarded-access-token: {token}"),
    ] {
        names_nobody(
            &get_with(stack.addr(), VERIFY, &format!("{line}\r\n")).await,
            &line,
        );
    }
    let in_the_query = format!("{VERIFY}?access_token={token}");
    names_nobody(&get_with(stack.addr(), &in_the_query, "").await, "in the query");
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn whoever_a_client_says_it_is_it_is_not() {
    let stack = Stack::start().await;
    let token = stack.token("ann");
    for line in [
        "remote-user: root",
        "Remote-User: root\r\nREMOTE-USER: root",
        "remote_user: root\r\nremote_roles: admin",
        "x-forwarded-user: root\r\nx_forwarded_user: root",
        "x-remote-user: root\r\nx-auth-request-user: root",
        "user-agent: GoogleHC/1.0",
        "user-agent: kube-probe/1.29",
        "user-agent: ELB-HealthChecker/2.0",
        "x-forwarded-uri: /health\r\nx-original-url: /health\r\nx-rewrite-url: /health",
        "x-forwarded-method: OPTIONS\r\nx-http-method-override: OPTIONS",
        "x-forwarded-prefix: /public\r\nforwarded: for=127.0.0.1;host=localhost;proto=https",
    ] {
        let headers = format!("{line}\r\n");
        names_nobody(&get_with(stack.addr(), VERIFY, &headers).await, line);
        let headers = format!("{line}\r\nauthorization: Bearer {token}\r\n");
        let reply = get_with(stack.addr(), VERIFY, &headers).await;
        assert_eq!(reply.status, 200, "{line}: {}", reply.shown());
        assert_eq!(reply.header("remote-user"), Some("ann"), "{line}");
        assert_eq!(reply.header("remote-roles"), Some(""), "{line}");
        let reply = get_with(stack.addr(), &format!("{VERIFY}?role=admin"), &headers).await;
        names_nobody(&reply, line);
    }
}

#[tokio::test]
async fn what_a_client_calls_hop_by_hop_is_answered_all_the_same() {
    let stack = Stack::start().await;
    let token = stack.token("ann");
    let request = format!(
        "GET {VERIFY} HTTP/1.1\r\nhost: {}\r\nconnection: close, {}\r\nauthorization: Bearer {token}\r\n\r\n",
        stack.addr(),
        IDENTITY.join(", ")
    );
    let reply = raw(stack.addr(), request).await;
    assert_eq!(reply.status, 200, "{}", reply.shown());
    for name in IDENTITY {
        let sent = reply.headers.iter().filter(|(field, _)| field == name).count();
        assert_eq!(sent, 1, "{name}");
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_read_is_no_yes() {
    // The peer is a trusted proxy, and the credential is good: whatever is wrong is wrong with the question.
    let stack = Stack::start_with(|options| options.env("TRUSTED_PROXIES", "127.0.0.1")).await;
    let token = stack.token("ann");
    for line in [
        "x-forwarded-method: GE T",
        "x-forwarded-method: GET\r\nx-forwarded-method: POST",
        "x-original-method: \u{80}",
        "x-forwarded-host: a.example\r\nx-forwarded-host: b.example",
        "x-forwarded-host: \u{80}",
        "x-forwarded-proto: https\r\nx-forwarded-proto: http",
        "x-forwarded-uri: /a\r\nx-forwarded-uri: /b",
        "x-forwarded-uri: ",
        "x-original-uri: /\u{80}",
        "x-original-url: /a\r\nx-original-url: /b",
    ] {
        let headers = format!("{line}\r\nauthorization: Bearer {token}\r\n");
        let reply = get_with(stack.addr(), VERIFY, &headers).await;
        assert_eq!(reply.status, 400, "{line}: {}", reply.shown());
        names_nobody(&reply, line);
    }
    for path in [
        "//auth/verify",
        "/auth/verify/",
        "/auth//verify",
        "/auth/./verify",
        "/x/../auth/verify",
        "/AUTH/VERIFY",
        "/auth/verify/ping",
        "/auth/verify;x=1",
    ] {
        let headers = format!("authorization: Bearer {token}\r\n");
        let reply = get_with(stack.addr(), path, &headers).await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.shown());
    }
    assert_lives(&stack.gateway).await;
}
