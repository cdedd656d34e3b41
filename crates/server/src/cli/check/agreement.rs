//! Agreement between what the authorization server publishes and the settings: its metadata and its keys.

use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_jose::{Algorithm, KeySet, SkipReason, SkippedKey};

use super::ComponentHealth;
use super::finding::{ProbeOutcome, healthy, warning};
use crate::config::{JwtKeys, Settings};
use crate::upstream::{AuthServerEndpoint, ServerMetadata};

/// Adds to the finding about the issuer what else the metadata and the settings disagree about.
pub(super) fn with_disagreements(
    outcome: ProbeOutcome,
    settings: &Settings,
    metadata: &ServerMetadata,
) -> ProbeOutcome {
    let disagreements = disagreements(settings, metadata);
    let (health, detail) = outcome?;
    if disagreements.is_empty() {
        return Ok((health, detail));
    }
    let all = disagreements.join("; ");
    Ok((ComponentHealth::Warning, format!("{detail}; but {all}")))
}

/// Returns the settings that name something else than the metadata, or rely on what they do not name.
fn disagreements(settings: &Settings, metadata: &ServerMetadata) -> Vec<String> {
    let mut found = Vec::new();
    let jwks_url = match &settings.verify.keys {
        JwtKeys::Jwks { url, .. } => url.as_ref(),
        JwtKeys::Secret { .. } => None,
    };
    // Right for a server that is reached by another name than its users reach it by. Otherwise the keys or
    // answers of another realm are used.
    let endpoints = &settings.upstream.endpoints;
    for (setting, endpoint, member) in [
        (
            "AUTHORIZATION_URL",
            AuthServerEndpoint::Authorize,
            "authorization_endpoint",
        ),
        ("TOKEN_URL", AuthServerEndpoint::Token, "token_endpoint"),
        ("USERINFO_URL", AuthServerEndpoint::Userinfo, "userinfo_endpoint"),
        (
            "REVOCATION_URL",
            AuthServerEndpoint::Revoke,
            "revocation_endpoint",
        ),
        (
            "INTROSPECTION_URL",
            AuthServerEndpoint::Introspect,
            "introspection_endpoint",
        ),
        ("JWKS_URL", AuthServerEndpoint::Jwks, "jwks_uri"),
    ] {
        let configured = if endpoint == AuthServerEndpoint::Jwks {
            jwks_url
        } else {
            endpoints.find(endpoint)
        };
        let published = metadata.endpoint(endpoint);
        if let (Some(configured), Some(published)) = (configured, published)
            && *configured != published
        {
            found.push(format!(
                "{setting} is {configured} and its metadata name {published} ({member}); remove {setting} unless both are \
                 the same server"
            ));
        }
    }
    let asks_userinfo = settings
        .verify
        .layers
        .contains(&VerificationSource::OauthUserinfo);
    let knows_userinfo = endpoints.userinfo.is_some();
    if asks_userinfo && !knows_userinfo && metadata.endpoint(AuthServerEndpoint::Userinfo).is_none() {
        found.push(
            "its metadata name no userinfo_endpoint, so oauth_userinfo asks the path of docs/GUIDE.md; set USERINFO_URL, or \
             remove the layer from VERIFY_LAYERS if the server has no userinfo"
                .to_owned(),
        );
    }
    found
}

/// Judges a key set: which keys can be used, and whether they fit `JWT_ALGORITHM`.
pub(super) fn check_keys(keys: &KeySet, allowed: &[Algorithm]) -> ProbeOutcome {
    let reasons: Vec<String> = keys.skipped().iter().map(reason_in_words).collect();
    let reasons = reasons.join("; ");
    // First: it outweighs everything else about the set.
    if keys.exposed_private_keys() > 0 {
        return Err(
            "the key set contains PRIVATE keys: anyone can sign tokens in the issuer's name. Replace these keys at the \
             authorization server"
                .to_owned(),
        );
    }
    match (keys.is_empty(), keys.skipped().is_empty()) {
        (true, true) => {
            return Err(
                "the key set is empty, so local_jwt accepts nothing; check the address in JWKS_URL"
                    .to_owned(),
            );
        }
        (true, false) => {
            return Err(format!(
                "no key of the set can be used, so local_jwt accepts nothing ({reasons})"
            ));
        }
        (false, _) => {}
    }
    if keys.count_for(allowed) == 0 {
        let names: Vec<_> = allowed.iter().map(|algorithm| algorithm.name()).collect();
        return Err(format!(
            "no key of the set is for an algorithm in JWT_ALGORITHM ({}), so local_jwt accepts nothing; add the issuer's \
             algorithm",
            names.join(", ")
        ));
    }
    if keys.skipped().is_empty() {
        return healthy("published; every key can be used");
    }
    let detail = format!(
        "published; {} can be used, {} cannot ({reasons})",
        keys.len(),
        keys.skipped().len()
    );
    // Many servers publish their encryption keys too. Any other unusable key may sign tokens.
    let is_usual = |key: &SkippedKey| key.reason == SkipReason::NotForVerifying;
    if keys.skipped().iter().all(is_usual) {
        healthy(detail)
    } else {
        warning(format!("{detail}; tokens that they sign are answered 503"))
    }
}

fn reason_in_words(key: &SkippedKey) -> String {
    let kid = key.kid.as_deref().unwrap_or("a key without kid");
    format!("{kid}: {}", key.reason)
}
