//! `check`: one component that is down hides no other, and no password is shown.

use maxlab_auth_testkit::lying::ScriptedResponse;
use maxlab_auth_testkit::{
    Lie, LyingAuthServer, PostgresServer, RedisCluster, RedisOptions, RedisSentinels, RedisServer,
    TokenForge, free_port,
};
use serde_json::{Value, json};

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
async fn n9_check_names_why_a_store_cannot_be_used() {
    let server = LyingAuthServer::start().await.unwrap();
    let redis = RedisServer::start_with(RedisOptions::plain().password("right"))
        .await
        .unwrap();
    let postgres = PostgresServer::start().await.unwrap();
    for (redis_url, database_url, store, database) in [
        (
            format!("redis://:wrong@{}/0", redis.addr()),
            postgres.url("not_there"),
            "the store refused the credentials",
            "the database has no such database",
        ),
        (
            format!("redis://127.0.0.1:{}/0", free_port()),
            format!("postgresql://u@127.0.0.1:{}/x", free_port()),
            "the store refused the connection",
            "the database refused the connection",
        ),
    ] {
        let tool = Tool::new()
            .env("EXTERNAL_AUTH_URL", server.url())
            .env("REDIS_URL", redis_url)
            .env("DATABASE_URL", database_url);
        let report = tool.run(&["check", "--json"]).await.expect(1).json();
        for (name, cause) in [("store", store), ("database", database)] {
            let detail = component(&report, name)["detail"].as_str().unwrap();
            assert!(detail.starts_with(cause), "{name}: {detail}");
        }
    }
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
        .env("REDIS_URL", redis.url())
        .env("ALLOW_OWN_JOURNALS", "true");
    let report = tool.run(&["check", "--json"]).await.expect(0).json();
    assert_eq!(component(&report, "store")["status"], "warning", "{report}");
    assert_eq!(report["guarantee"]["reach"], "own_journals");
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

#[tokio::test]
async fn w16_a_password_in_a_faulty_url_is_repeated_by_no_message() {
    for (name, value) in [
        ("LOGIN_URL", "https://u:canary@host/login"),
        ("LOGIN_URL", "u:canary@host/login"),
        ("LOGIN_URL", "ftp://u:canary/x@host/login"),
        ("CORS_ORIGINS", "https://u:canary@host"),
        ("CORS_ORIGINS", "https://a.example,ftp://u:canary@host"),
        ("ALLOWED_REDIRECT_URIS", "u:canary@host/*"),
        ("EXTERNAL_AUTH_URL", "https://u:canary@host"),
        ("JWKS_URL", "https://u:canary@host/jwks"),
        ("INTROSPECTION_URL", "htps://u:canary@host/"),
        ("DATABASE_URL", "mysql://u:canary@host/db"),
        ("REDIS_URL", "memcached://u:canary@host/"),
        ("TRUSTED_PROXIES", "http://u:canary@10.0.0.1"),
        ("HOST", "u:canary@0.0.0.0"),
    ] {
        let tool = Tool::new().env(name, value);
        for command in [&["check"][..], &["check", "--json"], &["serve"]] {
            let ended = tool.run(command).await.expect(2);
            let text = ended.text();
            assert!(
                text.contains(name) && !text.contains("canary"),
                "{name}={value}: {text}"
            );
        }
    }
}

const PLACES: [&str; 2] = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
];

/// What the report says of this component, and the status with which `check` ends.
async fn found(tool: &Tool, name: &str, code: i32) -> (String, String) {
    let report = tool.run(&["check", "--json"]).await.expect(code).json();
    let found = component(&report, name);
    let text = |name: &str| found[name].as_str().unwrap().to_owned();
    assert_eq!(report["ok"], Value::from(code == 0), "{report}");
    (text("status"), text("detail"))
}

#[tokio::test]
async fn n8_a_web_server_is_no_authorization_server() {
    let page = |status| Lie::body(status, "text/html", "<html><h1>Welcome to nginx!</h1></html>");
    let server = LyingAuthServer::start().await.unwrap();
    let tool = Tool::new().env("EXTERNAL_AUTH_URL", server.url());
    for lie in [page(200), page(404), Lie::redirect("/login")] {
        for path in PLACES
            .into_iter()
            .chain(["/health", "/oauth/userinfo", "/api/v1/auth/me"])
        {
            server.on(path, lie.clone());
        }
        let (status, detail) = found(&tool, "metadata", 1).await;
        assert_eq!(status, "unhealthy", "{lie:?}");
        assert!(detail.contains("set EXTERNAL_AUTH_URL"), "{detail}");
    }
    server.clear_scripts();
    for path in PLACES {
        server.on(path, Lie::status(404));
    }
    let (status, _) = found(&tool, "metadata", 0).await;
    assert_eq!(status, "warning", "a server of the guide has no metadata");
}

#[tokio::test]
async fn n8_an_issuer_with_a_slash_too_many_is_found() {
    let server = LyingAuthServer::start().await.unwrap();
    let issuer = format!("{}/", server.url());
    let tool = Tool::new()
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("JWT_ISSUER", &issuer);
    let (status, detail) = found(&tool, "metadata", 1).await;
    assert_eq!(status, "unhealthy");
    assert!(
        detail.ends_with(&format!("set JWT_ISSUER={}", server.url())),
        "{detail}"
    );
}

#[tokio::test]
async fn n8_keys_that_verify_nothing_are_found() {
    let server = LyingAuthServer::start().await.unwrap();
    let tool = Tool::new().env("EXTERNAL_AUTH_URL", server.url());
    let symmetric = json!({ "kty": "oct", "kid": "one", "k": "c2VjcmV0" });
    let unknown = json!({ "kty": "EC", "crv": "secp256k1", "kid": "one", "x": "AA", "y": "AA" });
    for (keys, word) in [
        (json!([]), "the key set is empty"),
        (json!([unknown]), "the kind of key is not supported"),
        (json!([symmetric]), "PRIVATE"),
    ] {
        server.on("/.well-known/jwks.json", Lie::json(200, json!({ "keys": keys })));
        let (status, detail) = found(&tool, "key_set", 1).await;
        assert_eq!(status, "unhealthy", "{detail}");
        assert!(detail.contains(word), "{detail}");
    }
}

#[tokio::test]
async fn n8_a_clock_that_is_off_is_found() {
    let server = LyingAuthServer::start().await.unwrap();
    let tool = Tool::new().env("EXTERNAL_AUTH_URL", server.url());
    for (off, code, status) in [
        (0_i64, 0, "healthy"),
        (-30, 0, "warning"),
        (600, 1, "unhealthy"),
        (-600, 1, "unhealthy"),
    ] {
        server.on(
            "/health",
            Lie::handler(move |_| {
                let seconds = u64::try_from(maxlab_auth_testkit::forge::now() + off).unwrap();
                let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
                ScriptedResponse::json(200, json!({ "status": "healthy" }))
                    .header("date", &httpdate::fmt_http_date(date))
            }),
        );
        let (found, detail) = found(&tool, "clock", code).await;
        assert_eq!(found, status, "{off}: {detail}");
    }
}

#[tokio::test]
async fn s2_keys_of_an_unknown_issuer_are_found() {
    let server = LyingAuthServer::start().await.unwrap();
    let keys = LyingAuthServer::start().await.unwrap();
    for path in PLACES {
        server.on(path, Lie::status(404));
    }
    let tool = Tool::new()
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("JWKS_URL", format!("{}/.well-known/jwks.json", keys.url()));
    let (status, detail) = found(&tool, "key_set", 1).await;
    assert_eq!(status, "unhealthy");
    assert!(detail.contains("set JWT_ISSUER"), "{detail}");
    let (status, _) = found(&tool.env("JWT_ISSUER", keys.url()), "key_set", 0).await;
    assert_eq!(status, "healthy");
}

#[tokio::test]
async fn f2_keys_that_some_tokens_need_and_cannot_be_used_are_found() {
    let server = LyingAuthServer::start().await.unwrap();
    let tool = Tool::new().env("EXTERNAL_AUTH_URL", server.url());
    let good = server.forge().jwks()["keys"][0].clone();
    let with = |members: Value| {
        let mut key = good.clone();
        key.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        key
    };
    let other = TokenForge::es256("https://other.example").jwks()["keys"][0].clone();
    let mut clash = other.clone();
    clash["kid"] = "twice".into();
    for (keys, status, word) in [
        (
            json!([good, with(json!({ "use": "enc", "kid": "e" }))]),
            "healthy",
            "not meant for verifying",
        ),
        (
            json!([good, with(json!({ "crv": "secp256k1", "kid": "k" }))]),
            "warning",
            "answered 503",
        ),
        (
            json!([good, with(json!({ "kid": "twice" })), clash]),
            "warning",
            "share a kid",
        ),
        (json!([good, good]), "healthy", "every key can be used"),
    ] {
        server.on("/.well-known/jwks.json", Lie::json(200, json!({ "keys": keys })));
        let (found, detail) = found(&tool, "key_set", 0).await;
        assert_eq!(found, status, "{detail}");
        assert!(detail.contains(word), "{detail}");
    }
    server.on(
        "/.well-known/jwks.json",
        Lie::json(200, json!({ "keys": [good] })),
    );
    let (status, detail) = found(&tool.env("JWT_ALGORITHM", "RS256,PS256"), "key_set", 1).await;
    assert_eq!(status, "unhealthy");
    assert!(detail.contains("JWT_ALGORITHM (RS256, PS256)"), "{detail}");
}

#[tokio::test]
async fn f2_settings_that_disagree_with_the_metadata_are_found() {
    let server = LyingAuthServer::start().await.unwrap();
    let elsewhere = LyingAuthServer::start_with(server.forge().clone()).await.unwrap();
    let jwks = format!("{}/.well-known/jwks.json", elsewhere.url());
    let tool = Tool::new().env("EXTERNAL_AUTH_URL", server.url());
    let (status, detail) = found(&tool, "metadata", 0).await;
    assert_eq!(status, "healthy", "{detail}");
    let (status, detail) = found(&tool.env("JWKS_URL", &jwks), "metadata", 0).await;
    assert_eq!(status, "warning");
    assert!(detail.contains(&format!("JWKS_URL is {jwks}")), "{detail}");
    for path in PLACES {
        server.on(path, Lie::json(200, json!({ "issuer": "https://other.example" })));
    }
    let tool = Tool::new().env("EXTERNAL_AUTH_URL", server.url());
    let (status, detail) = found(&tool, "metadata", 1).await;
    assert_eq!(status, "warning");
    assert!(
        detail.contains("set JWT_ISSUER=https://other.example"),
        "{detail}"
    );
}
