//! Wiring: where concrete types are named (`check` names the stores too, to ask each by itself).

mod door;
pub(crate) mod instance;
mod stores;

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::http::HeaderValue;
use maxlab_auth_core::audit::AuditLog;
use maxlab_auth_core::clock::{Clock, SystemClock, SystemTicks};
use maxlab_auth_core::engine::{Engine, Parts};
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::outbox::Outbox;
use maxlab_auth_core::revocation::{GateParts, IssuedTokens, Journal, RevocationPolicy, Revocations};
use maxlab_auth_core::seal::SealingKeys;
use maxlab_auth_core::session::Sessions;
use maxlab_auth_core::token::{Algorithm, ClaimsPolicy, KeySet};
use maxlab_auth_core::verify::{ChainLimits, JwtCheck, JwtVerifier, KeySource, Verifier, VerifyChain};
use maxlab_auth_core::workspace::Workspaces;
use maxlab_auth_store::SqlDatabase;
use secrecy::ExposeSecret as _;

pub(crate) use self::stores::open_redis;
use self::stores::{DatabasePing, Stores, open_database, open_store};
use crate::background::Background;
use crate::config::{Environment, JwtKeys, RevocationReads, Settings, WorkspaceSource};
use crate::http::cookies::CookiePolicy;
use crate::http::forward_auth::{AtOnce, Door};
use crate::http::gateway::{Component, Gateway, LoginRules, Shared};
use crate::http::layers::{self, LayerConfig};
use crate::http::oauth::RefreshFlights;
use crate::http::router;
use crate::http::serve::{Routes, ServeLimits, Shortcut};
use crate::metrics::{self, Metrics};
use crate::tls::CertificateFiles;
use crate::upstream::{AuthServer, KeySetAddress, OutboxWorker, PublishedKeys, UpstreamConfig};
use crate::verifiers::{AccountVerifier, IntrospectionVerifier, UserinfoVerifier};

/// How much memory remembered verdicts take at most.
const VERDICT_BYTES: u64 = 64 * 1024 * 1024;

/// A gateway, ready to serve.
#[derive(Debug)]
pub struct App {
    /// What it was told.
    pub settings: Settings,
    /// The certificate, where there is TLS.
    pub certificate: Option<Arc<CertificateFiles>>,
    /// What the handlers share.
    pub gateway: Gateway,
    /// What goes on beside the requests.
    pub background: Background,
}

impl App {
    /// Opens the stores and wires everything together.
    ///
    /// # Errors
    /// A store cannot be opened, or is one that would lose what it must keep; or the policy file or the certificate is
    /// faulty.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let door = door::open(&settings)?;
        let certificate = door::certificate(&settings)?;
        Box::pin(Self::assemble(settings, door, certificate)).await
    }

    /// The same for a command that works beside a running gateway and answers no request: a faulty policy does not keep an
    /// operator from revoking.
    ///
    /// # Errors
    /// A store cannot be opened, or is one that would lose what it must keep.
    pub async fn beside(settings: Settings) -> anyhow::Result<Self> {
        Box::pin(Self::assemble(settings, Door::default(), None)).await
    }

    async fn assemble(
        settings: Settings,
        door: Door,
        certificate: Option<Arc<CertificateFiles>>,
    ) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        std::fs::create_dir_all(&settings.app.data_dir)
            .with_context(|| format!("DATA_DIR {} cannot be made", settings.app.data_dir.display()))?;
        let database = Arc::new(open_database(&settings).await?);
        let stores = open_store(&settings).await?;
        let server = Arc::new(AuthServer::new(upstream_config(&settings))?);
        let (layers, jwt, keys) = verifiers(&settings, &server)?;
        let engine = engine(&settings, &database, &stores, layers, jwt, Arc::clone(&clock))?;
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
            data_dir: settings.app.data_dir.clone(),
            policy: door.policy.clone(),
            certificate: certificate.clone(),
        };
        let metrics = Metrics::install().context("the metrics could not be set up")?;
        let gateway = Arc::new(shared(&settings, engine, server, components, metrics, door));
        Ok(Self {
            settings,
            certificate,
            gateway,
            background,
        })
    }

    /// The routes within their layers, and what answers before them.
    pub fn routes(&self) -> Routes {
        let shortcut: Arc<dyn Shortcut> = self.at_once();
        Routes {
            router: self.router(),
            shortcut: Some(shortcut),
        }
    }

    /// What answers before the routes.
    pub fn at_once(&self) -> Arc<AtOnce> {
        Arc::new(AtOnce::before(&self.gateway, &self.layer_config()))
    }

    /// The routes within their layers.
    pub fn router(&self) -> Router {
        layers::apply(
            router::routes(Arc::clone(&self.gateway), self.settings.app.metrics),
            self.layer_config(),
        )
    }

    fn layer_config(&self) -> LayerConfig {
        let app = &self.settings.app;
        let origins = app
            .cors_origins
            .iter()
            .filter_map(|origin| HeaderValue::from_str(origin).ok());
        LayerConfig {
            trusted_proxies: app.trusted_proxies.clone(),
            cors_origins: origins.collect(),
            body_timeout: app.body_timeout,
            secure: self.settings.session.cookie_secure,
            ..LayerConfig::default()
        }
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

pub(crate) use self::door::admin;

/// How these settings reach the authorization server.
pub(crate) fn upstream_config(settings: &Settings) -> UpstreamConfig {
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
            let place = KeySetAddress::new(Arc::clone(server), url.clone());
            let keys = Arc::new(PublishedKeys::at(place));
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
) -> anyhow::Result<Engine> {
    let limits = ChainLimits {
        keep: settings.verify.cache,
        bytes: VERDICT_BYTES,
        patience: settings.upstream.timeout,
    };
    let policy = RevocationPolicy {
        skew: settings.verify.clock_skew,
        retention: settings.revocation.retention,
        from_memory: settings.revocation.reads == RevocationReads::Replica,
        lease: settings.revocation.lease,
    };
    let parts = GateParts {
        journal: Arc::clone(database) as Arc<dyn Journal>,
        store: Arc::clone(&stores.revocations),
        log: Arc::clone(&stores.log),
        clock: Arc::clone(&clock),
        ticks: Arc::new(SystemTicks),
        acknowledged: metrics::revocation::acknowledged,
    };
    let keys: Arc<SealingKeys> = Arc::new(settings.session.sealing_keys.clone());
    let by_database = settings.verify.workspace_source != WorkspaceSource::Claims;
    Ok(Engine::new(Parts {
        chain: Arc::new(VerifyChain::new(
            layers,
            Some(jwt),
            settings.verify.claims.clone(),
            limits,
        )),
        revocations: Arc::new(Revocations::new(parts, policy)?),
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
    }))
}

fn shared(
    settings: &Settings,
    engine: Engine,
    server: Arc<AuthServer>,
    components: Vec<Component>,
    metrics: Metrics,
    forward_auth: Door,
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
        admin: door::admin(settings),
        introspection_clients: settings.upstream.introspection_clients.clone(),
        trusted_origins: settings.app.cors_origins.clone(),
        trusted_proxies: settings.app.trusted_proxies.clone(),
        shows_assurance: settings.app.environment == Environment::Development,
        forward_auth,
        flights: RefreshFlights::default(),
        components,
        metrics,
    }
}
