//! Front-channel logout: by issuer and `sid`, without a cookie.

use maxlab_auth_testkit::Actor;

use super::{WITH_CLIENT, is_alive, log_in};
use crate::gateway::{Stores, World, on_every_store};

const ON: (&str, &str) = ("FRONTCHANNEL_LOGOUT", "true");

fn path(issuer: &str, sid: &str) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("iss", issuer)
        .append_pair("sid", sid)
        .finish();
    format!("/auth/frontchannel-logout/default?{query}")
}

async fn b25_a_frame_without_a_cookie_ends_the_session_here_and_nothing_there(stores: Stores) {
    let world = World::on(stores, &[WITH_CLIENT, ON]).await;
    let (login, other) = (
        log_in(&world, "user-1", "s-1").await,
        log_in(&world, "user-1", "s-2").await,
    );
    let issuer = world.auth.forge().issuer().to_owned();
    let reply = world
        .anonymous()
        .get(&path(&issuer, "s-1"))
        .await
        .expect_status(200);
    assert!(reply.body.is_empty());
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("x-frame-options"), None);
    let origin = url::Url::parse(&issuer).unwrap().origin().ascii_serialization();
    let policy = reply
        .header("content-security-policy")
        .unwrap_or_default()
        .to_owned();
    assert_eq!(policy, format!("default-src 'none'; frame-ancestors {origin}"));
    assert!(!is_alive(&world, &login).await);
    assert!(is_alive(&world, &other).await);
    let waiting = world.sql("SELECT CAST(count(*) AS TEXT) FROM outbox").await;
    assert_eq!(
        (waiting.as_str(), world.auth.count_requests("/oauth/revoke")),
        ("0", 0)
    );
}

async fn b26_who_does_not_know_issuer_and_sid_ends_nothing(stores: Stores) {
    let world = World::on(stores, &[WITH_CLIENT, ON]).await;
    let login = log_in(&world, "user-1", "s-1").await;
    let issuer = world.auth.forge().issuer().to_owned();
    for path in [
        path(&issuer, "s-2"),
        path("https://other.example", "s-1"),
        path(&issuer, ""),
        "/auth/frontchannel-logout/default".to_owned(),
        "/auth/frontchannel-logout/default?sid=s-1".to_owned(),
    ] {
        let reply = login.browser.get(&path).await.expect_status(200);
        assert!(reply.body.is_empty());
    }
    assert!(is_alive(&world, &login).await);
    let lines = world.sql("SELECT CAST(count(*) AS TEXT) FROM revocations").await;
    assert_eq!(lines, "0", "a stranger writes nothing");
}

#[tokio::test]
async fn b25_it_is_off_by_default() {
    let world = World::embedded(&[WITH_CLIENT]).await;
    let login = log_in(&world, "user-1", "s-1").await;
    let issuer = world.auth.forge().issuer().to_owned();
    assert_eq!(world.anonymous().get(&path(&issuer, "s-1")).await.status, 404);
    assert!(is_alive(&world, &login).await);
}

on_every_store!(
    b25_a_frame_without_a_cookie_ends_the_session_here_and_nothing_there,
    b26_who_does_not_know_issuer_and_sid_ends_nothing,
);
