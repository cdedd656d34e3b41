//! The entry points: each way to show a credential, and what each makes of it.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::http::Request;
use axum::routing::get;
use maxlab_auth::http::ext_authz;
use maxlab_auth::http::peer::PeerAddr;
use maxlab_auth_ext_authz::{CheckDecider, FastPathRequest};
use maxlab_auth_guard::{AuthGuard, CurrentUser, GatewayClientSettings, LocalVerifierSettings, RedisStore};
use maxlab_auth_testkit::{Actor, AnonymousActor, HttpReply};
use reqwest::Method;
use tokio::net::TcpListener;

use super::table::Cell;
use super::ways::Kind;
use super::{Case, Credential};
use crate::gateway::{COOKIE, World, eventually};

/// Where a credential is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// `GET /api/v1/auth/me`
    Http,
    /// `/auth/verify`, whose remembered verdicts are answered below HTTP.
    FastPath,
    /// Envoy's ext_authz over gRPC, its routes.
    Grpc,
    /// The same, answered before its routes.
    GrpcFastPath,
    /// The guard library that verifies by itself.
    LocalGuard,
    /// The guard library that asks the gateway.
    AskingGuard,
    /// `POST /oauth/token`
    TokenEndpoint,
}

impl Entry {
    pub(super) const ALL: [Self; 7] = [
        Self::Http,
        Self::FastPath,
        Self::Grpc,
        Self::GrpcFastPath,
        Self::LocalGuard,
        Self::AskingGuard,
        Self::TokenEndpoint,
    ];

    /// Why a credential of this kind cannot be shown here, if it cannot.
    pub(super) fn cannot_show(self, kind: Kind) -> Option<&'static str> {
        let is_refresh = matches!(kind, Kind::KnownRefreshToken | Kind::UnknownRefreshToken);
        match self {
            Self::TokenEndpoint if !is_refresh => {
                Some("only refresh tokens are exchanged at the token endpoint")
            }
            Self::TokenEndpoint => None,
            _ if is_refresh => Some("a refresh token is shown to the token endpoint only (RFC 6749 §1.5)"),
            Self::LocalGuard if kind == Kind::SessionCookie => {
                Some("a guard that verifies by itself reads no session cookies")
            }
            Self::LocalGuard if !kind.is_signed() => {
                Some("a guard that verifies by itself knows signed tokens only")
            }
            _ => None,
        }
    }
}

/// All of them, opened in front of one gateway.
pub(super) struct Entries<'w> {
    world: &'w World,
    door: Arc<dyn CheckDecider>,
    local: String,
    asking: String,
}

impl<'w> Entries<'w> {
    pub(super) async fn open(world: &'w World) -> Self {
        let app = &world.gateway.app;
        let (redis, _) = world.redis.as_ref().unwrap();
        let keys = format!("{}/.well-known/jwks.json", world.auth.url());
        let store = RedisStore::open(&redis.url()).unwrap();
        let local = AuthGuard::local(LocalVerifierSettings::new(store, keys, world.auth.url())).unwrap();
        eventually("the guard holds a lease", async || {
            local.lease_left().is_some_and(|left| !left.is_zero())
        })
        .await;
        let asking = AuthGuard::via_gateway(&GatewayClientSettings::new(world.gateway.url.clone())).unwrap();
        Self {
            world,
            door: ext_authz::router_decider(app.router(), app.fast_path()),
            local: application(local).await,
            asking: application(asking).await,
        }
    }

    /// Accepted everywhere; afterwards each entry point remembers what it can.
    pub(super) async fn warm(&self, credential: &Credential, what: &str) {
        if !matches!(credential, Credential::Refresh(..)) {
            for _ in 0..2 {
                self.accept(credential, &format!("{what}, before")).await;
            }
        }
    }

    /// What an ending must do to a credential, and what it must not do to a bystander's.
    pub(super) async fn check(&self, case: &Case, expected: Cell) {
        if !case.way.is_of_everybody() {
            let what = format!("{}, the bystander's", case.what());
            self.accept(&case.bystander.credential, &what).await;
        }
        match expected {
            Cell::Ends => self.refuse(&case.person.credential, &case.what()).await,
            Cell::Spares | Cell::CannotBe(_) => self.accept(&case.person.credential, &case.what()).await,
        }
    }

    /// Whether each entry point accepts it that decides anything.
    pub(super) async fn is_accepted(&self, credential: &Credential) -> bool {
        let answers = self.shown(credential).await;
        answers
            .iter()
            .all(|(entry, status)| *status == 200 || *entry == Entry::GrpcFastPath)
    }

    pub(super) async fn accept(&self, credential: &Credential, what: &str) {
        for (entry, status) in self.shown(credential).await {
            // Its fast path decides nothing where nothing is remembered.
            let undecided = entry == Entry::GrpcFastPath && status == 0;
            assert!(status == 200 || undecided, "{what}: {entry:?} answers {status}");
        }
    }

    pub(super) async fn refuse(&self, credential: &Credential, what: &str) {
        for (entry, status) in self.shown(credential).await {
            let refusal = if entry == Entry::TokenEndpoint { 400 } else { 401 };
            let undecided = entry == Entry::GrpcFastPath && status == 0;
            assert!(
                status == refusal || undecided,
                "{what}: {entry:?} answers {status}"
            );
        }
    }

    /// Refused, or nobody can say at the moment.
    pub(super) async fn stay_refused(&self, credential: &Credential, what: &str) {
        for (entry, status) in self.shown(credential).await {
            let refused = matches!(status, 400 | 401 | 503 | 0);
            assert!(refused, "{what}: {entry:?} answers {status}");
        }
    }

    /// What each entry point answers that can be shown it; 0 is no decision.
    async fn shown(&self, credential: &Credential) -> Vec<(Entry, u16)> {
        let gateway = &self.world.gateway.url;
        let mut answers = Vec::new();
        match credential {
            Credential::Refresh(token, client) => {
                let form = [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", token),
                    ("client_id", client),
                ];
                let reply = self.world.anonymous().post_form("/oauth/token", &form).await;
                answers.push((Entry::TokenEndpoint, reply.status.as_u16()));
                return answers;
            }
            Credential::Bearer(token) if token.contains('.') => {
                let reply = at(&self.local, "/me", credential).await;
                answers.push((Entry::LocalGuard, reply.status.as_u16()));
            }
            Credential::Bearer(_) | Credential::Cookie(_) => {}
        }
        for (entry, url, path) in [
            (Entry::Http, gateway, "/api/v1/auth/me"),
            (Entry::FastPath, gateway, "/auth/verify"),
            (Entry::AskingGuard, &self.asking, "/me"),
        ] {
            answers.push((entry, at(url, path, credential).await.status.as_u16()));
        }
        answers.push((Entry::GrpcFastPath, self.grpc_fast_path(credential)));
        answers.push((Entry::Grpc, self.grpc(credential).await));
        answers
    }

    async fn grpc(&self, credential: &Credential) -> u16 {
        let (name, value) = field(credential);
        let mut request = Request::builder().uri("/auth/verify?");
        for (name, value) in [
            ("host", "localhost"),
            ("x-forwarded-method", "GET"),
            ("x-forwarded-host", "app.example"),
            ("x-forwarded-uri", "/"),
            (name, value.as_str()),
        ] {
            request = request.header(name, value);
        }
        let peer = PeerAddr::Proxy("127.0.0.1:4711".parse().unwrap());
        let request = request.extension(peer).body(()).unwrap();
        self.door.decide(request).await.status().as_u16()
    }

    fn grpc_fast_path(&self, credential: &Credential) -> u16 {
        let (name, value) = field(credential);
        let asked = FastPathRequest {
            query: Cow::Borrowed(""),
            method: "GET",
            host: "app.example",
            target: "/",
            client: None,
            fields: vec![(name, value.as_bytes())],
        };
        match self.door.try_decide(&asked) {
            Some(_) => 200,
            None => 0,
        }
    }
}

/// The header field that shows it.
fn field(credential: &Credential) -> (&'static str, String) {
    match credential {
        Credential::Bearer(token) | Credential::Refresh(token, _) => {
            ("authorization", format!("Bearer {token}"))
        }
        Credential::Cookie(id) => ("cookie", format!("{COOKIE}={id}")),
    }
}

async fn at(url: &str, path: &str, credential: &Credential) -> HttpReply {
    let (name, value) = field(credential);
    let anonymous = AnonymousActor::new(url);
    anonymous
        .send(Method::GET, path, |request| request.header(name, value))
        .await
}

/// A small application behind a guard; its address.
async fn application(guard: AuthGuard) -> String {
    let me = async |CurrentUser(caller): CurrentUser| caller.identity().user_id.clone();
    let app = Router::new().route("/me", get(me)).with_state(guard);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}
