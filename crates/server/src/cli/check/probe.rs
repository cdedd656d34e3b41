//! Probes of the components. They run concurrently, and a component that is down hides no other.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use maxlab_auth_core::clock::{Clock as _, SystemClock};
use maxlab_auth_core::revocation::{Journal as _, RevocationStore as _};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_store::{EmbeddedStore, RedisStore, SqlDatabase};
use secrecy::ExposeSecret as _;
use tokio::time::sleep;

use super::super::serve;
use super::finding::{ComponentFinding, ProbeOutcome, error_text, healthy, run_probe, warning};
use super::upstream;
use crate::app::{admin, open_redis};
use crate::config::{DatabaseUrl, Environment, Settings, StoreUrl};
use crate::policy::PolicyFile;
use crate::providers::ProvidersFile;
use crate::tls::CertificateFiles;
use crate::upstream::{AuthServer, MetadataLookup};

/// Number of reads of the register of data sets, and the time between two of them.
const REGISTER_READS: usize = 4;
const REGISTER_READ_INTERVAL: Duration = Duration::from_millis(400);

/// Finding for a journal that registers another Redis.
const SECOND_STORE: &str = "the journal in DATABASE_URL belongs to another Redis: set the same REDIS_URL on all gateways with this DATABASE_URL. \
     (After a change of Redis, a running gateway registers the new one within seconds)";

/// Probes every component of these settings.
#[tracing::instrument(level = "debug", skip_all)]
pub(super) async fn probe_all(settings: &Settings) -> Vec<ComponentFinding> {
    let server = AuthServer::new(upstream::probe_config(settings)).map(Arc::new);
    let address = settings.upstream.external_auth_url.to_string();
    let (store, database, mut server) = tokio::join!(
        run_probe("store", serve::describe_store(settings), probe_store(settings)),
        run_probe(
            "database",
            serve::describe_database(settings),
            probe_database(settings)
        ),
        async {
            match server {
                Ok(server) => upstream::probe_auth_server(settings, &server, &address).await,
                Err(fault) => {
                    vec![run_probe("authorization_server", address, async { Err(fault.to_string()) }).await]
                }
            }
        },
    );
    let mut findings = vec![store, database];
    findings.append(&mut server);
    // Files are read last: that takes next to no time.
    if let Some(path) = &settings.forward_auth.policy_file {
        findings.push(run_probe("policy", path.display().to_string(), probe_policy(settings, path)).await);
    }
    if let Some(path) = &settings.verify.providers_file {
        findings.push(
            run_probe(
                "providers",
                path.display().to_string(),
                probe_providers(settings, path),
            )
            .await,
        );
    }
    if let Some(tls) = &settings.listen.tls {
        let files = CertificateFiles::open(&tls.certificate, &tls.key);
        let probe = async {
            files
                .map_err(error_text)
                .and_then(|_| healthy("the key belongs to the certificate"))
        };
        findings.push(run_probe("certificate", tls.certificate.display().to_string(), probe).await);
    }
    findings
}

async fn probe_store(settings: &Settings) -> ProbeOutcome {
    match &settings.stores.store {
        StoreUrl::Embedded => {
            let store = EmbeddedStore::open(&settings.app.data_dir.join("store.db")).await;
            store.map_err(error_text)?.ping().await.map_err(error_text)?;
            healthy("revocations of one gateway process")
        }
        url => {
            let store = open_redis(url).map_err(error_text)?;
            store.ping().await.map_err(error_text)?;
            let policy = store.eviction_policy().await.map_err(error_text)?;
            let (health, detail) = judge_eviction_policy(policy.as_deref(), settings.app.environment)?;
            // Answering is not enough: an old master answers too.
            store.confirm().await.map_err(error_text)?;
            if let Some(cause) = find_second_store(settings, &store).await {
                return Err(cause);
            }
            Ok((health, format!("{detail}{}", master_confirmation(url))))
        }
    }
}

/// Returns the fault of a journal that registers another Redis as the current one: gateways with one
/// `DATABASE_URL` and two `REDIS_URL`. They register theirs in turns, so the register is read several times.
async fn find_second_store(settings: &Settings, store: &RedisStore) -> Option<String> {
    let DatabaseUrl::Postgres(url) = &settings.stores.database else {
        return None;
    };
    // A database that does not answer is the finding of its own probe.
    let database = SqlDatabase::connect_postgres(url.expose_secret()).await.ok()?;
    for _ in 0..REGISTER_READS {
        let term = database.current_term().await.ok()?;
        let epoch = store.find(&[], &[], SystemClock.now()).await.ok()?.epoch;
        if let (Some(term), Some(epoch)) = (term, epoch)
            && term.epoch != epoch
        {
            return Some(SECOND_STORE.to_owned());
        }
        sleep(REGISTER_READ_INTERVAL).await;
    }
    None
}

/// Describes who confirms, besides the server itself, that it is the master.
fn master_confirmation(url: &StoreUrl) -> String {
    match url {
        StoreUrl::Embedded | StoreUrl::Redis { .. } => String::new(),
        StoreUrl::Sentinel(sentinels) => format!(
            "; named as the master by a majority of {} Sentinels",
            sentinels.nodes.len()
        ),
        StoreUrl::Cluster(_) => "; a majority of the masters agree on the slots".to_owned(),
    }
}

/// Judges the eviction policy. A Redis that evicts keys loses revocations, so production does not start with
/// it.
fn judge_eviction_policy(policy: Option<&str>, environment: Environment) -> ProbeOutcome {
    let Some(policy) = policy else {
        return warning("the server does not report its maxmemory-policy; it must be noeviction");
    };
    if policy == "noeviction" {
        return healthy("maxmemory-policy noeviction");
    }
    let detail = format!(
        "maxmemory-policy {policy} evicts revocations when memory is full: set noeviction in redis.conf"
    );
    if environment == Environment::Production {
        Err(detail)
    } else {
        warning(detail)
    }
}

async fn probe_database(settings: &Settings) -> ProbeOutcome {
    let (opened, detail) = match &settings.stores.database {
        DatabaseUrl::Sqlite(path) => (
            SqlDatabase::connect_sqlite(path).await,
            "SQLite journal, for this machine only",
        ),
        DatabaseUrl::Postgres(url) => (
            SqlDatabase::connect_postgres(url.expose_secret()).await,
            "PostgreSQL journal, shared by all instances",
        ),
    };
    // Opening applies pending migrations, as a start of the gateway would.
    let database: Result<_, Unavailable> = opened;
    database.map_err(error_text)?.ping().await.map_err(error_text)?;
    healthy(detail)
}

/// Reads the providers file, and asks each provider for its metadata.
async fn probe_providers(settings: &Settings, path: &Path) -> ProbeOutcome {
    let file = ProvidersFile::open(path, settings)
        // The faults are one a line; a table cell has one line.
        .map_err(|fault| format!("{fault:#}").replace('\n', "; "))?;
    let providers = file.current();
    let lookups = providers.issuers.iter().map(|issuer| async {
        let why = match issuer.server.lookup_metadata().await {
            MetadataLookup::Found(_) | MetadataLookup::Absent => return None,
            MetadataLookup::Unusable(why) | MetadataLookup::Unreachable(why) => why,
        };
        Some(format!("{}: {why}", issuer.id))
    });
    let silent: Vec<_> = join_all(lookups).await.into_iter().flatten().collect();
    let names: Vec<_> = providers
        .list
        .providers
        .iter()
        .map(|provider| provider.id.as_str())
        .collect();
    if silent.is_empty() {
        return healthy(format!("providers {}", names.join(", ")));
    }
    warning(format!("no metadata of {}", silent.join("; ")))
}

async fn probe_policy(settings: &Settings, path: &Path) -> ProbeOutcome {
    let policy = PolicyFile::open(path, admin(settings))
        // The faults of a policy are one a line; a table cell has one line.
        .map_err(|fault| error_text(fault).replace('\n', "; "))?
        .current();
    healthy(format!(
        "{} rules; default access: {}",
        policy.rules().len(),
        policy.default_access()
    ))
}
