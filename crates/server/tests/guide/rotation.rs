//! Another id for a session: the old one is dead when that is answered, and good for as long as it is not.

use maxlab_auth_core::audit::AuditOrigin;
use maxlab_auth_core::credential::SessionId;
use maxlab_auth_core::engine::AuthFault;
use maxlab_auth_testkit::{Actor, Browser};
use reqwest::Method;

use crate::gateway::{COOKIE, Stores, World, from_own_page, on_every_store, verdict};

const ME: &str = "/api/v1/auth/me";
const ROTATE: &str = "/api/v1/auth/sessions/rotate";

fn browser_with(world: &World, id: &str) -> Browser {
    let browser = Browser::new(&world.gateway.url);
    browser.plant_cookie(COOKIE, id);
    browser
}

async fn is_of_the_session(world: &World, id: &str, handle: &str) {
    let me = browser_with(world, id).get(ME).await.expect_status(200).json();
    assert_eq!(me["session_id"].as_str(), Some(handle));
}

/// The process died after the store had moved the session: the new id is lost, and the old one is still good.
async fn s12_a_rotation_that_was_not_answered_leaves_the_old_id_good(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let (first, now) = (login.cookie(), world.engine().now());
    let sessions = &world.engine().deps().sessions;
    let old = SessionId::parse(&first).unwrap();
    let lost = [
        sessions.rotate(&old, now).await.unwrap().id,
        sessions.rotate(&old, now).await.unwrap().id,
    ];
    is_of_the_session(&world, &first, &login.handle).await;
    let listed = login.browser.get("/api/v1/auth/sessions").await.json();
    assert_eq!(listed["active_sessions"], 1, "{listed}");
    assert_eq!(listed["sessions"][0]["current"], true, "{listed}");

    from_own_page(&login.browser, Method::POST, ROTATE)
        .await
        .expect_status(200);
    is_of_the_session(&world, &login.cookie(), &login.handle).await;
    let lost = lost.map(|id| id.expose().to_string());
    for dead in [&first, &lost[0], &lost[1]] {
        let reply = browser_with(&world, dead).get(ME).await;
        assert_eq!(verdict(&reply), (401, "session_revoked".into()));
        let again = from_own_page(&browser_with(&world, dead), Method::POST, ROTATE).await;
        assert_eq!(again.status, 401);
    }
    is_of_the_session(&world, &login.cookie(), &login.handle).await;
}

/// What holds the old id ends nothing with it: neither the session, nor what hangs on it.
async fn s12_the_old_id_ends_nothing(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let first = login.cookie();
    for _ in 0..3 {
        from_own_page(&login.browser, Method::POST, ROTATE)
            .await
            .expect_status(200);
    }
    let thief = browser_with(&world, &first);
    for path in ["/api/v1/auth/logout", "/api/v1/auth/logout/all"] {
        from_own_page(&thief, Method::POST, path).await;
        thief.plant_cookie(COOKIE, &first);
    }
    for _ in 0..3 {
        assert_eq!(thief.get(ME).await.status, 401);
        is_of_the_session(&world, &login.cookie(), &login.handle).await;
    }
    assert_eq!(world.me(&login.access).await.status, 200);
    world.refresh(&login.refresh).await.expect_status(200);
}

/// Of two rotations of one id at the same time one session comes out, with one id.
async fn s12_rotations_at_the_same_time_leave_one_id(stores: Stores) {
    let world = World::on(stores, &[]).await;
    for _ in 0..5 {
        let login = world.log_in("user-1").await;
        let old = SessionId::parse(&login.cookie()).unwrap();
        let origin = AuditOrigin::default();
        let (one, two) = tokio::join!(
            world.engine().rotate_session(&old, &origin),
            world.engine().rotate_session(&old, &origin)
        );
        let mut good = 0;
        for rotation in [one, two] {
            match rotation {
                Ok(rotation) => {
                    rotation.acknowledged.unwrap();
                    let id = rotation.id.expose().to_string();
                    good += usize::from(browser_with(&world, &id).get(ME).await.status == 200);
                }
                Err(fault) => assert!(!matches!(fault, AuthFault::Unavailable(_)), "{fault}"),
            }
        }
        assert_eq!(good, 1);
        assert_eq!(
            verdict(&browser_with(&world, &login.cookie()).get(ME).await).0,
            401
        );
    }
}

on_every_store!(
    s12_a_rotation_that_was_not_answered_leaves_the_old_id_good,
    s12_the_old_id_ends_nothing,
    s12_rotations_at_the_same_time_leave_one_id,
);
