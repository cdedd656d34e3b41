//! The policy file at the door for front proxies.

use std::path::PathBuf;

use maxlab_auth_testkit::{Actor, HttpReply};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tempfile::TempDir;

use crate::gateway::{World, verdict};

pub(crate) const POLICY: &str = r#"
[[rule]]
path = ["/assets/**", "/favicon.ico"]
methods = "GET"
access = "public"

[[rule]]
path = "/admin/**"
require = ["role=admin,owner", "group=ops"]

[[rule]]
path = "/internal/**"
access = "deny"

[[rule]]
host = "*.partner.example"
path = "/w/**"
require = "workspace=w1"
"#;

/// A world with this policy, whose tests are a trusted proxy.
pub(crate) async fn world_with(policy: &str, extra: &[(&str, &str)]) -> (World, PathBuf, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    std::fs::write(&path, policy).unwrap();
    let file = path.display().to_string();
    let mut settings = vec![("POLICY_FILE", file.as_str()), ("TRUSTED_PROXIES", "127.0.0.1")];
    settings.extend(extra);
    (World::embedded(&settings).await, path, folder)
}

/// Asks as a front proxy does, about a request with this method to this host and target.
pub(crate) fn forwarded<'f>(
    method: &'f str,
    host: &'f str,
    target: &'f str,
) -> impl FnOnce(RequestBuilder) -> RequestBuilder + use<'f> {
    move |request| {
        request
            .header("x-forwarded-method", method)
            .header("x-forwarded-host", host)
            .header("x-forwarded-uri", target)
    }
}

pub(crate) async fn anonymously(world: &World, method: &str, host: &str, target: &str) -> HttpReply {
    world
        .anonymous()
        .send(Method::GET, "/auth/verify", forwarded(method, host, target))
        .await
}

async fn with(world: &World, token: &str, method: &str, host: &str, target: &str) -> HttpReply {
    world
        .bearer(token)
        .send(Method::GET, "/auth/verify", forwarded(method, host, target))
        .await
}

fn known(world: &World, claims: serde_json::Value) -> String {
    let token = world.opaque_token("unused");
    world.auth.accept_token(&token, claims);
    token
}

/// Every identity header is there once, and this is whom they name.
fn named(reply: &HttpReply) -> String {
    for name in [
        "remote-user",
        "remote-name",
        "remote-email",
        "remote-groups",
        "remote-roles",
        "x-auth-source",
    ] {
        assert_eq!(
            reply.headers.get_all(name).iter().count(),
            1,
            "{name}: {:?}",
            reply.headers
        );
    }
    reply.header("remote-user").unwrap().to_owned()
}

#[tokio::test]
async fn the_original_request_decides_which_rule_holds() {
    let (world, _, _folder) = world_with(POLICY, &[]).await;
    let member = known(&world, json!({ "sub": "member", "workspaces": ["w1"] }));
    let operator = known(
        &world,
        json!({ "sub": "operator", "roles": ["admin"], "groups": ["ops"] }),
    );
    let half = known(&world, json!({ "sub": "half", "roles": ["admin"] }));
    for (token, method, host, target, expected) in [
        (None, "GET", "a.example", "/assets/x.css?v=1", "200"),
        (None, "HEAD", "a.example", "/favicon.ico", "200"),
        (
            None,
            "POST",
            "a.example",
            "/assets/x.css",
            "401 missing_credential",
        ),
        (None, "GET", "a.example", "/", "401 missing_credential"),
        (None, "GET", "a.example", "/admin/x", "401 missing_credential"),
        (None, "GET", "a.example", "/internal/x", "403 policy_denied"),
        (Some(&member), "GET", "a.example", "/", "200"),
        (
            Some(&member),
            "GET",
            "a.example",
            "/admin",
            "403 insufficient_permission",
        ),
        (
            Some(&half),
            "GET",
            "a.example",
            "/admin/",
            "403 insufficient_permission",
        ),
        (Some(&operator), "DELETE", "a.example", "/%61dmin/x", "200"),
        (
            Some(&operator),
            "GET",
            "a.example",
            "/internal/",
            "403 policy_denied",
        ),
        (Some(&member), "GET", "a.partner.example", "/w/1", "200"),
        (Some(&half), "GET", "A.Partner.Example.:443", "/w/1", "200"),
        (
            Some(&known(&world, json!({ "sub": "u" }))),
            "GET",
            "a.partner.example",
            "/w/1",
            "403 insufficient_permission",
        ),
        (
            Some(&"unknown".to_owned()),
            "GET",
            "a.example",
            "/",
            "401 invalid_token",
        ),
    ] {
        let reply = match token {
            Some(token) => with(&world, token, method, host, target).await,
            None => anonymously(&world, method, host, target).await,
        };
        let (status, code) = verdict(&reply);
        assert_eq!(
            format!("{status} {code}").trim(),
            expected,
            "{token:?} {method} {host}{target}"
        );
        if status != 200 {
            assert!(
                reply.headers.get("remote-user").is_none(),
                "a refusal names nobody"
            );
        }
    }
    // The query's requirements come on top, also of what is public.
    for (token, query, status) in [
        (&operator, "role=owner", 403),
        (&member, "role=owner", 403),
        (&operator, "role=admin", 200),
    ] {
        let path = format!("/auth/verify?{query}");
        let about = forwarded("GET", "a.example", "/assets/x");
        let reply = world.bearer(token).send(Method::GET, &path, about).await;
        assert_eq!(reply.status.as_u16(), status, "{query}");
    }
    let about = forwarded("GET", "a.example", "/assets/x");
    let reply = world
        .anonymous()
        .send(Method::GET, "/auth/verify?role=admin", about)
        .await;
    assert_eq!(verdict(&reply), (401, "missing_credential".into()));
}

#[tokio::test]
async fn what_is_public_is_open_whatever_the_credential_is_worth() {
    // Under a lease the cookie would still be answered from memory when the store is lost.
    let (world, _, _folder) = world_with(POLICY, &[("REVOCATION_READS", "direct")]).await;
    let public = ("GET", "a.example", "/assets/x");
    let (method, host, target) = public;
    assert_eq!(
        named(&anonymously(&world, method, host, target).await.expect_status(200)),
        ""
    );
    let login = world.log_in("user-1").await;
    let known = with(&world, &login.access, method, host, target)
        .await
        .expect_status(200);
    assert_eq!(named(&known), "user-1");
    let browser = login
        .browser
        .send(Method::GET, "/auth/verify", forwarded(method, host, target))
        .await;
    assert_eq!(named(&browser.expect_status(200)), "user-1");
    for bad in ["unknown", "a b", &"x".repeat(17 * 1024)] {
        let reply = with(&world, bad, method, host, target).await.expect_status(200);
        assert_eq!(named(&reply), "", "{bad:.20}");
    }
    world.revoke(&login.access).await.expect_status(200);
    let revoked = with(&world, &login.access, method, host, target)
        .await
        .expect_status(200);
    assert_eq!(named(&revoked), "");
    // While nobody can say, public stays public, and nothing else is answered yes.
    world.lose_store().await;
    let unknown = login
        .browser
        .send(Method::GET, "/auth/verify", forwarded(method, host, target))
        .await;
    let unknown = unknown.expect_status(200);
    assert!(named(&unknown).is_empty() && unknown.header("set-cookie").is_none());
    login
        .browser
        .send(Method::GET, "/auth/verify", forwarded("GET", host, "/"))
        .await
        .expect_status(503);
}

#[tokio::test]
async fn a_request_with_two_readings_is_refused_whoever_asks() {
    let (world, _, _folder) = world_with(POLICY, &[]).await;
    let operator = known(
        &world,
        json!({ "sub": "operator", "roles": ["admin"], "groups": ["ops"] }),
    );
    for target in [
        "/assets/../admin/x",
        "/assets/%2e%2e/admin/x",
        "/assets/..;/admin/x",
        "/assets/..%2fadmin/x",
        "/assets/..\\admin",
        "/assets/%5c..%5cadmin",
        "//assets/x",
        "/assets//x",
        "/assets/x;a=b",
        "/assets/%252e%252e/admin",
        "/assets/%00",
        "/assets/%ff",
        "/assets/%zz",
        "/assets/./x",
        "assets/x",
        "*",
        "https://b.example/assets/x",
        "https://u@a.example/assets/x",
    ] {
        let reply = with(&world, &operator, "GET", "a.example", target).await;
        assert_eq!(verdict(&reply), (400, "ambiguous_request".into()), "{target}");
    }
    for host in [
        "a.example, b.example",
        "a.example:x",
        "u@a.example",
        "a..example",
        "127.1",
    ] {
        let reply = with(&world, &operator, "GET", host, "/assets/x").await;
        assert_eq!(verdict(&reply), (400, "ambiguous_request".into()), "{host}");
    }
    let reply = with(&world, &operator, "get", "a.example", "/assets/x").await;
    assert_eq!(verdict(&reply), (400, "ambiguous_request".into()));
    // A whole URL says the host too, and then agrees with the other header.
    with(
        &world,
        &operator,
        "GET",
        "A.example:443",
        "https://a.example/assets/x",
    )
    .await
    .expect_status(200);
}

#[tokio::test]
async fn only_one_trusted_proxy_says_what_is_asked_for() {
    // A client that reaches the gateway itself says nothing, and then nothing is decided.
    let (world, _, _folder) = world_with(POLICY, &[("TRUSTED_PROXIES", "192.0.2.1")]).await;
    let operator = known(
        &world,
        json!({ "sub": "operator", "roles": ["admin"], "groups": ["ops"] }),
    );
    let reply = with(&world, &operator, "GET", "a.example", "/assets/x").await;
    let (status, code) = verdict(&reply);
    assert_eq!((status, code.as_str()), (400, "invalid_request"));
    assert!(
        reply.json()["detail"]
            .as_str()
            .unwrap()
            .contains("X-Forwarded-Uri")
    );

    let (world, _, _folder) = world_with(POLICY, &[]).await;
    let all = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-host", "a.example"),
        ("x-forwarded-uri", "/assets/x"),
    ];
    let sent = |headers: Vec<(&'static str, &'static str)>| {
        let world = &world;
        async move {
            let add = |request: RequestBuilder| {
                headers
                    .iter()
                    .fold(request, |r, (name, value)| r.header(*name, *value))
            };
            world.anonymous().send(Method::GET, "/auth/verify", add).await
        }
    };
    sent(all.to_vec()).await.expect_status(200);
    for lost in ["x-forwarded-method", "x-forwarded-uri"] {
        let told: Vec<_> = all.into_iter().filter(|(name, _)| *name != lost).collect();
        let reply = sent(told).await;
        assert_eq!(verdict(&reply), (400, "invalid_request".into()), "{lost}");
    }
    // What the proxy does not set itself comes from its client: two that differ say nothing.
    for spoofed in [
        ("x-forwarded-uri", "/assets/y"),
        ("x-original-uri", "/admin"),
        ("x-original-url", "https://a.example/admin"),
        ("x-original-method", "DELETE"),
        ("x-original-host", "b.example"),
        ("x-forwarded-host", "a.example"),
    ] {
        let mut told = all.to_vec();
        told.push(spoofed);
        let reply = sent(told).await;
        assert_eq!(verdict(&reply), (400, "invalid_request".into()), "{spoofed:?}");
    }
}
