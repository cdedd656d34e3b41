//! Envoy's gRPC door: the same answers as `/auth/verify`, and never a yes on an error.

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use maxlab_auth_ext_authz::proto::{CheckRequest, CheckResponse, HttpResponse};
use maxlab_auth_testkit::{
    Actor as _, AnonymousActor, GatewayProcess, Lie, LyingAuthServer, RedisServer, ReplyGate, free_port,
};
use tokio::net::TcpStream;

use crate::client::ask_http2;
use crate::envoy::{Envoy, Question, value};
use crate::{auth_server, eventually, gateway};

const SERVICE: &str = "envoy.service.auth.v3.Authorization";
const IDENTITY: [&str; 6] = [
    "remote-user",
    "remote-name",
    "remote-email",
    "remote-groups",
    "remote-roles",
    "x-auth-source",
];

struct World {
    auth: LyingAuthServer,
    running: GatewayProcess,
    port: u16,
    envoy: Envoy,
}

async fn world(settings: &[(&str, &str)]) -> World {
    let (auth, port) = (auth_server().await, free_port());
    let mut options = gateway(&auth).env("EXT_AUTHZ_PORT", port.to_string());
    for (name, value) in settings {
        options = options.env(name, value);
    }
    let running = options.start().await.unwrap();
    let envoy = Envoy::connect(port).await;
    World {
        auth,
        running,
        port,
        envoy,
    }
}

#[tokio::test]
async fn a_good_credential_passes_with_its_identity_and_a_bad_one_does_not() {
    let world = world(&[]).await;
    let ok = world.envoy.check(&Question::of("Bearer good")).await.ok();
    assert_eq!(value(&ok.headers, "remote-user"), Some("user-1"));
    assert_eq!(value(&ok.headers, "remote-name"), Some("김 하나"));
    assert_eq!(value(&ok.headers, "remote-roles"), Some("member"));
    assert_eq!(
        value(&ok.headers, "remote-email"),
        Some(""),
        "empty, and not left out"
    );
    for field in &ok.headers {
        assert_eq!(
            (field.append, field.keep_empty_value),
            (Some(false), true),
            "{field:?}"
        );
    }

    let denied = world.envoy.check(&Question::of("Bearer bad")).await.denied(401);
    assert!(
        value(&denied.headers, "www-authenticate")
            .unwrap()
            .starts_with("Bearer")
    );
    assert!(denied.body.contains("invalid_token"), "{}", denied.body);
    let nobody = Question {
        path: "/x",
        ..Question::default()
    };
    let denied = world.envoy.check(&nobody).await.denied(401);
    assert!(denied.body.contains("missing_credential"), "{}", denied.body);
}

#[tokio::test]
async fn what_was_revoked_a_moment_ago_is_refused() {
    let world = world(&[("VERIFY_CACHE_SECONDS", "60")]).await;
    let question = Question::of("Bearer good");
    world.envoy.check(&question).await.ok();
    AnonymousActor::new(&world.running.url())
        .post_form("/oauth/revoke", &[("token", "good")])
        .await
        .expect_status(200);
    let denied = world.envoy.check(&question).await.denied(401);
    assert!(denied.body.contains("token_revoked"), "{}", denied.body);
}

#[tokio::test]
async fn a_route_asks_for_more_by_its_context_extensions() {
    let world = world(&[]).await;
    let (member, admin) = (Question::of("Bearer good"), Question::of("Bearer admin"));
    let check = async |question: Question| world.envoy.check(&question).await;
    check(member.clone().needs("role", "admin")).await.denied(403);
    check(admin.clone().needs("role", "admin,owner")).await.ok();
    check(member.clone().needs("role", "member")).await.ok();
    check(member.clone().needs("role", "member").needs("group", "ops"))
        .await
        .denied(403);
    check(admin.clone().needs("require", "role=admin&role=member"))
        .await
        .denied(403);
    check(admin.clone().needs("roles", "admin")).await.denied(400);
    check(admin.clone().needs("role", "")).await.denied(400);
}

#[tokio::test]
async fn an_outage_is_503_and_never_a_yes() {
    let world = world(&[]).await;
    world.envoy.check(&Question::of("Bearer good")).await.ok();
    world.auth.on("/oauth/userinfo", Lie::status(500));
    world.auth.on("/api/v1/auth/me", Lie::status(500));
    let denied = world.envoy.check(&Question::of("Bearer good")).await.denied(503);
    assert!(value(&denied.headers, "retry-after").is_some(), "{denied:?}");
    assert_eq!(value(&denied.headers, "set-cookie"), None);
    world.auth.clear_scripts();
    world.envoy.check(&Question::of("Bearer good")).await.ok();
}

#[tokio::test]
async fn the_clients_own_identity_headers_never_survive() {
    let world = world(&[]).await;
    let spoofed = Question::of("Bearer good")
        .header("remote-user", "root")
        .header("remote_user", "root")
        .header("remote_roles", "admin")
        .header("x-auth_source", "me")
        .header("x-auth-identity", "forged")
        .header("x-other", "kept");
    let ok = world.envoy.check(&spoofed).await.ok();
    assert_eq!(value(&ok.headers, "remote-user"), Some("user-1"));
    let mut removed = ok.headers_to_remove.clone();
    removed.sort();
    assert_eq!(
        removed,
        [
            "remote-workspaces",
            "remote_roles",
            "remote_user",
            "x-auth-identity",
            "x-auth_source"
        ]
    );
    for name in IDENTITY {
        assert!(value(&ok.headers, name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn the_policy_is_asked_about_what_envoy_tells_and_not_about_what_the_client_says() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    let rules = "default = \"deny\"\n[[rule]]\nhost = \"app.example\"\npath = \"/admin/**\"\nmethods = \"GET\"\nrequire = \"role=admin\"\n\n\
        [[rule]]\npath = \"/public/**\"\naccess = \"public\"\n";
    std::fs::write(&policy, rules).unwrap();
    let world = world(&[("POLICY_FILE", &policy.display().to_string())]).await;
    let check = async |question: Question| world.envoy.check(&question).await;
    check(Question::of("Bearer admin").at("/admin/x")).await.ok();
    let lying = Question::of("Bearer good")
        .at("/admin/x")
        .header("x-forwarded-uri", "/public/x")
        .header("x-original-uri", "/public/x")
        .header("x-forwarded-method", "POST");
    check(lying).await.denied(403);
    let ok = check(Question::of("Bearer bad").at("/public/x")).await.ok();
    assert_eq!(value(&ok.headers, "remote-user"), Some(""));
    check(Question::of("Bearer admin").at("/else")).await.denied(403);
    check(Question::of("Bearer admin").at("/public/..%2fadmin"))
        .await
        .denied(400);
}

#[tokio::test]
async fn what_cannot_be_understood_is_no_yes() {
    let world = world(&[]).await;
    let empty = world.envoy.try_check(CheckRequest::default()).await.unwrap();
    assert_ne!(empty.status.unwrap().code, 0);
    let mut huge = Question::of("Bearer good").message();
    let attributes = huge.attributes.as_mut().unwrap();
    attributes
        .context_extensions
        .insert("x".to_owned(), "y".repeat(300 * 1024));
    world.envoy.try_check(huge).await.unwrap_err();
    world.envoy.check(&Question::of("Bearer good")).await.ok();
}

#[tokio::test]
async fn its_health_follows_readiness() {
    let mut redis = RedisServer::start().await.unwrap();
    let world = world(&[("REDIS_URL", &redis.url())]).await;
    let healthy = async |expected: i32| {
        world.envoy.health("").await == expected && world.envoy.health(SERVICE).await == expected
    };
    eventually("it serves", async || healthy(1).await).await;
    redis.kill();
    eventually("it does not serve without its store", async || healthy(2).await).await;
    redis.restart().await.unwrap();
    eventually("it serves again", async || healthy(1).await).await;
}

#[tokio::test]
async fn a_question_under_way_is_answered_at_the_stop_and_no_other_begins() {
    let mut world = world(&[]).await;
    let gate = ReplyGate::closed();
    world.auth.on("/oauth/userinfo", Lie::gated(&gate, Lie::honest()));
    let envoy = world.envoy.clone();
    let held = tokio::spawn(async move { envoy.check(&Question::of("Bearer good")).await });
    world.auth.wait_for_requests("/oauth/userinfo", 1).await;
    world.running.signal("TERM");
    let port = world.port;
    eventually("the door closes", async || {
        TcpStream::connect(("127.0.0.1", port)).await.is_err()
    })
    .await;
    assert!(world.running.is_running(), "a question is under way");
    gate.open();
    held.await.unwrap().ok();
    assert_eq!(world.running.terminate().await.unwrap().code(), Some(0));
}

/// An answer, whose parts have no order.
fn in_order(answer: CheckResponse) -> CheckResponse {
    let mut answer = answer;
    if let Some(HttpResponse::Ok(ok)) = &mut answer.http_response {
        ok.headers
            .sort_by_key(|field| field.header.as_ref().unwrap().key.clone());
        ok.headers_to_remove.sort();
    }
    answer
}

#[tokio::test]
async fn an_answer_is_the_same_however_it_is_found() {
    for identity in ["false", "true"] {
        let world = world(&[("VERIFY_CACHE_SECONDS", "60"), ("IDENTITY_TOKEN", identity)]).await;
        let spoofed = Question::of("Bearer good")
            .header("remote_user", "root")
            .header("remote-roles", "admin")
            .header("x_auth_source", "me");
        for question in [
            Question::of("Bearer good"),
            Question::of("Bearer admin").needs("role", "admin"),
            spoofed,
        ] {
            let by_routes = world.envoy.try_check(question.message()).await.unwrap();
            // Its verdict is remembered now; and with this name among the fields the routes are asked all the same.
            let again = world.envoy.try_check(question.message()).await.unwrap();
            let odd = question.header("x.odd", "1");
            let odd = world.envoy.try_check(odd.message()).await.unwrap();
            let [by_routes, again, odd] = [by_routes, again, odd].map(in_order);
            assert_eq!(by_routes.status.as_ref().unwrap().code, 0);
            assert_eq!((&again, &odd), (&by_routes, &by_routes));
        }
    }
}

/// Asks a method of this port as it is written: the status, and the header fields, where gRPC's errors are.
async fn post(port: u16, method: &str, kind: &str, body: &[u8]) -> (StatusCode, HeaderMap) {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = Request::post(format!("http://localhost:{port}/{method}"))
        .header("content-type", kind)
        .header("te", "trailers")
        .body(Body::from(body.to_vec()))
        .unwrap();
    let answer = ask_http2(stream, request).await.unwrap();
    (answer.status(), answer.headers().clone())
}

#[tokio::test]
async fn w16_other_encodings_are_415_and_a_second_message_refuses_the_call() {
    let world = world(&[]).await;
    let check = format!("{SERVICE}/Check");
    for method in [
        check.as_str(),
        "grpc.health.v1.Health/Check",
        "grpc.health.v1.Health/Watch",
    ] {
        for kind in ["application/grpc+json", "application/json", "text/plain"] {
            let (status, _) = post(world.port, method, kind, &[0; 5]).await;
            assert_eq!(status, 415, "{method} {kind}");
        }
        // The second kind is left to tonic, where there is one message.
        for kind in ["application/grpc", "application/grpc+proto"] {
            for body in [&[0; 10][..], &[0; 6]] {
                let (status, head) = post(world.port, method, kind, body).await;
                assert_eq!(status, 200);
                assert_eq!(head.get("grpc-status").unwrap(), "13", "{method} {kind} {head:?}");
            }
            if method.ends_with("Check") {
                let (status, head) = post(world.port, method, kind, &[0; 5]).await;
                assert_eq!(
                    (status.as_u16(), head.get("grpc-status")),
                    (200, None),
                    "{method} {kind}"
                );
            }
        }
    }
    world.envoy.check(&Question::of("Bearer good")).await.ok();
}
