//! Asking again is asking for the same acknowledgement: no answer says "it is over" while another instance may still accept.

use std::time::Duration;

use maxlab_auth_core::audit::AuditFilter;
use maxlab_auth_core::credential::SessionHandle;
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::verdict::RevocationKey;
use maxlab_auth_testkit::{Actor, BearerActor, BreakableLink, Browser, HttpReply, TokenForge};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::gateway::{Gateway, Login, Stores, World, eventually, from_own_page, on_every_store, verdict};

const LOGOUT: &str = "/api/v1/auth/logout";
const LOGOUT_ALL: &str = "/api/v1/auth/logout/all";
const SHARED_KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

/// Each way to ask for the end of a login.
#[derive(Clone, Copy, Debug)]
enum Ending {
    LogoutByBearer,
    LogoutByCookie,
    LogoutByRefreshToken,
    LogoutAll,
    LogoutAllByBody,
    SessionOfAnother,
    OwnSession,
    RevokedAccessToken,
    RevokedRefreshToken,
}

impl Ending {
    const ALL: [Self; 9] = [
        Self::LogoutByBearer,
        Self::LogoutByCookie,
        Self::LogoutByRefreshToken,
        Self::LogoutAll,
        Self::LogoutAllByBody,
        Self::SessionOfAnother,
        Self::OwnSession,
        Self::RevokedAccessToken,
        Self::RevokedRefreshToken,
    ];

    /// Asks for it. `elsewhere` is another login of the same person.
    async fn ask(self, world: &World, login: &Login, cookie: &str, elsewhere: &Login) -> HttpReply {
        let bearer = world.bearer(&login.access);
        let path = format!("/api/v1/auth/sessions/{}", login.handle);
        match self {
            Self::LogoutByBearer => bearer.post(LOGOUT).await,
            Self::LogoutByCookie => {
                let browser = Browser::new(&world.gateway.url);
                browser.plant_cookie(crate::gateway::COOKIE, cookie);
                from_own_page(&browser, Method::POST, LOGOUT).await
            }
            Self::LogoutByRefreshToken => {
                let body = json!({ "refresh_token": login.refresh });
                world.anonymous().post_json(LOGOUT, &body).await
            }
            Self::LogoutAll => bearer.post(LOGOUT_ALL).await,
            Self::LogoutAllByBody => {
                let body = json!({ "logout_all_devices": true });
                bearer.post_json(LOGOUT, &body).await
            }
            Self::SessionOfAnother => world.bearer(&elsewhere.access).delete(&path).await,
            Self::OwnSession => bearer.delete(&path).await,
            Self::RevokedAccessToken => world.revoke(&login.access).await,
            Self::RevokedRefreshToken => world.revoke(&login.refresh).await,
        }
    }

    /// Whether an answer to it says that it is over.
    fn is_over(reply: &HttpReply) -> bool {
        matches!(reply.status.as_u16(), 200 | 404) || verdict(reply).1.ends_with("_revoked")
    }
}

/// Two gateways on one Redis and one PostgreSQL; the second's link to Redis can hang.
struct Pair {
    world: World,
    other: Gateway,
    link: BreakableLink,
    _data: TempDir,
}

impl Pair {
    async fn start() -> Self {
        let shared = [
            ("SESSION_ENCRYPTION_KEY", SHARED_KEY),
            ("REVOCATION_LEASE_SECONDS", "3"),
        ];
        let world = World::on(Stores::Shared, &shared).await;
        let (redis, _) = world.redis.as_ref().unwrap();
        let link = BreakableLink::to(redis.addr()).await.unwrap();
        let data = TempDir::new().unwrap();
        let mut settings = world.settings.clone();
        settings.insert("REDIS_URL".to_owned(), format!("redis://{}/", link.addr()));
        settings.insert("DATA_DIR".to_owned(), data.path().display().to_string());
        let other = Gateway::start(&settings).await;
        let _data = data;
        Self {
            world,
            other,
            link,
            _data,
        }
    }

    async fn elsewhere(&self, token: &str) -> HttpReply {
        BearerActor::new(&self.other.url, token)
            .get("/api/v1/auth/me")
            .await
    }

    /// The other instance answers from memory, and knows the token.
    async fn warm(&self, token: &str) {
        let gate = &self.other.app.state.engine.deps().revocations;
        eventually("the other instance holds a lease", async || {
            gate.can_answer_from_replica() && self.elsewhere(token).await.status == 200
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s16_who_gives_up_and_asks_again_is_not_answered_while_another_instance_accepts() {
    let pair = Pair::start().await;
    for (n, ending) in Ending::ALL.into_iter().enumerate() {
        let user = format!("user-{n}");
        let (login, elsewhere) = (pair.world.log_in(&user).await, pair.world.log_in(&user).await);
        let cookie = login.cookie();
        pair.warm(&login.access).await;
        pair.link.stall();
        let ask = || ending.ask(&pair.world, &login, &cookie, &elsewhere);
        // Its client gives up after a moment. Where it does not, the answer came when it might.
        let first = timeout(Duration::from_millis(700), ask()).await;
        let again = match first {
            Ok(reply) => reply,
            Err(_) => ask().await,
        };
        assert!(
            Ending::is_over(&again),
            "{ending:?}: {} {}",
            again.status,
            again.text()
        );
        let there = pair.elsewhere(&login.access).await;
        assert_ne!(
            there.status, 200,
            "{ending:?} was answered {} too soon",
            again.status
        );
        pair.link.heal().await.unwrap();
        let gate = &pair.other.app.state.engine.deps().revocations;
        eventually("the other instance is back", async || {
            gate.can_answer_from_replica()
        })
        .await;
        assert_eq!(pair.elsewhere(&login.access).await.status, 401, "{ending:?}");
    }
    pair.other.stop().await;
}

async fn s16_a_repeat_writes_no_line_and_no_audit_event(stores: Stores) {
    let world = World::on(stores, &[]).await;
    for (n, ending) in Ending::ALL.into_iter().enumerate() {
        let user = format!("user-{n}");
        let (login, elsewhere) = (world.log_in(&user).await, world.log_in(&user).await);
        let cookie = login.cookie();
        let written = async || {
            let parts = world.engine().deps();
            let filter = AuditFilter {
                subject: Some(Subject::of_default(user.as_str())),
                ..AuditFilter::default()
            };
            let events = parts.audit.find(&filter, 1_000).await.unwrap().len();
            let session = RevocationKey::session(&SessionHandle::parse(&login.handle).unwrap());
            let keys = [session, RevocationKey::user(&Subject::of_default(user.as_str()))];
            let lines = parts
                .revocations
                .recorded_revocations(&keys, world.engine().now())
                .await
                .unwrap();
            (events, lines.len())
        };
        let first = ending.ask(&world, &login, &cookie, &elsewhere).await;
        assert_eq!(first.status, 200, "{ending:?}: {}", first.text());
        // What a logout-all leaves to be named is named by the first repeat at the latest.
        ending.ask(&world, &login, &cookie, &elsewhere).await;
        let before = written().await;
        for _ in 0..3 {
            let again = ending.ask(&world, &login, &cookie, &elsewhere).await;
            assert!(
                Ending::is_over(&again),
                "{ending:?}: {} {}",
                again.status,
                again.text()
            );
        }
        assert_eq!(written().await, before, "{ending:?}");
    }
}

#[tokio::test]
async fn s16_a_forged_token_that_names_a_token_under_logout_is_no_proof() {
    let world = World::embedded(&[]).await;
    world.keys_are_known().await;
    for path in [LOGOUT, LOGOUT_ALL] {
        let token = world.stray_token("user-1");
        world.bearer(&token).post(path).await.expect_status(200);
        for forged in [
            world.auth.forge().forged_twin(&token),
            TokenForge::wrong_signature(&token),
        ] {
            let reply = world.bearer(&forged).post(path).await;
            assert_eq!(reply.status, 401, "{path}: {}", reply.text());
            assert!(reply.header("set-cookie").is_none(), "{path}");
        }
        world.bearer(&token).post(path).await.expect_status(200);
    }
}

#[tokio::test]
async fn s16_a_token_whose_signature_nobody_checks_here_is_proven_by_its_bytes() {
    let world = World::embedded(&[("VERIFY_LAYERS", "oauth_userinfo")]).await;
    for token in [world.stray_token("user-1"), world.opaque_token("user-1")] {
        world.bearer(&token).post(LOGOUT).await.expect_status(200);
        // The authorization server has heard of it and refuses it by now.
        world.auth.reject_token(&token);
        world.bearer(&token).post(LOGOUT).await.expect_status(200);
        if token.contains('.') {
            let forged = TokenForge::wrong_signature(&token);
            world.bearer(&forged).post(LOGOUT).await.expect_status(401);
        }
    }
}

on_every_store!(s16_a_repeat_writes_no_line_and_no_audit_event,);
