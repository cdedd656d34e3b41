//! Opens the database and the shared store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use maxlab_auth_core::revocation::{Journal, RevocationLog, RevocationStore};
use maxlab_auth_core::session::SessionStore;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_store::{EmbeddedStore, RedisStore, SqlDatabase};
use secrecy::ExposeSecret as _;
use tokio::sync::watch;

use crate::config::{DatabaseUrl, Environment, SessionPlace, Settings, StoreUrl};
use crate::files::{create_private_file_if_absent, create_private_folder};
use crate::http::app_state::Ping;

/// Time for which a start waits for a database that does not answer yet.
const DATABASE_START_TIMEOUT: Duration = Duration::from_secs(30);

/// Error text for a Redis that belongs to another journal (docs/decisions/0025).
const FOREIGN_JOURNAL_HELP: &str = "REDIS_URL: this Redis belongs to gateways with another journal. Instances that do not share a journal cannot end \
     each other's logins. For several instances, set DATABASE_URL to one PostgreSQL for all. If this instance replaces an earlier \
     one, use the earlier one's DATA_DIR or DATABASE_URL. If that is lost, stop every other instance and run \
     `maxlab-auth revoke --everything --new-journal` with these settings, which ends all logins. To accept a weaker guarantee, set \
     ALLOW_OWN_JOURNALS=true.";

/// The shared store, once for each trait of the core, and the sessions, wherever they are.
pub(super) struct OpenStores {
    pub(super) revocations: Arc<dyn RevocationStore>,
    pub(super) revocation_log: Arc<dyn RevocationLog>,
    pub(super) sessions: Arc<dyn SessionStore>,
    pub(super) ping: Arc<dyn Ping>,
}

/// Opens the SQL database. Waits up to 30 s for a PostgreSQL that is still starting, and reports that to
/// `awaited`.
///
/// # Errors
/// If the database cannot be opened.
#[tracing::instrument(level = "debug", skip_all)]
pub(super) async fn open_database(
    settings: &Settings,
    awaited: &watch::Sender<Option<Unavailable>>,
) -> anyhow::Result<SqlDatabase> {
    match &settings.stores.database {
        DatabaseUrl::Sqlite(path) => {
            // Before SQLite creates it, which would go by the umask.
            create_private_database(path)?;
            SqlDatabase::connect_sqlite(path).await.with_context(|| {
                format!(
                    "DATABASE_URL: the SQLite file {} cannot be opened",
                    path.display()
                )
            })
        }
        DatabaseUrl::Postgres(url) => {
            let started = tokio::time::Instant::now();
            loop {
                match SqlDatabase::connect_postgres(url.expose_secret()).await {
                    Ok(database) => return Ok(database),
                    // Any fault, also a refused password: in a cluster the database's users may be created
                    // after it starts.
                    Err(fault) if started.elapsed() < DATABASE_START_TIMEOUT => {
                        tracing::warn!(%fault, reason = fault.reason().as_str(), "PostgreSQL not reached, retrying");
                        awaited.send_replace(Some(fault));
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    Err(fault) => return Err(fault).context("DATABASE_URL: PostgreSQL cannot be used"),
                }
            }
        }
    }
}

/// Opens the shared store for the instances of this journal. Does not wait for a Redis that does not answer
/// yet.
///
/// # Errors
/// If the store cannot be opened, may lose data that it must keep, or belongs to another journal.
#[tracing::instrument(level = "debug", skip_all)]
pub(super) async fn open_store(
    settings: &Settings,
    database: &Arc<SqlDatabase>,
) -> anyhow::Result<OpenStores> {
    let in_database = Arc::clone(database) as Arc<dyn SessionStore>;
    match &settings.stores.store {
        StoreUrl::Embedded => {
            let path = settings.app.data_dir.join("store.db");
            create_private_database(&path)?;
            let store = Arc::new(
                EmbeddedStore::open(&path)
                    .await
                    .with_context(|| format!("the embedded store {} cannot be opened", path.display()))?,
            );
            Ok(OpenStores {
                revocations: Arc::clone(&store) as _,
                revocation_log: Arc::clone(&store) as _,
                // SESSION_STORE=redis is refused without REDIS_URL.
                sessions: in_database,
                ping: Arc::new(EmbeddedStorePing(store)),
            })
        }
        url => {
            let mut store = open_redis(url)?;
            // With ALLOW_OWN_JOURNALS the operator accepts that instances do not share one
            // (docs/REVOCATION.md).
            if !settings.stores.allow_own_journals {
                check_journal(&store, database.as_ref()).await?;
                store = store.for_one_journal();
            }
            let store = Arc::new(store);
            check_eviction_policy(&store, settings.app.environment).await?;
            Ok(OpenStores {
                revocations: Arc::clone(&store) as _,
                revocation_log: Arc::clone(&store) as _,
                sessions: match settings.stores.sessions {
                    SessionPlace::Sql => in_database,
                    SessionPlace::Redis => Arc::clone(&store) as _,
                },
                ping: Arc::new(RedisStorePing(store)),
            })
        }
    }
}

/// Returns a client of Redis in any of its topologies. It connects when it is first used.
///
/// # Errors
/// If the URL does not name a Redis.
pub(crate) fn open_redis(url: &StoreUrl) -> Result<RedisStore, Unavailable> {
    match url {
        StoreUrl::Embedded => Err(Unavailable::store(
            "the embedded store is not Redis; set REDIS_URL",
        )),
        StoreUrl::Redis {
            url, ca_certificates, ..
        } => RedisStore::open_trusting(url.expose_secret(), ca_certificates.clone()),
        StoreUrl::Sentinel(sentinels) => Ok(RedisStore::open_sentinel(sentinels)),
        StoreUrl::Cluster(servers) => Ok(RedisStore::open_cluster(servers)),
    }
}

/// Refuses a Redis of another journal. Instances that do not share a journal do not share the register of
/// issued tokens: an instance that does not know a login cannot end it.
async fn check_journal(store: &RedisStore, journal: &dyn Journal) -> anyhow::Result<()> {
    let own = journal
        .id()
        .await
        .context("DATABASE_URL: the journal cannot be read")?;
    // Registers this journal if Redis has none, in one step, so that two instances cannot both be the first.
    match store.register_journal(&own).await {
        Ok(registered) if registered == own => Ok(()),
        Ok(_) => bail!(FOREIGN_JOURNAL_HELP),
        Err(fault) => {
            tracing::warn!(%fault, "journal of Redis not checked yet, retrying");
            // Safe: after `for_one_journal` the store refuses to work for another journal.
            Ok(())
        }
    }
}

/// Assigns a Redis whose journal is lost to this journal.
///
/// # Errors
/// If the store is not Redis, or Redis does not answer.
pub(super) async fn replace_store_journal(settings: &Settings, journal: &dyn Journal) -> anyhow::Result<()> {
    let store = open_redis(&settings.stores.store)?;
    let own = journal
        .id()
        .await
        .context("DATABASE_URL: the journal cannot be read")?;
    Ok(store.replace_journal(&own).await?)
}

/// Refuses (in production) or reports a Redis that evicts keys: revocations would be lost.
async fn check_eviction_policy(store: &RedisStore, environment: Environment) -> anyhow::Result<()> {
    match store.eviction_policy().await {
        Ok(Some(policy)) if policy != "noeviction" => {
            let remedy = "set `maxmemory-policy noeviction` in redis.conf";
            if environment == Environment::Production {
                bail!("REDIS_URL: this Redis evicts keys when its memory is full ({policy}): {remedy}");
            }
            tracing::warn!(
                policy,
                remedy,
                "Redis configured to evict keys, revocations may be lost"
            );
        }
        // `None` if a server does not report its policy. `check` shows that as a warning.
        Ok(_) => {}
        Err(fault) => tracing::warn!(
            %fault,
            reason = fault.reason().as_str(),
            "Redis not reached, answering 503 until it is"
        ),
    }
    Ok(())
}

/// Creates the file of a database, and the folders above it, readable by this user only. SQLite gives its
/// other files the mode of this one.
fn create_private_database(path: &Path) -> anyhow::Result<()> {
    // A bare file name has an empty parent, which is the working directory.
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_private_folder(parent)
            .with_context(|| format!("the folder {} cannot be created", parent.display()))?;
    }
    create_private_file_if_absent(path)
        .with_context(|| format!("the file {} cannot be created", path.display()))
}

// Newtypes, because `Ping` belongs to the HTTP layer and the stores to another crate.
struct EmbeddedStorePing(Arc<EmbeddedStore>);
struct RedisStorePing(Arc<RedisStore>);
pub(super) struct DatabasePing(pub(super) Arc<SqlDatabase>);

#[async_trait]
impl Ping for EmbeddedStorePing {
    async fn ping(&self) -> Result<(), Unavailable> {
        self.0.ping().await
    }
}

#[async_trait]
impl Ping for RedisStorePing {
    async fn ping(&self) -> Result<(), Unavailable> {
        self.0.ping().await
    }
}

#[async_trait]
impl Ping for DatabasePing {
    async fn ping(&self) -> Result<(), Unavailable> {
        self.0.ping().await
    }
}
