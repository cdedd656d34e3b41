//! Who may end a session: its owner, by its public name; and what ends with it.

use maxlab_auth_testkit::{Actor, Browser};
use reqwest::Method;

use crate::gateway::{COOKIE, Stores, World, from_own_page, on_embedded_and_redis, on_every_store, verdict};
use crate::issuer::Code;

const ME: &str = "/api/v1/auth/me";

fn path_of(handle: &str) -> String {
    format!("/api/v1/auth/sessions/{handle}")
}

async fn x_session_id_of_another_user_ends_nothing(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (victim, attacker) = (world.log_in("victim").await, world.log_in("attacker").await);
    let names = [victim.handle.clone(), victim.cookie(), "*".to_owned()];
    for name in &names {
        let bearer = world.bearer(&world.stray_token("attacker"));
        let reply = bearer
            .send(Method::POST, "/api/v1/auth/logout", |r| {
                r.header("x-session-id", name)
            })
            .await;
        reply.expect_status(200);
        let reply = bearer.delete(&path_of(&victim.handle)).await;
        assert_eq!(reply.status, 401, "it is logged out by now");
        let reply = from_own_page(&attacker.browser, Method::DELETE, &path_of(&victim.handle)).await;
        assert_eq!(verdict(&reply), (404, "not_found".into()));
    }
    victim.browser.get(ME).await.expect_status(200);
    assert_eq!(world.me(&victim.access).await.status, 200);
    world.refresh(&victim.refresh).await.expect_status(200);
}

async fn the_owner_is_given_the_handle_and_ends_by_it(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (here, there) = (world.log_in("user-1").await, world.log_in("user-1").await);
    assert_eq!(here.handle.len(), 32);
    let list = here
        .browser
        .get("/api/v1/auth/sessions")
        .await
        .expect_status(200)
        .json();
    assert_eq!(
        (list["user_id"].as_str(), list["active_sessions"].as_u64()),
        (Some("user-1"), Some(2))
    );
    let shown: Vec<_> = list["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| {
            (
                session["session_id"].as_str().unwrap(),
                session["current"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [(here.handle.as_str(), true), (there.handle.as_str(), false)]
    );
    for name in ["ip_address", "created_at", "last_accessed", "access_count"] {
        assert!(!list["sessions"][0][name].is_null(), "{name}");
    }
    let reply = from_own_page(&here.browser, Method::DELETE, &path_of(&there.handle))
        .await
        .expect_status(200);
    assert_eq!(reply.json()["status"], "success");
    assert_eq!(
        verdict(&there.browser.get(ME).await),
        (401, "session_revoked".into())
    );
    assert_eq!(
        world.me(&there.access).await.status,
        401,
        "its access token ends with it"
    );
    let asked = world.auth.count_requests("/oauth/token");
    assert_eq!(
        world.refresh(&there.refresh).await.expect_status(400).json()["error"],
        "invalid_grant"
    );
    assert_eq!(world.auth.count_requests("/oauth/token"), asked);
    here.browser.get(ME).await.expect_status(200);
    assert_eq!(world.me(&here.access).await.status, 200);
    let again = from_own_page(&here.browser, Method::DELETE, &path_of(&there.handle)).await;
    assert_eq!(verdict(&again), (404, "not_found".into()));
}

async fn revoking_a_refresh_token_ends_its_session_and_an_access_token_ends_alone(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let (by_refresh, by_access) = (world.log_in("user-1").await, world.log_in("user-1").await);
    world.revoke(&by_refresh.refresh).await.expect_status(200);
    assert_eq!(world.me(&by_refresh.access).await.status, 401);
    by_refresh.browser.get(ME).await.expect_status(401);
    world.revoke(&by_access.access).await.expect_status(200);
    assert_eq!(world.me(&by_access.access).await.status, 401);
    by_access.browser.get(ME).await.expect_status(200);
    world.refresh(&by_access.refresh).await.expect_status(200);
}

async fn a_login_ends_the_session_that_the_browser_had(stores: Stores) {
    let world = World::on(stores, &[]).await;
    // Somebody else's session was planted in the victim's browser before the login.
    let planted = world.log_in("attacker").await;
    let cookie = planted.cookie();
    let reply = world
        .exchange(&planted.browser, &Code::of("victim"))
        .await
        .expect_status(200);
    assert_ne!(planted.cookie(), cookie);
    assert_ne!(reply.header("x-session-id"), Some(planted.handle.as_str()));
    assert_eq!(
        planted.browser.get(ME).await.expect_status(200).json()["user_id"],
        "victim"
    );
    let attacker = Browser::new(&world.gateway.url);
    attacker.plant_cookie(COOKIE, &cookie);
    attacker.get(ME).await.expect_status(401);
}

async fn tokens_renewed_on_a_session_end_with_it(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let renewed = world.refresh(&login.refresh).await.expect_status(200).json();
    let access = renewed["access_token"].as_str().unwrap();
    from_own_page(&login.browser, Method::POST, "/api/v1/auth/logout")
        .await
        .expect_status(200);
    for token in [&login.access, access] {
        assert_eq!(world.me(token).await.status, 401);
    }
    assert_eq!(
        world
            .refresh(renewed["refresh_token"].as_str().unwrap())
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_cookie_acts_only_from_its_own_pages() {
    let world = World::embedded(&[("CORS_ORIGINS", "https://app.example")]).await;
    let login = world.log_in("user-1").await;
    let evil: [&[(&str, &str)]; 6] = [
        &[],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "same-origin"),
        ],
    ];
    let acts = [
        (Method::POST, "/api/v1/auth/logout".to_owned()),
        (Method::POST, "/api/v1/auth/logout/all".to_owned()),
        (Method::POST, "/api/v1/auth/sessions/rotate".to_owned()),
        (Method::DELETE, path_of(&login.handle)),
    ];
    for headers in evil {
        for (method, path) in &acts {
            let reply = login.browser.send(method.clone(), path, |request| {
                headers
                    .iter()
                    .fold(request, |request, (name, value)| request.header(*name, *value))
            });
            assert_eq!(
                verdict(&reply.await),
                (403, "cross_site_request".into()),
                "{method} {path} {headers:?}"
            );
        }
    }
    login.browser.get(ME).await.expect_status(200);
    let own = login
        .browser
        .send(Method::POST, "/api/v1/auth/sessions/rotate", |r| {
            r.header("origin", &world.gateway.url)
        });
    own.await.expect_status(200);
    let trusted = login.browser.send(Method::POST, "/api/v1/auth/logout", |r| {
        r.header("origin", "https://app.example")
    });
    trusted.await.expect_status(200);
}

#[tokio::test]
async fn a_cookie_that_is_none_is_no_session() {
    let world = World::embedded(&[]).await;
    for value in ["", "x", &"A".repeat(43), "%00", "../../etc"] {
        let browser = Browser::new(&world.gateway.url);
        browser.plant_cookie(COOKIE, value);
        assert_eq!(browser.get(ME).await.status, 401, "{value:?}");
    }
}

on_every_store!(revoking_a_refresh_token_ends_its_session_and_an_access_token_ends_alone);
on_embedded_and_redis!(
    x_session_id_of_another_user_ends_nothing,
    the_owner_is_given_the_handle_and_ends_by_it,
    a_login_ends_the_session_that_the_browser_had,
    tokens_renewed_on_a_session_end_with_it,
);

/// A session goes on without its store (I14). What a store has lost can come back: only the journal is believed about
/// what is over.
#[tokio::test]
async fn s15_a_session_outlives_its_embedded_store_and_stays_ended_when_that_comes_back() {
    let journal = tempfile::TempDir::new().unwrap();
    let lost = tempfile::TempDir::new().unwrap();
    let database = format!("sqlite://{}/journal.db", journal.path().display());
    let world = World::embedded(&[
        ("DATABASE_URL", &database),
        (
            "SESSION_ENCRYPTION_KEY",
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
        ),
    ])
    .await;
    let (login, kept) = (world.log_in("user-1").await, world.log_in("user-1").await);
    // Shown along with another login's token: it is over all the same.
    let shown_along = world.log_in("user-1").await.cookie();
    let cookies = [login.cookie(), kept.cookie()];
    let whole = world.settings["DATA_DIR"].clone();
    let without = lost.path().display().to_string();
    // An empty store, then the old one again.
    let world = world.restarted(&[("DATA_DIR", &without)]).await;
    for cookie in &cookies {
        assert_eq!(with_cookie(&world, cookie).await.0, 200, "it goes on");
    }
    world
        .bearer(&login.access)
        .send(Method::POST, "/api/v1/auth/logout", |request| {
            request.header("cookie", format!("{COOKIE}={shown_along}"))
        })
        .await
        .expect_status(200);
    let world = world.restarted(&[("DATA_DIR", &whole)]).await;
    assert_eq!(with_cookie(&world, &shown_along).await.0, 401);
    assert_eq!(
        with_cookie(&world, &cookies[0]).await,
        (401, "session_revoked".into())
    );
    assert_eq!(
        with_cookie(&world, &cookies[1]).await.0,
        200,
        "the other one goes on"
    );
}

async fn with_cookie(world: &World, cookie: &str) -> (u16, String) {
    let browser = Browser::new(&world.gateway.url);
    browser.plant_cookie(COOKIE, cookie);
    verdict(&browser.get(ME).await)
}
