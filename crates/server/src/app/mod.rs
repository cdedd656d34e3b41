//! Wiring of the gateway: the only module that chooses concrete types for the core's traits. (`check` names
//! the stores too, to probe each by itself.)

mod browser_login;
pub(crate) mod data_dir_lock;
mod engine;
mod forward_auth;
mod jwt_issuer;
mod limits;
mod pages;
mod provider_chains;
mod provider_logout;
mod state;
mod stores;

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use maxlab_auth_core::clock::{Clock, ExpiryClock, SystemClock, SystemMonotonicClock};
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::outbox::Outbox;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_store::SqlDatabase;
use tokio::sync::watch;

use self::browser_login::build_browser_login;
pub(crate) use self::engine::verify_chain;
use self::engine::{build_engine, build_verifiers};
pub use self::provider_chains::ProviderChain;
pub(crate) use self::provider_chains::build_provider_chains;
use self::provider_chains::{open_providers, open_providers_for_command};
use self::provider_logout::provider_logouts;
use self::state::build_app_state;
pub(crate) use self::stores::open_redis;
use self::stores::{DatabasePing, OpenStores, open_database, open_store, replace_store_journal};
use crate::background::BackgroundTasks;
use crate::config::Settings;
use crate::files::create_private_folder;
use crate::http::app_state::{HealthCheck, SharedState};
use crate::http::browser::PageAssets;
use crate::http::fast_path::FastPath;
use crate::http::forward_auth::ForwardAuthConfig;
use crate::http::layers::{self, LayerConfig};
use crate::http::router;
use crate::http::serve::{FastResponder, ServeLimits, ServeRoutes};
use crate::metrics::PrometheusMetrics;
use crate::providers::ProvidersFile;
use crate::record;
use crate::tls::CertificateFiles;
use crate::upstream::{AuthServer, OutboxWorker, UpstreamConfig, UpstreamEvents};

/// A gateway, ready to serve.
#[derive(Debug)]
pub struct App {
    /// The settings.
    pub settings: Settings,
    /// The certificate, if the gateway serves TLS.
    pub certificate: Option<Arc<CertificateFiles>>,
    /// State that the handlers share.
    pub state: SharedState,
    /// Tasks that run next to the requests.
    pub background: BackgroundTasks,
    /// Routes of an application of the same origin: the demonstration of `dev`.
    application: Option<Router<SharedState>>,
}

impl App {
    /// Opens the stores and builds the gateway.
    ///
    /// # Errors
    /// If a store cannot be opened or may lose data that it must keep, if the policy file or the certificate
    /// is faulty, or if the issuer of the keys at `JWKS_URL` is unknown.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        // Boxed, here and below: the future of a start is large, and would be part of its caller's.
        Box::pin(Self::open_reporting_waits(settings, &watch::Sender::new(None))).await
    }

    /// Opens like [`open`](Self::open), with another wall clock than the machine's: tests move it instead of
    /// waiting for an expiry.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(settings: Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Box::pin(Self::open_for_requests(
            settings,
            &watch::Sender::new(None),
            clock,
        ))
        .await
    }

    /// Opens like [`open`](Self::open), and reports to `awaited` for which store the start waits.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn open_reporting_waits(
        settings: Settings,
        awaited: &watch::Sender<Option<Unavailable>>,
    ) -> anyhow::Result<Self> {
        Box::pin(Self::open_for_requests(settings, awaited, Arc::new(SystemClock))).await
    }

    async fn open_for_requests(
        settings: Settings,
        awaited: &watch::Sender<Option<Unavailable>>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        // Files first: a fault in one of them is reported before the start waits for a server.
        crate::file_modes::refuse_loose_modes(&settings)?;
        let providers = open_providers(&settings)?;
        let mut forward_auth = forward_auth::open_forward_auth(&settings)?;
        if let Some(file) = &providers {
            forward_auth.header_style.remote_user = file.remote_user_forms();
        }
        let certificate = forward_auth::open_certificate(&settings)?;
        let pages = pages::open_pages(&settings)?;
        jwt_issuer::require_known_issuer(&settings).await?;
        let app = Box::pin(Self::assemble(
            settings,
            OpenFiles {
                forward_auth,
                certificate,
                pages,
                providers,
            },
            awaited,
            clock,
        ))
        .await?;
        // Lines of unproven tokens are short and may have expired while no instance ran. The background task
        // tries again, so a failure does not prevent the start.
        if let Err(fault) = app.state.engine.renew_unanswered().await {
            tracing::warn!(%fault, "lines of unproven tokens not renewed, retrying");
        }
        Ok(app)
    }

    /// Opens the stores for a command that works next to a running gateway. It answers no request, so policy
    /// and certificate are not opened: a faulty policy must not prevent a revocation.
    ///
    /// # Errors
    /// If a store cannot be opened or may lose data that it must keep.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn open_for_command(settings: Settings) -> anyhow::Result<Self> {
        let providers = open_providers_for_command(&settings);
        Box::pin(Self::assemble(
            settings,
            OpenFiles {
                providers,
                ..OpenFiles::default()
            },
            &watch::Sender::new(None),
            Arc::new(SystemClock),
        ))
        .await
    }

    /// Opens like [`open_for_command`](Self::open_for_command), after assigning a Redis whose journal is lost
    /// to the journal of these settings (docs/decisions/0025).
    ///
    /// # Errors
    /// As [`open_for_command`](Self::open_for_command), or if the store is not Redis.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn open_replacing_journal(settings: Settings) -> anyhow::Result<Self> {
        create_private_folder(&settings.app.data_dir)
            .with_context(|| format!("DATA_DIR {} cannot be created", settings.app.data_dir.display()))?;
        let database = open_database(&settings, &watch::Sender::new(None)).await?;
        // Before the store is opened, which would refuse a Redis of another journal.
        replace_store_journal(&settings, &database).await?;
        Self::open_for_command(settings).await
    }

    async fn assemble(
        settings: Settings,
        files: OpenFiles,
        awaited: &watch::Sender<Option<Unavailable>>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        create_private_folder(&settings.app.data_dir)
            .with_context(|| format!("DATA_DIR {} cannot be created", settings.app.data_dir.display()))?;
        let database = Arc::new(open_database(&settings, awaited).await?);
        // After the database: the store is compared with the journal in there.
        let stores = open_store(&settings, &database).await?;
        let server = Arc::new(AuthServer::new(upstream_config(&settings))?);
        let (layers, jwt, keys) = build_verifiers(&settings, &server)?;
        let provider_logouts = provider_logouts(&settings, &jwt);
        let engine = build_engine(&settings, &database, &stores, layers, jwt, Arc::clone(&clock))?;
        if let Some(file) = &files.providers {
            file.apply(&engine);
        }
        let components = health_checks(&stores, &database);
        let worker = OutboxWorker {
            outbox: Arc::clone(&database) as Arc<dyn Outbox>,
            server: Arc::clone(&server),
            keys: Arc::new(settings.session.sealing_keys.clone()),
            clock,
        };
        // Without a layer that checks signatures the keys need no renewal in the background.
        let keys = keys.filter(|_| settings.verify.layers.contains(&VerificationSource::LocalJwt));
        let expiry_clock = ExpiryClock::starting_at(engine.now(), Arc::new(SystemMonotonicClock));
        let background = BackgroundTasks {
            engine: engine.clone(),
            expiry_clock: Arc::new(expiry_clock),
            keys,
            outbox_worker: Arc::new(worker),
            sessions: stores.sessions,
            audit_retention: settings.stores.audit_retention,
            data_dir: settings.app.data_dir.clone(),
            policy: files.forward_auth.policy_file.clone(),
            certificate: files.certificate.clone(),
            providers: files.providers.clone(),
        };
        let metrics = PrometheusMetrics::install().context("the metrics could not be set up")?;
        let operations = crate::http::docs::operations();
        record::register_zero_requests(operations.iter().map(|(method, route)| (*method, route.as_str())));
        let certificate = files.certificate.clone();
        let login = build_browser_login(&settings, &server)?;
        let state = Arc::new(build_app_state(
            &settings,
            engine,
            server,
            components,
            metrics,
            files,
            (login, provider_logouts),
        ));
        Ok(Self {
            settings,
            certificate,
            state,
            background,
            application: None,
        })
    }

    /// Returns the routes within their layers, with the fast path in front of them.
    pub fn routes(&self) -> ServeRoutes {
        let fast_path: Arc<dyn FastResponder> = self.fast_path();
        ServeRoutes {
            router: self.router(),
            fast_responder: Some(fast_path),
            // Health alone: an orchestrator must not restart a gateway that is only busy
            // (docs/decisions/0020).
            overload_router: layers::overload_router(
                router::health_routes(Arc::clone(&self.state)),
                self.layer_config(),
            ),
        }
    }

    /// Returns the fast path, which answers `/auth/verify` before the routes (docs/decisions/0014).
    pub fn fast_path(&self) -> Arc<FastPath> {
        Arc::new(FastPath::new(&self.state, &self.layer_config()))
    }

    /// Adds the routes of an application that is served at the same origin.
    #[must_use]
    pub fn with_application(self, routes: Router<SharedState>) -> Self {
        Self {
            application: Some(routes),
            ..self
        }
    }

    /// Returns the routes within their layers.
    pub fn router(&self) -> Router {
        let mut routes = router::routes(Arc::clone(&self.state), self.settings.app.metrics);
        if let Some(application) = &self.application {
            routes = routes.merge(application.clone().with_state(Arc::clone(&self.state)));
        }
        layers::apply(routes, self.layer_config())
    }

    fn layer_config(&self) -> LayerConfig {
        layer_config(&self.settings)
    }

    /// Returns the limits of the accept loop.
    pub fn serve_limits(&self) -> ServeLimits {
        serve_limits(&self.settings)
    }
}

pub(crate) use self::forward_auth::{admin, open_certificate};
pub(crate) use self::limits::{layer_config, serve_limits};

/// Files that are opened at the start of a gateway that answers requests.
#[derive(Default)]
struct OpenFiles {
    forward_auth: ForwardAuthConfig,
    certificate: Option<Arc<CertificateFiles>>,
    pages: PageAssets,
    providers: Option<Arc<ProvidersFile>>,
}

/// Returns the configuration of the client for the authorization server.
pub(crate) fn upstream_config(settings: &Settings) -> UpstreamConfig {
    UpstreamConfig {
        base: settings.upstream.external_auth_url.clone(),
        issuer: settings.verify.issuer.clone(),
        endpoints: settings.upstream.endpoints.clone(),
        client: settings.upstream.client.clone(),
        auth_method: settings.upstream.auth_method,
        transport: settings.upstream.transport.clone(),
        timeout: settings.upstream.timeout,
        events: UpstreamEvents {
            request_finished: record::upstream_request,
            backlog_measured: record::outbox_backlog,
        },
    }
}

/// Returns the checks of `/health/ready`.
fn health_checks(stores: &OpenStores, database: &Arc<SqlDatabase>) -> Vec<HealthCheck> {
    vec![
        HealthCheck {
            name: "store",
            ping: Arc::clone(&stores.ping),
        },
        HealthCheck {
            name: "database",
            ping: Arc::new(DatabasePing(Arc::clone(database))),
        },
    ]
}
