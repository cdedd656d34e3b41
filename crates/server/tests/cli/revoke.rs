//! `revoke` beside a running gateway: what it ends is refused at once, and what it cannot end it says.

use maxlab_auth_testkit::{Actor, BearerActor, GatewayProcess, LyingAuthServer, RedisServer, TokenForge};
use serde_json::Value;

use crate::tool::{Tool, eventually, start_beside};

/// An authorization server, a gateway, and a command line with the same settings.
struct Scene {
    server: LyingAuthServer,
    gateway: GatewayProcess,
    tool: Tool,
}

impl Scene {
    async fn embedded() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let server = LyingAuthServer::start().await.unwrap();
        let (gateway, tool) = start_beside(&server, settings).await;
        Self {
            server,
            gateway,
            tool,
        }
    }

    /// A good token, and its jti.
    fn token(&self, user: &str, client: &str) -> (String, String) {
        let builder = self.server.forge().access_token(user).claim("client_id", client);
        let (token, claims) = (builder.sign(), builder.claims());
        self.server.accept_token(&token, claims.clone());
        (token, claims["jti"].as_str().unwrap().to_owned())
    }

    async fn call(&self, token: &str) -> u16 {
        BearerActor::new(&self.gateway.url(), token)
            .get("/api/v1/auth/me")
            .await
            .status
            .as_u16()
    }
}

#[tokio::test]
async fn each_target_is_refused_at_once_and_nothing_else() {
    let mut scene = Scene::embedded().await;
    let (by_token, _) = scene.token("u-token", "app");
    let (by_jti, jti) = scene.token("u-jti", "app");
    let (by_user, _) = scene.token("u-user", "app");
    let (by_client, _) = scene.token("u-client", "bad-app");
    let (spared, _) = scene.token("u-spared", "app");
    for token in [&by_token, &by_jti, &by_user, &by_client, &spared] {
        assert_eq!(scene.call(token).await, 200);
    }
    scene.tool = scene.tool.input(&format!("{by_token}\n"));
    for (arguments, token) in [
        (vec!["--token", "-"], &by_token),
        (vec!["--jti", &jti], &by_jti),
        (vec!["--user", "u-user", "--reason", "logout_all"], &by_user),
        (vec!["--client", "bad-app"], &by_client),
    ] {
        let words: Vec<&str> = ["revoke"].into_iter().chain(arguments).collect();
        let ended = scene.tool.run(&words).await.expect(0);
        assert_eq!(scene.call(token).await, 401, "{ended:?}");
        assert!(
            ended.stdout.starts_with("Revoked: ") && !ended.text().contains(token.as_str()),
            "{ended:?}"
        );
    }
    assert_eq!(scene.call(&spared).await, 200);
    scene.server.wait_for_requests("/oauth/revoke", 1).await;

    let audit = scene
        .tool
        .run(&["audit", "--kind", "admin_revoke", "--json"])
        .await
        .expect(0)
        .json();
    let events = audit["events"].as_array().unwrap();
    assert_eq!(events.len(), 4, "{audit}");
    assert!(events.iter().all(|event| event["actor"] == "cli"), "{audit}");
    assert!(
        events.iter().any(|event| event["target"] == "client:bad-app"),
        "{audit}"
    );
    assert!(
        events.iter().any(|event| event["user_id"] == "u-token"),
        "{audit}"
    );

    // I6: for good.
    scene.gateway.restart().await.unwrap();
    for token in [&by_token, &by_jti, &by_user, &by_client] {
        assert_eq!(scene.call(token).await, 401);
    }
    assert_eq!(scene.call(&spared).await, 200);
}

#[tokio::test]
async fn a_repeat_is_no_failure_and_json_says_what_was_done() {
    let scene = Scene::embedded().await;
    let (token, jti) = scene.token("u-1", "app");
    let first = scene
        .tool
        .run(&["revoke", "--token", &token, "--json"])
        .await
        .expect(0)
        .json();
    let told = (
        &first["revoked"],
        &first["already"],
        &first["user_id"],
        &first["kind"],
        &first["key"],
    );
    assert_eq!(
        told,
        (
            &true.into(),
            &false.into(),
            &"u-1".into(),
            &"token".into(),
            &Value::from(jti)
        )
    );
    let again = scene
        .tool
        .run(&["revoke", "--token", &token, "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(again["already"], true);
}

/// A token, and another one with the same claims that a stranger signed.
fn twins(scene: &Scene) -> (String, String) {
    let builder = scene.server.forge().access_token("u-1");
    let token = builder.sign();
    scene.server.accept_token(&token, builder.claims());
    let stranger = TokenForge::es256(scene.server.forge().issuer());
    (token, stranger.sign(&builder.claims()))
}

#[tokio::test]
async fn a_forged_twin_ends_nothing_and_the_command_says_so() {
    let scene = Scene::with(&[("VERIFY_LAYERS", "local_jwt")]).await;
    let (token, twin) = twins(&scene);
    let ended = scene.tool.run(&["revoke", "--token", &twin]).await.expect(1);
    assert!(
        ended.stderr.contains("nothing was revoked") && ended.stderr.contains("--jti"),
        "{ended:?}"
    );
    assert_eq!(scene.call(&token).await, 200);
}

#[tokio::test]
async fn what_the_authorization_server_does_not_vouch_for_is_refused_by_its_bytes_alone() {
    let scene = Scene::embedded().await;
    let (token, twin) = twins(&scene);
    let ended = scene.tool.run(&["revoke", "--token", &twin]).await.expect(0);
    assert!(
        ended.stdout.contains("this exact string is now refused"),
        "{ended:?}"
    );
    assert_eq!(scene.call(&token).await, 200);
}

#[tokio::test]
async fn what_nobody_can_prove_is_not_acknowledged() {
    let scene = Scene::embedded().await;
    let (token, _) = scene.token("u-1", "app");
    scene.server.stop().await;
    let ended = scene.tool.run(&["revoke", "--token", &token]).await.expect(1);
    assert!(
        ended.stderr.contains("nothing was revoked") && ended.stderr.contains("--jti"),
        "{ended:?}"
    );
    assert!(!ended.text().contains(&token));
}

#[tokio::test]
async fn on_a_shared_redis_the_journal_finishes_what_redis_could_not_hear() {
    let mut redis = RedisServer::start().await.unwrap();
    let scene = Scene::with(&[("REDIS_URL", &redis.url()), ("VERIFY_CACHE_SECONDS", "0")]).await;
    let (first, _) = scene.token("u-1", "app");
    let (second, jti) = scene.token("u-2", "app");
    assert_eq!((scene.call(&first).await, scene.call(&second).await), (200, 200));
    scene.tool.run(&["revoke", "--user", "u-1"]).await.expect(0);
    assert_eq!((scene.call(&first).await, scene.call(&second).await), (401, 200));

    redis.kill();
    let ended = scene.tool.run(&["revoke", "--jti", &jti]).await.expect(1);
    assert!(ended.stderr.contains("recorded but not in force"), "{ended:?}");
    redis.restart().await.unwrap();
    eventually("the running gateway finishes the revocation", async || {
        (scene.call(&second).await == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_folder_where_no_gateway_ran_is_refused_and_left_alone() {
    let tool = Tool::new();
    for words in [
        &["revoke", "--user", "u"][..],
        &["sessions", "list", "--user", "u"],
        &["denylist", "stats"],
        &["audit"],
    ] {
        let ended = tool.run(words).await.expect(1);
        assert!(
            ended.stderr.contains("no gateway has run") && ended.stderr.contains("DATA_DIR"),
            "{ended:?}"
        );
    }
    assert!(!tool.folder().join(".maxlab-auth/store.db").exists());
}

#[tokio::test]
async fn the_denylist_is_listed_counted_and_cleaned() {
    let scene = Scene::embedded().await;
    let (token, jti) = scene.token("u-1", "app");
    scene.tool.run(&["revoke", "--token", &token]).await.expect(0);
    scene
        .tool
        .run(&["revoke", "--jti", "other", "--reason", "logout"])
        .await
        .expect(0);

    // No key is known to this process, so a token is denied under its jti, the hash of what is signed and that of its bytes.
    let all = scene
        .tool
        .run(&["denylist", "list", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(
        (all["entries"].as_array().unwrap().len(), &all["more"]),
        (4, &Value::from(false)),
        "{all}"
    );
    let one = scene
        .tool
        .run(&["denylist", "list", "--limit", "1", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(
        (one["entries"].as_array().unwrap().len(), &one["more"]),
        (1, &Value::from(true)),
        "{one}"
    );
    let table = scene
        .tool
        .run(&["denylist", "list", "--user", "u-1"])
        .await
        .expect(0)
        .stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines.len() == 4 && lines[0].starts_with("TOKEN") && table.contains(&jti),
        "{table}"
    );
    let stats = scene
        .tool
        .run(&["denylist", "stats", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(
        (&stats["entries"], &stats["by_reason"]["logout"]),
        (&4.into(), &1.into()),
        "{stats}"
    );
    let clean = scene
        .tool
        .run(&["denylist", "clean", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(clean["store_entries"], 0, "nothing has expired: {clean}");
    assert_eq!(scene.call(&token).await, 401);
}
