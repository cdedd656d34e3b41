//! Opening what the gateway keeps its state in.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use maxlab_auth_core::revocation::{RevocationLog, RevocationStore};
use maxlab_auth_core::session::SessionStore;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_store::{EmbeddedStore, RedisStore, SqlDatabase};
use secrecy::ExposeSecret as _;

use crate::config::{DatabaseUrl, Environment, Settings, StoreUrl};
use crate::http::gateway::Ping;

/// For so long a start waits for a database that does not answer yet.
const DATABASE_PATIENCE: Duration = Duration::from_secs(30);

/// The shared store, by its traits.
pub(super) struct Stores {
    pub(super) revocations: Arc<dyn RevocationStore>,
    pub(super) log: Arc<dyn RevocationLog>,
    pub(super) sessions: Arc<dyn SessionStore>,
    pub(super) ping: Arc<dyn Ping>,
}

/// Opens the SQL database, waiting a while for one that is still starting.
///
/// # Errors
/// It cannot be opened.
pub(super) async fn open_database(settings: &Settings) -> anyhow::Result<SqlDatabase> {
    match &settings.stores.database {
        DatabaseUrl::Sqlite(path) => {
            make_parent(path)?;
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
                    Err(fault) if started.elapsed() < DATABASE_PATIENCE => {
                        tracing::warn!(%fault, "waiting for PostgreSQL");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    Err(fault) => return Err(fault).context("DATABASE_URL: PostgreSQL does not answer"),
                }
            }
        }
    }
}

/// Opens the shared store. A Redis that does not answer yet is not waited for.
///
/// # Errors
/// It cannot be opened, or would lose what it must keep.
pub(super) async fn open_store(settings: &Settings) -> anyhow::Result<Stores> {
    match &settings.stores.store {
        StoreUrl::Embedded => {
            let path = settings.app.data_dir.join("store.db");
            let store = Arc::new(
                EmbeddedStore::open(&path)
                    .await
                    .with_context(|| format!("the embedded store {} cannot be opened", path.display()))?,
            );
            Ok(Stores {
                revocations: Arc::clone(&store) as _,
                log: Arc::clone(&store) as _,
                sessions: Arc::clone(&store) as _,
                ping: Arc::new(EmbeddedPing(store)),
            })
        }
        url => {
            let store = Arc::new(open_redis(url)?);
            check_eviction(&store, settings.app.environment).await?;
            Ok(Stores {
                revocations: Arc::clone(&store) as _,
                log: Arc::clone(&store) as _,
                sessions: Arc::clone(&store) as _,
                ping: Arc::new(RedisPing(store)),
            })
        }
    }
}

/// Redis in any of its topologies; it is reached when it is first asked.
///
/// # Errors
/// The URL names no Redis.
pub(crate) fn open_redis(url: &StoreUrl) -> Result<RedisStore, Unavailable> {
    match url {
        StoreUrl::Embedded => Err(Unavailable::store("the embedded store is no Redis")),
        StoreUrl::Redis { url, .. } => RedisStore::open(url.expose_secret()),
        StoreUrl::Sentinel(sentinels) => Ok(RedisStore::open_sentinel(sentinels)),
        StoreUrl::Cluster(servers) => Ok(RedisStore::open_cluster(servers)),
    }
}

/// A Redis that throws keys away forgets revocations.
async fn check_eviction(store: &RedisStore, environment: Environment) -> anyhow::Result<()> {
    match store.eviction_policy().await {
        Ok(Some(policy)) if policy != "noeviction" => {
            let remedy = "set `maxmemory-policy noeviction` in redis.conf";
            if environment == Environment::Production {
                bail!("REDIS_URL: this Redis throws keys away when its memory is full ({policy}): {remedy}");
            }
            tracing::warn!(
                policy,
                "this Redis throws keys away when its memory is full: {remedy}"
            );
        }
        Ok(_) => {}
        Err(fault) => tracing::warn!(%fault, "Redis does not answer yet; requests get 503 until it does"),
    }
    Ok(())
}

fn make_parent(path: &Path) -> anyhow::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => std::fs::create_dir_all(parent)
            .with_context(|| format!("the folder {} cannot be made", parent.display())),
        _ => Ok(()),
    }
}

struct EmbeddedPing(Arc<EmbeddedStore>);
struct RedisPing(Arc<RedisStore>);
pub(super) struct DatabasePing(pub(super) Arc<SqlDatabase>);

#[async_trait]
impl Ping for EmbeddedPing {
    async fn ping(&self) -> Result<(), Unavailable> {
        self.0.ping().await
    }
}

#[async_trait]
impl Ping for RedisPing {
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
