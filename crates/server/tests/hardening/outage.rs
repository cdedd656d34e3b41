//! The store or the database fails in the middle: 503 within seconds, nothing taken away, and back by itself.

use std::time::{Duration, Instant};

use maxlab_auth_testkit::{
    Actor, AnonymousActor, BearerActor, BreakableLink, Direction, HttpReply, PostgresServer, RedisServer,
};

use crate::support::{
    Answer, Login, Stack, assert_lives, eventually, exchange_code, log_in, refresh, unavailable,
};

/// A failing component answers within this time. A request may make two trips that each time out.
const WITHIN: Duration = Duration::from_secs(7);

struct World {
    stack: Stack,
    ann: Login,
    /// Revoked before the outage.
    revoked: String,
    /// Ended before the outage.
    ended: Login,
}

async fn world(settings: &[(&str, &str)]) -> World {
    let stack = Stack::start_with(|mut options| {
        // What a replica answers while its lease holds is another matter, and another test's.
        options = options.env("REVOCATION_READS", "direct");
        for (name, value) in settings {
            options = options.env(name, value);
        }
        options
    })
    .await;
    let anybody = AnonymousActor::new(&stack.url());
    let ann = log_in(&anybody, "ann").await;
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
    World {
        stack,
        ann,
        revoked,
        ended,
    }
}

async fn with_cookie(url: &str, cookie: &str, method: http::Method, path: &str) -> HttpReply {
    let anybody = AnonymousActor::new(url);
    let origin = url.to_owned();
    anybody
        .send(method, path, |request| {
            request.header("cookie", cookie).header("origin", origin)
        })
        .await
}

async fn revoke(actor: &impl Actor, token: &str) -> HttpReply {
    actor.post_form("/oauth/revoke", &[("token", token)]).await
}

async fn validate(actor: &impl Actor, token: &str) -> HttpReply {
    actor
        .post_form("/oauth/token/validate", &[("access_token", token)])
        .await
}

impl World {
    fn bearer(&self, token: &str) -> BearerActor {
        BearerActor::new(&self.stack.url(), token)
    }

    /// Asks everything at once; each is 503 in time, and nothing is taken from anybody.
    async fn is_unavailable(&self, what: &str) {
        let url = self.stack.url();
        let anybody = AnonymousActor::new(&url);
        let (ann, rob) = (self.bearer(&self.ann.access), self.bearer(&self.revoked));
        let other = self.stack.token("bob");
        let started = Instant::now();
        let (me, gone, cookie, sessions, logout, logout_cookie, all, revoked, validated, login, again) = tokio::join!(
            ann.get("/api/v1/auth/me"),
            rob.get("/api/v1/auth/me"),
            with_cookie(&url, &self.ann.cookie, http::Method::GET, "/api/v1/auth/me"),
            ann.get("/api/v1/auth/sessions"),
            ann.post("/api/v1/auth/logout"),
            with_cookie(&url, &self.ann.cookie, http::Method::POST, "/api/v1/auth/logout"),
            ann.post("/api/v1/auth/logout/all"),
            revoke(&anybody, &other),
            validate(&anybody, &self.ann.access),
            exchange_code(&anybody, "kim"),
            refresh(&anybody, &self.ann.refresh),
        );
        let elapsed = started.elapsed();
        for (name, reply) in [
            ("me", &me),
            ("me, revoked", &gone),
            ("me, by cookie", &cookie),
            ("sessions", &sessions),
            ("logout", &logout),
            ("logout, by cookie", &logout_cookie),
            ("logout-all", &all),
            ("revoke", &revoked),
            ("validate", &validated),
            ("login", &login),
            ("refresh", &again),
        ] {
            unavailable(reply, &format!("{what}: {name}"));
            assert_eq!(reply.error_code(), "store_unavailable", "{what}: {name}");
        }
        assert!(elapsed < WITHIN, "{what}: only after {elapsed:?}");
        let ready = anybody.get("/health/ready").await;
        assert_eq!(ready.code(), 503, "{what}: {}", ready.shown());
        anybody.get("/health").await.expect_status(200);
    }

    /// It comes back by itself, and everything is as it was.
    ///
    /// Whatever was asked for in the outage and answered 503 may have happened or not; so the people of the outage are
    /// not those of this check.
    async fn is_back(&self, what: &str, bystander: &Login) {
        let url = self.stack.url();
        let caller = self.bearer(&bystander.access);
        eventually(what, || async {
            caller.get("/api/v1/auth/me").await.code() == 200
        })
        .await;
        with_cookie(&url, &bystander.cookie, http::Method::GET, "/api/v1/auth/me")
            .await
            .expect_status(200);
        let gone = self.bearer(&self.revoked).get("/api/v1/auth/me").await;
        assert_eq!(
            (gone.code(), gone.error_code().as_str()),
            (401, "token_revoked"),
            "{what}"
        );
        let ended = self.bearer(&self.ended.access).get("/api/v1/auth/me").await;
        assert_eq!(ended.code(), 401, "{what}: {}", ended.shown());
        let ended = with_cookie(&url, &self.ended.cookie, http::Method::GET, "/api/v1/auth/me").await;
        assert_eq!(ended.code(), 401, "{what}: {}", ended.shown());
        refresh(&AnonymousActor::new(&url), &bystander.refresh)
            .await
            .expect_status(200);
        log_in(&AnonymousActor::new(&url), "new").await;
        assert_lives(&self.stack.gateway).await;
    }
}

async fn behind_a_link() -> (RedisServer, BreakableLink, World, Login) {
    let redis = RedisServer::start().await.unwrap();
    let link = BreakableLink::to(redis.addr()).await.unwrap();
    let world = world(&[("REDIS_URL", &format!("redis://{}/", link.addr()))]).await;
    let bystander = log_in(&AnonymousActor::new(&world.stack.url()), "sue").await;
    (redis, link, world, bystander)
}

#[tokio::test]
async fn the_way_to_redis_is_cut() {
    let (_redis, link, world, bystander) = behind_a_link().await;
    link.cut().await;
    Box::pin(world.is_unavailable("cut")).await;
    link.heal().await.unwrap();
    world.is_back("cut", &bystander).await;
}

#[tokio::test]
async fn the_way_to_redis_stalls() {
    let (_redis, link, world, bystander) = behind_a_link().await;
    link.stall();
    Box::pin(world.is_unavailable("stalled")).await;
    link.heal().await.unwrap();
    world.is_back("stalled", &bystander).await;
}

#[tokio::test]
async fn redis_hears_and_is_not_heard() {
    let (_redis, link, world, bystander) = behind_a_link().await;
    link.one_way(Direction::ToServer);
    Box::pin(world.is_unavailable("one way")).await;
    link.heal().await.unwrap();
    world.is_back("one way", &bystander).await;
}

#[tokio::test]
async fn redis_is_killed_and_comes_back() {
    let mut redis = RedisServer::start().await.unwrap();
    let world = world(&[("REDIS_URL", &redis.url())]).await;
    let bystander = log_in(&AnonymousActor::new(&world.stack.url()), "sue").await;
    redis.kill();
    Box::pin(world.is_unavailable("killed")).await;
    redis.restart().await.unwrap();
    world.is_back("killed", &bystander).await;
}

#[tokio::test]
async fn redis_is_frozen() {
    let redis = RedisServer::start().await.unwrap();
    let world = world(&[("REDIS_URL", &redis.url())]).await;
    let bystander = log_in(&AnonymousActor::new(&world.stack.url()), "sue").await;
    redis.pause();
    Box::pin(world.is_unavailable("frozen")).await;
    redis.resume();
    world.is_back("frozen", &bystander).await;
}

#[tokio::test]
async fn redis_refuses_to_write() {
    let redis = RedisServer::start().await.unwrap();
    let world = world(&[("REDIS_URL", &redis.url()), ("SESSION_STORE", "redis")]).await;
    let url = world.stack.url();
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();
    let (ann, anybody) = (world.bearer(&world.ann.access), AnonymousActor::new(&url));
    let token = world.stack.token("bob");
    unavailable(
        &anybody.post_form("/oauth/revoke", &[("token", &token)]).await,
        "revoke",
    );
    unavailable(&ann.post("/api/v1/auth/logout/all").await, "logout-all");
    unavailable(&exchange_code(&anybody, "kim").await, "login");
    let gone = world.bearer(&world.revoked).get("/api/v1/auth/me").await;
    assert_eq!(gone.code(), 401, "what was revoked stays so: {}", gone.shown());
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    // What was recorded is finished by itself.
    let (bob, ann) = (world.bearer(&token), &ann);
    eventually("the revoke", || async {
        bob.get("/api/v1/auth/me").await.code() == 401
    })
    .await;
    eventually("the logout-all", || async {
        ann.get("/api/v1/auth/me").await.code() == 401
    })
    .await;
    log_in(&anybody, "kim").await;
}

#[tokio::test]
async fn postgresql_is_frozen_and_killed() {
    let redis = RedisServer::start().await.unwrap();
    let mut postgres = PostgresServer::start().await.unwrap();
    let database = postgres.create_database().await.unwrap();
    let settings = [("REDIS_URL", redis.url()), ("DATABASE_URL", database)];
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let world = world(&settings).await;
    let url = world.stack.url();
    let (anybody, ann) = (AnonymousActor::new(&url), world.bearer(&world.ann.access));
    let bystander = log_in(&anybody, "sue").await;
    postgres.pause();
    let token = world.stack.token("bob");
    let started = Instant::now();
    let (revoked, logout, login, all) = tokio::join!(
        revoke(&anybody, &token),
        ann.post("/api/v1/auth/logout"),
        exchange_code(&anybody, "kim"),
        ann.post("/api/v1/auth/logout/all"),
    );
    for (what, reply) in [
        ("revoke", revoked),
        ("logout", logout),
        ("login", login),
        ("logout-all", all),
    ] {
        unavailable(&reply, what);
    }
    assert!(
        started.elapsed() < Duration::from_secs(12),
        "only after {:?}",
        started.elapsed()
    );
    let gone = world.bearer(&world.revoked).get("/oauth/userinfo").await;
    assert_eq!(gone.code(), 401, "verifying needs no database: {}", gone.shown());
    world
        .bearer(&bystander.access)
        .get("/oauth/userinfo")
        .await
        .expect_status(200);
    postgres.resume();
    world.is_back("frozen", &bystander).await;
    postgres.kill();
    let token = world.stack.token("tom");
    unavailable(
        &anybody.post_form("/oauth/revoke", &[("token", &token)]).await,
        "killed",
    );
    postgres.restart().await.unwrap();
    let again = || async {
        anybody
            .post_form("/oauth/revoke", &[("token", &token)])
            .await
            .code()
            == 200
    };
    eventually("a revoke", again).await;
    assert_eq!(world.bearer(&token).get("/api/v1/auth/me").await.code(), 401);
    assert_lives(&world.stack.gateway).await;
}
