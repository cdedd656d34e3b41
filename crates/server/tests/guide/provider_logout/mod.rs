//! Logout that the OpenID provider asks for: what it ends, on every instance (rows B-01 … B-26 of the browser design).

mod door;
mod front_channel;
mod rules;
mod two_instances;

use maxlab_auth_testkit::forge::now;
use maxlab_auth_testkit::{Actor, AnonymousActor, HttpReply, TokenForge};
use serde_json::{Value, json};

use crate::gateway::{Login, Stores, World, eventually, on_every_store, on_stores, verdict};
use crate::issuer::Code;

const ROUTE: &str = "/auth/backchannel-logout/default";
const ME: &str = "/api/v1/auth/me";
const CLIENT: &str = "gateway";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Settings of a gateway with a client at the provider.
const WITH_CLIENT: (&str, &str) = ("OAUTH_CLIENT_ID", CLIENT);

/// Claims of a good logout token that names nobody yet.
fn claims(world: &World) -> Value {
    json!({
        "iss": world.auth.forge().issuer(), "aud": CLIENT, "iat": now(), "exp": now() + 120,
        "jti": uuid::Uuid::new_v4().to_string(), "events": { EVENT: {} },
    })
}

/// Claims of a good logout token for this session at the provider.
fn of_session(world: &World, sid: &str) -> Value {
    with(claims(world), "sid", sid)
}

fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// Signs claims with the newest key, under this `typ`.
fn sign_as(forge: &TokenForge, typ: Option<&str>, claims: &Value) -> String {
    let mut header = json!({ "alg": "ES256", "kid": forge.kid() });
    if let Some(typ) = typ {
        header["typ"] = json!(typ);
    }
    forge.sign_with_header(&header, claims)
}

fn sign(world: &World, claims: &Value) -> String {
    sign_as(world.auth.forge(), Some("logout+jwt"), claims)
}

async fn send_to(url: &str, token: &str) -> HttpReply {
    AnonymousActor::new(url)
        .post_form(ROUTE, &[("logout_token", token)])
        .await
}

async fn send(world: &World, token: &str) -> HttpReply {
    send_to(&world.gateway.url, token).await
}

/// Ends by these claims.
async fn end(world: &World, claims: &Value) {
    let reply = send(world, &sign(world, claims)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(reply.body.is_empty());
}

async fn log_in(world: &World, user: &str, sid: &str) -> Login {
    world.log_in_with(&Code::of(user).claim("sid", sid)).await
}

/// Whether cookie and access token of a login are accepted; both or neither.
async fn is_alive(world: &World, login: &Login) -> bool {
    let by_cookie = login.browser.get(ME).await.status;
    let by_token = world.me(&login.access).await.status;
    assert_eq!(by_cookie, by_token);
    by_cookie == 200
}

async fn b01_a_session_of_the_provider_ends_with_everything_that_came_out_of_it(stores: Stores) {
    let world = World::on(stores, &[WITH_CLIENT]).await;
    let (one, two) = (
        log_in(&world, "user-1", "s-1").await,
        log_in(&world, "user-1", "s-1").await,
    );
    let other = log_in(&world, "user-1", "s-2").await;
    let with_sub = with(of_session(&world, "s-1"), "sub", "user-1");
    end(&world, &with_sub).await;
    for login in [&one, &two] {
        assert!(!is_alive(&world, login).await);
        let refreshed = world.refresh(&login.refresh).await;
        assert_eq!(refreshed.status, 400, "{}", refreshed.text());
    }
    assert!(is_alive(&world, &other).await);
    let audited = world
        .sql("SELECT CAST(count(*) AS TEXT) FROM audit_events WHERE kind = 'provider_logout' AND result = 'success'")
        .await;
    assert_eq!(audited, "1");
}

async fn b02_without_sid_everything_of_the_person_ends(stores: Stores) {
    let world = World::on(stores, &[WITH_CLIENT]).await;
    let own = [
        log_in(&world, "user-1", "s-1").await,
        log_in(&world, "user-1", "s-2").await,
        world.log_in("user-1").await,
    ];
    let other = log_in(&world, "user-2", "s-1").await;
    end(&world, &with(claims(&world), "sub", "user-1")).await;
    for login in &own {
        assert!(!is_alive(&world, login).await);
    }
    assert!(is_alive(&world, &other).await);
}

async fn b02_with_the_scope_person_a_sid_ends_every_session_of_the_person(stores: Stores) {
    let world = World::on(stores, &[WITH_CLIENT, ("BACKCHANNEL_LOGOUT_SCOPE", "person")]).await;
    let (one, two) = (
        log_in(&world, "user-1", "s-1").await,
        log_in(&world, "user-1", "s-2").await,
    );
    let other = log_in(&world, "user-2", "s-3").await;
    end(&world, &of_session(&world, "s-1")).await;
    assert!(!is_alive(&world, &one).await);
    assert!(!is_alive(&world, &two).await);
    assert!(is_alive(&world, &other).await);
}

async fn b03_a_sid_of_another_person_ends_nothing(stores: Stores) {
    let world = World::on(stores, &[WITH_CLIENT]).await;
    let (one, two) = (
        log_in(&world, "user-1", "s-1").await,
        log_in(&world, "user-2", "s-2").await,
    );
    let mixed = with(of_session(&world, "s-1"), "sub", "user-2");
    let reply = send(&world, &sign(&world, &mixed)).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["error"], "invalid_request");
    assert!(is_alive(&world, &one).await && is_alive(&world, &two).await);
}

async fn b05_an_unknown_sid_is_a_success_and_refuses_a_late_callback(stores: Stores) {
    let world = World::on(stores, &[WITH_CLIENT, ("SESSION_MAX_SECONDS", "86400")]).await;
    // A login that was issued before, and whose exchange comes late.
    let late = world
        .auth
        .forge()
        .access_token("user-1")
        .claim("sid", "s-1")
        .issued_at(now() - 2);
    let (token, known) = (late.sign(), late.claims());
    world.auth.accept_token(&token, known);
    for _ in 0..2 {
        end(&world, &of_session(&world, "s-1")).await;
    }
    assert_eq!(world.verdict(&token).await, (401, "session_revoked".to_owned()));
    let kept = world
        .sql(
            "SELECT CAST(min(expires_at_ms / 1000) AS TEXT) FROM revocations WHERE kind = 'upstream_session'",
        )
        .await;
    assert!(kept.parse::<i64>().unwrap() >= now() + 86_400 - 5, "{kept}");
}

async fn b10_a_token_that_comes_again_ends_no_later_login(stores: Stores) {
    let world = World::on(stores, &[WITH_CLIENT]).await;
    let first = log_in(&world, "user-1", "s-1").await;
    let token = sign(&world, &of_session(&world, "s-1"));
    send(&world, &token).await.expect_status(200);
    assert!(!is_alive(&world, &first).await);
    let second = login_after_the_second(&world, "user-1", "s-1").await;
    send(&world, &token).await.expect_status(200);
    assert!(is_alive(&world, &second).await);
    let lines = world
        .sql("SELECT CAST(count(*) AS TEXT) FROM revocations WHERE kind = 'upstream_session'")
        .await;
    assert_eq!(lines, "1", "nothing was recorded again");
}

/// Logs in again with a `sid` that a logout has just ended, after the second of the logout.
async fn login_after_the_second(world: &World, user: &str, sid: &str) -> Login {
    let second = now();
    eventually("the second of the logout is over", async || now() > second).await;
    log_in(world, user, sid).await
}

async fn b15_a_later_login_with_the_same_sid_lives(stores: Stores) {
    let world = World::on(stores, &[WITH_CLIENT]).await;
    // The provider reports late: the logout was before this login.
    let login = log_in(&world, "user-1", "s-1").await;
    end(&world, &with(of_session(&world, "s-1"), "iat", now() - 10)).await;
    assert_eq!(login.browser.get(ME).await.status, 200);
    end(&world, &of_session(&world, "s-1")).await;
    assert!(!is_alive(&world, &login).await);
    let again = login_after_the_second(&world, "user-1", "s-1").await;
    assert!(is_alive(&world, &again).await);
}

async fn b14_without_the_record_of_used_tokens_nothing_is_accepted(stores: Stores) {
    let world = World::on(stores, &[WITH_CLIENT]).await;
    let login = log_in(&world, "user-1", "s-1").await;
    let token = sign(&world, &of_session(&world, "s-1"));
    world
        .sql("ALTER TABLE used_codes RENAME TO used_codes_lost")
        .await;
    let reply = send(&world, &token).await;
    assert_eq!(verdict(&reply), (503, "store_unavailable".to_owned()));
    assert!(reply.header("retry-after").is_some());
    assert!(is_alive(&world, &login).await);
    world
        .sql("ALTER TABLE used_codes_lost RENAME TO used_codes")
        .await;
    send(&world, &token).await.expect_status(200);
    assert!(!is_alive(&world, &login).await);
}

async fn b24_refresh_tokens_are_revoked_at_the_provider_unless_offline(stores: Stores) {
    let world = World::on(stores, &[WITH_CLIENT]).await;
    let online = log_in(&world, "user-1", "s-1").await;
    let offline = Code::of("user-2")
        .claim("sid", "s-2")
        .claim("scope", "openid offline_access");
    let offline = world.log_in_with(&offline).await;
    end(&world, &of_session(&world, "s-1")).await;
    end(&world, &of_session(&world, "s-2")).await;
    let told = || {
        let requests = world.auth.requests("/oauth/revoke");
        requests
            .iter()
            .filter_map(|request| request.form("token"))
            .collect::<Vec<_>>()
    };
    eventually("the provider is told", async || {
        let told = told();
        [&online.refresh, &online.access, &offline.access]
            .iter()
            .all(|token| told.contains(token))
    })
    .await;
    assert!(!told().contains(&offline.refresh));
    assert!(!is_alive(&world, &offline).await);
}

on_every_store!(
    b01_a_session_of_the_provider_ends_with_everything_that_came_out_of_it,
    b02_without_sid_everything_of_the_person_ends,
    b02_with_the_scope_person_a_sid_ends_every_session_of_the_person,
    b03_a_sid_of_another_person_ends_nothing,
    b05_an_unknown_sid_is_a_success_and_refuses_a_late_callback,
    b10_a_token_that_comes_again_ends_no_later_login,
    b15_a_later_login_with_the_same_sid_lives,
    b24_refresh_tokens_are_revoked_at_the_provider_unless_offline,
);
on_stores!(
    b14_without_the_record_of_used_tokens_nothing_is_accepted,
    embedded: Embedded
);
