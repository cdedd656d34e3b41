//! How long a session lives: by use, at most so long, at most so many; and that a dead one stays dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use maxlab_auth_core::clock;
use maxlab_auth_core::credential::{SessionHandle, SessionId};
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::session::{NewSession, SessionFault};
use maxlab_auth_testkit::{Actor, Browser};
use reqwest::Method;
use tokio::time::Instant;

use crate::gateway::{COOKIE, Stores, World, eventually, from_own_page, on_embedded_and_redis, verdict};

const ME: &str = "/api/v1/auth/me";

async fn a_read_under_way_never_brings_an_ended_session_back(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let sessions = &world.engine().deps().sessions;
    let id = SessionId::parse(&login.cookie()).unwrap();
    // A request has read the session and is about to write that it was used, rotated, or given new tokens.
    let read = sessions.load(&id, world.engine().now()).await.unwrap();
    from_own_page(&login.browser, Method::POST, "/api/v1/auth/logout")
        .await
        .expect_status(200);
    let later = clock::after(world.engine().now(), Duration::from_secs(120));
    sessions.touch(&read, later);
    sessions.flush_touches().await.unwrap();
    assert!(matches!(
        sessions.rotate(&id, later).await,
        Err(SessionFault::Ended)
    ));
    let handle = SessionHandle::parse(&login.handle).unwrap();
    let renewed = sessions
        .renew(&Subject::of_default("user-1"), &handle, &[], None, later)
        .await;
    assert!(matches!(
        renewed,
        Err(SessionFault::Ended | SessionFault::Missing)
    ));
    assert!(matches!(
        sessions.load(&id, world.engine().now()).await,
        Err(SessionFault::Ended)
    ));
    assert!(
        sessions
            .of_user(&Subject::of_default("user-1"), world.engine().now())
            .await
            .unwrap()
            .is_empty()
    );
    let thief = Browser::new(&world.gateway.url);
    thief.plant_cookie(COOKIE, id.expose().as_str());
    assert_eq!(verdict(&thief.get(ME).await), (401, "session_revoked".into()));
}

/// A clock that was twenty minutes ahead for a while.
async fn w13_a_session_of_a_clock_that_was_set_back_goes_on(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let (sessions, now) = (&world.engine().deps().sessions, || world.engine().now());
    let ahead = clock::after(now(), Duration::from_secs(20 * 60));
    let id = SessionId::parse(&login.cookie()).unwrap();
    let used = sessions.load(&id, ahead).await.unwrap();
    sessions.touch(&used, ahead);
    sessions.flush_touches().await.unwrap();
    let new = NewSession {
        identity: used.record.identity.clone(),
        ip_address: None,
        user_agent: None,
        handle: SessionHandle::generate().unwrap(),
        login_at: ahead,
        login: None,
        cutoff_scopes: Vec::new(),
        tokens: Vec::new(),
    };
    let begun = sessions.create(new, ahead).await.unwrap();
    login.is_of("user-1").await;
    let other = Browser::new(&world.gateway.url);
    other.plant_cookie(COOKIE, begun.id.expose().as_str());
    other.get(ME).await.expect_status(200);
    sessions.flush_touches().await.unwrap();
    for id in [&id, &begun.id] {
        let record = sessions.load(id, now()).await.unwrap().record;
        let latest = clock::after(now(), Duration::from_secs(60));
        assert!(record.last_accessed < latest && record.created_at < latest);
        // What was corrected is written down: this is no correction of the look itself.
        let later = sessions
            .load(id, clock::after(now(), Duration::from_secs(30)))
            .await
            .unwrap();
        assert_eq!(later.record.created_at, record.created_at);
    }
}

async fn a_storm_of_reads_never_brings_an_ended_session_back(stores: Stores) {
    // With an idle time of three seconds nearly every read writes.
    let world = Arc::new(World::on(stores, &[("SESSION_IDLE_SECONDS", "3")]).await);
    let login = world.log_in("user-1").await;
    let cookie = login.cookie();
    world.gateway.clock.advance(Duration::from_millis(350));
    let reads = Arc::new(AtomicUsize::new(0));
    let storm: Vec<_> = (0..8)
        .map(|_| {
            let reader = Browser::new(&world.gateway.url);
            reader.plant_cookie(COOKIE, &cookie);
            let reads = Arc::clone(&reads);
            tokio::spawn(async move {
                for _ in 0..25 {
                    reader.get(ME).await;
                    reads.fetch_add(1, Ordering::SeqCst);
                    reader.get("/api/v1/auth/sessions").await;
                }
            })
        })
        .collect();
    eventually("the storm has begun", async || reads.load(Ordering::SeqCst) >= 8).await;
    from_own_page(&login.browser, Method::POST, "/api/v1/auth/logout")
        .await
        .expect_status(200);
    let thief = Browser::new(&world.gateway.url);
    thief.plant_cookie(COOKIE, &cookie);
    thief.get(ME).await.expect_status(401);
    for reader in storm {
        reader.await.unwrap();
    }
    thief.get(ME).await.expect_status(401);
    assert!(
        world
            .engine()
            .active_sessions(&Subject::of_default("user-1"))
            .await
            .unwrap()
            .is_empty()
    );
}

async fn listing_extends_nothing_and_using_does(stores: Stores) {
    let world = World::on(stores, &[("SESSION_IDLE_SECONDS", "3")]).await;
    let (listed, used) = (world.log_in("user-1").await, world.log_in("user-1").await);
    let onlooker = world.bearer(&world.stray_token("user-1"));
    let began = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(150));
    while began.elapsed() < Duration::from_millis(3_600) {
        ticks.tick().await;
        let seen = onlooker
            .get("/api/v1/auth/sessions")
            .await
            .expect_status(200)
            .json();
        assert!(seen["active_sessions"].as_u64().unwrap() >= 1);
        used.browser.get(ME).await.expect_status(200);
    }
    assert_eq!(
        verdict(&listed.browser.get(ME).await),
        (401, "invalid_session".into())
    );
    used.browser.get(ME).await.expect_status(200);
    let seen = onlooker.get("/api/v1/auth/sessions").await.json();
    assert_eq!(seen["active_sessions"].as_u64(), Some(1));
    let session = &seen["sessions"][0];
    assert_eq!(session["session_id"].as_str(), Some(used.handle.as_str()));
    assert!(session["access_count"].as_u64().unwrap() > 1);
}

async fn many_uses_are_one_write(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    for _ in 0..20 {
        login.browser.get(ME).await.expect_status(200);
    }
    let session = login.browser.get("/api/v1/auth/sessions").await.json()["sessions"][0].clone();
    assert_eq!(
        session["access_count"].as_u64(),
        Some(1),
        "uses within a minute are noted once: {session}"
    );
}

#[tokio::test]
async fn a_browser_keeps_the_cookie_for_as_long_as_use_can_prolong_the_session() {
    let life = [("SESSION_IDLE_SECONDS", "60"), ("SESSION_MAX_SECONDS", "7200")];
    let world = World::embedded(&life).await;
    let login = world.log_in("user-1").await;
    assert_eq!(login.browser.cookie(COOKIE).unwrap().max_age, Some(7_200));
    for door in ["/auth/verify", ME, "/oauth/userinfo", "/api/v1/auth/sessions"] {
        let used = login.browser.get(door).await.expect_status(200);
        assert_eq!(
            used.header("set-cookie"),
            None,
            "{door}: the browser has it still"
        );
    }
    from_own_page(&login.browser, Method::POST, "/api/v1/auth/sessions/rotate")
        .await
        .expect_status(200);
    assert_eq!(login.browser.cookie(COOKIE).unwrap().max_age, Some(7_200));
}

async fn no_session_outlives_its_absolute_age(stores: Stores) {
    let life = Duration::from_secs(2);
    let world = World::on(
        stores,
        &[("SESSION_MAX_SECONDS", "2"), ("SESSION_IDLE_SECONDS", "2")],
    )
    .await;
    // It begins somewhere between these two moments, however slow the machine is.
    let earliest = Instant::now();
    let login = world.log_in("user-1").await;
    let latest = Instant::now();
    eventually("the session dies of age", async || {
        let asked = Instant::now();
        let lives = login.browser.get(ME).await.status == 200;
        assert!(!lives || asked <= latest + life, "it lives on, used or not");
        !lives
    })
    .await;
    assert!(earliest.elapsed() >= life, "it died too early");
    assert_eq!(
        verdict(&from_own_page(&login.browser, Method::POST, "/api/v1/auth/sessions/rotate").await).0,
        401
    );
}

async fn one_session_too_many_ends_the_oldest(stores: Stores) {
    let world = World::on(stores, &[("SESSION_MAX_PER_USER", "2")]).await;
    let logins = [
        world.log_in("user-1").await,
        world.log_in("user-1").await,
        world.log_in("user-1").await,
    ];
    let other = world.log_in("user-2").await;
    logins[0].browser.get(ME).await.expect_status(401);
    assert_eq!(world.me(&logins[0].access).await.status, 401);
    assert_eq!(world.refresh(&logins[0].refresh).await.status, 400);
    for login in [&logins[1], &logins[2], &other] {
        login.browser.get(ME).await.expect_status(200);
        assert_eq!(world.me(&login.access).await.status, 200);
    }
}

async fn s10_logins_at_the_same_time_leave_no_more_than_the_limit(stores: Stores) {
    let world = Arc::new(World::on(stores, &[("SESSION_MAX_PER_USER", "3")]).await);
    for round in 0..3 {
        let logins: Vec<_> = (0..8)
            .map(|_| {
                let world = Arc::clone(&world);
                tokio::spawn(async move { world.log_in("user-1").await })
            })
            .collect();
        let (mut living, mut dead) = (Vec::new(), Vec::new());
        for login in futures::future::join_all(logins).await {
            let login = login.unwrap();
            match login.browser.get(ME).await.status.as_u16() {
                200 => living.push(login),
                _ => dead.push(login),
            }
        }
        assert_eq!(living.len(), 3, "round {round}");
        assert_eq!(
            world
                .engine()
                .active_sessions(&Subject::of_default("user-1"))
                .await
                .unwrap()
                .len(),
            3
        );
        for login in &living {
            assert_eq!(world.me(&login.access).await.status, 200, "round {round}");
        }
        // They ended like any session: with their tokens.
        for login in &dead {
            assert_eq!(world.me(&login.access).await.status, 401, "round {round}");
            assert_eq!(world.refresh(&login.refresh).await.status, 400, "round {round}");
        }
    }
}

async fn a_rotated_id_is_dead_at_once(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let old = login.cookie();
    let reply = from_own_page(&login.browser, Method::POST, "/api/v1/auth/sessions/rotate")
        .await
        .expect_status(200);
    assert_eq!(
        reply.json()["session_id"].as_str(),
        Some(login.handle.as_str()),
        "its public name stays"
    );
    assert_eq!(reply.header("x-session-id"), Some(login.handle.as_str()));
    assert_ne!(login.cookie(), old);
    login.browser.get(ME).await.expect_status(200);
    let thief = Browser::new(&world.gateway.url);
    thief.plant_cookie(COOKIE, &old);
    thief.get(ME).await.expect_status(401);
    assert_eq!(world.me(&login.access).await.status, 200, "its tokens live on");
    assert_eq!(
        world
            .engine()
            .active_sessions(&Subject::of_default("user-1"))
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn the_cookie_is_the_browsers_and_nobody_elses() {
    let world = World::embedded(&[("SESSION_COOKIE_SECURE", "true")]).await;
    let login = world.log_in("user-1").await;
    let cookie = login.browser.cookie("__Host-maxlab_session").unwrap();
    assert!(cookie.secure && cookie.http_only && cookie.path == "/");
    assert_eq!(
        (cookie.same_site.as_deref(), cookie.max_age),
        (Some("Lax"), Some(86_400))
    );
    assert_eq!(cookie.value.len(), 43, "256 bits");
    assert!(login.browser.rejected_cookies().is_empty());
    from_own_page(&login.browser, Method::POST, "/api/v1/auth/logout")
        .await
        .expect_status(200);
    assert!(login.browser.cookie("__Host-maxlab_session").is_none());
}

on_embedded_and_redis!(
    a_read_under_way_never_brings_an_ended_session_back,
    a_storm_of_reads_never_brings_an_ended_session_back,
    listing_extends_nothing_and_using_does,
    many_uses_are_one_write,
    no_session_outlives_its_absolute_age,
    one_session_too_many_ends_the_oldest,
    s10_logins_at_the_same_time_leave_no_more_than_the_limit,
    a_rotated_id_is_dead_at_once,
    w13_a_session_of_a_clock_that_was_set_back_goes_on,
);
