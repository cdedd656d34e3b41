//! `guard-config`: the gateway's settings reach the guard library whole, and no secret goes with them.

use std::time::Duration;

use maxlab_auth_guard::{Algorithm, LocalVerifierSettings, RedisStore, TypRule, UnverifiedEmailPolicy};
use maxlab_auth_testkit::LyingAuthServer;

use crate::tool::{Ended, Tool};

/// No command of these tests connects to it.
const REDIS: &str = "redis://:canary-redis@127.0.0.1:9/0";

/// Reads what the command printed, as an application does.
fn settings(printed: &Ended) -> LocalVerifierSettings {
    let store = RedisStore::open("redis://127.0.0.1:9").unwrap();
    LocalVerifierSettings::from_gateway(store, &printed.stdout).unwrap()
}

#[tokio::test]
async fn issuer_and_keys_are_discovered_and_the_rest_has_the_defaults_of_both() {
    let server = LyingAuthServer::start().await.unwrap();
    let tool = Tool::new()
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("REDIS_URL", REDIS);
    let printed = tool.run(&["guard-config"]).await.expect(0);
    assert!(!printed.text().contains("canary"), "{printed:?}");
    let read = settings(&printed);
    assert_eq!(read.issuer, server.url());
    assert_eq!(read.jwks_url, format!("{}/.well-known/jwks.json", server.url()));
    let by_hand = LocalVerifierSettings::new(read.store.clone(), &*read.jwks_url, &*read.issuer);
    assert_eq!(format!("{read:?}"), format!("{by_hand:?}"));
}

#[tokio::test]
async fn every_setting_arrives_and_nothing_is_asked_if_nothing_is_missing() {
    let tool = Tool::new()
        .env("EXTERNAL_AUTH_URL", "http://127.0.0.1:9")
        .env("REDIS_URL", REDIS)
        .env("SECRET_KEY", "canary-canary-canary-canary-canary-canary-canary")
        .env("JWKS_URL", "https://keys.example.com/jwks")
        .env("JWT_ISSUER", "https://auth.example.com/")
        .env("JWT_AUDIENCE", "api,other")
        .env("JWT_ALGORITHM", "ES256,EdDSA")
        .env("JWT_TYPE", "at+jwt")
        .env("JWT_EXPIRE_MINUTES", "3")
        .env("CLOCK_SKEW_SECONDS", "4")
        .env("VERIFY_CACHE_SECONDS", "6")
        .env("REVOCATION_LEASE_SECONDS", "2")
        .env("UPSTREAM_TIMEOUT_SECONDS", "0.5")
        .env("ADMIN_ROLES", "owner")
        .env("CLAIM_USER_ID", "uid")
        .env("CLAIM_ROLES", "realm_access.roles,roles")
        .env("UNVERIFIED_EMAIL", "send")
        .env("WORKSPACE_SOURCE", "database");
    let printed = tool.run(&["guard-config"]).await.expect(0);
    assert!(!printed.text().contains("canary"), "{printed:?}");
    assert!(printed.stderr.is_empty(), "{printed:?}");
    let read = settings(&printed);
    assert_eq!(read.jwks_url, "https://keys.example.com/jwks");
    assert_eq!(read.issuer, "https://auth.example.com/");
    assert_eq!(read.audiences, ["api", "other"]);
    assert_eq!(read.algorithms, [Algorithm::ES256, Algorithm::EdDSA]);
    assert_eq!(read.token_types, TypRule::AccessToken);
    assert_eq!(read.lifetime_without_exp, Duration::from_secs(180));
    assert_eq!(read.skew, Duration::from_secs(4));
    assert_eq!(read.cache_ttl, Duration::from_secs(6));
    assert_eq!(read.lease, Duration::from_secs(2));
    assert_eq!(read.timeout, Duration::from_millis(500));
    assert_eq!(read.admin_roles, ["owner"]);
    assert_eq!(read.claim_paths.user_id, ["uid"]);
    assert_eq!(read.claim_paths.roles, ["realm_access.roles", "roles"]);
    assert_eq!(read.claim_paths.unverified_email, UnverifiedEmailPolicy::Send);
    assert!(read.claim_paths.ignore_workspaces);
}

#[tokio::test]
async fn what_a_guard_cannot_do_is_refused_and_never_printed() {
    let secret = "canary-canary-canary-canary-canary-canary-canary";
    for (settings, named) in [
        // Without Redis no revocation reaches another process.
        (&[][..], "REDIS_URL"),
        // A secret that verifies also signs.
        (
            &[("REDIS_URL", REDIS), ("JWT_SECRET_KEY", secret)],
            "JWT_SECRET_KEY",
        ),
        // Nothing is discovered from a server that does not answer.
        (&[("REDIS_URL", REDIS)], "JWT_ISSUER"),
        (
            &[("REDIS_URL", REDIS), ("JWKS_URL", "https://k.example.com")],
            "JWT_ISSUER",
        ),
    ] {
        let mut tool = Tool::new().env("EXTERNAL_AUTH_URL", "http://127.0.0.1:9");
        for (name, value) in settings {
            tool = tool.env(name, *value);
        }
        let ended = tool.run(&["guard-config"]).await.expect(1);
        assert!(ended.stdout.is_empty(), "{ended:?}");
        assert!(
            ended.stderr.contains(named) && !ended.stderr.contains("canary"),
            "{ended:?}"
        );
    }
}

#[tokio::test]
async fn a_gateway_whose_layers_a_guard_does_not_have_gets_a_warning() {
    let server = LyingAuthServer::start().await.unwrap();
    let tool = Tool::new()
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("REDIS_URL", REDIS)
        .env("VERIFY_LAYERS", "oauth_userinfo");
    let printed = tool.run(&["guard-config"]).await.expect(0);
    assert!(printed.stderr.contains("VERIFY_LAYERS"), "{printed:?}");
    assert_eq!(settings(&printed).issuer, server.url());
}
