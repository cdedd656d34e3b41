//! State that all handlers share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use axum::http::HeaderValue;
use ipnet::IpNet;
use maxlab_auth_core::engine::{Engine, TokenExchanger};
use maxlab_auth_core::guard::Admin;
use maxlab_auth_core::unavailable::Unavailable;

use super::browser::BrowserLogin;
use super::browser::{EventSlots, LogoutStates, PageAssets};
use super::cookies::CookiePolicy;
use super::forward_auth::ForwardAuthConfig;
use super::log_once::LogOnce;
use super::rate_limit::RateLimits;
use crate::config::IntrospectionClient;
use crate::metrics::PrometheusMetrics;
use crate::upstream::AuthServer;

/// Liveness probe of a component.
#[async_trait]
pub trait Ping: Send + Sync {
    /// Returns `Ok` if the component answers.
    ///
    /// # Errors
    /// The component does not answer, or answers with a failure.
    async fn ping(&self) -> Result<(), Unavailable>;
}

/// Component that `/health/ready` probes.
#[derive(Clone)]
pub struct HealthCheck {
    /// Name of the component in the answer of `/health/ready`.
    pub name: &'static str,
    /// Probe of the component.
    pub ping: Arc<dyn Ping>,
}

impl std::fmt::Debug for HealthCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HealthCheck")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Clients and redirect URIs that may begin a login.
#[derive(Clone, Debug, Default)]
pub struct LoginRules {
    /// `ALLOWED_CLIENT_IDS`; `None` leaves the check to the authorization server.
    pub client_ids: Option<Vec<String>>,
    /// `ALLOWED_REDIRECT_URIS`, compared exactly; `None` leaves the check to the authorization server.
    pub redirect_uris: Option<Vec<String>>,
    /// Login page for browsers that are not logged in; `None` answers them 401.
    pub url: Option<LoginAddress>,
    /// Clients and redirect URIs that were refused and logged.
    pub unlisted: Arc<LogOnce>,
}

/// Login page: that of `LOGIN_URL`, else the gateway's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginAddress {
    /// Address.
    pub url: String,
    /// `true` for the gateway's own login.
    pub is_own: bool,
}

impl LoginAddress {
    /// Returns the name of the parameter that the requested page is passed in.
    pub fn target_parameter(&self) -> &'static str {
        if self.is_own { "return_to" } else { "rd" }
    }
}

/// State of the gateway that its handlers use.
#[derive(Debug)]
pub struct AppState {
    /// Engine that authenticates, logs in and revokes.
    pub engine: Engine,
    /// Client of the authorization server.
    pub auth_server: Arc<AuthServer>,
    /// Name and attributes of the session cookie.
    pub cookies: CookiePolicy,
    /// Value of `Clear-Site-Data` after a logout (`CLEAR_SITE_DATA`); `None` sends none.
    pub clear_site_data: Option<HeaderValue>,
    /// Clients and redirect URIs that may begin a login.
    pub login_rules: LoginRules,
    /// Requirement that makes a user an administrator.
    pub admin: Admin,
    /// Clients that may introspect (RFC 7662 §2.1).
    pub introspection_clients: Vec<IntrospectionClient>,
    /// Origins, in addition to the gateway's own, whose pages may use the session cookie.
    pub trusted_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-*` headers are believed (`TRUSTED_PROXIES`).
    pub trusted_proxies: Vec<IpNet>,
    /// Limits of the writes and upstream requests that one caller may cause.
    pub rate_limits: Arc<RateLimits>,
    /// `true` if answers report the grounds on which a credential was accepted; only in development.
    pub shows_assurance: bool,
    /// Policy and signed identities of forward-auth.
    pub forward_auth: ForwardAuthConfig,
    /// Name and logo of the pages for people.
    pub pages: PageAssets,
    /// Limits of open event streams.
    pub event_slots: Arc<EventSlots>,
    /// Seals the states of logouts.
    pub logout_states: LogoutStates,
    /// Browser login; `None` without `PUBLIC_URL` or a client.
    pub browser_login: Option<Arc<BrowserLogin>>,
    /// Exchanges grants at the authorization server's token endpoint.
    pub token_exchanger: TokenExchanger,
    /// Components that `/health/ready` probes.
    pub health_checks: Vec<HealthCheck>,
    /// `true` once a stop was requested: `/health/ready` is 503, and everything else is still answered.
    pub is_stopping: AtomicBool,
    /// Metrics that `/metrics` renders.
    pub metrics: PrometheusMetrics,
}

impl AppState {
    /// Returns the configured or discovered issuer. Two names mean that neither is certain.
    pub fn default_issuer(&self) -> Option<String> {
        <[String; 1]>::try_from(self.engine.default_issuers())
            .ok()
            .map(|[name]| name)
    }

    /// Returns `true` if a store may know workspaces of a user that the claims do not contain.
    pub fn has_workspace_store(&self) -> bool {
        self.engine.looks_up_workspaces()
    }
}

/// Shared handle to the state.
pub type SharedState = Arc<AppState>;
