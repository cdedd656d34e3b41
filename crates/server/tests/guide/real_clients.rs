//! What real clients and front proxies send, and the standards allow: none of it is refused, and nothing wrong in it
//! is taken for a success.

use maxlab_auth_testkit::{Actor, HttpReply};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use url::Url;

use crate::gateway::{World, verdict};
use crate::observe::Logs;
use crate::policy::world_with;

const TRUSTED: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1");

async fn ask(world: &World, path: &str, headers: &[(&str, &[u8])]) -> HttpReply {
    let send = |mut request: RequestBuilder| {
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
    };
    world.anonymous().send(Method::GET, path, send).await
}

#[tokio::test]
async fn f24_a_member_of_the_wrong_type_is_400_at_every_json_route() {
    let world = World::embedded(&[]).await;
    let token = world.stray_token("user-1");
    let strange = [json!(5), json!(true), json!(["x"]), json!({ "x": 1 })];
    let routes: [(&str, &str, Value); 5] = [
        ("/oauth/revoke", "token", json!({})),
        ("/oauth/revoke", "token_type_hint", json!({ "token": token })),
        ("/oauth/token/validate", "access_token", json!({})),
        (
            "/oauth/token",
            "code",
            json!({ "grant_type": "authorization_code", "client_id": "test-app" }),
        ),
        ("/oauth/introspect", "token", json!({})),
    ];
    for (path, member, body) in routes {
        for value in &strange {
            let mut body = body.clone();
            body[member] = value.clone();
            let reply = world.anonymous().post_json(path, &body).await;
            assert_eq!(verdict(&reply), (400, "invalid_request".into()), "{path} {body}");
            let detail = reply.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(member), "{path}: {detail}");
        }
    }
    for value in &strange[..1] {
        let reply = world
            .bearer(&token)
            .post_json("/api/v1/auth/logout", &json!({ "refresh_token": value }))
            .await;
        assert_eq!(verdict(&reply), (400, "invalid_request".into()));
    }
    assert_eq!(world.verdict(&token).await.0, 200, "nothing was revoked");
    assert_eq!(world.auth.count_requests("/oauth/token"), 0, "no code was spent");
}

#[tokio::test]
async fn f17_the_scheme_may_be_in_any_case() {
    let world = World::embedded(&[]).await;
    let token = world.stray_token("user-1");
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let field = format!("{scheme} {token}");
        for path in ["/api/v1/auth/me", "/oauth/userinfo", "/auth/verify"] {
            ask(&world, path, &[("authorization", field.as_bytes())])
                .await
                .expect_status(200);
        }
    }
    for field in [format!("bearer  {token}"), format!("bearer\t{token}")] {
        let reply = ask(&world, "/auth/verify", &[("authorization", field.as_bytes())]).await;
        assert_eq!(
            verdict(&reply),
            (401, "invalid_token".into()),
            "one space is the rule"
        );
    }
}

/// Asks about a page that a browser opens, as nginx does.
async fn page(world: &World, uri: &[u8]) -> HttpReply {
    let headers: [(&str, &[u8]); 4] = [
        ("accept", b"text/html"),
        ("x-forwarded-proto", b"https"),
        ("x-forwarded-host", b"app.example"),
        ("x-forwarded-uri", uri),
    ];
    ask(world, "/auth/verify", &headers).await
}

fn way_back(reply: HttpReply) -> String {
    let reply = reply.expect_status(302);
    let location: Url = reply.header("location").unwrap().parse().unwrap();
    let mut pairs = location.query_pairs();
    pairs
        .find_map(|(name, value)| (name == "rd").then(|| value.into_owned()))
        .expect("the way back is kept")
}

#[tokio::test]
async fn f19_a_query_makes_no_request_ambiguous() {
    let policy = "[[rule]]\npath = \"/public/**\"\naccess = \"public\"\n";
    let login = ("LOGIN_URL", "https://login.example/start");
    let (world, _file, _folder) = world_with(policy, &[TRUSTED, login]).await;
    for (query, encoded) in [
        ("검색".as_bytes(), "%EA%B2%80%EC%83%89"),
        (b"\xff\xfe", "%FF%FE"),
        (b"a=b;c=//../%2f%zz", "a=b;c=//../%2f%zz"),
    ] {
        let uri = [b"/public/search?q=", query].concat();
        page(&world, &uri).await.expect_status(200);
        let uri = [b"/search?q=", query].concat();
        let back = way_back(page(&world, &uri).await);
        assert_eq!(back, format!("https://app.example/search?q={encoded}"));
    }
    // A path is what the policy decides about: there such bytes could be read in two ways.
    let reply = page(&world, "/검색".as_bytes()).await;
    assert_eq!(verdict(&reply), (400, "ambiguous_request".into()));
    let reply = page(&world, b"/search?q=a\tb").await;
    assert_eq!(verdict(&reply), (400, "ambiguous_request".into()));
}

#[tokio::test]
async fn f22_a_whole_url_keeps_the_way_back_and_names_the_host() {
    let world = World::embedded(&[TRUSTED, ("LOGIN_URL", "https://login.example/start")]).await;
    let whole = async |url: &str, more: &[(&str, &[u8])]| {
        let headers: [(&str, &[u8]); 2] = [("accept", b"text/html"), ("x-original-url", url.as_bytes())];
        ask(&world, "/auth/verify", &[&headers, more].concat()).await
    };
    assert_eq!(
        way_back(whole("https://app.example:8443/page?x=1&y=2", &[]).await),
        "https://app.example:8443/page?x=1&y=2"
    );
    assert_eq!(
        way_back(whole("http://app.example", &[("x-forwarded-proto", b"HTTPS")]).await),
        "https://app.example/"
    );
    for (url, host) in [
        ("https://app.example/x", "other.example"),
        ("https://app.example@evil.example/x", "app.example"),
        ("https:///x", "app.example"),
    ] {
        let reply = whole(url, &[("x-forwarded-host", host.as_bytes())]).await;
        assert_eq!(verdict(&reply), (400, "ambiguous_request".into()), "{url} {host}");
    }
    // The host of the URL proves the origin of a request with a cookie, as X-Forwarded-Host does.
    let login = world.log_in("user-1").await;
    for (origin, status) in [("https://app.example", 200), ("https://evil.example", 403)] {
        let send = |request: RequestBuilder| {
            request
                .header("x-original-url", "https://app.example/form")
                .header("x-original-method", "POST")
                .header("origin", origin)
        };
        let reply = login.browser.send(Method::GET, "/auth/verify", send).await;
        assert_eq!(reply.status.as_u16(), status, "{origin}");
    }
}

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn authorize(redirect_uri: &str, more: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([
        ("client_id", "test-app"),
        ("redirect_uri", redirect_uri),
        ("state", "s&1"),
    ]);
    format!("/oauth/authorize?{}", query.extend_pairs(more).finish())
}

fn good() -> [(&'static str, &'static str); 3] {
    [
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
}

#[tokio::test]
async fn f23_a_listed_redirect_uri_with_an_at_sign_is_accepted() {
    let uris = "https://app.example/@me/cb,https://app.example/cb?to=a@b.example";
    let world = World::embedded(&[("ALLOWED_REDIRECT_URIS", uris)]).await;
    for uri in uris.split(',') {
        ask(&world, &authorize(uri, &good()), &[])
            .await
            .expect_status(302);
    }
    let unlisted = World::embedded(&[]).await;
    let reply = ask(
        &unlisted,
        &authorize("https://app.example@evil.example/cb", &good()),
        &[],
    )
    .await;
    let detail = reply.expect_status(400).json()["detail"].to_string();
    assert!(detail.contains("a user name or a password"), "{detail}");
}

const HTML: &[(&str, &[u8])] = &[("accept", b"text/html,*/*"), ("sec-fetch-mode", b"navigate")];

#[tokio::test]
async fn n16_a_fault_goes_back_to_a_known_client_and_else_to_a_page() {
    let callback = "https://app.example/cb";
    let world = World::embedded(&[("ALLOWED_REDIRECT_URIS", callback)]).await;
    for (parameters, error) in [
        (vec![("response_type", "token")], "unsupported_response_type"),
        (vec![("response_type", "code")], "invalid_request"),
        (
            [&good()[..], &[("scope", "a"), ("scope", "b")]].concat(),
            "invalid_request",
        ),
    ] {
        for headers in [HTML, &[]] {
            let reply = ask(&world, &authorize(callback, &parameters), headers).await;
            let target: Url = reply
                .clone()
                .expect_status(302)
                .header("location")
                .unwrap()
                .parse()
                .unwrap();
            assert!(target.as_str().starts_with(callback), "{target}");
            let told: Vec<(String, String)> = target.query_pairs().into_owned().collect();
            assert_eq!(told[0], ("error".to_owned(), error.to_owned()), "{target}");
            assert!(told.contains(&("state".to_owned(), "s&1".to_owned())), "{target}");
            assert_eq!(reply.header("cache-control"), Some("no-store"));
        }
    }
    let stranger = authorize("https://evil.example/<script>", &good());
    let reply = ask(&world, &stranger, HTML).await.expect_status(400);
    assert!(reply.header("location").is_none());
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    let text = reply.text();
    assert!(text.contains("ALLOWED_REDIRECT_URIS") && text.contains("https://evil.example/&lt;script&gt;"));
    assert!(!text.contains("<script") && text.contains(reply.header("x-request-id").unwrap()));
    let reply = ask(&world, &stranger, &[]).await.expect_status(400);
    assert_eq!(reply.json()["error"], "invalid_request", "a program gets JSON");
    // An outage is a page too, and stays an outage.
    world
        .auth
        .on("/oauth/authorize", maxlab_auth_testkit::Lie::status(500));
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        world.auth.on(path, maxlab_auth_testkit::Lie::status(404));
    }
    let world = world.restarted(&[]).await;
    let reply = ask(&world, &authorize(callback, &good()), HTML)
        .await
        .expect_status(502);
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(reply.header("retry-after").is_some() && reply.text().contains("upstream_unavailable"));
    world.auth.on(
        "/oauth/authorize",
        maxlab_auth_testkit::Lie::json(
            400,
            json!({ "error": "unauthorized_client", "error_description": "<no>" }),
        ),
    );
    let reply = ask(&world, &authorize(callback, &good()), HTML)
        .await
        .expect_status(400);
    assert!(reply.text().contains("&lt;no&gt;") && reply.text().contains("unauthorized_client"));
}

#[tokio::test]
async fn n13_what_is_not_listed_is_named_in_the_answer_and_once_in_the_log() {
    let logs = Logs::listen();
    for origins in ["", "https://known-n13.example"] {
        let rules = [
            ("ALLOWED_REDIRECT_URIS", "https://app.example/cb"),
            ("ALLOWED_CLIENT_IDS", "test-app"),
            ("CORS_ORIGINS", origins),
        ];
        let world = World::embedded(&rules).await;
        let origin = format!("https://n13-{}.example", origins.len());
        let before = logs.text().matches(&origin).count();
        for _ in 0..3 {
            ask(&world, "/api/v1/auth/me", &[("origin", origin.as_bytes())]).await;
        }
        let lines = logs.text();
        assert_eq!(
            lines.matches(&origin).count() - before,
            1,
            "one line for each origin"
        );
        assert!(
            lines
                .lines()
                .any(|line| line.contains(&origin) && line.contains("CORS_ORIGINS"))
        );
        let own = world.gateway.url.clone();
        ask(&world, "/api/v1/auth/me", &[("origin", own.as_bytes())]).await;
        let lines = logs.text();
        assert!(
            !lines
                .lines()
                .any(|line| line.contains(&own) && line.contains("CORS_ORIGINS"))
        );
        for (query, named, setting) in [
            (
                authorize("https://n13.example/cb", &good()),
                "https://n13.example/cb",
                "ALLOWED_REDIRECT_URIS",
            ),
            (
                authorize("https://app.example/cb", &good()).replace("test-app", "n13-client"),
                "n13-client",
                "ALLOWED_CLIENT_IDS",
            ),
        ] {
            let reply = ask(&world, &query, &[]).await.expect_status(400);
            let detail = reply.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(named) && detail.contains(setting), "{detail}");
            let lines = logs.text();
            assert!(
                lines
                    .lines()
                    .any(|line| line.contains(named) && line.contains(setting))
            );
        }
    }
}

#[tokio::test]
async fn n10_workspaces_administrators_and_both_sessions_are_named() {
    let on = [
        TRUSTED,
        ("IDENTITY_WORKSPACES", "true"),
        ("WORKSPACE_SOURCE", "claims"),
    ];
    let world = World::embedded(&on).await;
    let claims = json!({ "sub": "u", "workspaces": ["w,1", "w2"], "roles": ["admin"], "sid": "upstream-1" });
    let token = world.opaque_token("unused");
    world.auth.accept_token(&token, claims);
    // The second answer is below HTTP, from a cached verdict.
    for _ in 0..2 {
        let reply = world.bearer(&token).get("/auth/verify").await.expect_status(200);
        assert_eq!(reply.header("remote-workspaces"), Some("w%2C1,w2"));
    }
    let me = world.me(&token).await.expect_status(200).json();
    assert_eq!(
        (&me["is_admin"], &me["session_id"], &me["sid"]),
        (&json!(true), &Value::Null, &json!("upstream-1"))
    );
    // A cookie has the handle, and the upstream session beside it.
    let code = crate::issuer::Code::of("user-1").claim("sid", json!("upstream-2"));
    let login = world.log_in_with(&code).await;
    let me = login
        .browser
        .get("/api/v1/auth/me")
        .await
        .expect_status(200)
        .json();
    assert_eq!(me["session_id"].as_str(), Some(login.handle.as_str()));
    assert_eq!(
        (&me["sid"], &me["is_admin"]),
        (&json!("upstream-2"), &json!(false))
    );
    let plain = World::embedded(&[TRUSTED]).await;
    let token = plain.opaque_token("u");
    let spoof = |request: RequestBuilder| request.header("remote-workspaces", "w9");
    let reply = plain
        .bearer(&token)
        .send(Method::GET, "/auth/verify", spoof)
        .await
        .expect_status(200);
    assert!(reply.header("remote-workspaces").is_none());
}

#[tokio::test]
async fn n11_identity_headers_can_be_ascii_only() {
    let world = World::embedded(&[("IDENTITY_HEADER_ENCODING", "percent")]).await;
    let token = world.opaque_token("unused");
    world.auth.accept_token(
        &token,
        json!({ "sub": "u", "name": "김철수", "groups": ["연구", "a,b"] }),
    );
    // The second answer is below HTTP.
    for _ in 0..2 {
        let reply = world.bearer(&token).get("/auth/verify").await.expect_status(200);
        assert_eq!(reply.header("remote-name"), Some("%EA%B9%80%EC%B2%A0%EC%88%98"));
        assert_eq!(reply.header("remote-groups"), Some("%EC%97%B0%EA%B5%AC,a%2Cb"));
    }
}
