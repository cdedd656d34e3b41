//! Every success that the document promises is really answered, in its words.

use maxlab_auth_testkit::lying::Lie;
use reqwest::RequestBuilder;
use serde_json::json;

use crate::world::{Answer, CLIENT, World};

const AUTHORIZE: &str = "/oauth/authorize?response_type=code&client_id=c&redirect_uri=https%3A%2F%2Fapp.example%2Fcb\
    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_success_is_as_described() {
    let mut world = World::start().await;
    succeed_at_oauth(&mut world).await;
    succeed_with_an_account(&mut world).await;
    succeed_as_administrator(&mut world).await;
    succeed_at_the_proxys_door(&mut world).await;
    succeed_in_a_browser(&mut world).await;
    succeed_at_a_login(&mut world).await;
    succeed_at_a_providers_logout(&mut world).await;
    for path in [
        "/.well-known/jwks.json",
        "/health",
        "/health/ready",
        "/openapi.json",
        "/docs",
        "/metrics",
    ] {
        world.ask(&format!("GET {path}"), path, |r| r).await.expect(200);
    }
    for at in ["/docs/setup.js", "/docs/page.css"] {
        world.ask("GET /docs/{file}", at, |r| r).await.expect(200);
    }
    world
        .ask("GET /docs/{file}", "/docs/unknown.js", |r| r)
        .await
        .expect(404);
    for operation in world.document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|m| m.as_object().unwrap().values())
    {
        let id = operation["operationId"].as_str().unwrap();
        for status in operation["responses"]
            .as_object()
            .unwrap()
            .keys()
            .filter(|status| status.starts_with(['2', '3']))
        {
            let seen = (id.to_owned(), status.parse().unwrap());
            assert!(
                world.seen.contains(&seen),
                "{id} never answered {status}: is that still true?"
            );
        }
    }
}

async fn succeed_at_the_proxys_door(world: &mut World) {
    let token = world.token("proxied", &["editor"]);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let operation = format!("{method} /auth/verify");
        world
            .ask(&operation, "/auth/verify?role=editor", |r| r.bearer_auth(&token))
            .await
            .expect(200);
        world
            .ask(&operation, "/auth/verify?role=owner", |r| r.bearer_auth(&token))
            .await
            .expect(403);
        world
            .ask(&operation, "/auth/verify?role=", |r| r.bearer_auth(&token))
            .await
            .expect(400);
        world.ask(&operation, "/auth/verify", |r| r).await.expect(401);
    }
    world
        .ask("GET /auth/verify", "/auth/verify", |r| {
            r.header("accept", "text/html")
        })
        .await
        .expect(302);
    world
        .ask("GET /auth/cookies", "/auth/cookies", |r| {
            r.header("cookie", "a=1; maxlab_session=x")
        })
        .await
        .expect(200);
}

async fn succeed_in_a_browser(world: &mut World) {
    let (_, cookie) = log_in(world, "somebody").await;
    let (_, other) = log_in(world, "somebody").await;
    let with =
        |r: RequestBuilder, cookie: &str| r.header("cookie", cookie).header("sec-fetch-site", "same-origin");
    for (operation, at, status) in [
        ("GET /auth/user", "/auth/user", 200),
        ("GET /auth/logout", "/auth/logout", 200),
        ("GET /auth/logged-out", "/auth/logged-out", 200),
        ("GET /auth/client.js", "/auth/client.js", 200),
        ("GET /auth/client.d.ts", "/auth/client.d.ts", 200),
        (
            "GET /auth/assets/{file}",
            "/auth/assets/pages-0123456789abcdef.css",
            200,
        ),
        ("GET /auth/assets/{file}", "/auth/assets/logo", 404),
    ] {
        world
            .ask(operation, at, |r| with(r, &cookie))
            .await
            .expect(status);
    }
    world
        .ask("GET /auth/user", "/auth/user?anonymous=ok", |r| r)
        .await
        .expect(200);
    world.ask("GET /auth/user", "/auth/user", |r| r).await.expect(401);
    world
        .ask("GET /auth/logout", "/auth/logout", |r| r)
        .await
        .expect(303);
    let logout = format!("{}/auth/logout", world.url);
    let end = async {
        let request = reqwest::Client::new().post(logout).header("x-csrf", "1");
        with(request, &other)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
    };
    let answer = world
        .ask_meanwhile("GET /auth/events", "/auth/events", |r| with(r, &other), end)
        .await
        .expect(200);
    assert!(answer.body.contains("\"reason\":\"logout\""), "{}", answer.body);
    let operation = "POST /auth/logout";
    world
        .ask(operation, "/auth/logout", |r| {
            with(r, &cookie)
                .header("x-csrf", "1")
                .json(&json!({"everywhere": true}))
        })
        .await
        .expect(200);
    world
        .ask(operation, "/auth/logout", |r| {
            with(r, &cookie)
                .header("x-csrf", "1")
                .header("content-type", "text/plain")
                .body("x")
        })
        .await
        .expect(415);
    world
        .ask(operation, "/auth/logout", |r| {
            with(r, &cookie).header("accept", "text/html")
        })
        .await
        .expect(303);
}

async fn succeed_at_a_login(world: &mut World) {
    let opened = |r: RequestBuilder| r.header("accept", "text/html");
    let begun = world
        .ask("GET /auth/login", "/auth/login", opened)
        .await
        .expect(303);
    let location = reqwest::Url::parse(begun.headers["location"].to_str().unwrap()).unwrap();
    let parameter = |name: &str| {
        location
            .query_pairs()
            .find(|(key, _)| key == name)
            .unwrap()
            .1
            .into_owned()
    };
    let id_token = world
        .auth
        .forge()
        .access_token("somebody")
        .typ("JWT")
        .claim("aud", "c")
        .claim("nonce", parameter("nonce"))
        .sign();
    let access = world.token("somebody", &[]);
    let granted = json!({ "access_token": access, "token_type": "Bearer", "id_token": id_token });
    world.auth.on("/oauth/token", Lie::json(200, granted));
    let cookie = begun.headers["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let callback = format!(
        "/auth/callback/default?code=a-new-code&state={}",
        parameter("state")
    );
    world
        .ask("GET /auth/callback/{provider_id}", &callback, |r| {
            opened(r).header("cookie", cookie)
        })
        .await
        .expect(303);
}

async fn succeed_at_a_providers_logout(world: &mut World) {
    let issuer = world.auth.forge().issuer().to_owned();
    let now = maxlab_auth_testkit::forge::now();
    let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let claims = json!({ "iss": issuer, "aud": "c", "iat": now, "exp": now + 60, "jti": "l-1", "sid": "s-1",
        "events": event });
    let header = json!({ "alg": "ES256", "kid": world.auth.forge().kid(), "typ": "logout+jwt" });
    let token = world.auth.forge().sign_with_header(&header, &claims);
    world
        .ask(
            "POST /auth/backchannel-logout/{id}",
            "/auth/backchannel-logout/default",
            |r| r.form(&[("logout_token", token)]),
        )
        .await
        .expect(200);
    let frame = format!("/auth/frontchannel-logout/default?iss={issuer}&sid=s-1");
    world
        .ask("GET /auth/frontchannel-logout/{id}", &frame, |r| r)
        .await
        .expect(200);
}

async fn succeed_at_oauth(world: &mut World) {
    world
        .ask("GET /oauth/authorize", AUTHORIZE, |r| r)
        .await
        .expect(302);
    let (login, other) = (world.token("u", &[]), world.token("u", &[]));
    let granted = json!({ "access_token": login, "token_type": "Bearer", "expires_in": 300, "refresh_token": "r-1",
        "id_token": "x", "more": [1] });
    world.auth.on("/oauth/token", Lie::json(200, granted));
    let code = [
        ("grant_type", "authorization_code"),
        ("code", "c"),
        ("client_id", "c"),
    ];
    let answer = world
        .ask("POST /oauth/token", "/oauth/token", |r| r.form(&code))
        .await
        .expect(200);
    assert!(answer.headers.contains_key("x-session-id") && answer.headers.contains_key("set-cookie"));
    for form in [
        ("access_token", login.as_str()),
        ("refresh_token", "r-1"),
        ("token", "nonsense"),
    ] {
        world
            .ask("POST /oauth/token/validate", "/oauth/token/validate", |r| {
                r.form(&[form])
            })
            .await
            .expect(200);
        let json = json!({ form.0: form.1 });
        world
            .ask("POST /oauth/token/validate", "/oauth/token/validate", |r| {
                r.json(&json)
            })
            .await
            .expect(200);
    }
    for method in ["GET", "POST"] {
        let operation = format!("{method} /oauth/userinfo");
        world
            .ask(&operation, "/oauth/userinfo", |r| r.bearer_auth(&login))
            .await
            .expect(200);
    }
    for token in [login.as_str(), "nonsense"] {
        let form = [("token", token)];
        let with = |r: RequestBuilder| r.basic_auth(CLIENT.0, Some(CLIENT.1)).form(&form);
        world
            .ask("POST /oauth/introspect", "/oauth/introspect", with)
            .await
            .expect(200);
    }
    world
        .ask("POST /oauth/revoke", "/oauth/revoke", |r| {
            r.form(&[("token", &other)])
        })
        .await
        .expect(200);
}

async fn succeed_with_an_account(world: &mut World) {
    let user = world.token("somebody", &[]);
    world
        .ask("GET /api/v1/auth/me", "/api/v1/auth/me", |r| r.bearer_auth(&user))
        .await
        .expect(200);
    let group = "/api/v1/auth/access/groups/";
    let operation = format!("GET {group}{{group}}");
    world
        .ask(&operation, &format!("{group}g"), |r| r.bearer_auth(&user))
        .await
        .expect(200);
    world
        .ask(&operation, &format!("{group}h"), |r| r.bearer_auth(&user))
        .await
        .expect(403);

    let sessions = "/api/v1/auth/sessions";
    let (_, cookie) = log_in(world, "somebody").await;
    let (doomed, _) = log_in(world, "somebody").await;
    let from_here =
        |r: RequestBuilder, cookie: &str| r.header("cookie", cookie).header("sec-fetch-site", "same-origin");
    world
        .ask("GET /api/v1/auth/sessions", sessions, |r| {
            r.header("cookie", &cookie)
        })
        .await
        .expect(200);
    let operation = "DELETE /api/v1/auth/sessions/{session_id}";
    let at = format!("{sessions}/{doomed}");
    world
        .ask(operation, &at, |r| r.header("cookie", &cookie))
        .await
        .expect(403);
    world
        .ask(operation, &at, |r| from_here(r, &cookie))
        .await
        .expect(200);
    world
        .ask(operation, &at, |r| from_here(r, &cookie))
        .await
        .expect(404);
    world
        .ask(operation, &format!("{sessions}/rotate"), |r| {
            from_here(r, &cookie)
        })
        .await
        .expect(405);
    let rotate = "POST /api/v1/auth/sessions/rotate";
    let rotated = world
        .ask(rotate, &format!("{sessions}/rotate"), |r| from_here(r, &cookie))
        .await
        .expect(200);
    let cookie = cookie_of(&rotated);
    world
        .ask("POST /api/v1/auth/logout", "/api/v1/auth/logout", |r| {
            from_here(r, &cookie)
        })
        .await
        .expect(200);
    let all = "/api/v1/auth/logout/all";
    world
        .ask(&format!("POST {all}"), all, |r| r.bearer_auth(&user))
        .await
        .expect(200);
    world
        .ask("GET /api/v1/auth/me", "/api/v1/auth/me", |r| r.bearer_auth(&user))
        .await
        .expect(401);
}

/// Logs in with a code: the session's handle, and its cookie.
async fn log_in(world: &mut World, user: &str) -> (String, String) {
    let token = world.token(user, &[]);
    world.auth.on(
        "/oauth/token",
        Lie::json(200, json!({ "access_token": token, "token_type": "Bearer" })),
    );
    let code = uuid::Uuid::new_v4().to_string();
    let code = [("grant_type", "authorization_code"), ("code", &code)];
    let answer = world
        .ask("POST /oauth/token", "/oauth/token", |r| r.form(&code))
        .await
        .expect(200);
    (
        answer.headers["x-session-id"].to_str().unwrap().to_owned(),
        cookie_of(&answer),
    )
}

fn cookie_of(answer: &Answer) -> String {
    answer.headers["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned()
}

async fn succeed_as_administrator(world: &mut World) {
    let admin = world.token("root", &["admin"]);
    let operations: [(&str, &str); 6] = [
        ("GET /api/v1/auth/access/admin", "/api/v1/auth/access/admin"),
        (
            "GET /api/v1/auth/access/workspaces/{workspace_id}",
            "/api/v1/auth/access/workspaces/w",
        ),
        (
            "POST /api/v1/admin/users/{user_id}/logout",
            "/api/v1/admin/users/u/logout",
        ),
        ("GET /api/v1/admin/denylist", "/api/v1/admin/denylist?limit=2"),
        ("GET /api/v1/admin/denylist", "/api/v1/admin/denylist"),
        ("GET /api/v1/admin/audit", "/api/v1/admin/audit?kind=logout"),
    ];
    for (operation, at) in operations {
        world
            .ask(operation, at, |r| r.bearer_auth(&admin))
            .await
            .expect(200);
    }
    for body in [
        json!({ "client_id": "app" }),
        json!({ "issuer": "https://issuer.example" }),
    ] {
        let operation = "POST /api/v1/admin/revocations";
        world
            .ask(operation, "/api/v1/admin/revocations", |r| {
                r.bearer_auth(&admin).json(&body)
            })
            .await
            .expect(200);
    }
    let denylist = world
        .ask("GET /api/v1/admin/denylist", "/api/v1/admin/denylist", |r| {
            r.bearer_auth(&admin)
        })
        .await;
    assert_ne!(
        denylist.json()["entries"],
        json!([]),
        "the page that was checked holds entries"
    );
    let audit = world
        .ask("GET /api/v1/admin/audit", "/api/v1/admin/audit", |r| {
            r.bearer_auth(&admin)
        })
        .await;
    assert_ne!(
        audit.json()["events"],
        json!([]),
        "the page that was checked holds events"
    );
}
