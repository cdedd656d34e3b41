//! Asking a gateway: only its whole and well-formed 200 is a yes.

use std::time::{Duration, Instant};

use maxlab_auth_guard::{AuthGuard, GatewayClientSettings};
use maxlab_auth_testkit::lying::ScriptedResponse;
use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, Lie, LyingAuthServer};
use reqwest::Method;
use serde_json::json;

use crate::world::{Way, World, application, get_as, nothing, unavailable, verdict};

/// An application that asks something that only looks like a gateway, and that something.
async fn impostor() -> (LyingAuthServer, String) {
    let impostor = LyingAuthServer::start().await.unwrap();
    let guard = AuthGuard::via_gateway(
        &GatewayClientSettings::new(impostor.url()).timeout(Duration::from_millis(500)),
    );
    let app = application(&guard.unwrap()).await;
    (impostor, app)
}

/// What a gateway says of somebody whom it lets in.
const YES: [(&str, &str); 6] = [
    ("remote-user", "u"),
    ("remote-name", ""),
    ("remote-email", ""),
    ("remote-groups", ""),
    ("remote-roles", ""),
    ("x-auth-source", "local_jwt"),
];

/// A 200 with these headers, but for `without`, and with `and`.
fn saying(without: &'static str, and: &'static [(&'static str, &'static str)]) -> Lie {
    Lie::handler(move |_| {
        let kept = YES.iter().filter(|(name, _)| *name != without).chain(and);
        kept.fold(ScriptedResponse::status(200), |said, (name, value)| {
            said.header(name, value)
        })
    })
}

fn yes() -> Lie {
    saying("", &[])
}

#[tokio::test]
async fn what_a_gateway_revoked_is_refused_by_the_next_request() {
    let world = World::start().await;
    let app = application(&world.guard(Way::Asking).await).await;
    for turn in 0..20 {
        let token = world.token(&format!("u{turn}"), &nothing());
        get_as(&app, &token, "/me").await.expect_status(200);
        world.revoke(&token).await;
        let refused = get_as(&app, &token, "/me").await;
        assert_eq!(verdict(&refused), (401, "token_revoked".into()), "turn {turn}");
    }
}

#[tokio::test]
async fn a_gateway_that_is_down_or_frozen_is_503_until_it_is_back() {
    let mut world = World::start().await;
    let app = application(&world.guard(Way::Asking).await).await;
    let token = world.token("u", &nothing());
    get_as(&app, &token, "/me").await.expect_status(200);
    world.gateway.pause();
    let started = Instant::now();
    unavailable(&get_as(&app, &token, "/me").await);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    world.gateway.resume();
    get_as(&app, &token, "/me").await.expect_status(200);
    world.gateway.kill9();
    unavailable(&get_as(&app, &token, "/me").await);
    world.gateway.restart().await.unwrap();
    get_as(&app, &token, "/me").await.expect_status(200);
}

#[tokio::test]
async fn whatever_is_no_gateways_answer_is_503() {
    let (gateway, app) = impostor().await;
    gateway.on("/auth/verify", yes());
    get_as(&app, "a.good.token", "/me").await.expect_status(200);
    let lies = [
        ("an empty 200", Lie::status(200)),
        ("a 204", Lie::status(204)),
        ("a redirect", Lie::redirect("https://login.example/")),
        ("a 401 of something between", Lie::body(401, "text/html", "no")),
        ("a 403 of something between", Lie::status(403)),
        ("a 404", Lie::json(404, json!({"code": "not_found"}))),
        ("a 500", Lie::status(500)),
        ("silence", Lie::hang()),
        ("a closed connection", Lie::close()),
        ("garbage", Lie::garbage()),
        ("an endless body", Lie::huge(1 << 30)),
        ("no user", saying("remote-user", &[])),
        ("no roles", saying("remote-roles", &[])),
        ("no source", saying("x-auth-source", &[])),
        ("nobody", saying("remote-user", &[("remote-user", "")])),
        ("two users", saying("", &[("remote-user", "admin")])),
        (
            "a list in another encoding",
            saying("remote-roles", &[("remote-roles", "%zz")]),
        ),
    ];
    for (what, lie) in lies {
        gateway.on("/auth/verify", lie);
        let reply = get_as(&app, "a.good.token", "/me").await;
        assert_eq!(reply.status, 503, "{what}: {}", reply.text());
        unavailable(&reply);
    }
}

/// One question for one request, however many extractors want to know; one more for what the headers do not say.
#[tokio::test]
async fn a_request_is_asked_about_once() {
    let (gateway, app) = impostor().await;
    gateway.on("/auth/verify", yes());
    get_as(&app, "a.good.token", "/me").await.expect_status(200);
    assert_eq!(gateway.count_requests("/auth/verify"), 1);
    gateway.forget_requests();
    let writer = BearerActor::new(&app, "a.good.token");
    writer.post("/workspaces/w1/documents").await.expect_status(200);
    let asked: Vec<_> = gateway
        .requests("/auth/verify")
        .iter()
        .map(|request| (request.param("workspace"), request.param("permission")))
        .collect();
    assert_eq!(
        asked,
        [
            (Some("w1".to_owned()), None),
            (None, Some("documents:write".to_owned()))
        ]
    );
    // A request without a credential costs no question.
    gateway.forget_requests();
    AnonymousActor::new(&app).get("/me").await.expect_status(401);
    assert_eq!(gateway.count_requests("/auth/verify"), 0);
}

/// A comma is "or" in a question. A path that holds one must not enter two workspaces with the right to one.
#[tokio::test]
async fn a_workspace_with_a_comma_is_not_two() {
    let world = World::start().await;
    let app = application(&world.guard(Way::Asking).await).await;
    let token = world.token("u", &json!({"workspaces": ["ws-1"]}));
    get_as(&app, &token, "/workspaces/ws-1/documents")
        .await
        .expect_status(200);
    for path in ["ws-1,ws-2", "ws-2%2Cws-1", "%20", "ws-2", "ws-1%26role=x"] {
        let reply = get_as(&app, &token, &format!("/workspaces/{path}/documents")).await;
        assert_eq!(
            verdict(&reply),
            (403, "insufficient_permission".into()),
            "{path}: {}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn a_session_cookie_is_judged_by_the_gateway() {
    let world = World::start_with(|options| options.env("TRUSTED_PROXIES", "127.0.0.1")).await;
    let app = application(&world.guard(Way::Asking).await).await;
    let claims = json!({"sub": "u", "workspaces": ["w1"], "permissions": ["documents:write"]});
    let access = world.token("u", &claims);
    world.auth.on(
        "POST /oauth/token",
        Lie::json(
            200,
            json!({"access_token": access, "token_type": "Bearer", "expires_in": 300}),
        ),
    );
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", "c"),
        ("client_id", "test-app"),
        ("redirect_uri", "https://app.example/callback"),
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    ];
    let login = AnonymousActor::new(&world.gateway.url())
        .post_form("/oauth/token", &fields)
        .await
        .expect_status(200);
    let cookie = login
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let browser = AnonymousActor::new(&app);
    let send = async |method: Method, path: &str, origin: Option<&str>| {
        let sent = browser.send(method, path, |request| {
            let request = request.header("cookie", format!("theme=dark; {cookie}"));
            match origin {
                Some(origin) => request.header("origin", origin),
                None => request,
            }
        });
        verdict(&sent.await)
    };
    assert_eq!(send(Method::GET, "/me", None).await.0, 200);
    let write = "/workspaces/w1/documents";
    assert_eq!(send(Method::POST, write, Some(&app)).await.0, 200);
    for origin in [None, Some("https://evil.example")] {
        assert_eq!(
            send(Method::POST, write, origin).await,
            (403, "cross_site_request".into())
        );
    }
    let everywhere = BearerActor::new(&world.gateway.url(), &world.token("u", &nothing()));
    everywhere
        .post("/api/v1/auth/logout/all")
        .await
        .expect_status(200);
    assert_eq!(send(Method::GET, "/me", None).await.0, 401);
}
