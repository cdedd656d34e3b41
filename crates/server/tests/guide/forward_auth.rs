//! `/auth/verify`, the door for front proxies.

use maxlab_auth_testkit::{Actor, HttpReply};
use reqwest::Method;
use serde_json::{Value, json};

use crate::gateway::{Stores, World, on_embedded_and_redis, verdict};

const ALL: [&str; 6] = [
    "remote-user",
    "remote-name",
    "remote-email",
    "remote-groups",
    "remote-roles",
    "x-auth-source",
];

fn someone(world: &World, claims: Value) -> String {
    let token = world.opaque_token("unused");
    world.auth.accept_token(&token, claims);
    token
}

async fn asked(world: &World, token: &str, query: &str) -> HttpReply {
    world.bearer(token).get(&format!("/auth/verify{query}")).await
}

fn header(reply: &HttpReply, name: &str) -> String {
    String::from_utf8(
        reply
            .headers
            .get(name)
            .expect("the header is there")
            .as_bytes()
            .to_vec(),
    )
    .unwrap()
}

#[tokio::test]
async fn a_yes_carries_every_identity_header_even_where_there_is_no_value() {
    let world = World::embedded(&[]).await;
    let claims = json!({ "sub": "user-1", "name": "김 하나", "email": "u@example.test", "groups": ["a,b", "c"],
        "roles": ["x\r\nRemote-User: admin", "100%"] });
    let reply = asked(&world, &someone(&world, claims), "")
        .await
        .expect_status(200);
    let said: Vec<_> = ALL.iter().map(|name| header(&reply, name)).collect();
    assert_eq!(
        said,
        [
            "user-1",
            "김 하나",
            "u@example.test",
            "a%2Cb,c",
            "x%0D%0ARemote-User: admin,100%25",
            "oauth_userinfo"
        ]
    );
    let bare = asked(&world, &someone(&world, json!({ "sub": "user-2" })), "")
        .await
        .expect_status(200);
    for name in ALL {
        assert_eq!(
            bare.headers.get_all(name).iter().count(),
            1,
            "{name} is sent, once"
        );
    }
    assert_eq!(header(&bare, "remote-roles"), "");
}

#[tokio::test]
async fn requirements_are_met_or_403_and_misread_ones_are_400() {
    let world = World::embedded(&[]).await;
    let claims = json!({ "sub": "u", "roles": ["editor"], "groups": ["g1", "g2"], "permissions": ["p"],
        "workspaces": ["w1"], "scope": "read write" });
    let token = someone(&world, claims);
    for (query, status) in [
        ("?role=editor", 200),
        ("?role=owner,editor", 200),
        ("?role=editor&role=owner", 403),
        ("?group=g1&group=g2", 200),
        ("?group=g", 403),
        ("?permission=p&workspace=w1&scope=read", 200),
        ("?workspace=w2", 403),
        ("?scope=admin", 403),
        ("?role=", 400),
        ("?role=editor,", 400),
        ("?roles=editor", 400),
        ("?ROLE=editor", 400),
        ("?role=%ff", 400),
    ] {
        let reply = asked(&world, &token, query).await;
        assert_eq!(reply.status.as_u16(), status, "{query}");
        if status != 200 {
            assert!(
                reply.headers.get("remote-user").is_none(),
                "{query}: a refusal names nobody"
            );
        }
    }
    // The weak question first, then the strong one: what is remembered of the first must not answer the second.
    asked(&world, &token, "").await.expect_status(200);
    asked(&world, &token, "?role=owner").await.expect_status(403);
}

async fn revoked_and_unknown_are_refused(stores: Stores) {
    // Under a lease the cookie would still be answered from memory when the store is lost.
    let world = World::on(stores, &[("REVOCATION_READS", "direct")]).await;
    let login = world.log_in("user-1").await;
    asked(&world, &login.access, "").await.expect_status(200);
    login.browser.get("/auth/verify").await.expect_status(200);
    assert_eq!(
        verdict(&world.anonymous().get("/auth/verify").await),
        (401, "missing_credential".into())
    );
    assert_eq!(
        verdict(&asked(&world, "unknown", "").await),
        (401, "invalid_token".into())
    );
    world.revoke(&login.access).await.expect_status(200);
    assert_eq!(
        verdict(&asked(&world, &login.access, "").await),
        (401, "token_revoked".into())
    );
    login.browser.get("/auth/verify").await.expect_status(200);
    world.lose_store().await;
    let reply = login.browser.get("/auth/verify").await.expect_status(503);
    assert!(reply.header("retry-after").is_some() && reply.header("set-cookie").is_none());
    assert!(reply.headers.get("remote-user").is_none());
}

on_embedded_and_redis!(revoked_and_unknown_are_refused);

#[tokio::test]
async fn every_method_is_asked_about_and_a_cookie_acts_only_from_its_own_origin() {
    let world = World::embedded(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let login = world.log_in("user-1").await;
    for method in [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ] {
        let reply = world
            .bearer(&login.access)
            .send(method.clone(), "/auth/verify", |r| r)
            .await;
        assert_eq!(reply.status.as_u16(), 200, "{method}");
    }
    let forwarded = |origin: &'static str| {
        let browser = &login.browser;
        async move {
            let request = |r: reqwest::RequestBuilder| {
                r.header("x-forwarded-method", "POST")
                    .header("x-forwarded-host", "app.example")
                    .header("origin", origin)
            };
            browser
                .send(Method::GET, "/auth/verify", request)
                .await
                .status
                .as_u16()
        }
    };
    assert_eq!(forwarded("https://app.example").await, 200);
    assert_eq!(forwarded("https://evil.example").await, 403);
}

#[tokio::test]
async fn a_browser_is_sent_to_log_in_and_only_a_trusted_proxy_says_from_where() {
    for (proxies, location) in [
        (
            "127.0.0.1",
            "https://login.example/start?rd=https%3A%2F%2Fapp.example%2Fpage%3Fx%3D1",
        ),
        ("192.0.2.1", "https://login.example/start"),
    ] {
        let settings = [
            ("LOGIN_URL", "https://login.example/start"),
            ("TRUSTED_PROXIES", proxies),
        ];
        let world = World::embedded(&settings).await;
        let page = |r: reqwest::RequestBuilder| {
            r.header("accept", "text/html")
                .header("x-forwarded-proto", "https")
                .header("x-forwarded-host", "app.example")
                .header("x-forwarded-uri", "/page?x=1")
        };
        let reply = world
            .anonymous()
            .send(Method::GET, "/auth/verify", page)
            .await
            .expect_status(302);
        assert_eq!(reply.header("location"), Some(location));
        let fetch =
            |r: reqwest::RequestBuilder| r.header("accept", "text/html").header("sec-fetch-mode", "cors");
        world
            .anonymous()
            .send(Method::GET, "/auth/verify", fetch)
            .await
            .expect_status(401);
    }
}

#[tokio::test]
async fn nothing_in_the_headers_of_a_client_makes_a_yes() {
    let world = World::embedded(&[]).await;
    for (name, value) in [
        ("remote-user", "admin"),
        ("x-forwarded-user", "admin"),
        ("x-auth-source", "local_jwt"),
        ("x-forwarded-uri", "/health"),
        ("x-original-url", "/health"),
        ("user-agent", "kube-probe/1.0"),
        ("x-session-id", "00000000000000000000000000000000"),
    ] {
        let reply = world
            .anonymous()
            .send(Method::GET, "/auth/verify", |r| r.header(name, value))
            .await;
        assert_eq!(verdict(&reply), (401, "missing_credential".into()), "{name}");
        assert!(reply.headers.get("remote-user").is_none());
    }
}

/// Hosts that are no `uri-host [":" port]` (RFC 9110 §7.2).
pub(crate) const NO_HOSTS: [&str; 12] = [
    "app.example@evil.example",
    "evil.example/x",
    "a b",
    "app.example, evil.example",
    "app.example,evil.example",
    "app.example:80:80",
    "app.example:x",
    "app.example?x",
    "app.example#x",
    "http://app.example",
    "[::1",
    "app..example",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s6_a_host_that_is_none_is_400_with_a_policy_and_without() {
    let login = ("LOGIN_URL", "https://login.example/start");
    let proxies = ("TRUSTED_PROXIES", "127.0.0.1");
    for settings in [&[proxies][..], &[proxies, login]] {
        let world = World::embedded(settings).await;
        let token = world.stray_token("user-1");
        for (host, status) in NO_HOSTS.map(|host| (host, 400)).into_iter().chain([
            ("app.example", 200),
            ("App.Example:8443", 200),
            ("192.0.2.7:80", 200),
            ("[2001:db8::1]:443", 200),
        ]) {
            let page = |r: reqwest::RequestBuilder| {
                r.header("accept", "text/html")
                    .header("x-forwarded-proto", "https")
                    .header("x-forwarded-host", host)
                    .header("x-forwarded-uri", "/page")
            };
            // The second question is about a remembered verdict.
            for _ in 0..2 {
                let reply = world.bearer(&token).send(Method::GET, "/auth/verify", page).await;
                assert_eq!(reply.status.as_u16(), status, "{host}");
            }
            let reply = world.anonymous().send(Method::GET, "/auth/verify", page).await;
            let (status, code) = verdict(&reply);
            match (status, settings.len()) {
                (400, _) => assert_eq!(code, "ambiguous_request", "{host}"),
                (302, 2) | (401, 1) => assert!(!NO_HOSTS.contains(&host), "{host}"),
                _ => panic!("{host} is answered {status}"),
            }
        }
        let tab = |r: reqwest::RequestBuilder| r.header("x-forwarded-uri", "/page\tx");
        let reply = world.bearer(&token).send(Method::GET, "/auth/verify", tab).await;
        assert_eq!(verdict(&reply), (400, "ambiguous_request".into()));
    }
}

#[tokio::test]
async fn n4_a_proxy_asks_which_cookies_the_application_may_see() {
    let world = World::embedded(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let ask = async |fields: &[&str], more: &[(&str, &str)]| {
        let send = |mut request: reqwest::RequestBuilder| {
            for field in fields {
                request = request.header("cookie", *field);
            }
            more.iter()
                .fold(request, |request, (name, value)| request.header(*name, *value))
        };
        world.anonymous().send(Method::GET, "/auth/cookies", send).await
    };
    let left = |reply: &HttpReply| -> Vec<String> {
        let fields = reply.headers.get_all("cookie").iter();
        fields
            .map(|field| String::from_utf8(field.as_bytes().to_vec()).unwrap())
            .collect()
    };
    for (sent, kept) in [
        (&["a=1; maxlab_session=x; b=2"][..], &["a=1; b=2"][..]),
        (
            &["a=1; x__Host-maxlab_session=2", "__Host-maxlab_session=x"],
            &["a=1; x__Host-maxlab_session=2"],
        ),
        (&["maxlab_session=x"], &[]),
        (&["name=김"], &["name=김"]),
        (&[], &[]),
    ] {
        let reply = ask(sent, &[]).await.expect_status(200);
        assert_eq!(left(&reply), kept, "{sent:?}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
    // A script that reaches this path must not read cookies that are hidden from it.
    for browser in [
        ("sec-fetch-site", "same-origin"),
        ("origin", "https://app.example"),
    ] {
        let reply = ask(&["a=1"], &[browser]).await.expect_status(404);
        assert!(left(&reply).is_empty());
    }
    let untrusting = World::embedded(&[]).await;
    let reply = untrusting
        .anonymous()
        .send(Method::GET, "/auth/cookies", |r| r.header("cookie", "a=1"))
        .await;
    assert!(left(&reply.expect_status(404)).is_empty());
}
