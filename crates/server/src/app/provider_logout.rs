//! Providers whose logouts are accepted, from the settings.

use std::sync::Arc;

use maxlab_auth_core::identity::Issuer;
use maxlab_auth_core::provider_logout::LogoutProvider;
use maxlab_auth_core::verify::JwtCheck;

use super::engine::candidate_issuers;
use crate::config::Settings;
use crate::http::provider_logout::ProviderLogouts;

/// Name of the provider at `EXTERNAL_AUTH_URL`.
const DEFAULT_PROVIDER: &str = "default";

/// Returns the providers that may end sessions here: the authorization server, if the gateway has a client there.
pub(super) fn provider_logouts(settings: &Settings, check: &Arc<JwtCheck>) -> ProviderLogouts {
    let client = settings.upstream.client.as_ref();
    let default = client.map(|client| LogoutProvider {
        id: DEFAULT_PROVIDER.to_owned(),
        issuer: Issuer::DEFAULT,
        fallback_issuers: candidate_issuers(&settings.upstream.external_auth_url),
        client_id: client.id.clone(),
        check: Arc::clone(check),
    });
    ProviderLogouts {
        providers: default.into_iter().collect(),
        scope: settings.provider_logout.scope,
        allows_front_channel: settings.provider_logout.allows_front_channel,
    }
}
