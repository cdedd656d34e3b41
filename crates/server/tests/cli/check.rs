//! `check`: one component that is down hides no other, and no password is shown.

use maxlab_auth_testkit::{
    LyingAuthServer, RedisCluster, RedisOptions, RedisSentinels, RedisServer, free_port,
};
use serde_json::Value;

use crate::tool::Tool;

fn component<'r>(report: &'r Value, name: &str) -> &'r Value {
    let found = report["components"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["component"] == name);
    found.unwrap_or_else(|| panic!("{name}: {report}"))
}

#[tokio::test]
async fn with_everything_up_it_says_so_and_what_is_promised() {
    let server = LyingAuthServer::start().await.unwrap();
    let tool = Tool::new().env("EXTERNAL_AUTH_URL", server.url());
    let ended = tool.run(&["check"]).await.expect(0);
    for word in [
        "SETTING",
        "EXTERNAL_AUTH_URL",
        "environment",
        "COMPONENT",
        "healthy",
        "Every component works.",
    ] {
        assert!(ended.stdout.contains(word), "{word}: {ended:?}");
    }
    let report = tool.run(&["check", "--json"]).await.expect(0).json();
    assert_eq!(
        (&report["ok"], &report["guarantee"]["reach"]),
        (&true.into(), &"one_instance".into())
    );
    for name in ["store", "database", "authorization_server", "metadata", "key_set"] {
        assert_eq!(component(&report, name)["status"], "healthy", "{report}");
    }
    let names = report["settings"].as_array().unwrap().len();
    assert_eq!(
        names,
        maxlab_auth::config::reference().len(),
        "every setting has its row"
    );
}

#[tokio::test]
async fn dead_stores_fail_it_and_keep_their_passwords() {
    let server = LyingAuthServer::start().await.unwrap();
    let redis = format!("redis://:canary@127.0.0.1:{}/0", free_port());
    let postgres = format!("postgresql://u:canary@127.0.0.1:{}/x", free_port());
    let tool = Tool::new()
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("REDIS_URL", redis)
        .env("DATABASE_URL", postgres);
    let ended = tool.run(&["check"]).await.expect(1);
    assert!(
        ended.stdout.contains("This does not work:") && ended.stdout.contains("see REDIS_URL"),
        "{ended:?}"
    );
    let report = tool.run(&["check", "--json"]).await.expect(1);
    assert!(
        !ended.text().contains("canary") && !report.text().contains("canary"),
        "{ended:?}"
    );
    let report = report.json();
    assert_eq!(
        (&report["ok"], &report["guarantee"]["reach"]),
        (&false.into(), &"all_instances".into())
    );
    assert_eq!(component(&report, "store")["status"], "unhealthy");
    assert_eq!(component(&report, "database")["status"], "unhealthy");
    assert_eq!(component(&report, "authorization_server")["status"], "healthy");
}

#[tokio::test]
async fn a_dead_authorization_server_fails_it() {
    let tool = Tool::new().env("EXTERNAL_AUTH_URL", format!("http://127.0.0.1:{}", free_port()));
    let report = tool.run(&["check", "--json"]).await.expect(1).json();
    assert_eq!(component(&report, "authorization_server")["status"], "unhealthy");
    assert_eq!(component(&report, "key_set")["status"], "unhealthy");
    assert_eq!(component(&report, "store")["status"], "healthy");
}

#[tokio::test]
async fn a_redis_that_forgets_and_a_journal_of_ones_own_are_told_apart() {
    let server = LyingAuthServer::start().await.unwrap();
    let redis = RedisServer::start_with(RedisOptions::plain().setting("maxmemory-policy", "allkeys-lru"))
        .await
        .unwrap();
    let tool = Tool::new()
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("REDIS_URL", redis.url());
    let report = tool.run(&["check", "--json"]).await.expect(0).json();
    assert_eq!(component(&report, "store")["status"], "warning", "{report}");
    assert_eq!(report["guarantee"]["reach"], "while_redis_remembers");
    let warnings = report["warnings"].as_array().unwrap();
    assert!(
        warnings
            .iter()
            .any(|warning| warning["message"].as_str().unwrap().contains("one PostgreSQL")),
        "{report}"
    );

    let keys = tool.run(&["keygen"]).await.expect(0).stdout;
    std::fs::write(tool.folder().join(".env"), keys).unwrap();
    let tool = tool.env("ENVIRONMENT", "production");
    let report = tool.run(&["check", "--json"]).await.expect(1).json();
    assert_eq!(
        component(&report, "store")["status"],
        "unhealthy",
        "production does not start with it: {report}"
    );
}

#[tokio::test]
async fn redis_under_sentinel_and_as_a_cluster_is_asked_who_confirms_it() {
    let server = LyingAuthServer::start().await.unwrap();
    let (sentinels, cluster) = tokio::join!(RedisSentinels::start(), RedisCluster::start());
    let (mut sentinels, cluster) = (sentinels.unwrap(), cluster.unwrap());
    for (url, detail) in [
        (sentinels.url(), "a majority of 3 Sentinels"),
        (cluster.url(), "a majority of the masters"),
    ] {
        let tool = Tool::new()
            .env("EXTERNAL_AUTH_URL", server.url())
            .env("REDIS_URL", url);
        let report = tool.run(&["check", "--json"]).await.expect(0).json();
        let store = component(&report, "store");
        assert_eq!(store["status"], "healthy", "{report}");
        assert!(store["detail"].as_str().unwrap().contains(detail), "{report}");
    }
    sentinels.kill_sentinel(0);
    sentinels.kill_sentinel(1);
    let tool = Tool::new()
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("REDIS_URL", sentinels.url());
    let report = tool.run(&["check", "--json"]).await.expect(1).json();
    assert_eq!(component(&report, "store")["status"], "unhealthy", "{report}");
}
