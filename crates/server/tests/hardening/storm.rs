//! Many refresh one token at once: the authorization server sees it once (Keycloak's GHSA-m2w5).

use std::collections::HashSet;
use std::time::Duration;

use maxlab_auth_testkit::wait::after;
use maxlab_auth_testkit::{
    Actor as _, AnonymousActor, HttpReply, Lie, PostgresServer, RedisServer, ReplyGate,
};
use tokio::task::JoinSet;

use crate::support::{Answer, Stack, auth_server, eventually, log_in, options, refresh};

async fn storm(urls: &[String], token: &str, requests: usize) -> Vec<HttpReply> {
    let mut tasks = JoinSet::new();
    for n in 0..requests {
        let (url, token) = (urls[n % urls.len()].clone(), token.to_owned());
        tasks.spawn(async move { refresh(&AnonymousActor::new(&url), &token).await });
    }
    tasks.join_all().await
}

/// Whether so many requests wait for an exchange.
async fn waiting(stack: &Stack, requests: f64) -> bool {
    let metrics = AnonymousActor::new(&stack.url()).get("/metrics").await.text();
    let gauge = metrics
        .lines()
        .find_map(|line| line.strip_prefix("token_exchange_waiters "));
    gauge.is_some_and(|count| count.parse::<f64>().unwrap() >= requests)
}

/// The different pairs of tokens that the storm brought.
fn pairs(replies: &[HttpReply]) -> HashSet<String> {
    let good = replies.iter().filter(|reply| reply.code() == 200);
    good.map(|reply| reply.json()["refresh_token"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn at_one_instance_there_is_one_exchange() {
    let stack = Stack::start_with(|options| options.env("UPSTREAM_TIMEOUT_SECONDS", "60")).await;
    let login = log_in(&AnonymousActor::new(&stack.url()), "ann").await;
    let gate = ReplyGate::closed();
    stack.auth.on(
        "POST /oauth/token",
        Lie::gated(&gate, stack.desk.answering(&stack.auth)),
    );
    let asked = stack.auth.count_requests("/oauth/token");
    let urls = [stack.url()];
    let arriving = async {
        eventually("all of them wait for the exchange", || waiting(&stack, 200.0)).await;
        gate.open();
    };
    let (replies, ()) = tokio::join!(storm(&urls, &login.refresh, 200), arriving);
    assert_eq!(stack.auth.count_requests("/oauth/token"), asked + 1);
    assert_eq!(stack.desk.grants(&login.refresh), 1);
    assert!(
        replies.iter().all(|reply| reply.code() == 200),
        "everybody shares the one answer"
    );
    let pairs = pairs(&replies);
    assert_eq!(pairs.len(), 1);
    let next = pairs.into_iter().next().unwrap();
    refresh(&AnonymousActor::new(&stack.url()), &next)
        .await
        .expect_status(200);
}

/// One instance claims the exchange; the other tells its clients that the token has been used, and ends nothing.
#[tokio::test]
async fn at_two_instances_there_is_one_success() {
    let (auth, desk) = auth_server().await;
    let (redis, postgres) = (
        RedisServer::start().await.unwrap(),
        PostgresServer::start().await.unwrap(),
    );
    let settings = options(&auth)
        .env("REDIS_URL", redis.url())
        .env("DATABASE_URL", postgres.create_database().await.unwrap())
        .env(
            "SESSION_ENCRYPTION_KEY",
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
        );
    let gateways = [
        settings.clone().start().await.unwrap(),
        settings.start().await.unwrap(),
    ];
    let urls = gateways.each_ref().map(|gateway| gateway.url());
    for round in 0..3 {
        let login = log_in(&AnonymousActor::new(&urls[0]), &format!("user{round}")).await;
        auth.on(
            "POST /oauth/token",
            Lie::delay(Duration::from_millis(100), desk.answering(&auth)),
        );
        let asked = auth.count_requests("/oauth/token");
        let replies = storm(&urls, &login.refresh, 200).await;
        assert_eq!(
            auth.count_requests("/oauth/token"),
            asked + 1,
            "one question from all instances"
        );
        assert_eq!(desk.grants(&login.refresh), 1);
        assert_eq!(pairs(&replies).len(), 1, "one pair of tokens");
        for reply in &replies {
            assert!(matches!(reply.code(), 200 | 400), "{}", reply.shown());
        }
        auth.on("POST /oauth/token", desk.answering(&auth));
        let next = pairs(&replies).into_iter().next().unwrap();
        refresh(&AnonymousActor::new(&urls[1]), &next)
            .await
            .expect_status(200);
    }
}

#[tokio::test]
async fn a_client_that_leaves_costs_no_token() {
    let stack = Stack::start().await;
    let login = log_in(&AnonymousActor::new(&stack.url()), "ann").await;
    stack.auth.on(
        "POST /oauth/token",
        Lie::delay(Duration::from_millis(400), stack.desk.answering(&stack.auth)),
    );
    let url = stack.url();
    let anybody = AnonymousActor::new(&url);
    let left = tokio::time::timeout(Duration::from_millis(150), refresh(&anybody, &login.refresh)).await;
    assert!(left.is_err(), "the client was to leave before the answer");
    // It asks again a moment later, and gets what the first request brought.
    let again = refresh(&anybody, &login.refresh).await.expect_status(200).json();
    assert_eq!(stack.desk.grants(&login.refresh), 1);
    refresh(&anybody, again["refresh_token"].as_str().unwrap())
        .await
        .expect_status(200);
}

#[tokio::test]
async fn a_store_that_fails_in_the_middle_ends_no_session_for_good() {
    let redis = RedisServer::start().await.unwrap();
    let link = maxlab_auth_testkit::BreakableLink::to(redis.addr())
        .await
        .unwrap();
    let stack =
        Stack::start_with(|options| options.env("REDIS_URL", format!("redis://{}/", link.addr()))).await;
    let anybody = AnonymousActor::new(&stack.url());
    let login = log_in(&anybody, "ann").await;
    let gate = ReplyGate::closed();
    stack.auth.on(
        "POST /oauth/token",
        Lie::gated(&gate, stack.desk.answering(&stack.auth)),
    );
    let asked = stack.auth.count_requests("/oauth/token");
    let breaking = async {
        stack.auth.wait_for_requests("/oauth/token", asked + 1).await;
        link.cut().await;
        gate.open();
        // The authorization server has rotated; the store comes back within the patience of the exchange.
        after(Duration::from_millis(600), link.heal()).await.unwrap();
    };
    let (reply, ()) = tokio::join!(refresh(&anybody, &login.refresh), breaking);
    let next = reply.expect_status(200).json()["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    stack
        .auth
        .on("POST /oauth/token", stack.desk.answering(&stack.auth));
    let renewed = || async { refresh(&anybody, &next).await.code() == 200 };
    eventually("the session goes on", renewed).await;
}
