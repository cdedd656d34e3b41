//! What a store holds of a session opens only with the key, only in its place, and only while it is fresh.

use std::collections::BTreeMap;
use std::time::Duration;

use maxlab_auth::config::{Settings, SettingsSource};
use maxlab_auth_core::clock;
use maxlab_auth_core::credential::SessionId;
use maxlab_auth_core::seal::{SealedValue, SealingKeys};
use maxlab_auth_testkit::{Actor, Browser};

use crate::gateway::{COOKIE, Login, Stores, World, on_embedded_and_redis, verdict};

const ME: &str = "/api/v1/auth/me";

/// The key under which the store keeps a login's session.
fn key_of(login: &Login) -> String {
    SessionId::parse(&login.cookie())
        .unwrap()
        .store_key()
        .as_str()
        .to_owned()
}

async fn blob(world: &World, key: &str) -> String {
    match &world.redis {
        Some((redis, _)) => redis
            .command(&["HGET", &format!("session:{key}"), "sealed"])
            .await
            .unwrap()
            .text(),
        None => Some(
            world
                .sqlite(
                    "maxlab-auth.db",
                    &format!("SELECT sealed FROM sessions WHERE key = '{key}'"),
                )
                .await,
        ),
    }
    .filter(|blob| !blob.is_empty())
    .expect("a sealed session")
}

async fn put_blob(world: &World, key: &str, blob: &str) {
    match &world.redis {
        Some((redis, _)) => {
            redis
                .command(&["HSET", &format!("session:{key}"), "sealed", blob])
                .await
                .unwrap();
        }
        None => {
            world
                .sqlite(
                    "maxlab-auth.db",
                    &format!("UPDATE sessions SET sealed = '{blob}' WHERE key = '{key}'"),
                )
                .await;
        }
    }
}

async fn swapped_and_altered_blobs_do_not_open(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (one, other) = (world.log_in("user-1").await, world.log_in("admin").await);
    let (own, foreign) = (
        blob(&world, &key_of(&one)).await,
        blob(&world, &key_of(&other)).await,
    );
    // Whoever can write to the store puts another's session under the own cookie.
    put_blob(&world, &key_of(&one), &foreign).await;
    assert_eq!(
        verdict(&one.browser.get(ME).await),
        (401, "invalid_session".into())
    );
    let mut altered = own.clone().into_bytes();
    let middle = altered.len() / 2;
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    for junk in [
        String::from_utf8(altered).unwrap(),
        own[..own.len() - 4].to_owned(),
        "{}".to_owned(),
    ] {
        put_blob(&world, &key_of(&one), &junk).await;
        assert_eq!(
            verdict(&one.browser.get(ME).await),
            (401, "invalid_session".into()),
            "{junk}"
        );
    }
    put_blob(&world, &key_of(&one), &own).await;
    one.browser.get(ME).await.expect_status(200);
}

async fn a_stale_blob_does_not_open(stores: Stores) {
    let key = SealingKeys::generate();
    let max = Duration::from_secs(3600);
    let world = World::on(
        stores,
        &[
            ("SESSION_ENCRYPTION_KEY", &key),
            ("SESSION_MAX_SECONDS", "3600"),
            ("VERIFY_CACHE_SECONDS", "0"),
        ],
    )
    .await;
    let login = world.log_in("user-1").await;
    let (keys, now) = (SealingKeys::parse(&key).unwrap(), world.engine().now());
    let fresh = blob(&world, &key_of(&login)).await;
    let plain = keys.open(&SealedValue::from_stored(fresh), max, now).unwrap();
    // The same session, sealed longer ago than any session lives: nothing else about it is old.
    for (age, status) in [(3_590, 200), (3_610, 401)] {
        let sealed = keys.seal(&plain, clock::before(now, Duration::from_secs(age)));
        put_blob(&world, &key_of(&login), sealed.as_str()).await;
        assert_eq!(login.browser.get(ME).await.status, status, "sealed {age} s ago");
    }
}

async fn keys_rotate_by_a_comma_list(stores: Stores) {
    let (old, new) = (SealingKeys::generate(), SealingKeys::generate());
    let world = World::on(stores, &[("SESSION_ENCRYPTION_KEY", &old)]).await;
    let before = world.log_in("user-1").await;
    let both = format!("{new},{old}");
    let world = world.restarted(&[("SESSION_ENCRYPTION_KEY", &both)]).await;
    let carried = Browser::new(&world.gateway.url);
    carried.plant_cookie(COOKIE, &before.cookie());
    carried.get(ME).await.expect_status(200);
    let after = world.log_in("user-1").await;
    let sealed = SealedValue::from_stored(blob(&world, &key_of(&after)).await);
    let (max, now) = (Duration::from_secs(86_400), world.engine().now());
    assert!(
        SealingKeys::parse(&new).unwrap().open(&sealed, max, now).is_ok(),
        "the first key seals"
    );
    assert!(SealingKeys::parse(&old).unwrap().open(&sealed, max, now).is_err());
    let world = world.restarted(&[("SESSION_ENCRYPTION_KEY", &new)]).await;
    for (login, status) in [(&before, 401), (&after, 200)] {
        let browser = Browser::new(&world.gateway.url);
        browser.plant_cookie(COOKIE, &login.cookie());
        browser.get(ME).await.expect_status(status);
    }
}

#[test]
fn the_guides_sample_keys_are_refused() {
    let samples = [
        ("SECRET_KEY", "your-super-secret-key-here"),
        ("SESSION_ENCRYPTION_KEY", "your-session-encryption-key-here"),
        ("JWT_SECRET_KEY", "your-jwt-secret-key"),
    ];
    for (name, sample) in samples {
        for environment in ["development", "production"] {
            let folder = tempfile::tempdir().unwrap();
            let settings = BTreeMap::from([
                (name.to_owned(), sample.to_owned()),
                ("ENVIRONMENT".to_owned(), environment.to_owned()),
                ("DATA_DIR".to_owned(), folder.path().display().to_string()),
            ]);
            let faults =
                Settings::load(&SettingsSource::from_map(settings)).expect_err("a sample key is no key");
            let said = format!("{faults}");
            assert!(
                said.contains(name) && said.contains("keygen"),
                "{environment}: {said}"
            );
        }
    }
}

on_embedded_and_redis!(
    swapped_and_altered_blobs_do_not_open,
    a_stale_blob_does_not_open,
    keys_rotate_by_a_comma_list,
);
