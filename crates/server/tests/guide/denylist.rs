//! The denylist as administrators see it: listed by user and page, cleaned of what has expired.

use std::collections::BTreeSet;
use std::time::Duration;

use maxlab_auth_core::clock;
use maxlab_auth_testkit::{Actor, BearerActor};
use serde_json::{Value, json};

use crate::gateway::{Stores, World, on_embedded_and_redis, on_every_store};

fn admin(world: &World) -> BearerActor {
    let token = world.opaque_token("root");
    world
        .auth
        .accept_token(&token, json!({ "sub": "root", "roles": ["admin"] }));
    world.bearer(&token)
}

async fn revoked(world: &World, user: &str, jti: &str) {
    let builder = world.auth.forge().access_token(user).claim("jti", jti);
    let token = builder.clone().sign();
    world.auth.accept_token(&token, builder.claims());
    world.revoke(&token).await.expect_status(200);
}

async fn it_lists_by_user_and_page_by_page(stores: Stores) {
    let world = World::on(stores, &[]).await;
    // Where no signature was checked here a token is written under three names.
    world.keys_are_known().await;
    for index in 0..7 {
        revoked(
            &world,
            if index < 5 { "user-1" } else { "user-2" },
            &format!("jti-{index}"),
        )
        .await;
    }
    let admin = admin(&world);
    let list = async |query: &str| {
        admin
            .get(&format!("/api/v1/admin/denylist{query}"))
            .await
            .expect_status(200)
            .json()
    };
    let keys = |page: &Value| -> Vec<String> {
        page["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["key"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = list("").await;
    assert_eq!(all["entries"].as_array().unwrap().len(), 7);
    let entry = &all["entries"][0];
    assert_eq!(
        (entry["kind"].as_str(), entry["reason"].as_str()),
        (Some("token"), Some("revoked"))
    );
    assert!(
        entry["expires_at"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .is_ok()
    );
    let mine: BTreeSet<_> = keys(&list("?user_id=user-2").await).into_iter().collect();
    assert_eq!(mine, BTreeSet::from(["jti-5".to_owned(), "jti-6".to_owned()]));
    let (mut seen, mut after) = (Vec::new(), String::new());
    for _ in 0..20 {
        let page = list(&format!("?limit=3{after}")).await;
        assert!(page["entries"].as_array().unwrap().len() <= 3);
        seen.extend(keys(&page));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(
        (seen.len(), seen.iter().collect::<BTreeSet<_>>().len()),
        (7, 7),
        "each once: {seen:?}"
    );
    for bad in ["?limit=0", "?limit=1001", "?limit=x", "?limit=1&limit=2"] {
        admin
            .get(&format!("/api/v1/admin/denylist{bad}"))
            .await
            .expect_status(400);
    }
}

async fn each_entry_says_why(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let logins = [
        world.log_in("revoked").await,
        world.log_in("logout").await,
        world.log_in("session_terminated").await,
        world.log_in("logout_all").await,
        world.log_in("admin").await,
    ];
    let admin = admin(&world);
    world.revoke(&logins[0].access).await.expect_status(200);
    world
        .bearer(&logins[1].access)
        .post("/api/v1/auth/logout")
        .await
        .expect_status(200);
    let own = world.bearer(&world.stray_token("session_terminated"));
    own.delete(&format!("/api/v1/auth/sessions/{}", logins[2].handle))
        .await
        .expect_status(200);
    world
        .bearer(&logins[3].access)
        .post("/api/v1/auth/logout/all")
        .await
        .expect_status(200);
    admin
        .post("/api/v1/admin/users/admin/logout")
        .await
        .expect_status(200);
    for reason in ["revoked", "logout", "session_terminated", "logout_all", "admin"] {
        let page = admin
            .get(&format!("/api/v1/admin/denylist?user_id={reason}"))
            .await
            .expect_status(200)
            .json();
        let entries = page["entries"].as_array().unwrap();
        assert!(!entries.is_empty(), "{reason}");
        assert!(
            entries
                .iter()
                .all(|entry| entry["reason"] == reason && entry["user_id"] == reason),
            "{entries:?}"
        );
    }
}

async fn what_has_expired_is_cleaned_away_and_nothing_else(stores: Stores) {
    let world = World::on(stores, &[]).await;
    world.keys_are_known().await;
    let kept = world.stray_token("user-1");
    world.revoke(&kept).await.expect_status(200);
    revoked(&world, "user-1", "jti-1").await;
    let (gate, now) = (&world.engine().deps().revocations, world.engine().now());
    gate.purge(now).await.unwrap();
    assert_eq!(gate.store().list(None, None, 10, now).await.unwrap().0.len(), 2);
    assert_eq!(world.verdict(&kept).await, (401, "token_revoked".into()));
    if let Some((redis, _)) = &world.redis {
        // An entry without an end, as the guide's clean-up looks for.
        redis.command(&["SET", "blacklist:endless", "{}"]).await.unwrap();
    }
    gate.purge(clock::after(now, Duration::from_secs(3_600)))
        .await
        .unwrap();
    let lines = "SELECT CAST(count(*) AS TEXT) FROM revocations WHERE kind = 'token'";
    assert_eq!(
        world.sql(lines).await,
        "0",
        "the journal forgets what nobody can present any more"
    );
    match &world.redis {
        Some((redis, _)) => assert_eq!(
            redis
                .command(&["EXISTS", "blacklist:endless"])
                .await
                .unwrap()
                .text()
                .unwrap(),
            "0"
        ),
        None => assert_eq!(
            world
                .sqlite(
                    "store.db",
                    "SELECT CAST(count(*) AS TEXT) FROM revoked WHERE kind = 'token'"
                )
                .await,
            "0"
        ),
    }
}

on_every_store!(what_has_expired_is_cleaned_away_and_nothing_else);
on_embedded_and_redis!(it_lists_by_user_and_page_by_page, each_entry_says_why);
