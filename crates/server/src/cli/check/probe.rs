//! Asks each component for a sign of life, all at once; one that is down hides no other.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_core::clock::{Clock as _, SystemClock};
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::KeySource as _;
use maxlab_auth_store::{EmbeddedStore, SqlDatabase};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout};

use super::super::serve;
use super::{Finding, Health};
use crate::app::{admin, open_redis, upstream_config};
use crate::config::{DatabaseUrl, Environment, JwtKeys, Settings, StoreUrl};
use crate::policy::PolicyFile;
use crate::tls::CertificateFiles;
use crate::upstream::{AuthServer, Endpoint, KeySetAddress, PublishedKeys, UpstreamConfig};

/// No component is waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

type Found = Result<(Health, String), String>;

/// Every component of these settings, as it is now.
pub(super) async fn everything(settings: &Settings) -> Vec<Finding> {
    let server = AuthServer::new(upstream(settings)).map(Arc::new);
    let address = settings.upstream.external_auth_url.to_string();
    let (store, database, mut server) = tokio::join!(
        timed("store", serve::store(settings), store(settings)),
        timed("database", serve::database(settings), database(settings)),
        async {
            match server {
                Ok(server) => authorization_server(settings, &server, &address).await,
                Err(fault) => {
                    vec![timed("authorization_server", address, async { Err(fault.to_string()) }).await]
                }
            }
        },
    );
    let mut findings = vec![store, database];
    findings.append(&mut server);
    if let Some(path) = &settings.forward_auth.policy_file {
        findings.push(timed("policy", path.display().to_string(), policy(settings, path)).await);
    }
    if let Some(tls) = &settings.listen.tls {
        let files = CertificateFiles::open(&tls.certificate, &tls.key);
        let found = async {
            files
                .map_err(told)
                .and_then(|_| healthy("the certificate and its key are a pair"))
        };
        findings.push(timed("certificate", tls.certificate.display().to_string(), found).await);
    }
    findings
}

async fn timed(component: &'static str, what: String, found: impl Future<Output = Found>) -> Finding {
    let started = Instant::now();
    let found = timeout(PATIENCE, found)
        .await
        .unwrap_or_else(|_| Err("it does not answer in time".to_owned()));
    let response_time = started.elapsed().as_secs_f64();
    let (status, detail) = found.unwrap_or_else(|fault| (Health::Unhealthy, fault));
    Finding {
        component,
        status,
        what,
        detail,
        response_time,
    }
}

fn healthy(detail: impl Into<String>) -> Found {
    Ok((Health::Healthy, detail.into()))
}

fn warning(detail: impl Into<String>) -> Found {
    Ok((Health::Warning, detail.into()))
}

fn told(fault: impl Display) -> String {
    fault.to_string()
}

async fn store(settings: &Settings) -> Found {
    match &settings.stores.store {
        StoreUrl::Embedded => {
            let store = EmbeddedStore::open(&settings.app.data_dir.join("store.db")).await;
            store.map_err(told)?.ping().await.map_err(told)?;
            healthy("revocations and sessions of one gateway process")
        }
        url => {
            let store = open_redis(url).map_err(told)?;
            store.ping().await.map_err(told)?;
            let policy = store.eviction_policy().await.map_err(told)?;
            let (health, detail) = evicting(policy.as_deref(), settings.app.environment)?;
            store.confirm().await.map_err(told)?;
            Ok((health, format!("{detail}{}", confirmed_by(url))))
        }
    }
}

/// Who says, apart from the server itself, that it is the master.
fn confirmed_by(url: &StoreUrl) -> String {
    match url {
        StoreUrl::Embedded | StoreUrl::Redis { .. } => String::new(),
        StoreUrl::Sentinel(sentinels) => format!(
            "; the master that a majority of {} Sentinels names",
            sentinels.nodes.len()
        ),
        StoreUrl::Cluster(_) => "; a majority of the masters agree who has which slot".to_owned(),
    }
}

/// A Redis that throws keys away forgets revocations; production does not start with it.
fn evicting(policy: Option<&str>, environment: Environment) -> Found {
    let Some(policy) = policy else {
        return warning("it does not say its maxmemory-policy; it must be noeviction");
    };
    if policy == "noeviction" {
        return healthy("maxmemory-policy noeviction");
    }
    let detail = format!(
        "maxmemory-policy {policy} throws revocations away when memory is full: set noeviction in redis.conf"
    );
    if environment == Environment::Production {
        Err(detail)
    } else {
        warning(detail)
    }
}

async fn database(settings: &Settings) -> Found {
    let (opened, detail) = match &settings.stores.database {
        DatabaseUrl::Sqlite(path) => (
            SqlDatabase::connect_sqlite(path).await,
            "SQLite journal, on this machine alone",
        ),
        DatabaseUrl::Postgres(url) => (
            SqlDatabase::connect_postgres(url.expose_secret()).await,
            "PostgreSQL journal, shared by all instances",
        ),
    };
    let database: Result<_, Unavailable> = opened;
    database.map_err(told)?.ping().await.map_err(told)?;
    healthy(detail)
}

async fn policy(settings: &Settings, path: &Path) -> Found {
    let policy = PolicyFile::open(path, admin(settings))
        .map_err(|fault| told(fault).replace('\n', "; "))?
        .current();
    healthy(format!(
        "{} rules; what none matches: {}",
        policy.rules().len(),
        policy.default_access()
    ))
}

fn upstream(settings: &Settings) -> UpstreamConfig {
    let usual = upstream_config(settings);
    let timeout = usual.timeout.min(PATIENCE / 2);
    UpstreamConfig { timeout, ..usual }
}

async fn authorization_server(settings: &Settings, server: &Arc<AuthServer>, address: &str) -> Vec<Finding> {
    let layers = &settings.verify.layers;
    let what = || address.to_owned();
    let mut findings = vec![
        timed("authorization_server", what(), health(server)).await,
        timed("metadata", what(), metadata(server)).await,
    ];
    if layers.contains(&VerificationSource::LocalJwt) {
        findings.push(timed("key_set", what(), key_set(settings, server)).await);
    }
    if layers.contains(&VerificationSource::Introspection) {
        findings.push(timed("introspection", what(), introspection(server)).await);
    }
    findings
}

/// Any answer shows that it is there; not every server has the guide's `/health`.
async fn health(server: &AuthServer) -> Found {
    let request = server
        .request(Method::GET, Endpoint::Health)
        .await
        .ok_or("its address takes no path")?;
    let answer = server.send(Endpoint::Health, request).await.map_err(told)?;
    match answer.status {
        status if status.is_server_error() => Err(format!("its /health answers {status}")),
        status if status.is_success() => healthy(format!("its /health answers {status}")),
        status => healthy(format!("it answers ({status} at /health)")),
    }
}

async fn metadata(server: &AuthServer) -> Found {
    match server.metadata().await {
        Some(metadata) => healthy(format!("issuer {}", metadata.issuer)),
        None => warning("it publishes none that can be used, so the guide's own paths are"),
    }
}

async fn key_set(settings: &Settings, server: &Arc<AuthServer>) -> Found {
    let url = match &settings.verify.keys {
        JwtKeys::Secret { algorithm, .. } => {
            return healthy(format!("not needed: JWT_SECRET_KEY ({algorithm:?}) verifies"));
        }
        JwtKeys::Jwks { url, .. } => url.clone(),
    };
    let keys = PublishedKeys::at(KeySetAddress::new(Arc::clone(server), url));
    match keys.keys_for(None, SystemClock.now()).await {
        Ok(Some(keys)) if keys.skipped().is_empty() => healthy("published, and every key can be used"),
        Ok(Some(keys)) => healthy(format!(
            "published; {} keys are of kinds that are not used here",
            keys.skipped().len()
        )),
        Ok(None) => warning("none published, so local_jwt accepts nothing; set JWKS_URL or JWT_SECRET_KEY"),
        Err(fault) => Err(fault.to_string()),
    }
}

async fn introspection(server: &AuthServer) -> Found {
    match server.address(Endpoint::Introspect).await {
        Some(_) => healthy("it has an endpoint"),
        None => warning("it names no endpoint, so the layer accepts nothing; set INTROSPECTION_URL"),
    }
}
