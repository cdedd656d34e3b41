//! A guard with the settings that the gateway's own program printed.

use maxlab_auth_guard::{AuthGuard, LocalVerifierSettings, RedisStore};
use serde_json::json;
use tokio::process::Command;

use crate::world::{BINARY, LEASE, World, application, get_as, leased, verdict};

/// Runs `guard-config` with the settings of a gateway in this world, and some more; returns the document.
async fn printed(world: &World, more: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(BINARY)
        .arg("guard-config")
        .env_clear()
        .env("EXTERNAL_AUTH_URL", world.auth.url())
        .env("REDIS_URL", world.redis.url())
        .env("REVOCATION_LEASE_SECONDS", LEASE.as_secs().to_string())
        .envs(more.iter().copied())
        .current_dir(folder.path())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_guard_with_the_gateways_settings_agrees_with_it() {
    let settings = [
        ("JWT_AUDIENCE", "my-api"),
        ("ADMIN_ROLES", "owner"),
        ("CLAIM_ROLES", "realm_access.roles"),
    ];
    let world = World::start_with(|options| {
        settings
            .iter()
            .fold(options, |options, (name, value)| options.env(name, value))
    })
    .await;
    let store = RedisStore::open(&world.redis.url()).unwrap();
    let document = printed(&world, &settings).await;
    let guard = AuthGuard::local(LocalVerifierSettings::from_gateway(store, &document).unwrap()).unwrap();
    leased(&guard).await;
    let app = application(&guard).await;
    let access = "/api/v1/auth/access/admin";
    for (token, status) in [
        (
            json!({ "aud": "my-api", "realm_access": { "roles": ["owner"] } }),
            200,
        ),
        // The default role is nobody's here, and the default claim is not read.
        (
            json!({ "aud": "my-api", "realm_access": { "roles": ["admin"] } }),
            403,
        ),
        (json!({ "aud": "my-api", "roles": ["owner"] }), 403),
    ] {
        let token = world.token("u", &token);
        let gateway = get_as(&world.gateway.url(), &token, access).await;
        assert_eq!(gateway.status, status);
        let here = delete_as(&app, &token).await;
        assert_eq!(here, status, "the guard says the same");
    }
    let other = world.token("u", &json!({ "aud": "another-api" }));
    assert_eq!(
        verdict(&get_as(&app, &other, "/me").await),
        (401, "invalid_token".into())
    );
    let token = world.token("u", &json!({ "aud": "my-api" }));
    get_as(&app, &token, "/me").await.expect_status(200);
    world.revoke(&token).await;
    assert_eq!(
        verdict(&get_as(&app, &token, "/me").await),
        (401, "token_revoked".into())
    );
}

/// Deletes a document, which administrators may; returns the status.
async fn delete_as(app: &str, token: &str) -> u16 {
    use maxlab_auth_testkit::{Actor as _, BearerActor};
    BearerActor::new(app, token)
        .delete("/documents/1")
        .await
        .status
        .as_u16()
}
