//! Tokens that nobody has seen yet, where signatures are checked here: the door before the router knows them at once, and says what
//! the router says.

use maxlab_auth_testkit::{Actor as _, TokenForge};
use serde_json::json;

use super::{answer, is_answered_at_once, lease, request, with_shortcut, without_shortcut};
use crate::gateway::World;

/// A gateway that checks signatures first, has the keys, and may answer from memory.
async fn local(remembered: &str) -> World {
    let world = World::embedded(&[
        ("VERIFY_LAYERS", "local_jwt"),
        ("VERIFY_CACHE_SECONDS", remembered),
        ("TRUSTED_PROXIES", "127.0.0.1/32"),
    ])
    .await;
    lease(&world).await;
    // The keys are fetched with the first token, if they are not yet.
    world.me(&token(&world, "first")).await;
    world
}

fn token(world: &World, name: &str) -> String {
    let claims = world.auth.forge().access_token("user-1").claim("jti", name);
    claims
        .claim("name", "김 하나")
        .claim("roles", json!(["member", "a,b", "x\r\nRemote-User: admin"]))
        .claim("groups", json!(["c"]))
        .sign()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_doors_say_the_same_of_a_token_at_first_sight() {
    for remembered in ["0", "60"] {
        let world = local(remembered).await;
        let (plain, short) = (without_shortcut(&world).await, with_shortcut(&world));
        let queries = ["", "?role=member", "?group=c,z", "?group=z", "?role=admin"];
        for (place, query) in queries.into_iter().enumerate() {
            let unseen = |door: &str| token(&world, &format!("{door}-{place}"));
            let fields = "X-Forwarded-Uri: /x\r\nX-Forwarded-Method: POST\r\n";
            let one = answer(plain, &request(&unseen("plain"), query, fields), 1).await;
            let other = answer(short, &request(&unseen("short"), query, fields), 1).await;
            assert_eq!(one, other, "{remembered} {query}");
            let allowed = one[0].0 == 200;
            assert_eq!(allowed, place < 3, "{one:?}");
            let again = request(&unseen("again"), query, "");
            assert_eq!(is_answered_at_once(&world, &again), allowed, "{query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_was_revoked_unseen_is_never_answered() {
    for remembered in ["0", "60"] {
        let world = local(remembered).await;
        let revoked = token(&world, "revoked");
        let other = token(&world, "other");
        world
            .bearer(&revoked)
            .post("/api/v1/auth/logout")
            .await
            .expect_status(200);
        assert!(!is_answered_at_once(&world, &request(&revoked, "", "")));
        assert!(is_answered_at_once(&world, &request(&other, "", "")));
        world
            .bearer(&other)
            .post("/api/v1/auth/logout/all")
            .await
            .expect_status(200);
        for name in ["other", "third"] {
            let asked = request(&token(&world, name), "", "");
            assert!(!is_answered_at_once(&world, &asked), "{remembered} {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_good_is_the_routers() {
    let world = local("60").await;
    let forge = world.auth.forge();
    let stranger = TokenForge::es256(forge.issuer());
    let good = token(&world, "good");
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = token(&world, "another");
    let (_, others) = other.rsplit_once('.').unwrap();
    for (token, why) in [
        (stranger.access_token("user-1").sign(), "another's key"),
        (forge.access_token("user-1").expires_in(-60).sign(), "expired"),
        (
            forge
                .access_token("user-1")
                .claim("iss", "https://x.example")
                .sign(),
            "another issuer",
        ),
        (forge.access_token("").sign(), "nobody"),
        (format!("{signed}.{others}"), "another's signature"),
        (format!("{signed}.{signature}="), "padded"),
        (signed.to_owned() + ".", "unsigned"),
    ] {
        assert!(!is_answered_at_once(&world, &request(&token, "", "")), "{why}");
        let said = answer(with_shortcut(&world), &request(&token, "", ""), 1).await;
        assert_eq!(said[0].0, 401, "{why}");
    }
    assert!(is_answered_at_once(&world, &request(&good, "", "")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_lease_nothing_is_told_at_once() {
    let world = World::embedded(&[("VERIFY_LAYERS", "local_jwt"), ("REVOCATION_READS", "direct")]).await;
    for name in ["first", "second"] {
        let asked = request(&token(&world, name), "", "");
        assert!(!is_answered_at_once(&world, &asked));
        assert_eq!(answer(with_shortcut(&world), &asked, 1).await[0].0, 200);
    }
    // A gateway that started later, with leases, has one by now.
    let leased = local("60").await;
    assert!(is_answered_at_once(
        &leased,
        &request(&token(&leased, "third"), "", "")
    ));
    assert!(!is_answered_at_once(
        &world,
        &request(&token(&world, "third"), "", "")
    ));
}
