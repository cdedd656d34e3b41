//! Two instances, and every mode of storage: what one ends the other refuses at once.

use std::sync::Arc;

use maxlab_auth_testkit::{
    Actor, AnonymousActor, BearerActor, GatewayProcess, LyingAuthServer, PostgresServer, RedisServer,
};

use crate::support::{Answer, Desk, Login, auth_server, eventually, good_token, log_in, options, refresh};

struct Cluster {
    auth: Arc<LyingAuthServer>,
    desk: Arc<Desk>,
    /// One, or several that share everything.
    gateways: Vec<GatewayProcess>,
    // The servers live as long as the cluster.
    _redis: Option<RedisServer>,
    _postgres: Option<PostgresServer>,
}

const SHARED_KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

impl Cluster {
    async fn start(instances: usize, redis: bool, postgres: bool) -> Self {
        let (auth, desk) = auth_server().await;
        let redis = if redis {
            Some(RedisServer::start().await.unwrap())
        } else {
            None
        };
        let postgres = if postgres {
            Some(PostgresServer::start().await.unwrap())
        } else {
            None
        };
        let mut settings = options(&auth)
            .env("VERIFY_CACHE_SECONDS", "5")
            .env("SESSION_ENCRYPTION_KEY", SHARED_KEY);
        if let Some(redis) = &redis {
            settings = settings.env("REDIS_URL", redis.url());
        }
        settings = match &postgres {
            Some(postgres) => settings.env("DATABASE_URL", postgres.create_database().await.unwrap()),
            None => settings.env("ALLOW_OWN_JOURNALS", "true"),
        };
        let mut gateways = Vec::new();
        for _ in 0..instances {
            gateways.push(settings.clone().start().await.unwrap());
        }
        Self {
            auth,
            desk,
            gateways,
            _redis: redis,
            _postgres: postgres,
        }
    }

    fn url(&self, n: usize) -> String {
        self.gateways[n % self.gateways.len()].url()
    }

    fn anybody(&self, n: usize) -> AnonymousActor {
        AnonymousActor::new(&self.url(n))
    }

    /// Every instance knows the token, and has its verdict in mind.
    async fn is_good(&self, token: &str) {
        for n in 0..self.gateways.len() {
            BearerActor::new(&self.url(n), token)
                .get("/api/v1/auth/me")
                .await
                .expect_status(200);
        }
    }

    async fn is_refused(&self, token: &str, what: &str) {
        // The other instance first: it had the least time to learn of it.
        for n in (0..self.gateways.len()).rev() {
            let reply = BearerActor::new(&self.url(n), token).get("/api/v1/auth/me").await;
            assert_eq!(reply.code(), 401, "{what}, instance {n}: {}", reply.shown());
        }
    }

    async fn cookie_status(&self, n: usize, cookie: &str) -> u16 {
        let reply = self
            .anybody(n)
            .send(http::Method::GET, "/api/v1/auth/me", |r| {
                r.header("cookie", cookie)
            })
            .await;
        reply.code()
    }

    async fn session_is_dead(&self, login: &Login, what: &str) {
        for n in (0..self.gateways.len()).rev() {
            assert_eq!(
                self.cookie_status(n, &login.cookie).await,
                401,
                "{what}, instance {n}"
            );
            let reply = refresh(&self.anybody(n), &login.refresh).await;
            assert_eq!(reply.code(), 400, "{what}, instance {n}: {}", reply.shown());
        }
        assert_eq!(
            self.desk.grants(&login.refresh),
            0,
            "{what}: the authorization server exchanged it"
        );
    }

    /// Everything that ends something, begun at instance 0 and looked at from all.
    async fn revocation_suite(&self) {
        for round in 0..3 {
            let (here, there) = (round, round + 1);
            let url = self.url(here);

            let token = good_token(&self.auth, "rob");
            self.is_good(&token).await;
            self.anybody(here)
                .post_form("/oauth/revoke", &[("token", &token)])
                .await
                .expect_status(200);
            self.is_refused(&token, "revoke").await;

            let login = log_in(&self.anybody(there), "eve").await;
            self.is_good(&login.access).await;
            BearerActor::new(&url, &login.access)
                .post("/api/v1/auth/logout")
                .await
                .expect_status(200);
            self.is_refused(&login.access, "logout").await;
            self.session_is_dead(&login, "logout").await;

            let (one, two) = (
                log_in(&self.anybody(here), "sue").await,
                log_in(&self.anybody(there), "sue").await,
            );
            self.is_good(&two.access).await;
            let path = format!("/api/v1/auth/sessions/{}", two.handle);
            BearerActor::new(&url, &one.access)
                .delete(&path)
                .await
                .expect_status(200);
            self.is_refused(&two.access, "termination").await;
            self.session_is_dead(&two, "termination").await;
            self.is_good(&one.access).await;

            self.anybody(here)
                .post_form("/oauth/revoke", &[("token", &one.refresh)])
                .await
                .expect_status(200);
            self.is_refused(&one.access, "revoke of the refresh token").await;
            self.session_is_dead(&one, "revoke of the refresh token").await;

            let unseen = good_token(&self.auth, "tom");
            let (one, two) = (
                log_in(&self.anybody(here), "tom").await,
                log_in(&self.anybody(there), "tom").await,
            );
            BearerActor::new(&url, &one.access)
                .post("/api/v1/auth/logout/all")
                .await
                .expect_status(200);
            for token in [&one.access, &two.access, &unseen] {
                self.is_refused(token, "logout-all").await;
            }
            self.session_is_dead(&one, "logout-all").await;
            self.session_is_dead(&two, "logout-all").await;
            let again = log_in(&self.anybody(there), "tom").await;
            self.is_good(&again.access).await;

            let admin = log_in(&self.anybody(here), "admin-ann").await;
            let victim = log_in(&self.anybody(there), "vic").await;
            BearerActor::new(&url, &admin.access)
                .post("/api/v1/admin/users/vic/logout")
                .await
                .expect_status(200);
            self.is_refused(&victim.access, "an administrator's logout").await;
            self.session_is_dead(&victim, "an administrator's logout").await;
        }
    }

    async fn rotation(&self) {
        let login = log_in(&self.anybody(0), "ann").await;
        let origin = self.url(0);
        let rotated = self
            .anybody(0)
            .send(http::Method::POST, "/api/v1/auth/sessions/rotate", |r| {
                r.header("cookie", &login.cookie).header("origin", origin)
            })
            .await
            .expect_status(200);
        let cookie = rotated
            .header("set-cookie")
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        for n in (0..self.gateways.len()).rev() {
            assert_eq!(
                self.cookie_status(n, &login.cookie).await,
                401,
                "the old id lives at instance {n}"
            );
            assert_eq!(
                self.cookie_status(n, &cookie).await,
                200,
                "the new id is unknown at instance {n}"
            );
        }
    }
}

#[tokio::test]
async fn two_instances_on_redis_and_postgresql() {
    let cluster = Cluster::start(2, true, true).await;
    cluster.revocation_suite().await;
    cluster.rotation().await;
}

#[tokio::test]
async fn one_instance_on_its_own_files() {
    let cluster = Cluster::start(1, false, false).await;
    cluster.revocation_suite().await;
    cluster.rotation().await;
}

#[tokio::test]
async fn one_instance_on_redis() {
    let cluster = Cluster::start(1, true, false).await;
    cluster.revocation_suite().await;
    cluster.rotation().await;
}

#[tokio::test]
async fn one_instance_on_postgresql() {
    let cluster = Cluster::start(1, false, true).await;
    cluster.revocation_suite().await;
    cluster.rotation().await;
}

#[tokio::test]
async fn both_die_and_what_one_ended_stays_ended() {
    let mut cluster = Cluster::start(2, true, true).await;
    let login = log_in(&cluster.anybody(0), "ann").await;
    let rotated = refresh(&cluster.anybody(0), &login.refresh)
        .await
        .expect_status(200)
        .json();
    let token = good_token(&cluster.auth, "rob");
    cluster
        .anybody(1)
        .post_form("/oauth/revoke", &[("token", &token)])
        .await
        .expect_status(200);
    for gateway in &mut cluster.gateways {
        gateway.kill9();
    }
    for gateway in &mut cluster.gateways {
        gateway.restart().await.unwrap();
    }
    cluster.is_refused(&token, "after both died").await;
    // Whoever repeats the refresh at the other instance soon gets the same answer, also after a crash (F28).
    let asked = cluster.auth.count_requests("/oauth/token");
    let repeated = refresh(&cluster.anybody(1), &login.refresh).await;
    assert_eq!(repeated.expect_status(200).json(), rotated);
    assert_eq!(
        cluster.auth.count_requests("/oauth/token"),
        asked,
        "the authorization server was asked"
    );
    assert!(rotated["refresh_token"].is_string());
    // Later its use ends the session (RFC 9700 §4.14).
    let session_has_ended = || async {
        let reply = refresh(&cluster.anybody(1), &login.refresh).await;
        assert!([200, 400].contains(&reply.code()), "{}", reply.shown());
        cluster.cookie_status(0, &login.cookie).await == 401
    };
    eventually("the reuse ends the session", session_has_ended).await;
    assert_eq!(
        cluster.auth.count_requests("/oauth/token"),
        asked,
        "the authorization server was asked"
    );
}
