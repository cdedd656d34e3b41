//! Verifying in the application's own process: an own replica, an own lease, and the same promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use maxlab_auth_guard::AuthGuard;
use maxlab_auth_testkit::servers::RedisReply;
use maxlab_auth_testkit::{Actor, BearerActor, BreakableLink, RedisOptions, RedisServer};

use crate::world::{
    LEASE, Way, World, application, eventually, get_as, leased, nothing, unavailable, verdict,
};

#[tokio::test]
async fn what_a_gateway_revoked_is_refused_by_the_next_request_from_memory() {
    let world = World::start().await;
    let guard = world.guard(Way::Local).await;
    let app = application(&guard).await;
    for turn in 0..20 {
        let token = world.token(&format!("u{turn}"), &nothing());
        let grounds = get_as(&app, &token, "/grounds").await.expect_status(200);
        assert!(grounds.text().starts_with("reads=replica"), "{}", grounds.text());
        world.revoke(&token).await;
        let refused = get_as(&app, &token, "/me").await;
        assert_eq!(verdict(&refused), (401, "token_revoked".into()), "turn {turn}");
    }
}

#[tokio::test]
async fn a_logout_everywhere_reaches_tokens_that_no_gateway_ever_saw() {
    let world = World::start().await;
    let guard = world.guard(Way::Local).await;
    let app = application(&guard).await;
    let (one, other) = (world.token("u", &nothing()), world.token("u", &nothing()));
    let bystander = world.token("v", &nothing());
    get_as(&app, &other, "/me").await.expect_status(200);
    BearerActor::new(&world.gateway.url(), &one)
        .post("/api/v1/auth/logout/all")
        .await
        .expect_status(200);
    for token in [&one, &other] {
        assert_eq!(verdict(&get_as(&app, token, "/me").await).0, 401);
    }
    get_as(&app, &bystander, "/me").await.expect_status(200);
}

/// The revoke waits for the guard's lease, and the guard knows by its own clock when that is over.
#[tokio::test]
async fn a_guard_cut_off_from_redis_accepts_nothing_after_the_acknowledgement() {
    let world = World::start().await;
    let link = BreakableLink::to(world.redis.addr()).await.unwrap();
    let guard = AuthGuard::local(world.settings(&format!("redis://{}/", link.addr()))).unwrap();
    leased(&guard).await;
    let app = application(&guard).await;
    let token = world.token("u", &nothing());
    get_as(&app, &token, "/me").await.expect_status(200);
    link.stall();

    let acknowledged = Arc::new(AtomicBool::new(false));
    let watch = {
        let (acknowledged, app, token) = (Arc::clone(&acknowledged), app.clone(), token.clone());
        tokio::spawn(async move {
            let mut before = 0;
            loop {
                let was_acknowledged = acknowledged.load(Ordering::SeqCst);
                let reply = get_as(&app, &token, "/me").await;
                match reply.status.as_u16() {
                    200 if was_acknowledged => panic!("accepted after the acknowledgement"),
                    200 => before += 1,
                    _ if was_acknowledged => return (before, reply),
                    _ => {}
                }
            }
        })
    };
    world.revoke(&token).await;
    acknowledged.store(true, Ordering::SeqCst);
    let (before, reply) = watch.await.unwrap();
    assert!(before > 0, "it went on under its lease while the revoke waited");
    unavailable(&reply);

    link.heal().await.unwrap();
    eventually("it is refused for good", || async {
        verdict(&get_as(&app, &token, "/me").await) == (401, "token_revoked".into())
    })
    .await;
}

#[tokio::test]
async fn without_redis_it_goes_on_for_a_lease_then_503_and_never_401() {
    let mut world = World::start().await;
    let guard = world.guard(Way::Local).await;
    let app = application(&guard).await;
    let token = world.token("u", &nothing());
    get_as(&app, &token, "/me").await.expect_status(200);
    world.redis.pause();
    get_as(&app, &token, "/me").await.expect_status(200);
    let started = Instant::now();
    let reply = loop {
        let reply = get_as(&app, &token, "/me").await;
        if reply.status != 200 {
            break reply;
        }
    };
    unavailable(&reply);
    assert!(started.elapsed() < LEASE * 3, "{:?}", started.elapsed());
    assert!(guard.lease_left().unwrap().is_zero());
    world.redis.resume();
    eventually("it answers again", || async {
        get_as(&app, &token, "/me").await.status == 200
    })
    .await;
    world.redis.kill();
}

/// It believes no data set that no gateway has filled, and brings none about.
#[tokio::test]
async fn it_waits_for_a_gateway_and_writes_nothing_but_its_lease() {
    let world = World::start().await;
    let empty = RedisServer::start_with(RedisOptions::plain()).await.unwrap();
    let guard = AuthGuard::local(world.settings(&empty.url())).unwrap();
    let app = application(&guard).await;
    let token = world.token("u", &nothing());
    unavailable(&get_as(&app, &token, "/me").await);
    let forged = format!("{}A", &token[..token.len() - 4]);
    assert_eq!(verdict(&get_as(&app, &forged, "/me").await).0, 401);
    assert_eq!(empty.command(&["DBSIZE"]).await.unwrap(), RedisReply::Integer(0));
}

#[tokio::test]
async fn after_a_flush_it_waits_until_a_gateway_has_filled_the_store_again() {
    let mut world = World::start().await;
    let (good, revoked) = (world.token("u", &nothing()), world.token("v", &nothing()));
    world.revoke(&revoked).await;
    let guard = world.guard(Way::Local).await;
    let app = application(&guard).await;
    world.gateway.kill9();
    world.redis.flush_all().await.unwrap();
    eventually("the old data set counts no longer", || async {
        let reply = get_as(&app, &good, "/me").await;
        assert!(reply.status == 200 || reply.status == 503, "{}", reply.text());
        reply.status == 503
    })
    .await;
    world.gateway.restart().await.unwrap();
    // One that never saw the old data set learns of it by what the gateway brought back.
    let newcomer = world.guard(Way::Local).await;
    for app in [app, application(&newcomer).await] {
        eventually("it answers again", || async {
            get_as(&app, &good, "/me").await.status == 200
        })
        .await;
        assert_eq!(
            verdict(&get_as(&app, &revoked, "/me").await),
            (401, "token_revoked".into())
        );
    }
}

/// Its keys are all there, and so is the mark of the gateway: for the epoch before.
#[tokio::test]
async fn after_a_restart_of_redis_it_waits_until_a_gateway_has_looked_through_the_store_again() {
    let mut world = World::on(RedisOptions::durable(), |options| options).await;
    let (good, revoked) = (world.token("u", &nothing()), world.token("v", &nothing()));
    world.revoke(&revoked).await;
    let guard = world.guard(Way::Local).await;
    let app = application(&guard).await;
    world.gateway.kill9();
    world.redis.restart().await.unwrap();
    eventually("the old epoch counts no longer", || async {
        get_as(&app, &good, "/me").await.status == 503
    })
    .await;
    let newcomer = application(&AuthGuard::local(world.settings(&world.redis.url())).unwrap()).await;
    unavailable(&get_as(&newcomer, &good, "/me").await);
    world.gateway.restart().await.unwrap();
    for app in [app, newcomer] {
        eventually("it answers again", || async {
            get_as(&app, &good, "/me").await.status == 200
        })
        .await;
        assert_eq!(verdict(&get_as(&app, &revoked, "/me").await).1, "token_revoked");
    }
}

#[tokio::test]
async fn a_data_set_that_was_rolled_back_counts_no_longer_until_a_gateway_registers_another() {
    let mut world = World::start().await;
    let (good, revoked) = (world.token("u", &nothing()), world.token("v", &nothing()));
    world.revoke(&revoked).await;
    let guard = world.guard(Way::Local).await;
    let app = application(&guard).await;
    let grounds = get_as(&app, &good, "/grounds").await.text();
    assert!(grounds.contains("term=1;"), "{grounds}");
    world.gateway.kill9();
    let back = ["SET", "gateway:{revocations}:position", "0"];
    world.redis.command(&back).await.unwrap();
    eventually("it is found out", || async {
        get_as(&app, &good, "/me").await.status == 503
    })
    .await;
    // Nobody has registered it anew, so it stays so, longer than any lease lasts.
    let found_out = Instant::now();
    let mut ticks = tokio::time::interval(LEASE / 20);
    while found_out.elapsed() < LEASE * 2 {
        ticks.tick().await;
        unavailable(&get_as(&app, &good, "/me").await);
    }
    world.redis.flush_all().await.unwrap();
    world.gateway.restart().await.unwrap();
    eventually("it answers again, in another term", || async {
        get_as(&app, &good, "/grounds").await.text().contains("term=2;")
    })
    .await;
    assert_eq!(verdict(&get_as(&app, &revoked, "/me").await).1, "token_revoked");
}

#[tokio::test]
async fn a_lease_given_back_is_waited_for_by_nobody() {
    let world = World::start().await;
    let guard = world.guard(Way::Local).await;
    let app = application(&guard).await;
    let leases = || async {
        let answer = world
            .redis
            .command(&["HLEN", "gateway:{revocations}:leases"])
            .await;
        answer.unwrap()
    };
    eventually("both hold one", || async {
        leases().await == RedisReply::Integer(2)
    })
    .await;
    guard.release().await;
    assert_eq!(leases().await, RedisReply::Integer(1));
    let token = world.token("u", &nothing());
    let grounds = get_as(&app, &token, "/grounds").await.expect_status(200);
    assert!(grounds.text().starts_with("reads=direct"), "{}", grounds.text());
    world.revoke(&token).await;
    assert_eq!(verdict(&get_as(&app, &token, "/me").await).0, 401);
}
