//! Wiring: the only file that names concrete types.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use axum::Router;
use axum::http::HeaderValue;
use maxlab_auth_core::audit::AuditLog;
use maxlab_auth_core::clock::{Clock, SystemClock};
use maxlab_auth_core::engine::{Engine, Parts};
use maxlab_auth_core::guard::Admin;
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::outbox::Outbox;
use maxlab_auth_core::revocation::{IssuedTokens, Journal, RevocationPolicy, RevocationStore, Revocations};
use maxlab_auth_core::seal::SealingKeys;
use maxlab_auth_core::session::{SessionStore, Sessions};
use maxlab_auth_core::token::{Algorithm, ClaimsPolicy, KeySet};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::{ChainLimits, JwtCheck, JwtVerifier, KeySource, Verifier, VerifyChain};
use maxlab_auth_core::workspace::Workspaces;
use maxlab_auth_store::EmbeddedStore;
use maxlab_auth_store::RedisStore;
use maxlab_auth_store::SqlDatabase;
use secrecy::ExposeSecret as _;

use crate::background::Background;
use crate::config::{DatabaseUrl, Environment, JwtKeys, Settings, StoreUrl, WorkspaceSource};
use crate::http::cookies::CookiePolicy;
use crate::http::gateway::{Component, Gateway, LoginRules, Ping, Shared};
use crate::http::layers::{self, LayerConfig};
use crate::http::oauth::RefreshFlights;
use crate::http::router;
use crate::http::serve::ServeLimits;
use crate::metrics::Metrics;
use crate::upstream::{AuthServer, OutboxWorker, PublishedKeys, UpstreamConfig};
use crate::verifiers::{AccountVerifier, IntrospectionVerifier, UserinfoVerifier};

/// How much memory remembered verdicts take at most.
const VERDICT_BYTES: u64 = 64 * 1024 * 1024;
/// For so long a start waits for a database that does not answer yet.
const DATABASE_PATIENCE: Duration = Duration::from_secs(30);

/// A gateway, ready to serve.
#[derive(Debug)]
pub struct App {
    /// What it was told.
    pub settings: Settings,
    /// What the handlers share.
    pub gateway: Gateway,
    /// What goes on beside the requests.
    pub background: Background,
}

impl App {
    /// Opens the stores and wires everything together.
    ///
    /// # Errors
    /// A store cannot be opened, or is one that would lose what it must keep.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        std::fs::create_dir_all(&settings.app.data_dir)
            .with_context(|| format!("DATA_DIR {} cannot be made", settings.app.data_dir.display()))?;
        let database = Arc::new(open_database(&settings).await?);
        let stores = open_store(&settings).await?;
        let server = Arc::new(AuthServer::new(upstream_config(&settings))?);
        let (layers, jwt, keys) = verifiers(&settings, &server)?;
        let engine = engine(&settings, &database, &stores, layers, jwt, Arc::clone(&clock));
        let components = vec![
            Component {
                name: "store",
                ping: Arc::clone(&stores.ping),
            },
            Component {
                name: "database",
                ping: Arc::new(DatabasePing(Arc::clone(&database))),
            },
        ];
        let worker = OutboxWorker {
            outbox: Arc::clone(&engine.parts().outbox),
            server: Arc::clone(&server),
            keys: Arc::clone(&engine.parts().keys),
            clock,
        };
        // Where no layer checks signatures nobody needs the keys.
        let keys = keys.filter(|_| settings.verify.layers.contains(&VerificationSource::LocalJwt));
        let background = Background {
            engine: engine.clone(),
            keys,
            worker: Arc::new(worker),
            sessions: stores.sessions,
        };
        let metrics = Metrics::install().context("the metrics could not be set up")?;
        let gateway = Arc::new(shared(&settings, engine, server, components, metrics));
        Ok(Self {
            settings,
            gateway,
            background,
        })
    }

    /// The routes within their layers.
    pub fn router(&self) -> Router {
        let app = &self.settings.app;
        let origins = app
            .cors_origins
            .iter()
            .filter_map(|origin| HeaderValue::from_str(origin).ok());
        let config = LayerConfig {
            trusted_proxies: app.trusted_proxies.clone(),
            cors_origins: origins.collect(),
            body_timeout: app.body_timeout,
            secure: self.settings.session.cookie_secure,
            ..LayerConfig::default()
        };
        layers::apply(router::routes(Arc::clone(&self.gateway), app.metrics), config)
    }

    /// The limits of the accept loop.
    pub fn limits(&self) -> ServeLimits {
        let app = &self.settings.app;
        ServeLimits {
            max_connections: app.max_connections,
            header_timeout: app.header_timeout,
            body_timeout: app.body_timeout,
            drain: app.shutdown,
            ..ServeLimits::default()
        }
    }
}

/// The shared store, by its traits.
struct Stores {
    revocations: Arc<dyn RevocationStore>,
    sessions: Arc<dyn SessionStore>,
    ping: Arc<dyn Ping>,
}

async fn open_database(settings: &Settings) -> anyhow::Result<SqlDatabase> {
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

async fn open_store(settings: &Settings) -> anyhow::Result<Stores> {
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
                sessions: Arc::clone(&store) as _,
                ping: Arc::new(EmbeddedPing(store)),
            })
        }
        StoreUrl::Redis { url, .. } => {
            let store = Arc::new(RedisStore::open(url.expose_secret())?);
            check_eviction(&store, settings.app.environment).await?;
            Ok(Stores {
                revocations: Arc::clone(&store) as _,
                sessions: Arc::clone(&store) as _,
                ping: Arc::new(RedisPing(store)),
            })
        }
        StoreUrl::Sentinel(_) | StoreUrl::Cluster(_) => {
            bail!(
                "REDIS_URL: Sentinel and Cluster are not supported yet; use redis:// or rediss:// with one server"
            )
        }
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

fn upstream_config(settings: &Settings) -> UpstreamConfig {
    UpstreamConfig {
        base: settings.upstream.external_auth_url.clone(),
        issuer: settings.verify.issuer.clone(),
        introspection_url: settings.upstream.introspection_url.clone(),
        client: settings.upstream.client.clone(),
        timeout: settings.upstream.timeout,
    }
}

type Layers = (Vec<Arc<dyn Verifier>>, Arc<JwtCheck>, Option<Arc<PublishedKeys>>);

fn verifiers(settings: &Settings, server: &Arc<AuthServer>) -> anyhow::Result<Layers> {
    let verify = &settings.verify;
    let policy = ClaimsPolicy {
        issuer: verify.issuer.clone(),
        audiences: verify.audiences.clone(),
        token_types: verify.token_types,
        leeway_seconds: verify.clock_skew.as_secs(),
        default_lifetime_seconds: verify.lifetime_without_exp.as_secs(),
        max_age_seconds: None,
    };
    let (published, shared, allowed): (_, Option<(Algorithm, Arc<KeySet>)>, _) = match &verify.keys {
        JwtKeys::Secret { key, algorithm } => {
            let keys = KeySet::symmetric(key.expose_secret().as_bytes(), *algorithm)
                .context("JWT_SECRET_KEY: make one with `maxlab-auth keygen`")?;
            (None, Some((*algorithm, Arc::new(keys))), Vec::new())
        }
        JwtKeys::Jwks { url, algorithms } => {
            let keys = Arc::new(PublishedKeys::new(Arc::clone(server), url.clone()));
            (Some(keys), None, algorithms.clone())
        }
    };
    let source = published.clone().map(|keys| keys as Arc<dyn KeySource>);
    let check = Arc::new(JwtCheck {
        published: source,
        shared,
        allowed,
        policy,
    });
    let layers = verify
        .layers
        .iter()
        .map(|layer| layer_of(*layer, server, &check))
        .collect();
    Ok((layers, check, published))
}

fn layer_of(layer: VerificationSource, server: &Arc<AuthServer>, check: &Arc<JwtCheck>) -> Arc<dyn Verifier> {
    let server = Arc::clone(server);
    match layer {
        VerificationSource::OauthUserinfo => Arc::new(UserinfoVerifier { server }),
        VerificationSource::TraditionalAuth => Arc::new(AccountVerifier { server }),
        VerificationSource::Introspection => Arc::new(IntrospectionVerifier { server }),
        VerificationSource::LocalJwt => Arc::new(JwtVerifier::new(Arc::clone(check))),
    }
}

fn engine(
    settings: &Settings,
    database: &Arc<SqlDatabase>,
    stores: &Stores,
    layers: Vec<Arc<dyn Verifier>>,
    jwt: Arc<JwtCheck>,
    clock: Arc<dyn Clock>,
) -> Engine {
    let limits = ChainLimits {
        keep: settings.verify.cache,
        bytes: VERDICT_BYTES,
        patience: settings.upstream.timeout,
    };
    let policy = RevocationPolicy {
        skew: settings.verify.clock_skew,
        retention: settings.revocation.retention,
    };
    let keys: Arc<SealingKeys> = Arc::new(settings.session.sealing_keys.clone());
    let journal = Arc::clone(database) as Arc<dyn Journal>;
    let by_database = settings.verify.workspace_source != WorkspaceSource::Claims;
    Engine::new(Parts {
        chain: Arc::new(VerifyChain::new(
            layers,
            Some(jwt),
            settings.verify.claims.clone(),
            limits,
        )),
        revocations: Arc::new(Revocations::new(journal, Arc::clone(&stores.revocations), policy)),
        sessions: Arc::new(Sessions::new(
            Arc::clone(&stores.sessions),
            Arc::clone(&keys),
            settings.session.policy,
        )),
        issued: Arc::clone(database) as Arc<dyn IssuedTokens>,
        outbox: Arc::clone(database) as Arc<dyn Outbox>,
        audit: Arc::clone(database) as Arc<dyn AuditLog>,
        workspaces: by_database.then(|| Arc::clone(database) as Arc<dyn Workspaces>),
        keys,
        clock,
    })
}

fn shared(
    settings: &Settings,
    engine: Engine,
    server: Arc<AuthServer>,
    components: Vec<Component>,
    metrics: Metrics,
) -> Shared {
    Shared {
        engine,
        server,
        cookies: CookiePolicy {
            secure: settings.session.cookie_secure,
            max_age: settings.session.policy.max,
        },
        login: LoginRules {
            client_ids: settings.upstream.allowed_client_ids.clone(),
            redirect_uris: settings.upstream.allowed_redirect_uris.clone(),
            url: settings.app.login_url.clone(),
        },
        admin: Admin {
            roles: settings.verify.admin_roles.clone(),
        },
        introspection_clients: settings.upstream.introspection_clients.clone(),
        trusted_origins: settings.app.cors_origins.clone(),
        trusted_proxies: settings.app.trusted_proxies.clone(),
        flights: RefreshFlights::default(),
        components,
        metrics,
    }
}

struct EmbeddedPing(Arc<EmbeddedStore>);
struct RedisPing(Arc<RedisStore>);
struct DatabasePing(Arc<SqlDatabase>);

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
