//! `serve`: how it starts, what it says of itself, and how it ends.

use std::net::TcpListener;
use std::time::Duration;

use maxlab_auth_testkit::{
    Actor, AnonymousActor, BearerActor, Lie, LyingAuthServer, PostgresServer, RedisOptions, RedisServer,
    ReplyGate, free_port,
};
use serde_json::{Value, json};

use crate::tool::{Tool, eventually, gateway};

#[tokio::test]
async fn sigterm_lets_requests_end_takes_no_more_and_ends_well() {
    let server = LyingAuthServer::start().await.unwrap();
    server.accept_token("held", json!({ "sub": "u-1" }));
    let gate = ReplyGate::closed();
    server.on("/oauth/userinfo", Lie::gated(&gate, Lie::honest()));
    let mut running = gateway()
        .env("EXTERNAL_AUTH_URL", server.url())
        .start()
        .await
        .unwrap();
    let caller = BearerActor::new(&running.url(), "held");
    let held = tokio::spawn(async move { caller.get("/api/v1/auth/me").await });
    server.wait_for_requests("/oauth/userinfo", 1).await;

    running.signal("TERM");
    let anonymous = AnonymousActor::new(&running.url());
    eventually("the door closes", async || {
        anonymous
            .try_send(http::Method::GET, "/health", |request| request)
            .await
            .err()
    })
    .await;
    assert!(running.is_running(), "a request is under way");
    gate.open();
    held.await.unwrap().expect_status(200);
    assert_eq!(running.terminate().await.unwrap().code(), Some(0));
    assert!(running.log().contains("stopped"), "{}", running.log());
}

#[tokio::test]
async fn sigterm_lets_the_authorization_server_hear_what_is_being_told() {
    let server = LyingAuthServer::start().await.unwrap();
    server.accept_token("opaque", json!({ "sub": "u-1" }));
    let gate = ReplyGate::closed();
    server.on("/oauth/revoke", Lie::gated(&gate, Lie::honest()));
    let mut running = gateway()
        .env("EXTERNAL_AUTH_URL", server.url())
        .start()
        .await
        .unwrap();
    let caller = AnonymousActor::new(&running.url());
    caller
        .post_form("/oauth/revoke", &[("token", "opaque")])
        .await
        .expect_status(200);
    server.wait_for_requests("/oauth/revoke", 1).await;
    running.signal("TERM");
    eventually("the door closes", async || {
        caller
            .try_send(http::Method::GET, "/health", |request| request)
            .await
            .err()
    })
    .await;
    assert!(running.is_running(), "the authorization server is being told");
    gate.open();
    assert_eq!(running.terminate().await.unwrap().code(), Some(0));
    let tool = Tool::beside(&running).env("EXTERNAL_AUTH_URL", server.url());
    let stats = tool.run(&["denylist", "stats", "--json"]).await.expect(0).json();
    assert_eq!(
        stats["outbox"]["waiting"], 0,
        "it was heard, and that was noted: {stats}"
    );
}

#[tokio::test]
async fn the_log_says_what_runs_and_what_it_promises_and_no_password() {
    let redis = RedisServer::start_with(RedisOptions::plain().password("canary-password"))
        .await
        .unwrap();
    let server = LyingAuthServer::start().await.unwrap();
    let keys = Tool::new().run(&["keygen", "--json"]).await.expect(0).json();
    let key = |name: &str| keys[name].as_str().unwrap().to_owned();
    let running = gateway()
        .env("ENVIRONMENT", "production")
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("REDIS_URL", redis.url())
        .env("ALLOW_OWN_JOURNALS", "true")
        .env("SECRET_KEY", key("SECRET_KEY"))
        .env("SESSION_ENCRYPTION_KEY", key("SESSION_ENCRYPTION_KEY"))
        .start()
        .await
        .unwrap();
    let log = eventually("the last line of the start", async || {
        let log = running.log();
        let whole = log.contains("set DATABASE_URL") && log.ends_with('\n');
        whole.then_some(log)
    })
    .await;
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let start = lines
        .iter()
        .find(|line| line["message"] == "gateway started")
        .unwrap();
    assert_eq!(start["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(start["address"], running.addr().to_string());
    assert_eq!(start["layers"], "oauth_userinfo,traditional_auth,local_jwt");
    assert_eq!(start["store"], format!("redis://…@127.0.0.1:{}/", redis.port()));
    assert!(start["database"].as_str().unwrap().starts_with("SQLite "));
    assert!(start["guarantee"].as_str().unwrap().starts_with("Weaker "));
    let warned = |line: &Value| {
        line["level"] == "WARN" && line["message"].as_str().unwrap().contains("set DATABASE_URL")
    };
    assert!(
        lines.iter().any(warned),
        "a journal of its own beside a shared Redis is warned of: {log}"
    );
    assert!(
        !log.contains("canary") && !log.contains(&key("SECRET_KEY")),
        "{log}"
    );
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_way_out() {
    let port = free_port();
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let tool = Tool::new().env("HOST", "127.0.0.1").env("PORT", port.to_string());
    let ended = tool.run(&["serve"]).await.expect(1);
    assert!(
        ended.stderr.contains(&format!("port {port} is taken")) && ended.stderr.contains("set PORT"),
        "{ended:?}"
    );

    let (gateway_port, idp_port) = (port.to_string(), free_port().to_string());
    let tool = Tool::new();
    let ended = tool
        .run(&["dev", "--port", &gateway_port, "--idp-port", &idp_port])
        .await
        .expect(1);
    assert!(
        ended.stderr.contains(&format!("port {port} is taken")) && ended.stderr.contains("--port"),
        "{ended:?}"
    );
    let ended = tool
        .run(&["dev", "--port", &idp_port, "--idp-port", &gateway_port])
        .await
        .expect(1);
    assert!(
        ended.stderr.contains(&format!("port {port} is taken")) && ended.stderr.contains("--idp-port"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let tool = Tool::new();
    std::fs::write(tool.folder().join("file"), "").unwrap();
    let tool = tool
        .env("DATA_DIR", "file/data")
        .env("PORT", "0")
        .env("HOST", "127.0.0.1");
    let ended = tool.run(&["serve"]).await;
    assert!(ended.code != 0 && ended.stderr.contains("DATA_DIR"), "{ended:?}");
}

#[tokio::test]
async fn it_cannot_start_the_development_authorization_server() {
    let idp_port = free_port();
    let running = gateway()
        .env("EXTERNAL_AUTH_URL", format!("http://127.0.0.1:{idp_port}"))
        .start()
        .await
        .unwrap();
    let connected = tokio::net::TcpStream::connect(("127.0.0.1", idp_port)).await;
    assert!(
        connected.is_err(),
        "something listens where only the development server would"
    );
    assert!(!running.folder().join("data/dev-idp").exists());
    Tool::new()
        .run(&["serve", "--idp-port", &idp_port.to_string()])
        .await
        .expect(2);
    Tool::new().run(&["serve", "dev"]).await.expect(2);
}

#[tokio::test]
async fn it_starts_while_redis_is_down_and_works_when_it_is_up() {
    let mut redis = RedisServer::start().await.unwrap();
    redis.kill();
    let server = LyingAuthServer::start().await.unwrap();
    server.accept_token("opaque", json!({ "sub": "u-1" }));
    let running = gateway()
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("REDIS_URL", redis.url())
        .start()
        .await
        .unwrap();
    let caller = BearerActor::new(&running.url(), "opaque");
    caller.get("/api/v1/auth/me").await.expect_status(503);
    redis.restart().await.unwrap();
    eventually("the gateway finds Redis again", async || {
        let reply = caller.get("/api/v1/auth/me").await;
        (reply.status.as_u16() == 200).then_some(())
    })
    .await;
    tokio::time::timeout(Duration::from_secs(5), caller.get("/health/ready"))
        .await
        .unwrap()
        .expect_status(200);
}

#[tokio::test]
async fn n9_the_process_lives_while_postgresql_is_awaited() {
    let server = LyingAuthServer::start().await.unwrap();
    let mut postgres = PostgresServer::start().await.unwrap();
    let url = postgres.create_database().await.unwrap();
    postgres.stop().await.unwrap();
    let options = gateway()
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("DATABASE_URL", &url);
    let mut running = options.clone().start().await.unwrap();
    let caller = AnonymousActor::new(&running.url());
    caller.get("/health").await.expect_status(200);
    let ready = caller.get("/health/ready").await.expect_status(503);
    assert_eq!(
        ready.json()["components"]["database"]["reason"],
        "connection_refused"
    );
    for path in ["/api/v1/auth/me", "/auth/verify", "/oauth/authorize", "/"] {
        let reply = caller.get(path).await.expect_status(503);
        assert!(
            reply.header("retry-after").is_some() && reply.header("x-request-id").is_some(),
            "{path}"
        );
        assert!(reply.header("set-cookie").is_none(), "{path}");
    }
    let awaits = "the database refused the connection";
    assert!(running.log().contains(awaits), "{}", running.log());
    // The same connections go on once it is there.
    postgres.restart().await.unwrap();
    eventually("the gateway is ready", async || {
        let reply = caller.get("/health/ready").await;
        (reply.status == 200).then_some(())
    })
    .await;
    assert_eq!(running.terminate().await.unwrap().code(), Some(0));

    postgres.stop().await.unwrap();
    let mut running = options.start().await.unwrap();
    assert_eq!(
        running.terminate().await.unwrap().code(),
        Some(0),
        "a stop is heard meanwhile"
    );
}

#[tokio::test]
async fn n9_a_wrong_password_of_redis_is_named_by_readiness_and_log() {
    let server = LyingAuthServer::start().await.unwrap();
    let redis = RedisServer::start_with(RedisOptions::plain().password("right"))
        .await
        .unwrap();
    let running = gateway()
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("REDIS_URL", format!("redis://:canary@{}/0", redis.addr()))
        .start()
        .await
        .unwrap();
    let ready = AnonymousActor::new(&running.url())
        .get("/health/ready")
        .await
        .expect_status(503);
    assert_eq!(
        ready.json()["components"]["store"]["reason"],
        "credentials_refused"
    );
    let log = running.log();
    assert!(
        log.contains("the store refused the credentials") && !log.contains("canary"),
        "{log}"
    );
}
