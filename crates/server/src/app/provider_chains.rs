//! Builds the verification chain of each provider in `PROVIDERS_FILE`: an own client, own keys and own rules.

use std::sync::Arc;

use anyhow::Context as _;
use maxlab_auth_core::identity::{ClaimPaths, Issuer, VerificationSource};
use maxlab_auth_core::verify::{ChainLimits, JwtCheck, JwtVerifier, TokenVerifier, VerifyChain};
use maxlab_auth_jose::{Algorithm, ClaimsPolicy, TypRule};
use maxlab_auth_providers::{
    ClientAuthentication, ClientCredential, ProviderClient, ProviderList, ProviderSettings,
};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::engine::candidate_issuers;
use super::upstream_config;
use crate::config::{Settings, WorkspaceSource};
use crate::files::read_regular_text;
use crate::providers::ProvidersFile;
use crate::upstream::verifiers::{IntrospectionVerifier, TraditionalAuthVerifier, UserinfoVerifier};
use crate::upstream::{
    AuthServer, AuthServerJwks, ClientAuthMethod, EndpointUrls, JwksEndpoint, OAuthClient, UpstreamConfig,
};

/// Memory of the own cache of a provider's chain. It stays empty: verdicts are cached by the default chain.
const UNUSED_CACHE_BYTES: u64 = 1024;
/// Maximum length of a file with a secret, in bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;
const TENANT_PLACEHOLDER: &str = "{tenantid}";

/// One issuer of the file that is not the default one.
#[derive(Clone, Debug)]
pub struct ProviderChain {
    /// Issuer, with the tenant in it.
    pub issuer: Issuer,
    /// Id of the provider. Several tenants of one provider have the same.
    pub id: String,
    /// Form of `Remote-User`.
    pub remote_user: String,
    /// Layers, with their rules.
    pub chain: Arc<VerifyChain>,
    /// Client of the provider.
    pub server: Arc<AuthServer>,
    /// Published keys.
    pub keys: Arc<AuthServerJwks>,
}

/// Opens the providers file, if one is configured.
///
/// # Errors
/// If it cannot be read, or has faults.
pub(super) fn open_providers(settings: &Settings) -> anyhow::Result<Option<Arc<ProvidersFile>>> {
    let Some(path) = &settings.verify.providers_file else {
        return Ok(None);
    };
    let file = ProvidersFile::open(path, settings).context("PROVIDERS_FILE")?;
    Ok(Some(Arc::new(file)))
}

/// Opens the providers file for a command. A faulty file does not prevent a revocation: it is reported, and the
/// command works for the default issuer.
pub(super) fn open_providers_for_command(settings: &Settings) -> Option<Arc<ProvidersFile>> {
    open_providers(settings).unwrap_or_else(|fault| {
        tracing::warn!(fault = %format!("{fault:#}"), "providers not opened, only the default issuer is known");
        None
    })
}

/// Builds the chains of all providers, in the order of the file.
///
/// The provider whose issuer is the default one is left out: `VERIFY_LAYERS` judges its tokens.
///
/// # Errors
/// Every fault, one in each line.
pub(crate) fn build_provider_chains(
    settings: &Settings,
    list: &ProviderList,
) -> Result<Vec<ProviderChain>, String> {
    let defaults = default_issuers(settings);
    let (mut chains, mut faults): (Vec<ProviderChain>, Vec<String>) = (Vec::new(), Vec::new());
    for provider in &list.providers {
        for issuer in concrete_issuers(provider) {
            if defaults.contains(&issuer) {
                continue;
            }
            if chains.iter().any(|chain| chain.issuer.name() == Some(&issuer)) {
                faults.push(format!(
                    "provider {}: the issuer {issuer} is there twice",
                    provider.id
                ));
                continue;
            }
            match build_chain(settings, provider, &issuer) {
                Ok(chain) => chains.push(chain),
                Err(why) => faults.push(format!("provider {}: {why}", provider.id)),
            }
        }
    }
    if faults.is_empty() {
        return Ok(chains);
    }
    faults.dedup();
    Err(faults.join("\n"))
}

/// Returns the names of the default issuer.
fn default_issuers(settings: &Settings) -> Vec<String> {
    match &settings.verify.issuer {
        Some(issuer) => vec![issuer.clone()],
        None => candidate_issuers(&settings.upstream.external_auth_url),
    }
}

/// Returns the issuers of a provider: one for each tenant, or the only one.
fn concrete_issuers(provider: &ProviderSettings) -> Vec<String> {
    if provider.tenants.is_empty() {
        return vec![provider.issuer.clone()];
    }
    let of_tenant = |tenant: &String| provider.issuer.replace(TENANT_PLACEHOLDER, tenant);
    provider.tenants.iter().map(of_tenant).collect()
}

fn build_chain(
    settings: &Settings,
    provider: &ProviderSettings,
    issuer: &str,
) -> Result<ProviderChain, String> {
    let server = AuthServer::new(provider_config(settings, provider, issuer)?);
    let server = Arc::new(server.map_err(|fault| fault.to_string())?);
    let endpoint = JwksEndpoint::new(Arc::clone(&server), provider.endpoints.jwks.clone());
    let keys = Arc::new(AuthServerJwks::new(endpoint));
    let check = Arc::new(JwtCheck {
        published_keys: Some(Arc::clone(&keys) as _),
        shared_secret: None,
        allowed_algorithms: Algorithm::ALL
            .into_iter()
            .filter(|algorithm| !algorithm.is_symmetric())
            .collect(),
        claims_policy: claims_policy(settings, provider, issuer),
    });
    let layers = provider
        .layers
        .iter()
        .map(|layer| layer_of(*layer, provider, &server, &check))
        .collect();
    let limits = ChainLimits {
        verdict_ttl: settings.verify.cache,
        cache_bytes: UNUSED_CACHE_BYTES,
        layer_timeout: settings.upstream.timeout,
    };
    let claims = ClaimPaths {
        ignore_workspaces: settings.verify.workspace_source == WorkspaceSource::Database,
        ..provider.claims.clone()
    };
    let named = Issuer::of(None, issuer);
    let chain = VerifyChain::new(layers, Some(check), claims, limits)
        .with_server_names(vec![issuer.to_owned()])
        .with_issuer(named.clone());
    Ok(ProviderChain {
        issuer: named,
        id: provider.id.clone(),
        remote_user: provider.remote_user.clone(),
        chain: Arc::new(chain),
        server,
        keys,
    })
}

fn claims_policy(settings: &Settings, provider: &ProviderSettings, issuer: &str) -> ClaimsPolicy {
    ClaimsPolicy {
        issuer: Some(issuer.to_owned()),
        audiences: provider.audiences.clone(),
        audience_claim: provider.preset.audience_claim.clone(),
        token_types: TypRule::Any,
        leeway_seconds: settings.verify.clock_skew.as_secs(),
        default_lifetime_seconds: settings.verify.lifetime_without_exp.as_secs(),
        max_age_seconds: None,
    }
}

fn layer_of(
    layer: VerificationSource,
    provider: &ProviderSettings,
    server: &Arc<AuthServer>,
    check: &Arc<JwtCheck>,
) -> Arc<dyn TokenVerifier> {
    let server = Arc::clone(server);
    match layer {
        VerificationSource::OauthUserinfo => Arc::new(UserinfoVerifier {
            server,
            check: Arc::clone(check),
            clients: provider.client.iter().map(|client| client.id.clone()).collect(),
        }),
        VerificationSource::TraditionalAuth => Arc::new(TraditionalAuthVerifier { server }),
        VerificationSource::Introspection => Arc::new(IntrospectionVerifier {
            server,
            policy: check.claims_policy.clone(),
        }),
        VerificationSource::LocalJwt => Arc::new(JwtVerifier::new(Arc::clone(check))),
    }
}

/// Returns the configuration of the client for one provider.
fn provider_config(
    settings: &Settings,
    provider: &ProviderSettings,
    issuer: &str,
) -> Result<UpstreamConfig, String> {
    let mut base = Url::parse(issuer).map_err(|fault| format!("the issuer {issuer}: {fault}"))?;
    let path = format!("{}/", base.path().trim_end_matches('/'));
    base.set_path(&path);
    let endpoints = &provider.endpoints;
    Ok(UpstreamConfig {
        base,
        issuer: Some(issuer.to_owned()),
        endpoints: EndpointUrls {
            authorization: endpoints.authorization.clone(),
            token: endpoints.token.clone(),
            userinfo: endpoints.userinfo.clone(),
            revocation: endpoints.revocation.clone(),
            introspection: endpoints.introspection.clone(),
        },
        client: provider.client.as_ref().map(oauth_client).transpose()?.flatten(),
        auth_method: provider.client.as_ref().and_then(auth_method),
        ..upstream_config(settings)
    })
}

/// Returns the client with its secret. `None` for one with a private key, which asks no endpoint yet.
fn oauth_client(client: &ProviderClient) -> Result<Option<OAuthClient>, String> {
    let secret = match &client.credential {
        ClientCredential::Public => None,
        ClientCredential::Secret(secret) => Some(secret.clone()),
        ClientCredential::SecretFile(path) => {
            let text = read_regular_text(path, MAX_SECRET_BYTES)
                .map(SecretString::from)
                .map_err(|fault| format!("client_secret_file {} {fault}", path.display()))?;
            let trimmed = text.expose_secret().trim();
            if trimmed.is_empty() {
                return Err(format!("client_secret_file {} is empty", path.display()));
            }
            Some(SecretString::from(trimmed))
        }
        ClientCredential::PrivateKeyFile(_) => return Ok(None),
    };
    Ok(Some(OAuthClient {
        id: client.id.clone(),
        secret,
    }))
}

fn auth_method(client: &ProviderClient) -> Option<ClientAuthMethod> {
    match client.authentication? {
        ClientAuthentication::Basic => Some(ClientAuthMethod::ClientSecretBasic),
        ClientAuthentication::Post => Some(ClientAuthMethod::ClientSecretPost),
        ClientAuthentication::None => Some(ClientAuthMethod::None),
        ClientAuthentication::PrivateKeyJwt => None,
    }
}
