//! The edges of the surface: what is not there, what is asked in the wrong way, and what no client may claim.

use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor};

use crate::support::{Answer, Stack, assert_lives, get_with, raw, refused};

#[tokio::test]
async fn unknown_paths_are_404_problems() {
    let stack = Stack::start().await;
    let unknown = [
        "/",
        "/nowhere",
        "/oauth",
        "/oauth/",
        "/api/v1/auth",
        "/api/v1/auth/mee",
        "/health/",
        "/metrics/x",
        "/.env",
        "/.git/config",
        "/debug/pprof/",
        "/actuator/env",
        "/admin",
        "/server-status",
        "/docs/../../etc/passwd",
        "/docs/%2e%2e/%2e%2e/etc/passwd",
        "/openapi.json/",
        "/*",
        "/%2e%2e/",
        "//",
        "/\u{fffd}",
    ];
    for path in unknown {
        for method in ["GET", "POST", "DELETE", "PATCH"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            );
            let reply = raw(stack.addr(), request).await;
            assert_eq!(reply.status, 404, "{method} {path}: {}", reply.shown());
            refused(&reply, path);
            assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        }
    }
}

#[tokio::test]
async fn wrong_methods_are_405_with_allow() {
    let stack = Stack::start().await;
    let routes = [
        ("/oauth/authorize", "GET"),
        ("/oauth/token", "POST"),
        ("/oauth/revoke", "POST"),
        ("/oauth/introspect", "POST"),
        ("/api/v1/auth/me", "GET"),
        ("/api/v1/auth/logout", "POST"),
        ("/api/v1/auth/sessions/rotate", "POST"),
        ("/api/v1/auth/sessions/0123456789abcdef0123456789abcdef", "DELETE"),
        ("/api/v1/admin/users/ann/logout", "POST"),
        ("/api/v1/admin/revocations", "POST"),
        ("/health", "GET"),
        ("/openapi.json", "GET"),
    ];
    for (path, allowed) in routes {
        for method in ["PUT", "PATCH", "TRACE", "PROPFIND", "get", "GETT", "X"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            );
            let reply = raw(stack.addr(), request).await;
            assert_eq!(reply.status, 405, "{method} {path}: {}", reply.shown());
            refused(&reply, path);
            let allow = reply.header("allow").unwrap_or_default().to_owned();
            assert!(
                allow.split(',').any(|word| word.trim() == allowed),
                "{path}: Allow: {allow}"
            );
        }
    }
    let options = raw(
        stack.addr(),
        "OPTIONS /api/v1/auth/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert_ne!(
        options.status,
        200,
        "nobody said that preflights are free: {}",
        options.shown()
    );
    let connect = raw(
        stack.addr(),
        "CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n",
    )
    .await;
    assert!(
        connect.status >= 400 && connect.status < 500,
        "{}",
        connect.shown()
    );
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn head_works_wherever_get_does() {
    let stack = Stack::start().await;
    let token = stack.token("ann");
    let caller = BearerActor::new(&stack.url(), &token);
    for path in [
        "/health",
        "/health/ready",
        "/api/v1/auth/me",
        "/oauth/userinfo",
        "/openapi.json",
        "/docs",
        "/metrics",
        "/nowhere",
    ] {
        let (get, head) = (
            caller.get(path).await,
            caller.send(http::Method::HEAD, path, |r| r).await,
        );
        assert_eq!(get.code(), head.code(), "{path}");
        assert!(head.body.is_empty(), "{path}");
        assert_eq!(get.header("content-type"), head.header("content-type"), "{path}");
    }
    let head = AnonymousActor::new(&stack.url())
        .send(http::Method::HEAD, "/oauth/token", |r| r)
        .await;
    assert_eq!(head.code(), 405);
}

#[tokio::test]
async fn no_health_checker_gets_in_by_its_name() {
    let stack = Stack::start().await;
    for agent in [
        "GoogleHC/1.0",
        "kube-probe/1.29",
        "ELB-HealthChecker/2.0",
        "Blackbox Exporter/0.25",
    ] {
        for path in ["/api/v1/auth/me", "/api/v1/admin/audit", "/api/v1/auth/sessions"] {
            let reply = get_with(stack.addr(), path, &format!("user-agent: {agent}\r\n")).await;
            assert_eq!(reply.status, 401, "{agent}: {}", reply.shown());
        }
    }
}

#[tokio::test]
async fn nobody_claims_to_be_somebody_in_a_header() {
    let stack = Stack::start().await;
    let token = stack.token("ann");
    let claims = "remote-user: root\r\nx-remote-user: root\r\nx-user-id: root\r\nx-forwarded-user: root\r\nx_forwarded_user: root\r\n\
                  x-auth-request-user: root\r\nx-roles: admin\r\nremote-roles: admin\r\nx-session-id: 00000000000000000000000000000000\r\n\
                  x-original-url: /api/v1/admin/audit\r\nx-rewrite-url: /api/v1/admin/audit\r\nx-http-method-override: DELETE\r\n\
                  x-forwarded-for: 127.0.0.1\r\nforwarded: for=127.0.0.1;proto=https\r\nx-forwarded-proto: https\r\nx-forwarded-prefix: /x\r\n";
    let reply = get_with(stack.addr(), "/api/v1/auth/me", claims).await;
    assert_eq!(reply.status, 401, "{}", reply.shown());
    let headers = format!("{claims}authorization: Bearer {token}\r\n");
    let me = get_with(stack.addr(), "/api/v1/auth/me", &headers).await;
    assert_eq!(me.json()["user_id"], "ann");
    assert_eq!(
        get_with(stack.addr(), "/api/v1/admin/audit", &headers)
            .await
            .status,
        403
    );
    assert_eq!(
        get_with(stack.addr(), "/api/v1/auth/access/admin", &headers)
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn the_audit_and_the_request_id_believe_no_client() {
    let stack = Stack::start().await;
    let anybody = AnonymousActor::new(&stack.url());
    let token = stack.token("ann");
    let reply = anybody
        .send(http::Method::POST, "/oauth/revoke", |request| {
            request
                .form(&[("token", token.as_str())])
                .header("x-forwarded-for", "203.0.113.77")
                .header("x-request-id", "forged-by-a-client")
                .header("user-agent", "agent\u{7f}".replace('\u{7f}', " ").repeat(200))
        })
        .await
        .expect_status(200);
    assert_ne!(reply.header("x-request-id"), Some("forged-by-a-client"));
    let admin = crate::support::log_in(&anybody, "admin-ann").await;
    let audit = BearerActor::new(&stack.url(), &admin.access)
        .get("/api/v1/admin/audit?user_id=ann")
        .await
        .expect_status(200);
    assert!(
        !audit.text().contains("203.0.113.77") && !audit.text().contains("forged-by-a-client"),
        "{}",
        audit.text()
    );
    assert!(audit.text().contains("127.0.0.1"), "{}", audit.text());
}

#[tokio::test]
async fn one_persons_sessions_are_not_anothers() {
    let stack = Stack::start().await;
    let anybody = AnonymousActor::new(&stack.url());
    let (ann, eve) = (
        crate::support::log_in(&anybody, "ann").await,
        crate::support::log_in(&anybody, "eve").await,
    );
    let thief = BearerActor::new(&stack.url(), &eve.access);
    let path = format!("/api/v1/auth/sessions/{}", ann.handle);
    let reply = thief.delete(&path).await;
    assert_eq!(reply.code(), 404, "{}", reply.shown());
    // `X-Session-ID` names one's own session or none.
    let reply = thief
        .send(http::Method::POST, "/api/v1/auth/logout", |r| {
            r.header("x-session-id", &ann.handle)
        })
        .await;
    assert_eq!(reply.code(), 200, "{}", reply.shown());
    let me = anybody
        .send(http::Method::GET, "/api/v1/auth/me", |r| {
            r.header("cookie", &ann.cookie)
        })
        .await;
    assert_eq!(me.code(), 200, "ann's session lives: {}", me.shown());
    // The public handle is no credential.
    let reply = anybody
        .send(http::Method::GET, "/api/v1/auth/me", |r| {
            r.header("cookie", format!("maxlab_session={}", ann.handle))
        })
        .await;
    assert_eq!(reply.code(), 401);
}
