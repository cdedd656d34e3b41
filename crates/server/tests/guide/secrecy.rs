//! The guide logs and lists raw session ids and keeps them as keys. Here no secret is in any log line, list, store or error.

use maxlab_auth_testkit::{Actor, Browser};
use reqwest::Method;
use serde_json::json;

use crate::gateway::{COOKIE, Login, Stores, World, eventually, from_own_page, on_every_store};
use crate::issuer::Code;
use crate::observe::{Logs, stored};

/// The parts of a login that open something.
fn secrets_of(login: &Login) -> Vec<String> {
    let signature = login.access.rsplit('.').next().unwrap().to_owned();
    vec![signature, login.refresh.clone(), login.cookie()]
}

#[track_caller]
fn assert_absent(secrets: &[String], place: &str, text: &str) {
    for secret in secrets {
        if let Some(at) = text.find(secret.as_str()) {
            let start = text[..at].rfind('\n').unwrap_or(0);
            panic!(
                "{secret} stands in {place}: {}",
                text[start..].chars().take(400).collect::<String>()
            );
        }
    }
}

/// Everything that a gateway does with a login; what it answered to others than the login itself.
async fn a_busy_day(world: &World, secrets: &mut Vec<String>) -> String {
    let mut shown = String::new();
    let logins = [
        world.log_in("user-1").await,
        world.log_in_with(&Code::of("user-1").opaque()).await,
        world.log_in("user-1").await,
    ];
    logins.iter().for_each(|login| secrets.extend(secrets_of(login)));
    for login in &logins {
        world.me(&login.access).await.expect_status(200);
        shown += &login
            .browser
            .get("/api/v1/auth/sessions")
            .await
            .expect_status(200)
            .text();
        let asked = [("access_token", login.access.as_str())];
        shown += &world
            .anonymous()
            .post_form("/oauth/token/validate", &asked)
            .await
            .expect_status(200)
            .text();
        let asked = [("refresh_token", login.refresh.as_str())];
        shown += &world
            .anonymous()
            .post_form("/oauth/token/validate", &asked)
            .await
            .expect_status(200)
            .text();
    }
    let renewed = world.refresh(&logins[0].refresh).await.expect_status(200).json();
    let token_of = |name: &str| renewed[name].as_str().unwrap().to_owned();
    secrets.extend([
        token_of("access_token").rsplit('.').next().unwrap().to_owned(),
        token_of("refresh_token"),
    ]);
    from_own_page(&logins[0].browser, Method::POST, "/api/v1/auth/sessions/rotate")
        .await
        .expect_status(200);
    secrets.push(logins[0].cookie());
    shown += &stored(world).await;
    // Bad days: the stores and the authorization server fail while secrets are on their way.
    world.lose_store().await;
    shown += &world.me(&logins[1].access).await.expect_status(503).text();
    shown += &logins[2]
        .browser
        .get("/api/v1/auth/me")
        .await
        .expect_status(503)
        .text();
    shown += &world.revoke(&logins[1].access).await.expect_status(503).text();
    world.find_store().await;
    eventually("the store is back", async || {
        world.me(&logins[1].access).await.status == 200
    })
    .await;
    world.auth.stop().await;
    let thief = Browser::new(&world.gateway.url);
    thief.plant_cookie(COOKIE, &logins[2].cookie());
    shown += &from_own_page(&thief, Method::POST, "/api/v1/auth/logout")
        .await
        .expect_status(200)
        .text();
    shown += &world.refresh(&logins[1].refresh).await.text();
    shown += &stored(world).await;
    world.auth.restart().await.unwrap();
    // Later than the time in which the same answer is given again.
    world.gateway.clock.advance(std::time::Duration::from_secs(11));
    let reused = world.refresh(&logins[0].refresh).await;
    shown += &reused.text();
    let admin = world.opaque_token("root");
    world
        .auth
        .accept_token(&admin, json!({ "sub": "root", "roles": ["admin"] }));
    for path in ["/api/v1/admin/denylist", "/api/v1/admin/audit"] {
        shown += &world.bearer(&admin).get(path).await.expect_status(200).text();
    }
    shown += &world.anonymous().get("/metrics").await.expect_status(200).text();
    shown + &stored(world).await
}

async fn no_secret_is_logged_listed_or_stored(stores: Stores) {
    let logs = Logs::listen();
    let world = World::on(stores, &[("REVOCATION_READS", "direct")]).await;
    let mut secrets = Vec::new();
    let shown = Box::pin(a_busy_day(&world, &mut secrets)).await;
    let logged = logs.text();
    assert!(
        logged.contains("audit") && logged.contains("user-1"),
        "the log is really listened to"
    );
    assert!(shown.contains("user-1"), "the stores are really read");
    assert_eq!(secrets.len(), 12);
    assert_absent(&secrets, "the log", &logged);
    assert_absent(&secrets, "what others see", &shown);
}

#[tokio::test]
async fn no_error_repeats_a_credential() {
    let world = World::embedded(&[]).await;
    let secret = "canary-0123456789abcdef";
    let anonymous = world.anonymous();
    let replies = [
        world.me(secret).await,
        world.me(&format!("{secret}\"quoted")).await,
        world.refresh(secret).await,
        anonymous
            .post_form("/oauth/revoke", &[("token", &format!("{secret} {secret}"))])
            .await,
        anonymous
            .post_json(
                "/oauth/token",
                &json!({ "grant_type": "refresh_token", "refresh_token": [secret] }),
            )
            .await,
        anonymous
            .post_form("/oauth/token", &[("grant_type", secret)])
            .await,
        anonymous
            .send(Method::GET, "/api/v1/auth/me", |r| {
                r.header("cookie", format!("{COOKIE}={secret}"))
            })
            .await,
        anonymous.get(&format!("/api/v1/auth/sessions/{secret}")).await,
    ];
    for reply in replies {
        assert!(!reply.text().contains(secret), "{}: {}", reply.url, reply.text());
        assert!(reply.headers.values().all(|value| {
            !value
                .as_bytes()
                .windows(secret.len())
                .any(|w| w == secret.as_bytes())
        }));
    }
}

on_every_store!(no_secret_is_logged_listed_or_stored);
