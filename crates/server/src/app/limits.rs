//! Limits of the layers around the routes and of the accept loop, from the settings.

use std::time::Duration;

use axum::http::HeaderValue;
use maxlab_auth_core::identity::VerificationSource;

use crate::config::Settings;
use crate::http::layers::LayerConfig;
use crate::http::serve::ServeLimits;

/// Time for the work of a request besides its calls to the authorization server.
const LOCAL_WORK_ALLOWANCE: Duration = Duration::from_secs(10);

/// Returns the configuration of the layers around the routes.
pub(crate) fn layer_config(settings: &Settings) -> LayerConfig {
    let app = &settings.app;
    let origins = app
        .cors_origins
        .iter()
        // Each of them was checked with the settings, so none is dropped here.
        .filter_map(|origin| HeaderValue::from_str(origin).ok());
    LayerConfig {
        trusted_proxies: app.trusted_proxies.clone(),
        cors_origins: origins.collect(),
        body_timeout: app.body_timeout,
        secure: settings.session.cookie_secure,
        request_timeout: request_timeout(settings),
        ..LayerConfig::default()
    }
}

/// Returns the limits of the accept loop.
pub(crate) fn serve_limits(settings: &Settings) -> ServeLimits {
    let app = &settings.app;
    ServeLimits {
        max_connections: app.max_connections,
        max_connections_per_address: app.max_connections_per_address,
        trusted_proxies: app.trusted_proxies.as_slice().into(),
        header_timeout: app.header_timeout,
        body_timeout: app.body_timeout,
        drain_timeout: app.shutdown_timeout,
        // Longer than a request may take, so that it ends silent connections and never a request in progress.
        exchange_timeout: ServeLimits::default()
            .exchange_timeout
            .max(request_timeout(settings) * 2),
        ..ServeLimits::default()
    }
}

/// Time that a request may take: enough if no remote layer answers, and for two calls more.
fn request_timeout(settings: &Settings) -> Duration {
    let remote = |layer: &&VerificationSource| **layer != VerificationSource::LocalJwt;
    let layers = settings.verify.layers.iter().filter(remote).count();
    // The layers are asked one after the other. The two further calls fetch metadata and keys.
    let calls = u32::try_from(layers + 2).unwrap_or(u32::MAX);
    let upstream_time = settings.upstream.timeout.saturating_mul(calls);
    LayerConfig::default()
        .request_timeout
        .max(upstream_time + LOCAL_WORK_ALLOWANCE)
}
