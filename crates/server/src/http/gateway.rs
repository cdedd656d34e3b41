//! What the handlers share.

use std::sync::Arc;

use async_trait::async_trait;
use ipnet::IpNet;
use maxlab_auth_core::engine::Engine;
use maxlab_auth_core::guard::Admin;
use maxlab_auth_core::unavailable::Unavailable;

use super::cookies::CookiePolicy;
use super::forward_auth::Door;
use super::oauth::RefreshFlights;
use crate::config::IntrospectionClient;
use crate::metrics::Metrics;
use crate::upstream::AuthServer;

/// Whether a component answers.
#[async_trait]
pub trait Ping: Send + Sync {
    /// Asks the component for a sign of life.
    async fn ping(&self) -> Result<(), Unavailable>;
}

/// A component that `/health/ready` asks.
#[derive(Clone)]
pub struct Component {
    /// Its name there.
    pub name: &'static str,
    /// How it is asked.
    pub ping: Arc<dyn Ping>,
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Which clients and redirect URIs may begin a login.
#[derive(Clone, Debug, Default)]
pub struct LoginRules {
    /// `ALLOWED_CLIENT_IDS`; `None` leaves it to the authorization server.
    pub client_ids: Option<Vec<String>>,
    /// `ALLOWED_REDIRECT_URIS`, compared exactly; `None` leaves it to the authorization server.
    pub redirect_uris: Option<Vec<String>>,
    /// `LOGIN_URL`: where a browser is sent that must log in; `None` answers it 401.
    pub url: Option<String>,
}

/// The gateway, as its handlers see it.
#[derive(Debug)]
pub struct Shared {
    /// The engine.
    pub engine: Engine,
    /// The authorization server.
    pub server: Arc<AuthServer>,
    /// How cookies are named and marked.
    pub cookies: CookiePolicy,
    /// Who may begin a login.
    pub login: LoginRules,
    /// Who is an administrator.
    pub admin: Admin,
    /// Who may introspect (RFC 7662 §2.1).
    pub introspection_clients: Vec<IntrospectionClient>,
    /// Origins, beside our own, from which a browser may act with our cookie.
    pub trusted_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-*` are believed (`TRUSTED_PROXIES`).
    pub trusted_proxies: Vec<IpNet>,
    /// Whether answers say on what grounds a credential was accepted: in development only.
    pub shows_assurance: bool,
    /// What forward-auth goes by beside the engine.
    pub forward_auth: Door,
    /// Refreshes under way.
    pub flights: RefreshFlights,
    /// What `/health/ready` asks.
    pub components: Vec<Component>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
}

/// A handle on the gateway.
pub type Gateway = Arc<Shared>;
