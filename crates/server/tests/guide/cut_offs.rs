//! Cut-offs of a user, a client, an issuer, and of everything: each ends every kind of credential, and nothing that begins later.

use std::sync::Arc;

use maxlab_auth_testkit::{Actor, Browser, HttpReply, Lie, ReplyGate};
use serde_json::{Value, json};

use crate::gateway::{COOKIE, Login, Stores, World, on_every_store, verdict};
use crate::issuer::Code;

const CLIENT: &str = "test-app";
const OTHER: &str = "other-app";
const ME: &str = "/api/v1/auth/me";

/// One kind of cut-off, with a login that it covers and one that it does not.
struct Kind {
    body: Value,
    bystander: Option<(&'static str, &'static str)>,
    /// Whether it covers a refresh token of which nothing is known but the client that shows it.
    covers_unknown: bool,
}

fn kinds(world: &World) -> [Kind; 4] {
    [
        Kind {
            body: json!({ "user_id": "user-1" }),
            bystander: Some(("user-2", CLIENT)),
            covers_unknown: false,
        },
        Kind {
            body: json!({ "client_id": CLIENT }),
            bystander: Some(("user-1", OTHER)),
            covers_unknown: true,
        },
        Kind {
            body: json!({ "issuer": world.auth.forge().issuer() }),
            bystander: None,
            covers_unknown: true,
        },
        Kind {
            body: json!({ "everything": true }),
            bystander: None,
            covers_unknown: true,
        },
    ]
}

async fn log_in(world: &World, code: Code, client: &str) -> Login {
    let code = code.claim("client_id", client);
    let browser = Browser::new(&world.gateway.url);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code.text()),
        ("client_id", client),
    ];
    let reply = browser.post_form("/oauth/token", &form).await.expect_status(200);
    let body = reply.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    Login {
        access: text("access_token"),
        refresh: text("refresh_token"),
        handle: reply.header("x-session-id").unwrap_or_default().to_owned(),
        browser,
        reply,
    }
}

async fn refresh(world: &World, token: &str, client: &str) -> HttpReply {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", client),
    ];
    world.anonymous().post_form("/oauth/token", &form).await
}

/// Its access token and its cookie are good, and its refresh token brings new ones.
async fn goes_on(world: &World, login: &Login, client: &str, what: &Value) {
    assert_eq!(world.me(&login.access).await.status, 200, "access token: {what}");
    let cookie = login.browser.get(ME).await.status;
    assert_eq!(cookie, 200, "cookie: {what}");
    let renewed = refresh(world, &login.refresh, client).await;
    let renewed = renewed.expect_status(200).json();
    let access = renewed["access_token"].as_str().unwrap_or_default();
    assert_eq!(world.me(access).await.status, 200, "renewed token: {what}");
}

async fn is_over(world: &World, login: &Login, client: &str, what: &Value) {
    assert_eq!(
        world.verdict(&login.access).await,
        (401, "token_revoked".into()),
        "access token: {what}"
    );
    let cookie = verdict(&login.browser.get(ME).await).0;
    assert_eq!(cookie, 401, "cookie: {what}");
    refuses_refresh(world, &login.refresh, client, what).await;
}

async fn refuses_refresh(world: &World, token: &str, client: &str, what: &Value) {
    let asked = world.auth.count_requests("/oauth/token");
    let refused = refresh(world, token, client).await.expect_status(400).json();
    assert_eq!(refused["error"], "invalid_grant", "refresh token: {what}");
    assert_eq!(
        world.auth.count_requests("/oauth/token"),
        asked,
        "{what}: the authorization server was asked"
    );
}

/// An administrator who logs in now: whatever was cut off before spares them.
async fn cut_off(world: &World, body: &Value) -> Value {
    let root = log_in(world, Code::of("root").claim("roles", json!(["admin"])), OTHER).await;
    let text = body.to_string();
    let reply = world
        .bearer(&root.access)
        .send(reqwest::Method::POST, "/api/v1/admin/revocations", |request| {
            request.header("content-type", "application/json").body(text)
        })
        .await;
    reply.expect_status(200).json()
}

async fn n1_a_cut_off_covers_every_kind_of_credential_and_spares_what_follows(stores: Stores) {
    let world = World::on(stores, &[("CLOCK_SKEW_SECONDS", "60")]).await;
    for kind in kinds(&world) {
        let what = &kind.body;
        let covered = [
            log_in(&world, Code::of("user-1"), CLIENT).await,
            log_in(&world, Code::of("user-1").opaque(), CLIENT).await,
        ];
        let mut bystanders = Vec::new();
        if let Some((user, client)) = kind.bystander {
            for code in [Code::of(user), Code::of(user).opaque()] {
                bystanders.push((log_in(&world, code, client).await, client));
            }
        }
        let unknown = ["own", "other"].map(|whose| format!("unknown-{whose}-{}", uuid::Uuid::new_v4()));
        for token in &unknown {
            world.issuer.plant(token, Code::of("user-1"));
        }
        for login in &covered {
            assert_eq!(world.me(&login.access).await.status, 200, "{what}");
            assert_eq!(login.browser.get(ME).await.status, 200, "{what}");
        }

        let said = cut_off(&world, what).await;
        assert_eq!(said["known"], true, "{said}");
        assert!(said["tokens"].as_u64() >= Some(4), "{said}");
        assert!(said["sessions"].as_u64() >= Some(2), "{said}");

        for login in &covered {
            is_over(&world, login, CLIENT, what).await;
        }
        for (login, client) in &bystanders {
            goes_on(&world, login, client, what).await;
        }
        if kind.covers_unknown {
            refuses_refresh(&world, &unknown[0], CLIENT, what).await;
        } else {
            refresh(&world, &unknown[0], CLIENT).await.expect_status(200);
        }
        match kind.bystander {
            Some(_) => drop(refresh(&world, &unknown[1], OTHER).await.expect_status(200)),
            None => refuses_refresh(&world, &unknown[1], OTHER, what).await,
        }
        // In the same second, so that no issue time tells them apart.
        for code in [Code::of("user-1"), Code::of("user-1").opaque()] {
            let after = log_in(&world, code, CLIENT).await;
            goes_on(&world, &after, CLIENT, what).await;
        }
    }
}

/// A login or a refresh that is under way at the time of the cut-off brings nothing that is good.
async fn n1_what_is_under_way_is_cut_off_too(stores: Stores) {
    let world = Arc::new(World::on(stores, &[("UPSTREAM_TIMEOUT_SECONDS", "30")]).await);
    let admin = world.opaque_token("root");
    let roles = json!({ "sub": "root", "roles": ["admin"], "client_id": OTHER });
    world.auth.accept_token(&admin, roles);
    let known = log_in(&world, Code::of("user-1").opaque(), CLIENT).await;
    world.issuer.plant("never-seen-here", Code::of("user-1").opaque());
    let gate = ReplyGate::closed();
    world.auth.on(
        "/oauth/token",
        Lie::gated(&gate, world.issuer.honest(&world.auth)),
    );
    let code = Code::of("user-1").opaque().text();
    let requests = [
        [("grant_type", "authorization_code"), ("code", code.as_str())],
        [
            ("grant_type", "refresh_token"),
            ("refresh_token", known.refresh.as_str()),
        ],
        [
            ("grant_type", "refresh_token"),
            ("refresh_token", "never-seen-here"),
        ],
    ];
    let under_way: Vec<_> = requests
        .into_iter()
        .map(|[grant, token]| {
            let world = Arc::clone(&world);
            let form = [grant, token, ("client_id", CLIENT)].map(|(name, value)| (name, value.to_owned()));
            tokio::spawn(async move {
                let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
                world.anonymous().post_form("/oauth/token", &form).await
            })
        })
        .collect();
    world.auth.wait_for_requests("/oauth/token", 4).await;
    let body = json!({ "client_id": CLIENT }).to_string();
    let reply = world
        .bearer(&admin)
        .send(reqwest::Method::POST, "/api/v1/admin/revocations", |request| {
            request.header("content-type", "application/json").body(body)
        })
        .await;
    reply.expect_status(200);
    gate.open();
    for request in under_way {
        let reply = request.await.unwrap();
        assert_ne!(reply.status, 200, "{}", reply.text());
        assert!(reply.header("set-cookie").is_none(), "{}", reply.text());
    }
    let given = world.issuer.access_tokens();
    assert_eq!(given.len(), 4, "one before, and three that were under way");
    for token in &given {
        assert_eq!(world.verdict(token).await.0, 401);
    }
}

/// An opaque token names no issuer: it is of the authorization server that accepted it.
async fn n1_an_opaque_token_that_never_passed_here_is_of_the_configured_issuer(stores: Stores) {
    let world = World::on(stores, &[("JWT_ISSUER", "https://login.example/")]).await;
    let stray = world.opaque_token("user-1");
    let login = log_in(
        &world,
        Code::of("user-1").opaque().claim("iss", "https://login.example/"),
        CLIENT,
    )
    .await;
    // A slash too few is another issuer.
    let said = cut_off_as_operator(&world, json!({ "issuer": "https://login.example" })).await;
    assert_eq!(
        (said["known"].as_bool(), said["nearest"].as_str()),
        (Some(false), Some("https://login.example/")),
        "{said}"
    );
    assert_eq!(world.me(&stray).await.status, 200);
    assert_eq!(login.browser.get(ME).await.status, 200);
    let said = cut_off_as_operator(&world, json!({ "issuer": "https://login.example/" })).await;
    assert_eq!(said["known"], true, "{said}");
    assert_eq!(world.verdict(&stray).await.0, 401);
    is_over(&world, &login, CLIENT, &said).await;
}

async fn cut_off_as_operator(world: &World, body: Value) -> Value {
    let token = world.opaque_token("root");
    world
        .auth
        .accept_token(&token, json!({ "sub": "root", "roles": ["admin"] }));
    let text = body.to_string();
    let reply = world
        .bearer(&token)
        .send(reqwest::Method::POST, "/api/v1/admin/revocations", |request| {
            request.header("content-type", "application/json").body(text)
        })
        .await;
    reply.expect_status(200).json()
}

/// An unknown name is cut off, and said to be unknown with the most similar one that is known.
async fn n2_an_unknown_name_is_told_with_the_nearest_known_one(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = log_in(&world, Code::of("user-1"), "maxlab-dev").await;
    for (body, nearest) in [
        (json!({ "client_id": "maxlab-deb" }), "maxlab-dev"),
        (json!({ "user_id": "user-l" }), "user-1"),
    ] {
        let said = cut_off_as_operator(&world, body).await;
        assert_eq!(
            (
                said["known"].as_bool(),
                said["tokens"].as_u64(),
                said["nearest"].as_str()
            ),
            (Some(false), Some(0), Some(nearest)),
            "{said}"
        );
    }
    goes_on(&world, &login, "maxlab-dev", &Value::Null).await;
    let said = cut_off_as_operator(&world, json!({ "client_id": "maxlab-dev" })).await;
    let hit = (
        said["known"].as_bool(),
        said["tokens"].as_u64(),
        said["sessions"].as_u64(),
    );
    assert_eq!(hit, (Some(true), Some(3), Some(1)), "{said}");
    let again = cut_off_as_operator(&world, json!({ "client_id": "maxlab-dev" })).await;
    let hit = (again["known"].as_bool(), again["tokens"].as_u64());
    assert_eq!(hit, (Some(true), Some(0)), "it was revoked before: {again}");
    for bad in [
        json!({}),
        json!({ "client_id": "" }),
        json!({ "client_id": 5 }),
        json!({ "everything": false }),
        json!({ "client_id": "a", "issuer": "b" }),
        json!({ "name": "a" }),
    ] {
        let token = world.opaque_token("root");
        world
            .auth
            .accept_token(&token, json!({ "sub": "root", "roles": ["admin"] }));
        let reply = world
            .bearer(&token)
            .send(reqwest::Method::POST, "/api/v1/admin/revocations", |request| {
                request
                    .header("content-type", "application/json")
                    .body(bad.to_string())
            })
            .await;
        assert_eq!(verdict(&reply), (400, "invalid_request".into()), "{bad}");
    }
    let plain = world.stray_token("user-2");
    let denied = world.bearer(&plain).post("/api/v1/admin/revocations").await;
    assert_eq!(denied.status, 403);
}

/// A session that was cut off is neither listed nor opened by another id of it.
async fn n1_a_cut_off_session_does_not_come_back_by_a_rotation(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = log_in(&world, Code::of("user-1"), CLIENT).await;
    let old = login.cookie();
    cut_off_as_operator(&world, json!({ "client_id": CLIENT })).await;
    let rotated = crate::gateway::from_own_page(
        &login.browser,
        reqwest::Method::POST,
        "/api/v1/auth/sessions/rotate",
    )
    .await;
    assert_eq!(rotated.status, 401, "{}", rotated.text());
    let thief = Browser::new(&world.gateway.url);
    thief.plant_cookie(COOKIE, &old);
    assert_eq!(thief.get(ME).await.status, 401);
    let other = log_in(&world, Code::of("user-1"), OTHER).await;
    let listed = other.browser.get("/api/v1/auth/sessions").await;
    assert_eq!(listed.expect_status(200).json()["active_sessions"], 1);
}

on_every_store!(
    n1_a_cut_off_covers_every_kind_of_credential_and_spares_what_follows,
    n1_what_is_under_way_is_cut_off_too,
    n1_an_opaque_token_that_never_passed_here_is_of_the_configured_issuer,
    n1_a_cut_off_session_does_not_come_back_by_a_rotation,
    n2_an_unknown_name_is_told_with_the_nearest_known_one,
);
