//! Redis loses its data: nothing revoked comes back, tokens go on, and so do sessions (I14), except where
//! `SESSION_STORE=redis` keeps them in Redis.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use maxlab_auth_testkit::servers::RedisOptions;
use maxlab_auth_testkit::wait::{self, after};
use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, BreakableLink, PostgresServer, RedisServer};

use crate::support::{Answer, Login, Stack, assert_lives, eventually, log_in, refresh};

/// Enough that some flushes fall between the steps of a refill.
const QUESTIONS: usize = 60;

struct Before {
    sessions: &'static str,
    stack: Stack,
    good: Login,
    revoked: String,
    ended: Login,
    everywhere: [Login; 2],
    unseen: String,
    spared: Login,
}

async fn before(redis: &RedisServer) -> Before {
    before_with(redis, "sql").await
}

async fn before_with(redis: &RedisServer, sessions: &'static str) -> Before {
    let stack = Stack::start_with(|options| {
        options
            .env("REDIS_URL", redis.url())
            .env("SESSION_STORE", sessions)
    })
    .await;
    let anybody = AnonymousActor::new(&stack.url());
    let good = log_in(&anybody, "ann").await;
    let revoked = stack.token("rob");
    anybody
        .post_form("/oauth/revoke", &[("token", &revoked)])
        .await
        .expect_status(200);
    let ended = log_in(&anybody, "eve").await;
    BearerActor::new(&stack.url(), &ended.access)
        .post("/api/v1/auth/logout")
        .await
        .expect_status(200);
    let everywhere = [log_in(&anybody, "tom").await, log_in(&anybody, "tom").await];
    // It never passed the gateway; the cut-off alone covers it.
    let unseen = stack.token("tom");
    BearerActor::new(&stack.url(), &everywhere[0].access)
        .post("/api/v1/auth/logout/all")
        .await
        .expect_status(200);
    let spared = log_in(&anybody, "tom").await;
    Before {
        sessions,
        stack,
        good,
        revoked,
        ended,
        everywhere,
        unseen,
        spared,
    }
}

impl Before {
    async fn status(&self, token: &str) -> u16 {
        BearerActor::new(&self.stack.url(), token)
            .get("/api/v1/auth/me")
            .await
            .code()
    }

    async fn cookie_status(&self, login: &Login) -> u16 {
        let anybody = AnonymousActor::new(&self.stack.url());
        let reply = anybody
            .send(http::Method::GET, "/api/v1/auth/me", |r| {
                r.header("cookie", &login.cookie)
            })
            .await;
        reply.code()
    }

    /// Whatever was revoked is refused from the very first request on.
    async fn nothing_comes_back(&self) {
        let dead = [
            &self.revoked,
            &self.ended.access,
            &self.everywhere[0].access,
            &self.everywhere[1].access,
            &self.unseen,
        ];
        for (n, token) in dead.into_iter().enumerate() {
            assert_eq!(self.status(token).await, 401, "token {n} came back");
        }
        let anybody = AnonymousActor::new(&self.stack.url());
        for login in [&self.ended, &self.everywhere[0], &self.everywhere[1]] {
            assert_eq!(self.cookie_status(login).await, 401);
            let reply = refresh(&anybody, &login.refresh).await;
            assert_eq!(
                (reply.code(), self.stack.desk.grants(&login.refresh)),
                (400, 0),
                "{}",
                reply.shown()
            );
        }
    }

    async fn life_goes_on(&self) {
        assert_eq!(self.status(&self.good.access).await, 200, "tokens go on");
        assert_eq!(
            self.status(&self.spared.access).await,
            200,
            "a login after the logout-all is spared"
        );
        let expected = if self.sessions == "sql" { 200 } else { 401 };
        assert_eq!(self.cookie_status(&self.good).await, expected, "the session");
        let anybody = AnonymousActor::new(&self.stack.url());
        let again = log_in(&anybody, "ann").await;
        assert_eq!(self.cookie_status(&again).await, 200);
        refresh(&anybody, &self.good.refresh).await.expect_status(200);
        assert_lives(&self.stack.gateway).await;
    }
}

#[tokio::test]
async fn i14_flushed() {
    for sessions in ["sql", "redis"] {
        let redis = RedisServer::start().await.unwrap();
        let before = before_with(&redis, sessions).await;
        for _ in 0..3 {
            redis.flush_all().await.unwrap();
            before.nothing_comes_back().await;
        }
        before.life_goes_on().await;
    }
}

/// A flush while the store is being filled again must not leave it half full and taken for whole.
#[tokio::test]
async fn flushed_while_it_is_filled_again() {
    let redis = RedisServer::start_with(RedisOptions::plain()).await.unwrap();
    let before = before(&redis).await;
    let asking = AtomicBool::new(true);
    let hammer = async {
        let dead = [&before.revoked, &before.unseen, &before.everywhere[1].access];
        for n in 0..QUESTIONS {
            // 503 while it is filled again is an answer; a yes is not.
            let status = before.status(dead[n % dead.len()]).await;
            assert!(matches!(status, 401 | 503), "request {n}: {status}");
        }
        asking.store(false, Ordering::SeqCst);
    };
    let flush = async {
        for round in 0.. {
            let pause = Duration::from_micros(round % 17 * 300);
            after(pause, redis.flush_all()).await.unwrap();
            if !asking.load(Ordering::SeqCst) {
                break;
            }
        }
    };
    tokio::join!(hammer, flush);
    before.nothing_comes_back().await;
    before.life_goes_on().await;
}

/// The same, step by step: on a slow line a refill takes some 200 ms, and a second flush falls at each point of it.
#[tokio::test]
async fn flushed_at_every_step_of_a_refill() {
    let redis = RedisServer::start_with(RedisOptions::plain()).await.unwrap();
    let link = BreakableLink::to(redis.addr()).await.unwrap();
    let stack =
        Stack::start_with(|options| options.env("REDIS_URL", format!("redis://{}/", link.addr()))).await;
    let token = stack.token("rob");
    let anybody = AnonymousActor::new(&stack.url());
    anybody
        .post_form("/oauth/revoke", &[("token", &token)])
        .await
        .expect_status(200);
    let caller = BearerActor::new(&stack.url(), &token);
    link.delay(Duration::from_millis(8));
    for after in (0..220).step_by(9) {
        redis.flush_all().await.unwrap();
        let second = wait::after(Duration::from_millis(after), redis.flush_all());
        let (reply, flushed) = tokio::join!(caller.get("/api/v1/auth/me"), second);
        flushed.unwrap();
        assert!(
            matches!(reply.code(), 401 | 503),
            "flushed after {after} ms: {}",
            reply.shown()
        );
        let reply = caller.get("/api/v1/auth/me").await;
        assert_eq!(
            reply.code(),
            401,
            "flushed after {after} ms, asked again: {}",
            reply.shown()
        );
    }
}

#[tokio::test]
async fn i14_restarted_empty() {
    let mut redis = RedisServer::start_with(RedisOptions::plain()).await.unwrap();
    let before = before(&redis).await;
    redis.restart().await.unwrap();
    eventually("an answer", || async {
        before.status(&before.revoked).await == 401
    })
    .await;
    // A refusal that is remembered needs no store. Only an accept shows that the store is back.
    eventually("a yes", || async {
        before.status(&before.good.access).await == 200
    })
    .await;
    before.nothing_comes_back().await;
    before.life_goes_on().await;
}

#[tokio::test]
async fn i14_everything_is_restarted_and_redis_is_empty() {
    let mut redis = RedisServer::start_with(RedisOptions::plain()).await.unwrap();
    let mut before = before(&redis).await;
    before.stack.gateway.kill9();
    redis.restart().await.unwrap();
    before.stack.gateway.restart().await.unwrap();
    before.nothing_comes_back().await;
    before.life_goes_on().await;
}

#[tokio::test]
async fn keys_are_deleted_one_by_one() {
    // Nobody can promise to notice this; that the generation goes with them is what makes it noticed.
    let redis = RedisServer::start().await.unwrap();
    let before = before(&redis).await;
    let keys = redis.command(&["KEYS", "*"]).await.unwrap();
    let maxlab_auth_testkit::servers::RedisReply::Array(keys) = keys else {
        panic!("no list")
    };
    let names: Vec<String> = keys.iter().filter_map(|key| key.text()).collect();
    assert!(
        names.iter().any(|name| name.starts_with("blacklist:")),
        "{names:?}"
    );
    for name in &names {
        redis.command(&["DEL", name]).await.unwrap();
    }
    before.nothing_comes_back().await;
}

/// What a store has lost can come back: only the journal is believed about what is over.
async fn a_session_that_was_lost_and_ended_does_not_come_back(postgres: Option<&PostgresServer>) {
    for by in ["bearer", "x-session-id", "delete", "refresh token"] {
        let mut redis = RedisServer::start().await.unwrap();
        let database = match postgres {
            Some(server) => Some(server.create_database().await.unwrap()),
            None => None,
        };
        let stack = Stack::start_with(|options| {
            let options = options
                .env("REDIS_URL", redis.url())
                .env("SESSION_STORE", "redis");
            match &database {
                Some(url) => options.env("DATABASE_URL", url),
                None => options,
            }
        })
        .await;
        let anybody = AnonymousActor::new(&stack.url());
        let login = log_in(&anybody, "ann").await;
        let cookie_status = async || {
            anybody
                .send(http::Method::GET, "/api/v1/auth/me", |r| {
                    r.header("cookie", &login.cookie)
                })
                .await
                .code()
        };
        assert_eq!(cookie_status().await, 200);
        let snapshot = redis.snapshot().unwrap();
        redis.flush_all().await.unwrap();
        let stray = stack.token("ann");
        eventually("the login is ended", async || {
            let reply = match by {
                "bearer" => {
                    BearerActor::new(&stack.url(), &login.access)
                        .post("/api/v1/auth/logout")
                        .await
                }
                "x-session-id" => {
                    BearerActor::new(&stack.url(), &stray)
                        .send(http::Method::POST, "/api/v1/auth/logout", |r| {
                            r.header("x-session-id", &login.handle)
                        })
                        .await
                }
                "delete" => {
                    let path = format!("/api/v1/auth/sessions/{}", login.handle);
                    BearerActor::new(&stack.url(), &stray).delete(&path).await
                }
                _ => {
                    anybody
                        .post_form("/oauth/revoke", &[("token", &login.refresh)])
                        .await
                }
            };
            assert!(matches!(reply.code(), 200 | 503), "{by}: {}", reply.shown());
            reply.code() == 200
        })
        .await;
        redis.roll_back(&snapshot).await.unwrap();
        eventually("the store is filled again", async || {
            let status = cookie_status().await;
            assert_ne!(status, 200, "{by}: the session came back");
            status == 401
        })
        .await;
        let reply = BearerActor::new(&stack.url(), &login.access)
            .get("/api/v1/auth/me")
            .await;
        assert_eq!(reply.code(), 401, "{by}: {}", reply.shown());
        let reply = refresh(&anybody, &login.refresh).await;
        assert_eq!(
            (reply.code(), stack.desk.grants(&login.refresh)),
            (400, 0),
            "{by}"
        );
    }
}

#[tokio::test]
async fn s15_a_session_that_was_lost_and_ended_does_not_come_back_with_sqlite() {
    a_session_that_was_lost_and_ended_does_not_come_back(None).await;
}

#[tokio::test]
async fn s15_a_session_that_was_lost_and_ended_does_not_come_back_with_postgresql() {
    let postgres = PostgresServer::start().await.unwrap();
    a_session_that_was_lost_and_ended_does_not_come_back(Some(&postgres)).await;
}
