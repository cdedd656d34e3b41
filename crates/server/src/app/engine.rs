//! Builds the engine from the settings: verification layers, revocation gate, sessions.

use std::sync::Arc;

use anyhow::Context as _;
use maxlab_auth_core::audit::AuditLog;
use maxlab_auth_core::clock::{Clock, SystemMonotonicClock};
use maxlab_auth_core::engine::{Engine, EngineDeps, UnprovenPolicy};
use maxlab_auth_core::events::GatewayEvents;
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::issued_tokens::IssuedTokens;
use maxlab_auth_core::outbox::Outbox;
use maxlab_auth_core::revocation::{GateDeps, Journal, RevocationGate, RevocationPolicy, UnprovenTokens};
use maxlab_auth_core::seal::SealingKeys;
use maxlab_auth_core::session::{SessionCacheLimits, SessionManager};
use maxlab_auth_core::used_codes::UsedCodes;
use maxlab_auth_core::verify::{
    ChainLimits, JwtCheck, JwtVerifier, KeySetProvider, TokenVerifier, VerifyChain,
};
use maxlab_auth_core::workspace::WorkspaceStore;
use maxlab_auth_jose::{Algorithm, ClaimsPolicy, KeySet};
use maxlab_auth_store::SqlDatabase;
use secrecy::ExposeSecret as _;
use url::Url;

use super::stores::OpenStores;
use crate::config::{JwtKeys, RevocationReads, Settings, WorkspaceSource};
use crate::events::ObservedEvents;
use crate::upstream::verifiers::{IntrospectionVerifier, TraditionalAuthVerifier, UserinfoVerifier};
use crate::upstream::{AuthServer, AuthServerJwks, JwksEndpoint};

/// Most memory for cached verdicts, in bytes.
const VERDICT_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Most memory for cached sessions, in bytes: about 100,000 of them. Apart from the tokens, so that neither
/// takes the memory of the other.
const SESSION_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Layers in their order, the check of signed tokens, and the issuer's keys if they are published.
pub(super) type ConfiguredVerifiers = (
    Vec<Arc<dyn TokenVerifier>>,
    Arc<JwtCheck>,
    Option<Arc<AuthServerJwks>>,
);

/// Builds the verification layers.
///
/// # Errors
/// If `JWT_SECRET_KEY` is too short for its algorithm.
pub(super) fn build_verifiers(
    settings: &Settings,
    server: &Arc<AuthServer>,
) -> anyhow::Result<ConfiguredVerifiers> {
    let verify = &settings.verify;
    let policy = ClaimsPolicy {
        issuer: verify.issuer.clone(),
        audiences: verify.audiences.clone(),
        token_types: verify.token_types,
        leeway_seconds: verify.clock_skew.as_secs(),
        default_lifetime_seconds: verify.lifetime_without_exp.as_secs(),
        // No bound besides `exp`: no setting asks for one.
        max_age_seconds: None,
    };
    let (published, shared, allowed): (_, Option<(Algorithm, Arc<KeySet>)>, _) = match &verify.keys {
        JwtKeys::Secret { key, algorithm } => {
            let keys = KeySet::from_secret(key.expose_secret().as_bytes(), *algorithm)
                .context("JWT_SECRET_KEY: make one with `maxlab-auth keygen`")?;
            // No algorithm of published keys is accepted next to a secret: a token must not choose between
            // the two.
            (None, Some((*algorithm, Arc::new(keys))), Vec::new())
        }
        JwtKeys::Jwks { url, algorithms } => {
            let endpoint = JwksEndpoint::new(Arc::clone(server), url.clone());
            let keys = Arc::new(AuthServerJwks::new(endpoint));
            (Some(keys), None, algorithms.clone())
        }
    };
    let source = published.clone().map(|keys| keys as Arc<dyn KeySetProvider>);
    // Built even if `local_jwt` is no layer: the precheck uses it, and so does the proof of a token that is
    // revoked.
    let check = Arc::new(JwtCheck {
        published_keys: source,
        shared_secret: shared,
        allowed_algorithms: allowed,
        claims_policy: policy,
    });
    // In the order of VERIFY_LAYERS: the first yes counts.
    let layers = verify
        .layers
        .iter()
        .map(|layer| verifier_for(*layer, server, &check, settings))
        .collect();
    Ok((layers, check, published))
}

fn verifier_for(
    layer: VerificationSource,
    server: &Arc<AuthServer>,
    check: &Arc<JwtCheck>,
    settings: &Settings,
) -> Arc<dyn TokenVerifier> {
    let server = Arc::clone(server);
    match layer {
        VerificationSource::OauthUserinfo => Arc::new(UserinfoVerifier {
            server,
            check: Arc::clone(check),
            clients: known_clients(settings),
        }),
        VerificationSource::TraditionalAuth => Arc::new(TraditionalAuthVerifier { server }),
        VerificationSource::Introspection => Arc::new(IntrospectionVerifier {
            server,
            policy: check.claims_policy.clone(),
        }),
        VerificationSource::LocalJwt => Arc::new(JwtVerifier::new(Arc::clone(check))),
    }
}

/// Returns the clients that the settings name: the gateway's own, and those that may log people in.
fn known_clients(settings: &Settings) -> Vec<String> {
    let own = settings.upstream.client.iter().map(|client| client.id.clone());
    let allowed = settings.upstream.allowed_client_ids.iter().flatten().cloned();
    own.chain(allowed).collect()
}

/// Builds the chain of layers, without the register of issued tokens.
fn build_chain(settings: &Settings, layers: Vec<Arc<dyn TokenVerifier>>, jwt: Arc<JwtCheck>) -> VerifyChain {
    let limits = ChainLimits {
        verdict_ttl: settings.verify.cache,
        cache_bytes: VERDICT_CACHE_BYTES,
        layer_timeout: settings.upstream.timeout,
    };
    VerifyChain::new(layers, Some(jwt), settings.verify.claims.clone(), limits)
        .with_server_names(candidate_issuers(&settings.upstream.external_auth_url))
}

/// Builds the chain of layers and the issuer's keys, for a command that has no stores.
///
/// # Errors
/// If TLS cannot be initialized, or `JWT_SECRET_KEY` is too short for its algorithm.
pub(crate) fn verify_chain(
    settings: &Settings,
) -> anyhow::Result<(VerifyChain, Option<Arc<AuthServerJwks>>)> {
    let server = Arc::new(AuthServer::new(super::upstream_config(settings))?);
    let (layers, jwt, keys) = build_verifiers(settings, &server)?;
    let keys = keys.filter(|_| settings.verify.layers.contains(&VerificationSource::LocalJwt));
    Ok((build_chain(settings, layers, jwt), keys))
}

/// Builds the engine on open stores.
///
/// # Errors
/// If the operating system gives no random bytes.
pub(super) fn build_engine(
    settings: &Settings,
    database: &Arc<SqlDatabase>,
    stores: &OpenStores,
    layers: Vec<Arc<dyn TokenVerifier>>,
    jwt: Arc<JwtCheck>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Engine> {
    let policy = RevocationPolicy {
        skew: settings.verify.clock_skew,
        retention: settings.revocation.retention,
        reads_replica: settings.revocation.reads == RevocationReads::Replica,
        lease: settings.revocation.lease,
    };
    let events: Arc<dyn GatewayEvents> = Arc::new(ObservedEvents);
    let gate_deps = GateDeps {
        journal: Arc::clone(database) as Arc<dyn Journal>,
        store: Arc::clone(&stores.revocations),
        log: Arc::clone(&stores.revocation_log),
        clock: Arc::clone(&clock),
        // Leases are measured by this one, because it cannot be set.
        ticks: Arc::new(SystemMonotonicClock),
        events: Arc::clone(&events),
    };
    let keys: Arc<SealingKeys> = Arc::new(settings.session.sealing_keys.clone());
    let uses_database = settings.verify.workspace_source != WorkspaceSource::Claims;
    // One database behind many traits: what a revocation writes must be one transaction.
    Ok(Engine::new(EngineDeps {
        chain: Arc::new(
            build_chain(settings, layers, jwt).with_register(Arc::clone(database) as Arc<dyn IssuedTokens>),
        ),
        revocations: Arc::new(RevocationGate::new(gate_deps, policy)?),
        sessions: Arc::new(
            SessionManager::new(
                Arc::clone(&stores.sessions),
                Arc::clone(&keys),
                settings.session.policy,
            )
            .with_cache(SessionCacheLimits {
                verdict_ttl: settings.verify.cache,
                cache_bytes: SESSION_CACHE_BYTES,
            }),
        ),
        issued_tokens: Arc::clone(database) as Arc<dyn IssuedTokens>,
        used_codes: Arc::clone(database) as Arc<dyn UsedCodes>,
        unproven_tokens: Arc::clone(database) as Arc<dyn UnprovenTokens>,
        unproven_policy: UnprovenPolicy {
            refused_for: settings.revocation.unproven_ttl,
            max_tokens: settings.revocation.unproven_max,
        },
        outbox: Arc::clone(database) as Arc<dyn Outbox>,
        audit: Arc::clone(database) as Arc<dyn AuditLog>,
        workspaces: uses_database.then(|| Arc::clone(database) as Arc<dyn WorkspaceStore>),
        sealing_keys: keys,
        refresh_grace: settings.session.refresh_grace,
        events,
        clock,
    }))
}

/// Returns the names that an authorization server at this address may have as an issuer, for the time before
/// its metadata are known.
pub(super) fn candidate_issuers(address: &Url) -> Vec<String> {
    // Issuers are compared exactly, and both spellings are in use.
    let bare = address.as_str().trim_end_matches('/');
    vec![bare.to_owned(), format!("{bare}/")]
}
