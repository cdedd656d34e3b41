//! `guard-config`: prints the settings that a guard in another process must share with the gateways.

use anyhow::{Context as _, bail};
use maxlab_auth_core::guard::GuardConfig;
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_jose::Algorithm;

use super::{CommandError, output};
use crate::app::upstream_config;
use crate::config::{JwtKeys, Settings, SettingsSource, StoreUrl};
use crate::telemetry;
use crate::upstream::{AuthServer, AuthServerEndpoint, MetadataLookup};

/// Prints the document. Asks the authorization server for what is discovered, and nothing else.
pub(super) async fn guard_config() -> Result<(), CommandError> {
    let (settings, _) = Settings::load(&SettingsSource::from_environment())?;
    let JwtKeys::Jwks { url, algorithms } = &settings.verify.keys else {
        // The secret signs too: an application that had it could make tokens.
        return Err(anyhow::anyhow!(
            "JWT_SECRET_KEY is set, and a guard verifies with published keys only. Let the application ask the \
             gateway instead (AuthGuard::via_gateway)"
        )
        .into());
    };
    require_redis(&settings)?;
    if !settings.verify.layers.contains(&VerificationSource::LocalJwt) {
        telemetry::write_to_stderr(
            "warning: VERIFY_LAYERS does not contain local_jwt. A guard verifies signatures only, so it accepts tokens \
             that the layers of the gateway might refuse.\n",
        );
    }
    let jwks_url = url.as_ref().map(ToString::to_string);
    let (issuer, jwks_url) = match (settings.verify.issuer.clone(), jwks_url) {
        (Some(issuer), Some(jwks_url)) => (issuer, jwks_url),
        (_, jwks_url) => discover(&settings, jwks_url).await?,
    };
    let document = build(&settings, algorithms, issuer, jwks_url);
    let document = serde_json::to_value(document).context("the settings cannot be written as JSON")?;
    Ok(output::print_json(&document)?)
}

/// Refuses the embedded store: a guard in another process cannot follow its revocations.
fn require_redis(settings: &Settings) -> anyhow::Result<()> {
    if matches!(settings.stores.store, StoreUrl::Embedded) {
        bail!(
            "REDIS_URL is not set, and a guard learns of revocations through Redis. Set it, or let the application ask \
             the gateway instead (AuthGuard::via_gateway)"
        )
    }
    Ok(())
}

/// Returns issuer and key set URL, with the metadata in the place of a setting that is missing.
async fn discover(settings: &Settings, jwks_url: Option<String>) -> anyhow::Result<(String, String)> {
    let server = AuthServer::new(upstream_config(settings))?;
    let metadata = match server.lookup_metadata().await {
        MetadataLookup::Found(metadata) => metadata,
        MetadataLookup::Absent => {
            bail!("EXTERNAL_AUTH_URL publishes no metadata, so set JWT_ISSUER and JWKS_URL")
        }
        MetadataLookup::Unusable(why) | MetadataLookup::Unreachable(why) => {
            bail!("the metadata of EXTERNAL_AUTH_URL cannot be read ({why}), so set JWT_ISSUER and JWKS_URL")
        }
    };
    let published = || metadata.endpoint(AuthServerEndpoint::Jwks).map(String::from);
    let jwks_url = jwks_url
        .or_else(published)
        .context("the metadata of EXTERNAL_AUTH_URL name no key set, so set JWKS_URL")?;
    let issuer = settings.verify.issuer.clone();
    Ok((issuer.unwrap_or_else(|| metadata.issuer.clone()), jwks_url))
}

fn build(settings: &Settings, algorithms: &[Algorithm], issuer: String, jwks_url: String) -> GuardConfig {
    let verify = &settings.verify;
    GuardConfig {
        issuer,
        jwks_url,
        audiences: verify.audiences.clone(),
        algorithms: algorithms.to_vec(),
        token_type: verify.token_types,
        lifetime_without_exp_seconds: verify.lifetime_without_exp.as_secs(),
        clock_skew_seconds: verify.clock_skew.as_secs(),
        verify_cache_seconds: verify.cache.as_secs(),
        revocation_lease_seconds: settings.revocation.lease.as_secs(),
        // At most 300 seconds, so the conversion never fails.
        upstream_timeout_milliseconds: settings
            .upstream
            .timeout
            .as_millis()
            .try_into()
            .unwrap_or(u64::MAX),
        admin_roles: verify.admin_roles.clone(),
        claims: verify.claims.clone(),
    }
}
