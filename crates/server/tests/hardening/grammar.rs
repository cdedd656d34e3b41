//! The grammar of `Authorization`: one strict form is read (Keycloak's GHSA-gv94, Envoy's duplicate headers).
//!
//! Every header here carries a good token, so that any leniency shows as a 200.

use crate::support::{Answer, Stack, assert_lives, get_with, post_with, raw, refused};

#[tokio::test]
async fn one_form_is_read() {
    let stack = Stack::start().await;
    let (addr, good, other) = (stack.addr(), stack.token("ann"), stack.token("bob"));
    assert_eq!(
        get_with(
            addr,
            "/api/v1/auth/me",
            &format!("authorization: Bearer {good}\r\n")
        )
        .await
        .status,
        200
    );
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        // F17: schemes are case-insensitive (RFC 9110 §11.1).
        let line = format!("authorization: {scheme} {good}\r\n");
        assert_eq!(
            get_with(addr, "/api/v1/auth/me", &line).await.status,
            200,
            "{scheme}"
        );
    }
    let lines = [
        format!("authorization: bearer\t{good}"),
        format!("authorization: bearer  {good}"),
        format!("authorization: BEARER,{good}"),
        format!("authorization: Bearer\t{good}"),
        format!("authorization: Bearer \t{good}"),
        format!("authorization: Bearer  {good}"),
        format!("authorization: Bearer{good}"),
        format!("authorization: Bearer={good}"),
        format!("authorization: Bearer:{good}"),
        format!("authorization: Bearer: {good}"),
        format!("authorization: Bearer,{good}"),
        format!("authorization: Bearer \"{good}\""),
        format!("authorization: Bearer <{good}>"),
        format!("authorization: Bearer {good},"),
        format!("authorization: Bearer ,{good}"),
        format!("authorization: Bearer {good};"),
        format!("authorization: Bearer {good}, Bearer {good}"),
        format!("authorization: Bearer {good},Bearer {other}"),
        format!("authorization: Bearer {good} {other}"),
        format!("authorization: Bearer {good} extra"),
        format!("authorization: Bearer token={good}"),
        format!("authorization: Bearer Bearer {good}"),
        format!("authorization: Token {good}"),
        format!("authorization: JWT {good}"),
        format!("authorization: DPoP {good}"),
        format!("authorization: {good}"),
        format!("authorization: Basic {good}"),
        format!("authorization: Basic x, Bearer {good}"),
        format!("authorization: Bearer %20{good}"),
        format!("authorization: Bearer {good}%00"),
        format!("authorization: Bearer {good}\u{80}"),
        format!("authorization: \u{feff}Bearer {good}"),
        format!("authorization: Bearer\u{a0}{good}"),
        "authorization: Bearer".to_owned(),
        "authorization: Bearer =".to_owned(),
        "authorization: Bearer null".to_owned(),
        "authorization: Bearer undefined".to_owned(),
        "authorization: Bearer ..".to_owned(),
        "authorization: Bearer ...".to_owned(),
        "authorization:".to_owned(),
        format!("authorization: Bearer {good}\r\nauthorization: Bearer {good}"),
        format!("authorization: Bearer {good}\r\nauthorization: Bearer {other}"),
        format!("authorization: Bearer junk\r\nauthorization: Bearer {good}"),
        format!("authorization: Basic YTpi\r\nauthorization: Bearer {good}"),
        format!("authorization: \r\nauthorization: Bearer {good}"),
        format!("proxy-authorization: Bearer {good}"),
        format!("x-authorization: Bearer {good}"),
        format!("x-access-token: {good}"),
        format!("x-auth-token: {good}"),
        format!("x_authorization: Bearer {good}"),
        "x-user: ann\r\nremote-user: ann\r\nx-forwarded-user: ann".to_owned(),
    ];
    for line in &lines {
        for path in ["/api/v1/auth/me", "/oauth/userinfo"] {
            let reply = get_with(addr, path, &format!("{line}\r\n")).await;
            assert!(
                matches!(reply.status, 400 | 401),
                "{path} {line}: {}",
                reply.shown()
            );
            refused(&reply, line);
        }
    }
    // What the parser of HTTP itself refuses has no body to tell more.
    for line in [
        format!("authorization: Bearer {good}\0"),
        format!("authorization : Bearer {good}"),
        format!("authorization: Bearer\r\n {good}"),
    ] {
        let reply = get_with(addr, "/api/v1/auth/me", &format!("{line}\r\n")).await;
        assert_eq!(reply.status, 400, "{line}: {}", reply.shown());
    }
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn a_token_elsewhere_is_none() {
    let stack = Stack::start().await;
    let (addr, good) = (stack.addr(), stack.token("ann"));
    for path in [
        format!("/api/v1/auth/me?access_token={good}"),
        format!("/api/v1/auth/me?token={good}"),
        format!("/oauth/userinfo?access_token={good}"),
    ] {
        let reply = get_with(addr, &path, "").await;
        assert_eq!(
            (reply.status, reply.error_code().as_str()),
            (401, "missing_credential"),
            "{path}"
        );
    }
    let body = format!("access_token={good}");
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    assert_eq!(
        post_with(addr, "/oauth/userinfo", form, body.as_bytes())
            .await
            .status,
        401
    );
    for cookie in [
        "access_token",
        "token",
        "maxlab_session",
        "Authorization",
        "session_id",
    ] {
        let reply = get_with(addr, "/api/v1/auth/me", &format!("cookie: {cookie}={good}\r\n")).await;
        assert_eq!(reply.status, 401, "{cookie}: {}", reply.shown());
    }
    // A userinfo in the target is no credential either.
    let target = format!(
        "GET http://ann:{good}@{addr}/api/v1/auth/me HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(raw(addr, target).await.status, 400);
}

#[tokio::test]
async fn a_refusal_names_the_scheme_and_tells_browsers_nothing_to_keep() {
    let stack = Stack::start().await;
    for headers in [
        "",
        "authorization: Bearer junk\r\n",
        "cookie: maxlab_session=junk\r\n",
    ] {
        let reply = get_with(stack.addr(), "/api/v1/auth/me", headers).await;
        assert_eq!(reply.status, 401, "{}", reply.shown());
        assert!(
            reply.header("www-authenticate").unwrap().starts_with("Bearer "),
            "{headers}"
        );
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert!(reply.header("x-request-id").is_some());
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    }
}

#[tokio::test]
async fn clients_prove_themselves_in_one_form_too() {
    let stack = Stack::start_with(|options| {
        options
            .env("OAUTH_CLIENT_ID", "gateway")
            .env("OAUTH_CLIENT_SECRET", "a-secret-of-the-gateway-client")
    })
    .await;
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let token = stack.token("ann");
    // base64 of `gateway:a-secret-of-the-gateway-client`.
    let basic = "Z2F0ZXdheTphLXNlY3JldC1vZi10aGUtZ2F0ZXdheS1jbGllbnQ=";
    let body = format!("token={token}");
    let good = format!("{form}authorization: Basic {basic}\r\n");
    let reply = post_with(stack.addr(), "/oauth/introspect", &good, body.as_bytes()).await;
    assert_eq!(reply.value()["active"], true, "{}", reply.shown());
    for line in [
        String::new(),
        format!("authorization: Basic {basic}\r\nauthorization: Basic {basic}\r\n"),
        "authorization: Basic \r\n".into(),
        "authorization: Basic !!!\r\n".into(),
        "authorization: Basic Z2F0ZXdheQ==\r\n".into(),
        "authorization: Basic Z2F0ZXdheTo=\r\n".into(),
        "authorization: Basic /////w==\r\n".into(),
        format!("authorization: Basic {basic}x\r\n"),
        format!("authorization: Bearer {token}\r\n"),
    ] {
        let reply = post_with(
            stack.addr(),
            "/oauth/introspect",
            &format!("{form}{line}"),
            body.as_bytes(),
        )
        .await;
        assert!(matches!(reply.status, 400 | 401), "{line}: {}", reply.shown());
        refused(&reply, &line);
    }
    for more in [
        "&client_id=gateway&client_secret=wrong",
        "&client_id=gateway",
        "&client_id=gateway&client_secret=",
    ] {
        let reply = post_with(
            stack.addr(),
            "/oauth/introspect",
            form,
            format!("{body}{more}").as_bytes(),
        )
        .await;
        assert!(matches!(reply.status, 400 | 401), "{more}: {}", reply.shown());
    }
    let both = format!("{body}&client_id=gateway&client_secret=a-secret-of-the-gateway-client");
    let reply = post_with(stack.addr(), "/oauth/introspect", &good, both.as_bytes()).await;
    assert_eq!(reply.status, 400, "two ways at once: {}", reply.shown());
}
