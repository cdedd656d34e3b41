//! Sessions in the SQL database survive their Redis, and a cookie is verified from memory without being good
//! for a moment longer than its session.

use std::sync::Mutex;
use std::time::Duration;

use maxlab_auth_testkit::{Actor as _, Browser, RedisOptions, RedisServer};
use reqwest::Method;
use tempfile::TempDir;

use crate::gateway::{COOKIE, Gateway, Login, Stores, World, eventually, from_own_page, verdict};

const ME: &str = "/api/v1/auth/me";
const VERIFY: &str = "/auth/verify";
const LOGOUT: &str = "/api/v1/auth/logout";
const SHARED_KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

/// A browser with this cookie.
fn with_cookie(gateway: &Gateway, cookie: &str) -> Browser {
    let browser = Browser::new(&gateway.url);
    browser.plant_cookie(COOKIE, cookie);
    browser
}

/// A Redis that forgets, is put back and is replaced logs nobody out, and what the gateway presents to the
/// authorization server is never a refresh token that was rotated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i14_a_redis_that_is_put_back_logs_nobody_out_and_brings_no_rotated_refresh_token_back() {
    let mut redis = RedisServer::start_with(RedisOptions::durable()).await.unwrap();
    let settings = [
        ("REDIS_URL", redis.url()),
        ("VERIFY_CACHE_SECONDS", "0".to_owned()),
    ];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let world = World::on(Stores::Shared, &settings).await;
    let login = world.log_in("user-1").await;
    let before = redis.snapshot().unwrap();
    let mut rotated = Vec::new();
    let mut current = login.refresh.clone();
    for _ in 0..2 {
        let renewed = world.refresh(&current).await.expect_status(200).json();
        rotated.push(std::mem::replace(
            &mut current,
            renewed["refresh_token"].as_str().unwrap().to_owned(),
        ));
    }
    for loss in ["flushed", "put back", "replaced"] {
        match loss {
            "flushed" => redis.flush_all().await.unwrap(),
            "put back" => redis.roll_back(&before).await.unwrap(),
            _ => redis.replace().await.unwrap(),
        }
        eventually("the session goes on", async || {
            let status = login.browser.get(ME).await.status.as_u16();
            assert!(matches!(status, 200 | 503), "{loss}: {status}");
            status == 200
        })
        .await;
        let sessions = login.browser.get("/api/v1/auth/sessions").await;
        assert_eq!(
            sessions.json()["sessions"][0]["session_id"].as_str(),
            Some(login.handle.as_str()),
            "{loss}"
        );
        // Redis may have been lost between the two requests of the session.
        let answer = Mutex::new(None);
        eventually("the refresh is answered", async || {
            let reply = world.refresh(&current).await;
            let is_answered = reply.status == 200;
            *answer.lock().unwrap() = is_answered.then(|| reply.json());
            is_answered
        })
        .await;
        let renewed = answer.into_inner().unwrap().unwrap();
        let next = renewed["refresh_token"].as_str().unwrap().to_owned();
        rotated.push(std::mem::replace(&mut current, next));
    }
    from_own_page(&login.browser, Method::POST, LOGOUT)
        .await
        .expect_status(200);
    let told = || {
        let requests = world.auth.requests("/oauth/revoke");
        requests
            .iter()
            .filter_map(|request| request.form("token"))
            .collect::<Vec<_>>()
    };
    eventually("the refresh token is revoked there", async || {
        told().contains(&current)
    })
    .await;
    for old in &rotated {
        assert!(!told().contains(old), "a rotated refresh token was presented");
        let exchanged = world.auth.requests("/oauth/token");
        let count = exchanged
            .iter()
            .filter(|request| request.form("refresh_token").as_ref() == Some(old))
            .count();
        assert_eq!(count, 1, "each was exchanged once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_is_verified_from_memory_and_its_end_counts_at_once() {
    let world = World::embedded(&[("VERIFY_CACHE_SECONDS", "60")]).await;
    world.on_a_lease().await;
    let (login, other) = (world.log_in("user-1").await, world.log_in("user-1").await);
    login.is_of("user-1").await;
    world
        .sqlite("maxlab-auth.db", "ALTER TABLE sessions RENAME TO away")
        .await;
    for path in [ME, VERIFY] {
        let reply = login.browser.get(path).await.expect_status(200);
        assert!(reply.header("set-cookie").is_none());
    }
    login.is_of("user-1").await;
    // One that was not loaded yet cannot be decided, which ends nothing.
    let unknown = other.browser.get(ME).await;
    assert_eq!(verdict(&unknown), (503, "store_unavailable".into()));
    world
        .sqlite("maxlab-auth.db", "ALTER TABLE away RENAME TO sessions")
        .await;
    other.browser.get(ME).await.expect_status(200);
    let thief = with_cookie(&world.gateway, &login.cookie());
    from_own_page(&login.browser, Method::POST, LOGOUT)
        .await
        .expect_status(200);
    for path in [ME, VERIFY] {
        assert_eq!(
            verdict(&thief.get(path).await),
            (401, "session_revoked".into()),
            "{path}"
        );
        other.browser.get(path).await.expect_status(200);
    }
}

/// Two gateways on one Redis and one PostgreSQL.
async fn pair(cache: &str) -> (World, Gateway, TempDir) {
    let shared = [
        ("SESSION_ENCRYPTION_KEY", SHARED_KEY),
        ("VERIFY_CACHE_SECONDS", cache),
    ];
    let world = World::on(Stores::Shared, &shared).await;
    let data = TempDir::new().unwrap();
    let mut settings = world.settings.clone();
    settings.insert("DATA_DIR".to_owned(), data.path().display().to_string());
    let other = Gateway::start(&settings).await;
    world.on_a_lease().await;
    let gate = &other.app.state.engine.deps().revocations;
    eventually("the other instance holds a lease", async || {
        gate.can_answer_from_replica()
    })
    .await;
    (world, other, data)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_that_is_cached_on_another_instance_ends_there_at_once() {
    let (world, other, _data) = pair("300").await;
    for ending in ["logout", "rotation", "termination", "logout-all"] {
        let login = world.log_in("user-1").await;
        let elsewhere = with_cookie(&other, &login.cookie());
        for path in [ME, VERIFY] {
            elsewhere.get(path).await.expect_status(200);
            login.browser.get(path).await.expect_status(200);
        }
        let post = |path| from_own_page(&login.browser, Method::POST, path);
        let reply = match ending {
            "logout" => post(LOGOUT).await,
            "rotation" => post("/api/v1/auth/sessions/rotate").await,
            "logout-all" => post("/api/v1/auth/logout/all").await,
            _ => {
                let path = format!("/api/v1/auth/sessions/{}", login.handle);
                world.bearer(&login.access).delete(&path).await
            }
        };
        reply.expect_status(200);
        for path in [VERIFY, ME] {
            assert_eq!(elsewhere.get(path).await.status, 401, "{ending}: {path}");
        }
        if ending == "rotation" {
            let renewed = with_cookie(&other, &login.cookie());
            renewed.get(ME).await.expect_status(200);
            login.browser.get(ME).await.expect_status(200);
        }
    }
}

async fn roles_of(browser: &Browser) -> serde_json::Value {
    browser.get(ME).await.expect_status(200).json()["roles"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_of_a_refresh_count_here_at_once_and_elsewhere_within_the_cache_time() {
    let (world, other, _data) = pair("5").await;
    let login = world.log_in("user-1").await;
    let elsewhere = with_cookie(&other, &login.cookie());
    for browser in [&login.browser, &elsewhere] {
        assert_eq!(roles_of(browser).await, serde_json::json!([]));
    }
    world.issuer.change("user-1", "roles", vec!["editor"]);
    world.refresh(&login.refresh).await.expect_status(200);
    assert_eq!(roles_of(&login.browser).await, serde_json::json!(["editor"]));
    other.clock.advance(Duration::from_secs(5));
    assert_eq!(roles_of(&elsewhere).await, serde_json::json!(["editor"]));
}

/// Stores the uses that were recorded, as the background task does within a second.
async fn flush(world: &World) {
    world.engine().flush_touches().await.unwrap();
}

async fn count_of_uses(world: &World, login: &Login) -> u64 {
    let onlooker = world.bearer(&world.stray_token("user-1"));
    let seen = onlooker.get("/api/v1/auth/sessions").await.json();
    let sessions = seen["sessions"].as_array().cloned().unwrap_or_default();
    let own = sessions
        .iter()
        .find(|session| session["session_id"].as_str() == Some(&login.handle));
    own.and_then(|session| session["access_count"].as_u64())
        .unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_cached_session_outlives_its_idle_time_or_its_age() {
    for cache in ["0", "1", "300"] {
        let settings = [
            ("SESSION_IDLE_SECONDS", "100"),
            ("SESSION_MAX_SECONDS", "300"),
            ("VERIFY_CACHE_SECONDS", cache),
        ];
        let world = World::on(Stores::Shared, &settings).await;
        world.on_a_lease().await;
        let (used, unused) = (world.log_in("user-1").await, world.log_in("user-1").await);
        unused.browser.get(VERIFY).await.expect_status(200);
        let mut uses = count_of_uses(&world, &used).await;
        // Together less than its age.
        for _ in 0..3 {
            used.browser.get(VERIFY).await.expect_status(200);
            // The rest of the idle time is left for a slow machine.
            world.gateway.clock.advance(Duration::from_secs(80));
            used.browser.get(ME).await.expect_status(200);
            used.browser.get(VERIFY).await.expect_status(200);
            flush(&world).await;
            let now = count_of_uses(&world, &used).await;
            assert_eq!(now, uses + 1, "uses of a moment are stored once");
            uses = now;
            assert!(uses < 10);
        }
        for path in [VERIFY, ME] {
            let reply = unused.browser.get(path).await;
            assert_eq!(verdict(&reply), (401, "invalid_session".into()), "{cache}");
        }
        world.gateway.clock.advance(Duration::from_secs(60));
        for path in [VERIFY, ME] {
            let reply = used.browser.get(path).await;
            assert_eq!(verdict(&reply), (401, "invalid_session".into()), "{cache}");
        }
    }
}
