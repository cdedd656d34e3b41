//! Tokens that nothing proves: refused within a bound, and never at the cost of those that are proven.

use std::collections::BTreeMap;

use maxlab_auth_testkit::{Actor as _, Lie, TokenForge};
use reqwest::Method;
use serde_json::json;

use crate::gateway::{Gateway, Stores, World, eventually, on_every_store, verdict};

const ROWS: &str = "SELECT CAST(count(*) AS TEXT) FROM unproven_tokens";
const LINES: &str = "SELECT CAST(count(*) AS TEXT) FROM revocations";
const AUDITED: &str = "SELECT CAST(count(*) AS TEXT) FROM audit_events";
const WAITING: &str = "SELECT CAST(count(*) AS TEXT) FROM outbox";

fn opaque() -> String {
    format!("opaque-{}", uuid::Uuid::new_v4().simple())
}

/// What a stranger sends: nothing of it is proven, and the authorization server knows none of it.
fn junk(world: &World) -> Vec<String> {
    let forge = world.auth.forge();
    let token = forge.access_token("user-1");
    let mut junk = vec![
        opaque(),
        TokenForge::es256("https://elsewhere.example")
            .access_token("user-1")
            .sign(),
        token.clone().header("kid", "unknown").sign(),
    ];
    junk.extend(forge.hs256_with_public_key(&token.claims()).into_iter().take(1));
    junk
}

async fn w4_what_nothing_proves_is_refused_and_leaves_no_trace_elsewhere(stores: Stores) {
    let world = World::on(stores, &[("VERIFY_CACHE_SECONDS", "0")]).await;
    world.keys_are_known().await;
    let junk = junk(&world);
    for token in &junk {
        world.revoke(token).await.expect_status(200);
    }
    assert_eq!(world.sql(ROWS).await, junk.len().to_string());
    assert_eq!(world.sql(AUDITED).await, "0");
    assert_eq!(world.sql(WAITING).await, "0");
    assert_eq!(world.auth.count_requests("/oauth/revoke"), 0);
    // It is refused although the authorization server learns of it a moment later.
    world.auth.accept_token(&junk[0], json!({ "sub": "user-1" }));
    assert_eq!(world.verdict(&junk[0]).await, (401, "token_revoked".into()));
    // A repeat writes no line.
    world.auth.reject_token(&junk[0]);
    let lines = world.sql(LINES).await;
    for token in &junk {
        world.revoke(token).await.expect_status(200);
    }
    assert_eq!(world.sql(LINES).await, lines);
    assert_eq!(world.sql(ROWS).await, junk.len().to_string());
}

async fn w4_beyond_the_bound_a_revoke_is_503_and_what_is_proven_goes_on(stores: Stores) {
    let world = World::on(stores, &[("REVOKE_UNPROVEN_MAX", "3")]).await;
    let first: Vec<_> = (0..3).map(|_| opaque()).collect();
    for token in &first {
        world.revoke(token).await.expect_status(200);
    }
    let beyond = opaque();
    let reply = world.revoke(&beyond).await;
    assert_eq!(verdict(&reply), (503, "too_many_unproven".into()));
    assert_eq!(reply.json()["error"], "temporarily_unavailable");
    assert!(reply.header("retry-after").is_some());
    assert_eq!(world.sql(LINES).await, "3", "it is not half recorded");
    world.revoke(&first[0]).await.expect_status(200);
    let data = tempfile::tempdir().unwrap();
    if stores == Stores::Shared {
        // The places are counted where they are written.
        let mut settings: BTreeMap<_, _> = world.settings.clone();
        settings.insert("DATA_DIR".to_owned(), data.path().display().to_string());
        let beside = Gateway::start(&settings).await;
        let there = maxlab_auth_testkit::AnonymousActor::new(&beside.url);
        let reply = there.post_form("/oauth/revoke", &[("token", &beyond)]).await;
        assert_eq!(verdict(&reply), (503, "too_many_unproven".into()));
        beside.stop().await;
    }
    // What is proven needs no place.
    let login = world.log_in("user-1").await;
    for token in [
        world.stray_token("user-1"),
        world.opaque_token("user-1"),
        login.access.clone(),
        login.refresh.clone(),
    ] {
        world.revoke(&token).await.expect_status(200);
        assert_eq!(world.me(&token).await.status, 401);
    }
    let metrics = world.anonymous().get("/metrics").await.text();
    assert!(metrics.contains("unproven_revokes_over_bound_total"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w4_a_configured_client_finds_room_when_strangers_have_filled_it() {
    let settings = [
        ("REVOKE_UNPROVEN_MAX", "2"),
        ("INTROSPECTION_CLIENTS", "api:a-secret-of-the-api"),
    ];
    let world = World::embedded(&settings).await;
    let as_client = async |secret: &'static str| {
        let token = opaque();
        world
            .anonymous()
            .send(Method::POST, "/oauth/revoke", move |request| {
                request.form(&[("token", &token)]).basic_auth("api", Some(secret))
            })
            .await
            .status
    };
    for _ in 0..2 {
        world.revoke(&opaque()).await.expect_status(200);
    }
    assert_eq!(world.revoke(&opaque()).await.status, 503);
    assert_eq!(as_client("a-guess").await, 503);
    assert_eq!(as_client("a-secret-of-the-api").await, 200);
    assert_eq!(as_client("a-secret-of-the-api").await, 503, "bounded too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w4_a_place_is_free_again_after_the_short_time() {
    let settings = [("REVOKE_UNPROVEN_MAX", "1"), ("REVOKE_UNPROVEN_SECONDS", "1")];
    let world = World::embedded(&settings).await;
    world.revoke(&opaque()).await.expect_status(200);
    eventually("the first has expired", async || {
        world.revoke(&opaque()).await.status == 200
    })
    .await;
}

/// Prints what one anonymous request costs durably: run it with `--nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w4_durable_bytes_of_an_anonymous_request() {
    const REQUESTS: u32 = 200;
    let world = World::embedded(&[]).await;
    let size = async || -> u64 {
        world.sql("PRAGMA wal_checkpoint(TRUNCATE)").await;
        world.sqlite("store.db", "PRAGMA wal_checkpoint(TRUNCATE)").await;
        ["maxlab-auth.db", "store.db"]
            .map(|file| std::fs::metadata(world.data.path().join(file)).unwrap().len())
            .iter()
            .sum()
    };
    let measure = async |what: &str, token: &dyn Fn() -> String| -> u64 {
        let before = size().await;
        for _ in 0..REQUESTS {
            world.revoke(&token()).await.expect_status(200);
        }
        let each = size().await.saturating_sub(before) / u64::from(REQUESTS);
        println!("{what}: {each} bytes a request");
        each
    };
    let known_no = measure("unknown opaque token", &opaque).await;
    world.auth.stop().await;
    let outage = measure("opaque token in an outage", &opaque).await;
    let long = measure("opaque token of 16 KiB in an outage", &|| {
        format!("{}{}", opaque(), "x".repeat(16_300))
    })
    .await;
    assert!(known_no < 2_048, "{known_no}");
    assert!(outage < 4_096, "{outage}");
    // A long token takes a place for each 2 KiB, so that the bound is one of bytes too.
    let place = "SELECT CAST(max(places) AS TEXT) FROM unproven_tokens";
    assert_eq!(world.sql(place).await, "8");
    assert!(long / 8 < 4_096, "{long}");
}

async fn w5_an_answer_says_whether_the_token_is_unknown_or_nobody_can_say(stores: Stores) {
    let world = World::on(
        stores,
        &[("VERIFY_LAYERS", "oauth_userinfo"), ("VERIFY_CACHE_SECONDS", "0")],
    )
    .await;
    let row = async |select: &str| world.sql(&format!("SELECT {select} FROM unproven_tokens")).await;
    let kept = "CASE WHEN sealed IS NULL THEN 'short' ELSE 'kept' END";
    for status in [400, 401, 403, 404, 413, 414, 431] {
        world.auth.on("/oauth/userinfo", Lie::status(status));
        world.revoke(&opaque()).await.expect_status(200);
        assert_eq!(row(kept).await, "short", "{status}");
        let lasts = row("CAST(expires_at_ms - recorded_at_ms AS TEXT)").await;
        assert!(lasts.parse::<i64>().unwrap() <= 601_000, "{status}: {lasts} ms");
        world.sql("DELETE FROM unproven_tokens").await;
    }
    let mut waiting = Vec::new();
    for status in [429, 500, 502, 503] {
        world.auth.on("/oauth/userinfo", Lie::status(status));
        let token = opaque();
        world.revoke(&token).await.expect_status(200);
        waiting.push(token);
    }
    let (count, until) = (
        "CAST(count(*) AS TEXT)",
        "CAST(min(keep_until_ms - recorded_at_ms) AS TEXT)",
    );
    assert_eq!(row(count).await, "4");
    let days = row(until).await.parse::<i64>().unwrap() / 86_400_000;
    assert!(days >= 399, "as long as the token could live, not {days} days");
    // It answers again: one is good, the others it does not know.
    world.auth.accept_token(&waiting[0], json!({ "sub": "user-7" }));
    world.auth.on("/oauth/userinfo", Lie::honest());
    eventually("all are settled", async || {
        world.sql(&format!("{ROWS} WHERE sealed IS NOT NULL")).await == "0"
    })
    .await;
    assert_eq!(
        world.sql("SELECT kind, user_id FROM audit_events").await,
        "revoke|user-7"
    );
    eventually(
        "the authorization server is asked to revoke that one",
        async || world.auth.count_requests("/oauth/revoke") == 1,
    )
    .await;
    assert_eq!(
        world.sql(ROWS).await,
        "3",
        "the others' lines expire by themselves"
    );
    let user = "SELECT CAST(count(*) AS TEXT) FROM revocations WHERE user_id = 'user-7'";
    assert_eq!(world.sql(user).await, "1");
    for token in &waiting {
        world.auth.accept_token(token, json!({ "sub": "user-7" }));
        assert_eq!(world.verdict(token).await, (401, "token_revoked".into()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w5_what_is_kept_outlives_a_restart_and_is_settled_after_it() {
    let world = World::embedded(&[]).await;
    let token = world.opaque_token("user-1");
    world.auth.stop().await;
    world.revoke(&token).await.expect_status(200);
    let stored = crate::observe::stored(&world).await;
    assert!(!stored.contains(&token), "it is kept sealed");
    let world = world.restarted(&[]).await;
    assert_eq!(world.verdict(&token).await, (401, "token_revoked".into()));
    world.auth.restart().await.unwrap();
    eventually("it is settled", async || world.sql(AUDITED).await == "1").await;
    assert_eq!(world.verdict(&token).await, (401, "token_revoked".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w5_what_is_kept_is_refused_again_before_a_late_start_accepts_anything() {
    let world = World::on(Stores::Redis, &[]).await;
    let token = world.opaque_token("user-1");
    world.auth.stop().await;
    world.revoke(&token).await.expect_status(200);
    // No instance ran for so long that the line has ended, and the authorization server is not asked for now.
    let never = i64::MAX;
    world.sql("UPDATE revocations SET expires_at_ms = 1").await;
    let ended = format!("UPDATE unproven_tokens SET expires_at_ms = 1, next_attempt_ms = {never}");
    world.sql(&ended).await;
    let redis = &world.redis.as_ref().unwrap().0;
    redis.flush_all().await.unwrap();
    world.auth.restart().await.unwrap();
    let world = world.restarted(&[]).await;
    assert_eq!(world.verdict(&token).await, (401, "token_revoked".into()));
    assert_eq!(world.me(&world.opaque_token("user-2")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w6_a_proven_revocation_does_not_wait_behind_junk() {
    let world = World::embedded(&[]).await;
    // Nothing is delivered for now.
    world.auth.on("/oauth/revoke", Lie::hang());
    for _ in 0..40 {
        world.revoke(&opaque()).await.expect_status(200);
    }
    assert_eq!(
        world.sql(WAITING).await,
        "0",
        "it has just said that it knows none of them"
    );
    let token = world.opaque_token("user-1");
    world.auth.on("/oauth/revoke", Lie::honest());
    world.revoke(&token).await.expect_status(200);
    world.auth.wait_for_requests("/oauth/revoke", 1).await;
    let sent = world.auth.requests("/oauth/revoke");
    assert_eq!(sent[0].form("token"), Some(token));
    assert_eq!(sent.len(), 1);
}

on_every_store!(
    w4_what_nothing_proves_is_refused_and_leaves_no_trace_elsewhere,
    w4_beyond_the_bound_a_revoke_is_503_and_what_is_proven_goes_on,
    w5_an_answer_says_whether_the_token_is_unknown_or_nobody_can_say,
);
