//! Builds the state that the handlers share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use maxlab_auth_core::engine::{Engine, TokenExchanger};
use maxlab_auth_core::token_endpoint::TokenEndpoint;

use super::{OpenFiles, browser_login, forward_auth};
use crate::config::{Environment, Settings};
use crate::http::app_state::{AppState, HealthCheck, LoginRules};
use crate::http::browser::{BrowserLogin, EventSlots, LogoutProvider, LogoutStates};
use crate::http::cookies::{CookiePolicy, clear_site_data_header};
use crate::http::provider_logout::ProviderLogouts;
use crate::http::rate_limit::RateLimits;
use crate::metrics::PrometheusMetrics;
use crate::upstream::AuthServer;

/// Builds the state that the handlers share.
pub(super) fn build_app_state(
    settings: &Settings,
    engine: Engine,
    server: Arc<AuthServer>,
    components: Vec<HealthCheck>,
    metrics: PrometheusMetrics,
    files: OpenFiles,
    (login, provider_logouts): (Option<BrowserLogin>, ProviderLogouts),
) -> AppState {
    let browser_login = login.map(Arc::new);
    let token_exchanger = TokenExchanger::new(engine.clone(), Arc::clone(&server) as Arc<dyn TokenEndpoint>);
    AppState {
        engine,
        auth_server: server,
        cookies: CookiePolicy {
            secure: settings.session.cookie_secure,
            max_age: settings.session.policy.max_lifetime,
        },
        clear_site_data: clear_site_data_header(&settings.session.clear_site_data),
        login_rules: LoginRules {
            client_ids: settings.upstream.allowed_client_ids.clone(),
            redirect_uris: settings.upstream.allowed_redirect_uris.clone(),
            url: browser_login::login_address(settings, browser_login.as_deref()),
            unlisted: Arc::default(),
        },
        admin: forward_auth::admin(settings),
        introspection_clients: settings.upstream.introspection_clients.clone(),
        trusted_origins: settings.app.cors_origins.clone(),
        trusted_proxies: settings.app.trusted_proxies.clone(),
        rate_limits: Arc::new(RateLimits::new(&settings.rate_limit)),
        // The grounds of a decision are shown in development only: they name keys and terms.
        shows_assurance: settings.app.environment == Environment::Development,
        forward_auth: files.forward_auth,
        pages: files.pages,
        event_slots: Arc::new(EventSlots::new(settings.app.max_connections / 2)),
        logout_provider: browser_login.as_deref().map(LogoutProvider::of),
        logout_states: LogoutStates::new(settings.session.sealing_keys.clone()),
        browser_login,
        token_exchanger,
        provider_logouts,
        health_checks: components,
        is_stopping: AtomicBool::new(false),
        metrics,
    }
}
