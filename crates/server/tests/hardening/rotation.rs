//! Rotated session ids, and a Redis that is put back to an earlier state.

use maxlab_auth_testkit::servers::RedisOptions;
use maxlab_auth_testkit::{Actor, AnonymousActor, PostgresServer, RedisServer};

use crate::support::{Answer, Stack, assert_lives, eventually, log_in};

async fn with_cookie(
    stack: &Stack,
    method: http::Method,
    path: &str,
    cookie: &str,
) -> maxlab_auth_testkit::HttpReply {
    AnonymousActor::new(&stack.url())
        .send(method, path, |request| {
            request
                .header("cookie", cookie)
                .header("sec-fetch-site", "same-origin")
        })
        .await
}

async fn me(stack: &Stack, cookie: &str) -> u16 {
    with_cookie(stack, http::Method::GET, "/api/v1/auth/me", cookie)
        .await
        .code()
}

async fn rotated(stack: &Stack, cookie: &str) -> String {
    let reply = with_cookie(stack, http::Method::POST, "/api/v1/auth/sessions/rotate", cookie).await;
    let reply = reply.expect_status(200);
    let set = reply.header("set-cookie").unwrap();
    set.split(';').next().unwrap().to_owned()
}

/// Whether the store holds its earlier data or none at all, the old id is refused, and the gateway answers again.
#[tokio::test]
async fn s12_a_rotated_id_stays_dead_when_redis_is_restored_from_a_snapshot() {
    for sessions in ["sql", "redis"] {
        rotated_ids_stay_dead(sessions).await;
    }
}

async fn rotated_ids_stay_dead(sessions: &str) {
    let mut redis = RedisServer::start_with(RedisOptions::durable()).await.unwrap();
    let postgres = PostgresServer::start().await.unwrap();
    let database = postgres.create_database().await.unwrap();
    let mut stack = Stack::start_with(|options| {
        options
            .env("REDIS_URL", redis.url())
            .env("DATABASE_URL", database.as_str())
            .env("SESSION_STORE", sessions)
    })
    .await;
    let anybody = AnonymousActor::new(&stack.url());
    let first = log_in(&anybody, "ann").await.cookie;
    let bystander = log_in(&anybody, "bob").await.cookie;
    let snapshot = redis.snapshot().unwrap();
    let second = rotated(&stack, &first).await;
    let third = rotated(&stack, &second).await;
    assert_eq!(me(&stack, &third).await, 200);
    for round in 0..2 {
        redis.roll_back(&snapshot).await.unwrap();
        if round == 1 {
            stack.gateway.kill9();
            stack.gateway.restart().await.unwrap();
        }
        // The session of the other person is what shows that the earlier data is there and is believed.
        eventually("the earlier data is believed", || async {
            for old in [&first, &second] {
                let status = me(&stack, old).await;
                assert!(matches!(status, 401 | 503), "round {round}: {status}");
            }
            me(&stack, &bystander).await == 200
        })
        .await;
        for old in [&first, &second] {
            assert_eq!(me(&stack, old).await, 401, "round {round}");
            let again = with_cookie(&stack, http::Method::POST, "/api/v1/auth/sessions/rotate", old).await;
            assert_eq!(again.code(), 401, "round {round}");
        }
    }
    // The current id goes on exactly if the session is not in what was restored (I14).
    let expected = if sessions == "sql" { 200 } else { 401 };
    assert_eq!(me(&stack, &third).await, expected);
    let anybody = AnonymousActor::new(&stack.url());
    let later = log_in(&anybody, "ann").await.cookie;
    assert_eq!(me(&stack, &later).await, 200);
    assert_lives(&stack.gateway).await;
}
