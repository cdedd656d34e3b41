//! A gateway on a Redis, an authorization server, and guarded applications beside them.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use maxlab_auth_guard::{AuthGuard, CurrentUser, GatewayClientSettings, LocalVerifierSettings, RedisStore};
pub(crate) use maxlab_auth_testkit::wait::eventually;
use maxlab_auth_testkit::{
    Actor, AnonymousActor, BearerActor, GatewayOptions, GatewayProcess, HttpReply, LyingAuthServer,
    RedisOptions, RedisServer,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::documents;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_maxlab-auth");

/// How long a lease lasts, for the gateway and for the guards.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

pub(crate) struct World {
    pub(crate) auth: LyingAuthServer,
    pub(crate) redis: RedisServer,
    pub(crate) gateway: GatewayProcess,
}

/// In which way a guard decides.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Local,
    Asking,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|options| options).await
    }

    pub(crate) async fn start_with(set: impl FnOnce(GatewayOptions) -> GatewayOptions) -> Self {
        Self::on(RedisOptions::plain(), set).await
    }

    pub(crate) async fn on(redis: RedisOptions, set: impl FnOnce(GatewayOptions) -> GatewayOptions) -> Self {
        let auth = LyingAuthServer::start().await.unwrap();
        let redis = RedisServer::start_with(redis).await.unwrap();
        let options = GatewayProcess::of(BINARY)
            .env("EXTERNAL_AUTH_URL", auth.url())
            .env("REDIS_URL", redis.url())
            .env("REVOCATION_LEASE_SECONDS", LEASE.as_secs().to_string());
        let gateway = set(options).start().await.unwrap();
        Self { auth, redis, gateway }
    }

    /// A good token of this person, which says this of them beside.
    pub(crate) fn token(&self, subject: &str, more: &Value) -> String {
        let mut token = self.auth.forge().access_token(subject);
        for (name, value) in more.as_object().into_iter().flatten() {
            token = token.claim(name, value.clone());
        }
        let signed = token.sign();
        self.auth.accept_token(&signed, token.claims());
        signed
    }

    /// How a guard on this Redis verifies.
    pub(crate) fn settings(&self, redis_url: &str) -> LocalVerifierSettings {
        let keys = format!("{}/.well-known/jwks.json", self.auth.url());
        LocalVerifierSettings::new(RedisStore::open(redis_url).unwrap(), keys, self.auth.url()).lease(LEASE)
    }

    /// A guard of that way; one that verifies locally holds its lease.
    pub(crate) async fn guard(&self, way: Way) -> AuthGuard {
        match way {
            Way::Asking => AuthGuard::via_gateway(&GatewayClientSettings::new(self.gateway.url())).unwrap(),
            Way::Local => {
                let guard = AuthGuard::local(self.settings(&self.redis.url())).unwrap();
                leased(&guard).await;
                guard
            }
        }
    }

    /// Revokes a token at the gateway, which acknowledges it.
    pub(crate) async fn revoke(&self, token: &str) {
        let gateway = AnonymousActor::new(&self.gateway.url());
        gateway
            .post_form("/oauth/revoke", &[("token", token)])
            .await
            .expect_status(200);
    }
}

/// Waits until a guard answers from memory.
pub(crate) async fn leased(guard: &AuthGuard) {
    eventually("the guard holds a lease", || async {
        guard.lease_left().is_some_and(|left| !left.is_zero())
    })
    .await;
}

/// The example application behind this guard, and a route that tells on what grounds it lets in; its address.
pub(crate) async fn application(guard: &AuthGuard) -> String {
    let grounds = |CurrentUser(caller): CurrentUser| async move {
        caller
            .active_credential()
            .map(|live| live.assurance().to_string())
            .unwrap_or_default()
    };
    let more = Router::new()
        .route("/grounds", get(grounds))
        .with_state(guard.clone());
    serve(documents::app(guard.clone()).merge(more)).await
}

/// Serves a router on a private port until the test's runtime ends; its address.
pub(crate) async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// GET with a token.
pub(crate) async fn get_as(app: &str, token: &str, path: &str) -> HttpReply {
    BearerActor::new(app, token).get(path).await
}

/// Status and `code` of an answer.
pub(crate) fn verdict(reply: &HttpReply) -> (u16, String) {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let code = body["code"].as_str().unwrap_or_default();
    (reply.status.as_u16(), code.to_owned())
}

/// A 503 as it must be (I11).
#[track_caller]
pub(crate) fn unavailable(reply: &HttpReply) {
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(reply.header("retry-after").is_some());
    assert_eq!(reply.header("www-authenticate"), None);
    assert!(verdict(reply).1.ends_with("_unavailable"), "{}", reply.text());
}

/// Nothing beside the subject.
pub(crate) fn nothing() -> Value {
    json!({})
}
