//! What holds in both ways: who may, who it is, and what a client cannot talk a guard into.

use axum::Router;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{get, post};
use maxlab_auth_guard::{
    Admin, AuthGuard, Caller, CurrentUser, GatewayClientSettings, Identity, Require, RequireAdmin,
    RequireRole, RequireScope, claim_names,
};
use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, Lie, LyingAuthServer};
use reqwest::Method;
use serde_json::json;

use crate::world::{Way, World, application, get_as, nothing, serve, verdict};

claim_names! {
    Auditor = "auditor";
    Read = "documents:read";
}

const WAYS: [Way; 2] = [Way::Local, Way::Asking];

#[tokio::test]
async fn who_may_and_who_may_not() {
    let world = World::start().await;
    let admin = world.token("a", &json!({"roles": ["admin"]}));
    let member = world.token(
        "m",
        &json!({"groups": ["engineering"], "workspaces": ["w1"], "permissions": ["documents:write"]}),
    );
    let nearly = world.token(
        "n",
        &json!({"roles": ["not-admin", "administrators"], "groups": ["engineering-guests"], "workspaces": ["w10"],
            "permissions": "documents:write documents:read"}),
    );
    let table: [(&str, Method, &str, [u16; 3]); 5] = [
        ("me", Method::GET, "/me", [200, 200, 200]),
        ("admin", Method::DELETE, "/documents/7", [200, 403, 403]),
        ("group", Method::GET, "/plans", [403, 200, 403]),
        (
            "workspace",
            Method::GET,
            "/workspaces/w1/documents",
            [200, 200, 403],
        ),
        (
            "workspace and permission",
            Method::POST,
            "/workspaces/w1/documents",
            [403, 200, 403],
        ),
    ];
    for way in WAYS {
        let app = application(&world.guard(way).await).await;
        for (what, method, path, expected) in &table {
            for (token, expected) in [&admin, &member, &nearly].into_iter().zip(expected) {
                let caller = BearerActor::new(&app, token);
                let reply = caller.send(method.clone(), path, |request| request).await;
                assert_eq!(
                    reply.status.as_u16(),
                    *expected,
                    "{way:?} {what}: {}",
                    reply.text()
                );
                if *expected == 403 {
                    assert_eq!(verdict(&reply).1, "insufficient_permission");
                }
            }
            let nobody = AnonymousActor::new(&app);
            let reply = nobody.send(method.clone(), path, |request| request).await;
            assert_eq!(verdict(&reply), (401, "missing_credential".into()));
        }
    }
}

#[tokio::test]
async fn a_name_is_read_exactly_whatever_it_holds() {
    let world = World::start().await;
    let roles = ["a,b", "c", "관리자", "100%", "%2C", " edge ", "tab\tbed"];
    let claims =
        json!({"roles": roles, "groups": ["김,이", "엔지니어"], "name": "홍길동", "email": "h@example.test"});
    let token = world.token("사용자,1", &claims);
    for way in WAYS {
        let app = application(&world.guard(way).await).await;
        let reply = get_as(&app, &token, "/me").await.expect_status(200);
        let who: Identity = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(who.user_id, "사용자,1", "{way:?}");
        assert_eq!(who.roles, roles, "{way:?}");
        assert_eq!(who.groups, ["김,이", "엔지니어"], "{way:?}");
        assert_eq!(who.name.as_deref(), Some("홍길동"), "{way:?}");
        assert_eq!(who.email.as_deref(), Some("h@example.test"), "{way:?}");
    }
}

#[tokio::test]
async fn identity_headers_of_a_client_mean_nothing_and_do_not_pass_the_layer() {
    let world = World::start().await;
    let token = world.token("u", &nothing());
    let spoofed = [
        "remote-user",
        "remote-roles",
        "remote-groups",
        "x-auth-source",
        "x-auth-identity",
    ];
    for way in WAYS {
        let guard = world.guard(way).await;
        let echo = async |headers: HeaderMap| {
            let left: Vec<_> = headers.keys().map(|name| name.as_str().to_owned()).collect();
            left.join("\n")
        };
        let layered = Router::new().route("/echo", get(echo)).layer(guard.layer());
        let app = serve(crate::documents::app(guard.clone()).merge(layered)).await;
        let send = async |token: Option<&str>, method: Method, path: &str| {
            let caller = AnonymousActor::new(&app);
            let sent = caller.send(method, path, |request| {
                let request = spoofed.iter().fold(request, |r, name| r.header(*name, "admin"));
                let request = request.header("remote-user", "root");
                match token {
                    Some(token) => request.bearer_auth(token),
                    None => request,
                }
            });
            sent.await
        };
        assert_eq!(send(None, Method::GET, "/me").await.status, 401, "{way:?}");
        assert_eq!(send(None, Method::GET, "/echo").await.status, 401, "{way:?}");
        assert_eq!(
            send(Some(&token), Method::DELETE, "/documents/1").await.status,
            403,
            "{way:?}"
        );
        let me = send(Some(&token), Method::GET, "/me")
            .await
            .expect_status(200)
            .json();
        assert_eq!(me["user_id"], "u", "{way:?}");
        let left = send(Some(&token), Method::GET, "/echo")
            .await
            .expect_status(200)
            .text();
        assert!(left.contains("authorization"), "{left}");
        assert!(!spoofed.iter().any(|name| left.contains(name)), "{way:?}: {left}");
    }
}

#[tokio::test]
async fn extractors_stand_in_any_order_and_beside_a_layer() {
    let world = World::start().await;
    let token = world.token(
        "u",
        &json!({"roles": ["auditor"], "scope": "openid documents:read"}),
    );
    let plain = world.token("v", &nothing());
    for way in WAYS {
        let guard = world.guard(way).await;
        let app = Router::new()
            .route(
                "/one",
                get(
                    |CurrentUser(who): CurrentUser,
                     Require(by): RequireRole<Auditor>,
                     Require(_): RequireScope<Read>| async move {
                        assert_eq!(who.identity().user_id, by.identity().user_id);
                    },
                ),
            )
            .route(
                "/other",
                get(
                    |Require(_): RequireScope<Read>,
                     Require(by): RequireRole<Auditor>,
                     CurrentUser(who): CurrentUser| async move {
                        assert_eq!(who.identity().user_id, by.identity().user_id);
                    },
                ),
            )
            .route(
                "/refused",
                get(|CurrentUser(_): CurrentUser, Require(_): RequireAdmin| async {}),
            )
            .route(
                "/body",
                post(|Require(_): RequireScope<Read>, body: String| async move { body }),
            )
            .route(
                "/maybe",
                get(|who: Option<CurrentUser>| async move {
                    who.map_or("nobody".to_owned(), |CurrentUser(who)| {
                        who.identity().user_id.clone()
                    })
                }),
            )
            .with_state(guard.clone());
        let behind = Router::new()
            .route(
                "/layered",
                get(|axum::Extension(who): axum::Extension<Caller>, CurrentUser(again): CurrentUser| async move {
                    assert_eq!(who.identity(), again.identity());
                }),
            )
            .with_state(guard.clone())
            .layer(guard.require::<maxlab_auth_guard::Role<Auditor>>());
        let only_admins = Router::new()
            .route("/admins", get(|| async {}))
            .layer(guard.require::<Admin>());
        let app = serve(app.merge(behind).merge(only_admins)).await;
        for path in ["/one", "/other", "/layered"] {
            get_as(&app, &token, path).await.expect_status(200);
            assert_eq!(get_as(&app, &plain, path).await.status, 403, "{way:?} {path}");
            assert_eq!(
                AnonymousActor::new(&app).get(path).await.status,
                401,
                "{way:?} {path}"
            );
        }
        for path in ["/refused", "/admins"] {
            assert_eq!(get_as(&app, &token, path).await.status, 403, "{way:?} {path}");
        }
        let body = BearerActor::new(&app, &token)
            .send(Method::POST, "/body", |request| request.body("kept"))
            .await;
        assert_eq!(body.expect_status(200).text(), "kept");
        assert_eq!(
            AnonymousActor::new(&app)
                .get("/maybe")
                .await
                .expect_status(200)
                .text(),
            "nobody"
        );
        assert_eq!(
            get_as(&app, &token, "/maybe").await.expect_status(200).text(),
            "u"
        );
        assert_eq!(get_as(&app, "a.bad.token", "/maybe").await.status, 401, "{way:?}");
    }
}

/// Two guards in one application: what one let in is nothing to the other.
#[tokio::test]
async fn one_guards_word_is_not_anothers() {
    let world = World::start().await;
    let easy = LyingAuthServer::start().await.unwrap();
    easy.on(
        "/auth/verify",
        Lie::handler(|_| {
            let said =
                maxlab_auth_testkit::lying::ScriptedResponse::status(200).header("remote-user", "root");
            let said = said
                .header("remote-roles", "admin")
                .header("x-auth-source", "local_jwt");
            ["remote-name", "remote-email", "remote-groups"]
                .iter()
                .fold(said, |said, name| said.header(name, ""))
        }),
    );
    let easy = AuthGuard::via_gateway(&GatewayClientSettings::new(easy.url())).unwrap();
    for way in WAYS {
        let app = Router::new()
            .route("/", get(|Require(_): RequireAdmin| async {}))
            .with_state(world.guard(way).await)
            .layer(easy.layer());
        let app = serve(app).await;
        let token = world.token("u", &nothing());
        assert_eq!(get_as(&app, &token, "/").await.status, 403, "{way:?}");
        assert_eq!(get_as(&app, "not.of.ours", "/").await.status, 401, "{way:?}");
    }
}

#[tokio::test]
async fn an_application_answers_failures_in_its_own_way() {
    let world = World::start().await;
    for way in WAYS {
        let guard = world
            .guard(way)
            .await
            .admin_roles(["root"])
            .with_failure_response(|failure| {
                let mut answer = Response::new(format!("sorry: {}", failure.code()));
                *answer.status_mut() = match failure.status() {
                    StatusCode::FORBIDDEN => StatusCode::NOT_FOUND,
                    other => other,
                };
                answer
            });
        let app = application(&guard).await;
        let nobody = AnonymousActor::new(&app).get("/me").await.expect_status(401);
        assert_eq!(nobody.text(), "sorry: missing_credential");
        let admin = world.token("a", &json!({"roles": ["admin"]}));
        let refused = BearerActor::new(&app, &admin).delete("/documents/1").await;
        assert_eq!(
            refused.expect_status(404).text(),
            "sorry: insufficient_permission"
        );
        let root = world.token("r", &json!({"roles": ["root"]}));
        BearerActor::new(&app, &root)
            .delete("/documents/1")
            .await
            .expect_status(200);
    }
}
