//! Wrong settings stop the start, all of them told at once, and none of them shown.

use maxlab_auth_testkit::servers::RedisOptions;
use maxlab_auth_testkit::{GatewayProcess, RedisServer};

use crate::support::BINARY;

#[tokio::test]
async fn every_fault_is_listed_at_once() {
    let ended = GatewayProcess::of(BINARY)
        .env("ENVIRONMENT", "production")
        .env("EXTERNAL_AUTH_URL", "not a url")
        .env("REDIS_URL", "http://x")
        .env("DATABASE_URL", "sqlite://:memory:")
        .env("VERIFY_LAYERS", "oauth_userinfo,guesswork")
        .env("SESSION_IDLE_SECONDS", "soon")
        .env("CLOCK_SKEW_SECONDS", "3600")
        .env("SESSION_ENCRYPTION_KEY", "your-fernet-encryption-key-here")
        .env("SECRET_KEY", "your-super-secret-key-here")
        .env("TRUSTED_PROXIES", "10.0.0.0/99")
        .env("CORS_ORIGINS", "*")
        .env("DEBUG", "perhaps")
        .run()
        .await
        .unwrap();
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    for name in [
        "EXTERNAL_AUTH_URL",
        "REDIS_URL",
        "DATABASE_URL",
        "VERIFY_LAYERS",
        "SESSION_IDLE_SECONDS",
        "CLOCK_SKEW_SECONDS",
        "SESSION_ENCRYPTION_KEY",
        "SECRET_KEY",
        "TRUSTED_PROXIES",
        "CORS_ORIGINS",
        "DEBUG",
    ] {
        assert!(said.contains(name), "{name} is not told of: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[tokio::test]
async fn no_secret_is_shown() {
    let canaries = [
        ("SESSION_ENCRYPTION_KEY", "canary-sealing-key"),
        ("JWT_SECRET_KEY", "canary-jwt"),
        ("SECRET_KEY", "canary-secret"),
        ("REDIS_URL", "redis://user:canary-redis@host:notaport/x"),
        ("DATABASE_URL", "postgresql://user:canary-pg@[/x"),
        ("EXTERNAL_AUTH_URL", "https://user:canary-auth@"),
        ("INTROSPECTION_CLIENTS", "canary-client"),
    ];
    let mut options = GatewayProcess::of(BINARY)
        .env("ENVIRONMENT", "production")
        .env("LOG_LEVEL", "debug");
    for (name, value) in canaries {
        options = options.env(name, value);
    }
    let ended = options.run().await.unwrap();
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(!said.contains("canary"), "{said}");
}

#[tokio::test]
async fn production_wants_its_secrets() {
    let production = || {
        GatewayProcess::of(BINARY)
            .env("ENVIRONMENT", "production")
            .env("EXTERNAL_AUTH_URL", "https://auth.example")
    };
    let ended = production().run().await.unwrap();
    assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("SECRET_KEY") && ended.stderr.contains("SESSION_ENCRYPTION_KEY"),
        "{}",
        ended.stderr
    );
    for (name, value) in [
        ("SESSION_COOKIE_SECURE", "false"),
        ("DEBUG", "true"),
        ("EXTERNAL_AUTH_URL", "http://auth.example"),
        ("REDIS_URL", "redis://redis.example"),
    ] {
        let ended = production()
            .env("SECRET_KEY", "Zm9ydHktdHdvLWJ5dGVzLW9mLXJhbmRvbS10ZXh0LWhlcmU")
            .env(
                "SESSION_ENCRYPTION_KEY",
                "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
            )
            .env(name, value)
            .run()
            .await
            .unwrap();
        assert_eq!(ended.status.code(), Some(2), "{name}={value}: {}", ended.stderr);
        assert!(ended.stderr.contains(name), "{name}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn production_refuses_a_redis_that_throws_keys_away() {
    let redis = RedisServer::start_with(RedisOptions::plain().setting("maxmemory-policy", "allkeys-lru"))
        .await
        .unwrap();
    let ended = GatewayProcess::of(BINARY)
        .env("ENVIRONMENT", "production")
        .env("EXTERNAL_AUTH_URL", "https://auth.example")
        .env("SECRET_KEY", "Zm9ydHktdHdvLWJ5dGVzLW9mLXJhbmRvbS10ZXh0LWhlcmU")
        .env(
            "SESSION_ENCRYPTION_KEY",
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
        )
        .env("REDIS_URL", redis.url())
        .run()
        .await
        .unwrap();
    assert!(!ended.status.success(), "{}", ended.stderr);
    assert!(ended.stderr.contains("noeviction"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_stops_the_start() {
    for folder in ["/dev/null/data", "/proc/data"] {
        let ended = GatewayProcess::of(BINARY)
            .env("EXTERNAL_AUTH_URL", "http://127.0.0.1:9")
            .env("DATA_DIR", folder)
            .run()
            .await
            .unwrap();
        assert!(!ended.status.success(), "{folder}");
        assert!(ended.stderr.contains("DATA_DIR"), "{folder}: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_database_that_is_none_stops_the_start_and_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("maxlab-auth.db");
    let junk = "this is a person's own file\n".repeat(1_000);
    std::fs::write(&file, &junk).unwrap();
    let ended = GatewayProcess::of(BINARY)
        .env("EXTERNAL_AUTH_URL", "http://127.0.0.1:9")
        .env("DATA_DIR", folder.path().to_str().unwrap())
        .run()
        .await
        .unwrap();
    assert!(!ended.status.success(), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), junk);
}
