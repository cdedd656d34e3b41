//! Issuer of the layer `local_jwt` if `JWT_ISSUER` is not set.

use anyhow::bail;
use maxlab_auth_core::identity::VerificationSource;

use super::upstream_config;
use crate::config::{JwtKeys, Settings};
use crate::upstream::{AuthServer, MetadataLookup};

/// Refuses a start with keys of an unknown issuer: a key set may contain the keys of many issuers.
///
/// # Errors
/// If `JWKS_URL` is set, `JWT_ISSUER` is not, and the authorization server's metadata do not name the issuer.
#[tracing::instrument(level = "debug", skip_all)]
pub(super) async fn require_known_issuer(settings: &Settings) -> anyhow::Result<()> {
    let verify = &settings.verify;
    let local = verify.layers.contains(&VerificationSource::LocalJwt);
    // Without JWKS_URL the key set is found through the metadata, which name the issuer too.
    if !local || verify.issuer.is_some() || !matches!(verify.keys, JwtKeys::Jwks { url: Some(_), .. }) {
        return Ok(());
    }
    let server = AuthServer::new(upstream_config(settings))?;
    match server.lookup_metadata().await {
        MetadataLookup::Found(_) => Ok(()),
        // The server may name its issuer later. Until then `local_jwt` accepts nothing, so the start is safe.
        MetadataLookup::Unreachable(why) => {
            tracing::warn!(
                setting = "JWT_ISSUER",
                why,
                "metadata not reached, tokens refused by local_jwt until it is"
            );
            Ok(())
        }
        MetadataLookup::Absent => bail!(missing_issuer_message("EXTERNAL_AUTH_URL publishes no metadata")),
        MetadataLookup::Unusable(why) => bail!(missing_issuer_message(&format!(
            "the metadata of EXTERNAL_AUTH_URL cannot be used ({why})"
        ))),
    }
}

fn missing_issuer_message(why: &str) -> String {
    format!(
        "JWT_ISSUER is not set, and {why}, so the issuer of the keys at JWKS_URL is unknown. Set JWT_ISSUER to the `iss` of \
         your access tokens, character by character"
    )
}
