//! One Redis, and whose journal it belongs to: instances that do not share a journal do not share tokens.

use maxlab_auth_testkit::servers::RedisReply;
use maxlab_auth_testkit::{Actor, BearerActor, GatewayOptions, LyingAuthServer, PostgresServer, RedisServer};
use serde_json::json;

use crate::tool::{Tool, eventually, gateway};

const ME: &str = "/api/v1/auth/me";

struct Scene {
    server: LyingAuthServer,
    redis: RedisServer,
}

impl Scene {
    async fn new() -> Self {
        let server = LyingAuthServer::start().await.unwrap();
        server.accept_token("opaque", json!({ "sub": "u-1" }));
        let redis = RedisServer::start().await.unwrap();
        Self { server, redis }
    }

    fn options(&self) -> GatewayOptions {
        gateway()
            .env("EXTERNAL_AUTH_URL", self.server.url())
            .env("REDIS_URL", self.redis.url())
            .env("REVOCATION_LEASE_SECONDS", "1")
    }

    /// Another machine with the same settings and nothing in its DATA_DIR.
    fn other(&self) -> Tool {
        let tool = Tool::new();
        let data = tool.folder().join("data").display().to_string();
        tool.env("EXTERNAL_AUTH_URL", self.server.url())
            .env("REDIS_URL", self.redis.url())
            .env("REVOCATION_LEASE_SECONDS", "1")
            .env("PORT", maxlab_auth_testkit::free_port().to_string())
            .env("DATA_DIR", data)
    }
}

#[tokio::test]
async fn s11_a_second_instance_without_a_shared_journal_is_refused() {
    let scene = Scene::new().await;
    let mut first = scene.options().start().await.unwrap();
    let refused = scene.other().run(&["serve"]).await.expect(1);
    for word in ["DATABASE_URL", "DATA_DIR", "ALLOW_OWN_JOURNALS", "--new-journal"] {
        assert!(refused.stderr.contains(word), "{word}: {refused:?}");
    }
    // The refusal has changed nothing: the first one goes on, and starts again on its own journal.
    first.restart().await.unwrap();
    let caller = BearerActor::new(&first.url(), "opaque");
    caller.get(ME).await.expect_status(200);
    // So does the first one when Redis has lost its data.
    scene.redis.flush_all().await.unwrap();
    // Until then an instance with another journal would be the first that comes (decision 25).
    eventually("Redis belongs to the journal again", async || {
        let journal = scene.redis.command(&["EXISTS", "gateway:{revocations}:journal"]);
        (journal.await.ok()? == RedisReply::Integer(1)).then_some(())
    })
    .await;
    caller.get(ME).await.expect_status(200);
    scene.other().run(&["serve"]).await.expect(1);
    scene.other().run(&["revoke", "--user", "u-1"]).await.expect(1);

    let allowed = scene
        .options()
        .env("ALLOW_OWN_JOURNALS", "true")
        .start()
        .await
        .unwrap();
    BearerActor::new(&allowed.url(), "opaque")
        .get(ME)
        .await
        .expect_status(200);
    let guarantee = scene
        .other()
        .env("ALLOW_OWN_JOURNALS", "true")
        .run(&["check", "--json"])
        .await
        .json()["guarantee"]
        .clone();
    assert_eq!(guarantee["reach"], "own_journals");
    assert!(
        guarantee["text"].to_string().contains("does not hold"),
        "{guarantee}"
    );
}

#[tokio::test]
async fn s11_instances_with_one_postgresql_share_the_journal() {
    let scene = Scene::new().await;
    let postgres = PostgresServer::start().await.unwrap();
    let database = postgres.create_database().await.unwrap();
    let options = scene.options().env("DATABASE_URL", database.as_str());
    for gateway in [
        options.clone().start().await.unwrap(),
        options.start().await.unwrap(),
    ] {
        BearerActor::new(&gateway.url(), "opaque")
            .get(ME)
            .await
            .expect_status(200);
    }
    scene.other().run(&["serve"]).await.expect(1);
}

/// Redis was down when it started, so that nothing could be found out then.
#[tokio::test]
async fn s11_an_instance_that_started_without_redis_is_no_second_one_either() {
    let mut scene = Scene::new().await;
    let mut first = scene.options().start().await.unwrap();
    first.kill9();
    scene.redis.stop().await.unwrap();
    let second = scene.options().start().await.unwrap();
    let caller = BearerActor::new(&second.url(), "opaque");
    caller.get(ME).await.expect_status(503);
    scene.redis.restart().await.unwrap();
    scene
        .redis
        .command(&["SET", "gateway:{revocations}:journal", "of-the-first-one"])
        .await
        .unwrap();
    eventually("the log names the cause", async || {
        caller.get(ME).await.expect_status(503);
        second.log().contains("of another journal").then_some(())
    })
    .await;
}

#[tokio::test]
async fn s11_n3_a_machine_whose_journal_is_lost_is_replaced_by_ending_everything() {
    let scene = Scene::new().await;
    let mut first = scene.options().start().await.unwrap();
    let builder = scene.server.forge().access_token("u-2");
    let (token, claims) = (builder.sign(), builder.claims());
    scene.server.accept_token(&token, claims);
    for token in ["opaque", &token] {
        BearerActor::new(&first.url(), token)
            .get(ME)
            .await
            .expect_status(200);
    }
    first.kill9();
    drop(first);
    let other = scene.other();
    other.run(&["serve"]).await.expect(1);
    other
        .run(&["revoke", "--user", "u-1", "--new-journal"])
        .await
        .expect(2);
    let done = other
        .run(&["revoke", "--everything", "--new-journal"])
        .await
        .expect(0);
    assert!(done.stdout.starts_with("Revoked: everything "), "{done:?}");
    let data = other.folder().join("data").display().to_string();
    let second = scene.options().env("DATA_DIR", data).start().await.unwrap();
    for token in ["opaque", &token] {
        BearerActor::new(&second.url(), token)
            .get(ME)
            .await
            .expect_status(401);
    }
}

/// Two gateways on one journal, each with a Redis of its own.
#[tokio::test]
async fn f27_a_second_redis_on_one_journal_is_named_by_the_log_and_by_check() {
    let scene = Scene::new().await;
    let other_redis = RedisServer::start().await.unwrap();
    let postgres = PostgresServer::start().await.unwrap();
    let database = postgres.create_database().await.unwrap();
    let options = scene.options().env("DATABASE_URL", database.as_str());
    let first = options.clone().start().await.unwrap();
    let second = options.env("REDIS_URL", other_redis.url()).start().await.unwrap();
    eventually("the log names the cause", async || {
        let lines = format!("{}{}", first.log(), second.log());
        lines.contains("uses another Redis").then_some(())
    })
    .await;
    let check = scene.other().env("DATABASE_URL", database.as_str());
    eventually("check names the cause", async || {
        let report = check.run(&["check", "--json"]).await;
        (report.code == 1 && report.stdout.contains("belongs to another Redis")).then_some(())
    })
    .await;
}
