//! Signals other than SIGTERM and Ctrl-C: none of them ends the gateway without draining.

use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, Lie, LyingAuthServer, ReplyGate};
use serde_json::json;

use crate::tool::{eventually, gateway};

const OPEN: &str = "[[rule]]\npath = \"/**\"\naccess = \"public\"\n";
const CLOSED: &str = "default = \"deny\"\n";

#[tokio::test]
async fn w10_sighup_reads_the_policy_and_the_log_level_again() {
    let server = LyingAuthServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (policy, level) = (folder.path().join("policy.toml"), folder.path().join("level"));
    std::fs::write(&policy, OPEN).unwrap();
    std::fs::write(&level, "ERROR").unwrap();
    let mut running = gateway()
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("POLICY_FILE", policy.display().to_string())
        .env("LOG_LEVEL_FILE", level.display().to_string())
        .start()
        .await
        .unwrap();
    assert!(!running.log().contains("answered"), "{}", running.log());

    std::fs::write(&level, "INFO").unwrap();
    std::fs::write(&policy, CLOSED).unwrap();
    running.signal("HUP");
    let anonymous = AnonymousActor::new(&running.url());
    eventually("requests are logged", async || {
        anonymous.get("/health").await.expect_status(200);
        running.log().contains("answered").then_some(())
    })
    .await;
    let metrics = anonymous.get("/metrics").await.text();
    assert!(
        metrics.contains("policy_reloads_total{outcome=\"applied\"} 1"),
        "{metrics}"
    );

    // Settings that are faulty by now change nothing.
    std::fs::write(&level, "loud").unwrap();
    running.signal("HUP");
    eventually("the fault is logged", async || {
        running
            .log()
            .contains("log level not reloaded, previous level kept")
            .then_some(())
    })
    .await;
    assert!(running.is_running());
    assert_eq!(running.terminate().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn w10_sigquit_drains_and_sigusr1_and_sigusr2_are_ignored() {
    let server = LyingAuthServer::start().await.unwrap();
    server.accept_token("held", json!({ "sub": "u-1" }));
    let gate = ReplyGate::closed();
    server.on("/oauth/userinfo", Lie::gated(&gate, Lie::honest()));
    let mut running = gateway()
        .env("EXTERNAL_AUTH_URL", server.url())
        .start()
        .await
        .unwrap();
    let anonymous = AnonymousActor::new(&running.url());
    for signal in ["USR1", "USR2", "USR1"] {
        running.signal(signal);
        anonymous.get("/health").await.expect_status(200);
    }
    let caller = BearerActor::new(&running.url(), "held");
    let held = tokio::spawn(async move { caller.get("/api/v1/auth/me").await });
    server.wait_for_requests("/oauth/userinfo", 1).await;
    running.signal("QUIT");
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
}
