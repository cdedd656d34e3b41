//! A refresh that is repeated: the same answer for a while, and the end of the session afterwards.

use std::time::Duration;

use maxlab_auth_core::clock;
use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_testkit::{Actor, HttpReply};

use crate::gateway::{Stores, World, on_every_store, verdict};

/// The form of [`World::refresh`], with another parameter.
async fn refresh_with(world: &World, token: &str, more: (&str, &str)) -> HttpReply {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", "test-app"),
        more,
    ];
    world.anonymous().post_form("/oauth/token", &form).await
}

async fn f28_a_repeated_refresh_gets_the_same_answer_for_a_while(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    let first = world.refresh(&login.refresh).await.expect_status(200).json();
    let asked = world.auth.count_requests("/oauth/token");
    for seconds in [0, 3, 6] {
        world.gateway.clock.advance(Duration::from_secs(seconds));
        let again = world.refresh(&login.refresh).await.expect_status(200);
        assert_eq!(again.json(), first, "after {seconds} s more");
        assert_eq!(again.header("cache-control"), Some("no-store"));
    }
    // Another request is no repetition. It is refused, and ends nothing within the time.
    for more in [("scope", "openid"), ("client_secret", "guessed")] {
        let other = refresh_with(&world, &login.refresh, more).await;
        assert_eq!(verdict(&other), (400, "invalid_grant".into()), "{more:?}");
    }
    assert_eq!(
        world.auth.count_requests("/oauth/token"),
        asked,
        "asked once (I7)"
    );
    login.is_of("user-1").await;
    let newest = first["refresh_token"].as_str().unwrap();
    world.refresh(newest).await.expect_status(200);
    // Later it is the use of a stolen token, whoever of the two sends it.
    world.gateway.clock.advance(Duration::from_secs(2));
    assert_eq!(world.refresh(&login.refresh).await.status, 400);
    login.browser.get("/api/v1/auth/me").await.expect_status(401);
    assert_eq!(world.refresh(newest).await.status, 400);
}

async fn f28_a_revocation_ends_the_grace(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let login = world.log_in("user-1").await;
    world.refresh(&login.refresh).await.expect_status(200);
    world.revoke(&login.refresh).await.expect_status(200);
    assert_eq!(
        verdict(&world.refresh(&login.refresh).await),
        (400, "invalid_grant".into())
    );
    // What is kept for a repetition is sealed, and gone when its time is over.
    let other = world.log_in("user-2").await;
    let renewed = world.refresh(&other.refresh).await.expect_status(200).json();
    let stored = crate::observe::stored(&world).await;
    for name in ["access_token", "refresh_token"] {
        assert!(!stored.contains(renewed[name].as_str().unwrap()), "{name}");
    }
    let register = &world.engine().deps().issued_tokens;
    let token = PresentedToken::parse(&other.refresh).unwrap();
    let key = world.engine().refresh_key(&token);
    let now = world.engine().now();
    assert!(register.refresh_answer(&key, now).await.unwrap().is_some());
    let later = clock::after(now, Duration::from_secs(11));
    register.purge(later).await.unwrap();
    assert!(register.refresh_answer(&key, now).await.unwrap().is_none());
}

#[tokio::test]
async fn f28_without_a_grace_the_second_use_ends_the_session() {
    let world = World::embedded(&[("REFRESH_GRACE_SECONDS", "0")]).await;
    let login = world.log_in("user-1").await;
    world.refresh(&login.refresh).await.expect_status(200);
    assert_eq!(world.refresh(&login.refresh).await.status, 400);
    login.browser.get("/api/v1/auth/me").await.expect_status(401);
}

on_every_store!(
    f28_a_repeated_refresh_gets_the_same_answer_for_a_while,
    f28_a_revocation_ends_the_grace
);
