//! A gateway in the test's own process, with real stores and a scripted authorization server around it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maxlab_auth::app::App;
use maxlab_auth::config::{Settings, SettingsSource};
use maxlab_auth::http::app_state::AppState;
use maxlab_auth::http::serve::serve;
use maxlab_auth_core::clock::{self, Clock, SystemClock};
use maxlab_auth_core::engine::Engine;
pub(crate) use maxlab_auth_testkit::wait::eventually;
use maxlab_auth_testkit::{
    Actor, AnonymousActor, BearerActor, BreakableLink, Browser, HttpReply, LyingAuthServer, PostgresServer,
    RedisOptions, RedisServer, TokenForge,
};
use reqwest::Method;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::issuer::{Code, Issuer};

/// The name of the session cookie on http, as in development.
pub(crate) const COOKIE: &str = "maxlab_session";

/// On what a world stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stores {
    /// The embedded store and SQLite.
    Embedded,
    /// Redis, behind a link that can be cut, with the sessions in it, and SQLite.
    Redis,
    /// The same Redis, and PostgreSQL with the sessions in it.
    Shared,
}

/// Runs a test on the embedded store with SQLite, and on Redis with PostgreSQL.
macro_rules! on_every_store {
    ($($name:ident),+ $(,)?) => { $(
        $crate::gateway::on_stores!($name, embedded_and_sqlite: Embedded, redis_and_postgresql: Shared);
    )+ };
}

/// The same for a test in which the SQL database plays no great part: on the embedded store, and on Redis.
macro_rules! on_embedded_and_redis {
    ($($name:ident),+ $(,)?) => { $(
        $crate::gateway::on_stores!($name, embedded: Embedded, redis: Redis);
    )+ };
}

macro_rules! on_stores {
    ($name:ident, $($variant:ident: $stores:ident),+) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $variant() {
                    Box::pin(super::$name($crate::gateway::Stores::$stores)).await;
                }
            )+
        }
    };
}
pub(crate) use {on_embedded_and_redis, on_every_store, on_stores};

/// The machine's clock, and what a test has moved it forward by.
#[derive(Debug, Default)]
pub(crate) struct AdvancedClock(Mutex<Duration>);

impl AdvancedClock {
    /// Lets this time pass for the gateway without waiting for it.
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for AdvancedClock {
    fn now(&self) -> jiff::Timestamp {
        clock::after(SystemClock.now(), *self.0.lock().unwrap())
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) app: App,
    /// The gateway's wall clock.
    pub(crate) clock: Arc<AdvancedClock>,
    pub(crate) url: String,
    stop: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
    beside: JoinSet<()>,
}

impl Gateway {
    /// Starts one with these settings, on a port of its own.
    pub(crate) async fn start(settings: &BTreeMap<String, String>) -> Self {
        Self::try_start(settings).await.expect("the gateway opens")
    }

    /// The same, or why it does not start.
    pub(crate) async fn try_start(settings: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        Self::try_start_adjusted(settings, |_| {}).await
    }

    async fn try_start_adjusted(
        settings: &BTreeMap<String, String>,
        adjust: impl FnOnce(&mut AppState),
    ) -> anyhow::Result<Self> {
        let (settings, _) =
            Settings::load(&SettingsSource::from_map(settings.clone())).expect("good settings");
        let clock = Arc::new(AdvancedClock::default());
        let mut app = Box::pin(App::open_with(settings, Arc::clone(&clock) as _)).await?;
        adjust(Arc::get_mut(&mut app.state).expect("a state that no task has"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let beside = app.background.spawn(&stop);
        let served = tokio::spawn(serve(
            listener,
            app.routes(),
            app.serve_limits(),
            stop.clone().cancelled_owned(),
        ));
        Ok(Self {
            app,
            clock,
            url,
            stop,
            served,
            beside,
        })
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.served.await.unwrap().unwrap();
        self.beside.join_all().await;
    }
}

/// A gateway and everything that it talks to.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) auth: Arc<LyingAuthServer>,
    pub(crate) issuer: Issuer,
    pub(crate) redis: Option<(RedisServer, BreakableLink)>,
    pub(crate) postgres: Option<(PostgresServer, String)>,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) data: TempDir,
}

/// A login through the gateway.
pub(crate) struct Login {
    pub(crate) reply: HttpReply,
    pub(crate) access: String,
    pub(crate) refresh: String,
    /// The session's public handle.
    pub(crate) handle: String,
    /// Holds the session cookie.
    pub(crate) browser: Browser,
}

impl Login {
    /// The cookie is this user's, and opens the session of the login.
    pub(crate) async fn is_of(&self, user: &str) {
        let me = self.browser.get("/api/v1/auth/me").await;
        let me = me.expect_status(200).json();
        let said = (me["user_id"].as_str(), me["session_id"].as_str());
        assert_eq!(said, (Some(user), Some(self.handle.as_str())));
    }

    /// The cookie's value, which nobody else may see.
    pub(crate) fn cookie(&self) -> String {
        self.browser.cookie(COOKIE).expect("a session cookie").value
    }
}

impl World {
    /// An embedded one with these settings beside the usual ones.
    pub(crate) async fn embedded(extra: &[(&str, &str)]) -> Self {
        Self::on(Stores::Embedded, extra).await
    }

    /// An embedded one whose state is changed before it serves.
    pub(crate) async fn embedded_adjusted(adjust: impl FnOnce(&mut AppState)) -> Self {
        let Self {
            gateway,
            auth,
            issuer,
            redis,
            postgres,
            settings,
            data,
        } = Self::embedded(&[]).await;
        gateway.stop().await;
        let gateway = Gateway::try_start_adjusted(&settings, adjust).await.unwrap();
        Self {
            gateway,
            auth,
            issuer,
            redis,
            postgres,
            settings,
            data,
        }
    }

    /// One on these stores.
    pub(crate) async fn on(stores: Stores, extra: &[(&str, &str)]) -> Self {
        Self::try_on(stores, extra, |_| {})
            .await
            .expect("the gateway opens")
    }

    /// An embedded one whose authorization server has its script before the gateway starts, or why that does not start.
    pub(crate) async fn try_embedded(
        extra: &[(&str, &str)],
        script: impl FnOnce(&LyingAuthServer),
    ) -> anyhow::Result<Self> {
        Self::try_on(Stores::Embedded, extra, script).await
    }

    async fn try_on(
        stores: Stores,
        extra: &[(&str, &str)],
        script: impl FnOnce(&LyingAuthServer),
    ) -> anyhow::Result<Self> {
        let auth = Arc::new(LyingAuthServer::start().await.unwrap());
        script(&auth);
        let issuer = Issuer::open_at(&auth);
        let data = tempfile::Builder::new()
            .prefix("maxlab-guide-")
            .tempdir()
            .unwrap();
        let mut settings = BTreeMap::from([
            ("EXTERNAL_AUTH_URL".to_owned(), auth.url()),
            ("DATA_DIR".to_owned(), data.path().display().to_string()),
            ("UPSTREAM_TIMEOUT_SECONDS".to_owned(), "2".to_owned()),
            ("SHUTDOWN_SECONDS".to_owned(), "2".to_owned()),
        ]);
        let (mut redis, mut postgres) = (None, None);
        if stores != Stores::Embedded {
            let server = RedisServer::start_with(RedisOptions::plain()).await.unwrap();
            let link = BreakableLink::to(server.addr()).await.unwrap();
            settings.insert("REDIS_URL".to_owned(), format!("redis://{}/", link.addr()));
            redis = Some((server, link));
        }
        if stores == Stores::Redis {
            settings.insert("SESSION_STORE".to_owned(), "redis".to_owned());
        }
        if stores == Stores::Shared {
            let server = PostgresServer::start().await.unwrap();
            let url = server.create_database().await.unwrap();
            settings.insert("DATABASE_URL".to_owned(), url.clone());
            postgres = Some((server, url));
        }
        settings.extend(
            extra
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let gateway = Gateway::try_start(&settings).await?;
        Ok(Self {
            gateway,
            auth,
            issuer,
            redis,
            postgres,
            settings,
            data,
        })
    }

    /// Ends the gateway in order and starts another on the same stores, with some settings changed.
    pub(crate) async fn restarted(self, changed: &[(&str, &str)]) -> Self {
        let Self {
            gateway,
            auth,
            issuer,
            redis,
            postgres,
            mut settings,
            data,
        } = self;
        gateway.stop().await;
        settings.extend(
            changed
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let gateway = Gateway::start(&settings).await;
        Self {
            gateway,
            auth,
            issuer,
            redis,
            postgres,
            settings,
            data,
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.gateway.app.state.engine
    }

    pub(crate) fn anonymous(&self) -> AnonymousActor {
        AnonymousActor::new(&self.gateway.url)
    }

    pub(crate) fn bearer(&self, token: &str) -> BearerActor {
        BearerActor::new(&self.gateway.url, token)
    }

    /// What `GET /api/v1/auth/me` answers to this token.
    pub(crate) async fn me(&self, token: &str) -> HttpReply {
        self.bearer(token).get("/api/v1/auth/me").await
    }

    /// Status and `code` of the same; a good answer has no `code`.
    pub(crate) async fn verdict(&self, token: &str) -> (u16, String) {
        verdict(&self.me(token).await)
    }

    /// A good token that never passed through the gateway.
    pub(crate) fn stray_token(&self, user: &str) -> String {
        let builder = self.auth.forge().access_token(user);
        let claims = builder.claims();
        let token = builder.sign();
        self.auth.accept_token(&token, claims);
        token
    }

    /// A good opaque token that never passed through the gateway.
    pub(crate) fn opaque_token(&self, user: &str) -> String {
        let token = format!("opaque-{}", uuid::Uuid::new_v4().simple());
        self.auth.accept_token(&token, serde_json::json!({ "sub": user }));
        token
    }

    /// Waits until the gateway knows the issuer's keys: until it refuses a forged token without asking anybody.
    pub(crate) async fn keys_are_known(&self) {
        eventually("the keys are known", async || {
            let forged = TokenForge::wrong_signature(&self.auth.forge().access_token("nobody").sign());
            let asked = self.auth.count_token_requests();
            self.me(&forged).await.status == 401 && self.auth.count_token_requests() == asked
        })
        .await;
    }

    /// Exchanges a code through the gateway.
    pub(crate) async fn exchange(&self, browser: &Browser, code: &Code) -> HttpReply {
        browser
            .post_form(
                "/oauth/token",
                &[
                    ("grant_type", "authorization_code"),
                    ("code", &code.text()),
                    ("redirect_uri", "https://app.example/callback"),
                    ("client_id", "test-app"),
                    ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
                ],
            )
            .await
    }

    /// Logs a user in through the gateway.
    pub(crate) async fn log_in(&self, user: &str) -> Login {
        self.log_in_with(&Code::of(user)).await
    }

    /// Logs in with this code.
    pub(crate) async fn log_in_with(&self, code: &Code) -> Login {
        let browser = Browser::new(&self.gateway.url);
        let reply = self.exchange(&browser, code).await.expect_status(200);
        let body = reply.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let handle = reply.header("x-session-id").unwrap_or_default().to_owned();
        Login {
            access: text("access_token"),
            refresh: text("refresh_token"),
            handle,
            browser,
            reply,
        }
    }

    /// Exchanges a refresh token through the gateway.
    pub(crate) async fn refresh(&self, token: &str) -> HttpReply {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", "test-app"),
        ];
        self.anonymous().post_form("/oauth/token", &form).await
    }

    /// Revokes a token through the gateway.
    pub(crate) async fn revoke(&self, token: &str) -> HttpReply {
        self.anonymous()
            .post_form("/oauth/revoke", &[("token", token)])
            .await
    }
}

/// Status and `code` of an answer.
pub(crate) fn verdict(reply: &HttpReply) -> (u16, String) {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    (
        reply.status.as_u16(),
        body["code"].as_str().unwrap_or_default().to_owned(),
    )
}

/// Sends what a page of the gateway's own origin would.
pub(crate) async fn from_own_page(browser: &Browser, method: Method, path: &str) -> HttpReply {
    browser
        .send(method, path, |request| {
            request.header("sec-fetch-site", "same-origin")
        })
        .await
}

/// Returns `true` if what this process counts is of one test alone. Otherwise runs the test again, in a process of its
/// own, and checks that it passes there.
pub(crate) fn is_alone(test: &str) -> bool {
    const ALONE: &str = "MAXLAB_TEST_ALONE";
    if std::env::var_os("NEXTEST").is_some() || std::env::var_os(ALONE).is_some() {
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let mut again = std::process::Command::new(program);
    let output = again.args(["--exact", test]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{test} alone: {said}"
    );
    false
}
