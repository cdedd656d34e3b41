//! What an application's page learns about its session: who is logged in, and the moment it ends.

use std::time::{Duration, Instant};

use maxlab_auth_testkit::{Actor, Browser};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::gateway::{COOKIE, Stores, World, from_own_page, on_every_store, verdict};

const USER: &str = "/auth/user";
const LOGOUT: &str = "/api/v1/auth/logout";
const LIMIT: Duration = Duration::from_secs(20);

/// Reader of one event stream.
pub(crate) struct EventReader {
    response: Response,
    text: String,
}

impl EventReader {
    /// Opens the stream of a browser at the gateway with this URL.
    pub(crate) async fn open(url: &str, browser: &Browser) -> Self {
        let cookie = browser.cookie(COOKIE).unwrap().value;
        let request = Client::new()
            .get(format!("{url}/auth/events"))
            .header("cookie", format!("{COOKIE}={cookie}"))
            .header("accept", "text/event-stream");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(response.headers().get("set-cookie").is_none());
        Self {
            response,
            text: String::new(),
        }
    }

    /// Returns the data of the next `session` event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let line = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name).map(str::to_owned))
                };
                if line("event: ").as_deref() == Some("session") {
                    return Some(serde_json::from_str(&line("data: ").unwrap()).unwrap());
                }
                continue;
            }
            let chunk = timeout(LIMIT, self.response.chunk())
                .await
                .expect("an event in time");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }
}

#[tokio::test]
async fn a_page_learns_who_is_logged_in_and_nothing_else() {
    let world = World::embedded(&[]).await;
    let login = world.log_in("user-1").await;
    let reply = login.browser.get(USER).await.expect_status(200);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(reply.headers.get("set-cookie").is_none());
    let user = reply.json();
    assert_eq!(user["user_id"], "user-1");
    assert_eq!(user["logout_url"], "/auth/logout");
    let issuer = user["issuer"].as_str().unwrap();
    assert!(issuer.starts_with("http"), "{issuer}");
    let (expires, idle) = (
        user["expires_in"].as_u64().unwrap(),
        user["idle_in"].as_u64().unwrap(),
    );
    assert!((86_300..=86_400).contains(&expires), "{expires}");
    assert!((3_500..=3_600).contains(&idle), "{idle}");
    let mut names: Vec<_> = user.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let allowed = [
        "acr",
        "auth_time",
        "avatar",
        "email",
        "expires_in",
        "groups",
        "idle_in",
        "issuer",
        "logout_url",
        "name",
        "permissions",
        "provider",
        "roles",
        "user_id",
        "workspaces",
    ];
    assert_eq!(names, allowed);
    let text = reply.text();
    assert!(!text.contains(&login.access) && !text.contains(&login.cookie()));
    let head = login.browser.send(Method::HEAD, USER, |request| request).await;
    assert!(head.status == 200 && head.body.is_empty());
}

#[tokio::test]
async fn without_a_session_it_is_401_or_null() {
    let world = World::embedded(&[]).await;
    let anonymous = world.anonymous();
    let reply = anonymous.get(USER).await;
    assert_eq!(verdict(&reply), (401, "missing_credential".into()));
    assert!(reply.headers.get("set-cookie").is_none());
    let null = anonymous.get("/auth/user?anonymous=ok").await.expect_status(200);
    assert_eq!(null.json(), Value::Null);
    // A bearer token is no session of a browser.
    let token = world.stray_token("user-1");
    world.bearer(&token).get(USER).await.expect_status(401);
    let stranger = Browser::new(&world.gateway.url);
    stranger.plant_cookie(COOKIE, &"0".repeat(43));
    stranger.get(USER).await.expect_status(401);
    let null = stranger.get("/auth/user?anonymous=ok").await.expect_status(200);
    assert_eq!(null.json(), Value::Null);
    let twice = format!("{COOKIE}=a; {COOKIE}=b");
    let reply = anonymous
        .send(Method::GET, "/auth/user?anonymous=ok", |r| {
            r.header("cookie", twice)
        })
        .await;
    assert_eq!(verdict(&reply), (400, "invalid_request".into()));
}

#[tokio::test]
async fn r14_asking_does_not_prolong_a_session() {
    let world = World::embedded(&[("SESSION_IDLE_SECONDS", "600")]).await;
    let login = world.log_in("user-1").await;
    for _ in 0..5 {
        world.gateway.clock.advance(Duration::from_secs(110));
        login.browser.get(USER).await.expect_status(200);
    }
    world.gateway.clock.advance(Duration::from_secs(110));
    let reply = login.browser.get(USER).await;
    assert_eq!(verdict(&reply), (401, "invalid_session".into()));
}

async fn a_page_hears_of_the_end_within_a_second(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let mut events = EventReader::open(&world.gateway.url, &login.browser).await;
    assert_eq!(events.next().await, Some(json!({"state": "active"})));
    let ended_at = Instant::now();
    from_own_page(&login.browser, Method::POST, LOGOUT)
        .await
        .expect_status(200);
    assert_eq!(
        events.next().await,
        Some(json!({"state": "ended", "reason": "logout"}))
    );
    let took = ended_at.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?} with the logout itself");
    assert_eq!(events.next().await, None, "the stream is closed");
}

#[tokio::test]
async fn each_way_to_end_a_session_has_its_reason() {
    let world = World::embedded(&[("SESSION_IDLE_SECONDS", "600")]).await;
    let (first, second, third) = (
        world.log_in("user-1").await,
        world.log_in("user-1").await,
        world.log_in("user-2").await,
    );
    let url = &world.gateway.url;
    let mut of_first = EventReader::open(url, &first.browser).await;
    let mut of_second = EventReader::open(url, &second.browser).await;
    let mut of_third = EventReader::open(url, &third.browser).await;
    for events in [&mut of_first, &mut of_second, &mut of_third] {
        assert_eq!(events.next().await, Some(json!({"state": "active"})));
    }
    let named = format!("/api/v1/auth/sessions/{}", second.handle);
    from_own_page(&first.browser, Method::DELETE, &named)
        .await
        .expect_status(200);
    assert_eq!(
        of_second.next().await,
        Some(json!({"state": "ended", "reason": "session_terminated"}))
    );
    from_own_page(&first.browser, Method::POST, "/api/v1/auth/logout/all")
        .await
        .expect_status(200);
    assert_eq!(
        of_first.next().await,
        Some(json!({"state": "ended", "reason": "logout_all"}))
    );
    world.gateway.clock.advance(Duration::from_secs(601));
    assert_eq!(
        of_third.next().await,
        Some(json!({"state": "ended", "reason": "expired"}))
    );
}

#[tokio::test]
async fn a_stream_outlives_a_new_id_of_its_session() {
    let world = World::embedded(&[]).await;
    let login = world.log_in("user-1").await;
    let mut events = EventReader::open(&world.gateway.url, &login.browser).await;
    assert_eq!(events.next().await, Some(json!({"state": "active"})));
    from_own_page(&login.browser, Method::POST, "/api/v1/auth/sessions/rotate")
        .await
        .expect_status(200);
    from_own_page(&login.browser, Method::POST, LOGOUT)
        .await
        .expect_status(200);
    assert_eq!(
        events.next().await,
        Some(json!({"state": "ended", "reason": "logout"}))
    );
}

#[tokio::test]
async fn without_a_session_there_is_no_stream() {
    let world = World::embedded(&[]).await;
    let reply = world.anonymous().get("/auth/events").await;
    assert_eq!(verdict(&reply), (401, "missing_credential".into()));
    assert!(reply.headers.get("set-cookie").is_none());
}

on_every_store!(a_page_hears_of_the_end_within_a_second);
