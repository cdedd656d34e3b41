//! `revoke --user`, `--client`, `--issuer` and `--everything`: each kind of credential ends, and an unknown name is said to be one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use maxlab_auth_testkit::lying::ScriptedResponse;
use maxlab_auth_testkit::{
    Actor, AnonymousActor, BearerActor, Browser, GatewayProcess, Lie, LyingAuthServer,
};
use serde_json::json;

use crate::tool::{Tool, gateway};

const ME: &str = "/api/v1/auth/me";
const COOKIE: &str = "maxlab_session";

/// An authorization server with a token endpoint, a gateway, and a command line with the same settings.
struct Scene {
    server: Arc<LyingAuthServer>,
    gateway: GatewayProcess,
    tool: Tool,
}

/// All that somebody holds.
struct Holdings {
    client: &'static str,
    access: [String; 2],
    refresh: [String; 2],
    cookies: [Browser; 2],
    unknown_refresh: String,
}

impl Scene {
    async fn new() -> Self {
        let server = Arc::new(LyingAuthServer::start().await.unwrap());
        server.on("/oauth/token", token_endpoint(&server));
        let options = gateway().env("EXTERNAL_AUTH_URL", server.url());
        let gateway = options.env("CLOCK_SKEW_SECONDS", "60").start().await.unwrap();
        let tool = Tool::beside(&gateway).env("EXTERNAL_AUTH_URL", server.url());
        Self {
            server,
            gateway,
            tool,
        }
    }

    async fn log_in(&self, user: &str, client: &'static str) -> Holdings {
        let (mut access, mut refresh, mut cookies) = (Vec::new(), Vec::new(), Vec::new());
        for kind in ["signed", "opaque"] {
            let browser = Browser::new(&self.gateway.url());
            let code = format!("{user}~{client}~{kind}~{}", uuid::Uuid::new_v4());
            let form = [
                ("grant_type", "authorization_code"),
                ("code", code.as_str()),
                ("client_id", client),
            ];
            let reply = browser.post_form("/oauth/token", &form).await.expect_status(200);
            let body = reply.json();
            access.push(body["access_token"].as_str().unwrap().to_owned());
            refresh.push(body["refresh_token"].as_str().unwrap().to_owned());
            cookies.push(browser);
        }
        Holdings {
            client,
            access: access.try_into().unwrap(),
            refresh: refresh.try_into().unwrap(),
            cookies: cookies.try_into().unwrap_or_else(|_| panic!("two browsers")),
            unknown_refresh: format!("never.seen~{user}~{client}~opaque"),
        }
    }

    /// The statuses of: access tokens, cookies, refresh tokens, and a refresh token that is not known here.
    async fn statuses(&self, held: &Holdings) -> [u16; 7] {
        let mut statuses = Vec::new();
        for access in &held.access {
            statuses.push(
                BearerActor::new(&self.gateway.url(), access)
                    .get(ME)
                    .await
                    .status
                    .as_u16(),
            );
        }
        for browser in &held.cookies {
            assert!(browser.cookie(COOKIE).is_some());
            statuses.push(browser.get(ME).await.status.as_u16());
        }
        for refresh in held.refresh.iter().chain([&held.unknown_refresh]) {
            let form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh),
                ("client_id", held.client),
            ];
            let reply = AnonymousActor::new(&self.gateway.url())
                .post_form("/oauth/token", &form)
                .await;
            statuses.push(reply.status.as_u16());
        }
        statuses.try_into().unwrap()
    }
}

/// Exchanges a code `user~client~kind~number` and a refresh token that ends with one, as often as it is asked.
fn token_endpoint(server: &Arc<LyingAuthServer>) -> Lie {
    let (server, given) = (Arc::downgrade(server), Mutex::new(HashMap::new()));
    Lie::handler(move |request| {
        let server = server.upgrade().unwrap();
        let mut given = given.lock().unwrap();
        let refresh = request.form("refresh_token");
        let grant = request.form("code").or(refresh.clone()).unwrap_or_default();
        let grant = given.get(&grant).cloned().unwrap_or(grant);
        let fields: Vec<_> = grant.trim_start_matches("never.seen~").split('~').collect();
        let [user, client, kind, ..] = fields[..] else {
            return ScriptedResponse::json(400, json!({ "error": "invalid_grant" }));
        };
        let builder = server.forge().access_token(user).claim("client_id", client);
        let number = given.len();
        let access = match kind {
            "signed" => builder.sign(),
            _ => format!("opaque-{user}-{client}-{number}"),
        };
        let claims = match kind {
            "signed" => builder.claims(),
            _ => json!({ "sub": user }),
        };
        server.accept_token(&access, claims);
        // It is not rotated, so that the same one can be asked about again.
        let refresh = refresh.unwrap_or_else(|| format!("refresh-{number}"));
        given.insert(refresh.clone(), grant.clone());
        ScriptedResponse::json(
            200,
            json!({ "access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 300 }),
        )
    })
}

const GOOD: [u16; 7] = [200; 7];
const OVER: [u16; 7] = [401, 401, 401, 401, 400, 400, 400];

#[tokio::test]
async fn n1_n3_each_cut_off_ends_every_kind_of_credential_and_nothing_that_comes_later() {
    let scene = Scene::new().await;
    let issuer = scene.server.forge().issuer().to_owned();
    type CutOffCase<'c> = (&'c [&'c str], &'c str, Option<(&'c str, &'static str)>);
    let cases: [CutOffCase<'_>; 4] = [
        (&["--user", "u-1"], "user u-1", Some(("u-2", "app"))),
        (&["--client", "app"], "client app", Some(("u-1", "other"))),
        (&["--issuer", &issuer], "issued until now", None),
        (&["--everything"], "to anyone", None),
    ];
    for (arguments, words, bystander) in cases {
        let covered = scene.log_in("u-1", "app").await;
        let bystander = match bystander {
            Some((user, client)) => Some(scene.log_in(user, client).await),
            None => None,
        };
        assert_eq!(scene.statuses(&covered).await[..6], GOOD[..6], "{arguments:?}");
        let arguments: Vec<&str> = ["revoke"].iter().chain(arguments).copied().collect();
        let done = scene.tool.run(&arguments).await.expect(0);
        assert!(done.stdout.contains(words) && done.stderr.is_empty(), "{done:?}");
        assert!(done.stdout.contains(" tokens are known here)"), "{done:?}");
        let statuses = scene.statuses(&covered).await;
        // A refresh token of which nothing is known names no user.
        let known = if arguments[1] == "--user" { 6 } else { 7 };
        assert_eq!(statuses[..known], OVER[..known], "{arguments:?}");
        if let Some(bystander) = bystander {
            assert_eq!(scene.statuses(&bystander).await[..6], GOOD[..6], "{arguments:?}");
        }
        let after = scene.log_in("u-1", "app").await;
        assert_eq!(
            scene.statuses(&after).await[..6],
            GOOD[..6],
            "{arguments:?}: later"
        );
    }
}

#[tokio::test]
async fn n2_a_name_that_nothing_has_is_warned_of_with_the_nearest_known_one() {
    let scene = Scene::new().await;
    scene.log_in("u-1", "maxlab-dev").await;
    let issuer = scene.server.forge().issuer().to_owned();
    let slash = format!("{issuer}/");
    for (arguments, nearest) in [
        (["--client", "maxlab-deb"], "maxlab-dev"),
        (["--issuer", slash.as_str()], issuer.as_str()),
        (["--user", "u-l"], "u-1"),
    ] {
        let [kind, name] = arguments;
        let done = scene.tool.run(&["revoke", kind, name]).await.expect(0);
        assert!(done.stdout.contains("0 sessions and 0 tokens"), "{done:?}");
        assert!(
            done.stderr.starts_with("warning: ") && done.stderr.contains(&format!("is {nearest}.")),
            "{done:?}"
        );
        let json = scene
            .tool
            .run(&["revoke", kind, name, "--json"])
            .await
            .expect(0)
            .json();
        assert_eq!(
            (&json["known"], &json["nearest"]),
            (&false.into(), &nearest.into()),
            "{json}"
        );
    }
    let done = scene
        .tool
        .run(&["revoke", "--client", "maxlab-dev", "--json"])
        .await
        .expect(0)
        .json();
    let hit = (&done["known"], &done["sessions"], &done["tokens"]);
    assert_eq!(hit, (&true.into(), &2.into(), &4.into()), "{done}");
}
