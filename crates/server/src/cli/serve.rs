//! `serve`: the gateway, until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Stop;
use super::guarantee::Guarantee;
use super::stopping;
use crate::app::App;
use crate::config::{DatabaseUrl, Environment, Settings, Source, StoreUrl};
use crate::http;
use crate::telemetry::{self, LogFormat};

/// What goes on beside the requests gets at least this long to end, however short `SHUTDOWN_SECONDS` is.
const LAST_PASS: Duration = Duration::from_secs(5);

/// Runs the gateway.
pub(super) async fn serve() -> Result<(), Stop> {
    let (settings, warnings) = Settings::load(&Source::from_environment())?;
    begin_logs(&settings)?;
    for warning in &warnings {
        tracing::warn!(setting = warning.name, "{warning}");
    }
    let stop = stopping::on_signal()?;
    let wanted = SocketAddr::new(settings.app.host, settings.app.port);
    let listener = listen(wanted, "set PORT (or HOST) to another one").await?;
    let app = tokio::select! {
        opened = Box::pin(App::open(settings)) => opened?,
        () = stop.cancelled() => return Ok(()),
    };
    announce(&app, listener.local_addr()?);
    Ok(run(&app, listener, &stop).await?)
}

/// Logs as the settings say: JSON in production, readable elsewhere.
pub(super) fn begin_logs(settings: &Settings) -> anyhow::Result<()> {
    let format = match settings.app.environment {
        Environment::Production => LogFormat::Json,
        Environment::Development | Environment::Staging => LogFormat::Readable,
    };
    Ok(telemetry::init(format, &settings.app.log_directives)?)
}

/// Takes an address to listen on. `remedy` says how to choose another one.
pub(super) async fn listen(address: SocketAddr, remedy: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|fault| {
        let port = address.port();
        match fault.kind() {
            io::ErrorKind::AddrInUse => {
                anyhow!("port {port} is taken: another program listens on {address}. Stop it, or {remedy}.")
            }
            io::ErrorKind::PermissionDenied => {
                anyhow!(
                    "this user may not listen on {address}: ports below 1024 are for root. Please {remedy}."
                )
            }
            io::ErrorKind::AddrNotAvailable => {
                anyhow!(
                    "{} is no address of this machine. Set HOST to one of its own, or to 0.0.0.0.",
                    address.ip()
                )
            }
            _ => anyhow!("cannot listen on {address}: {fault}. Please {remedy}."),
        }
    })
}

/// Serves until `stop`, then ends what is under way: requests first, then the work beside them.
pub(super) async fn run(app: &App, listener: TcpListener, stop: &CancellationToken) -> anyhow::Result<()> {
    let halt = CancellationToken::new();
    let mut work = app.background.spawn(&halt);
    let broken = CancellationToken::new();
    let told = async {
        tokio::select! {
            () = stop.cancelled() => {}
            () = broken.cancelled() => {}
        }
    };
    let served = async {
        let served = http::serve::serve(listener, app.routes(), app.limits(), told).await;
        halt.cancel();
        served
    };
    let patience = app.settings.app.shutdown.max(LAST_PASS);
    let (served, worked) = tokio::join!(Box::pin(served), watch(&mut work, &halt, &broken, patience));
    served.context("the listening socket failed")?;
    worked?;
    tracing::info!("stopped");
    Ok(())
}

/// Waits for the work beside the requests. It ends when it is told to; if it ends before, the gateway must not go on
/// without it. What is left in the outbox after `patience` is durable and goes on at the next start.
async fn watch(
    work: &mut JoinSet<()>,
    halt: &CancellationToken,
    broken: &CancellationToken,
    patience: Duration,
) -> anyhow::Result<()> {
    tokio::select! {
        () = halt.cancelled() => {}
        Some(ended) = work.join_next() => {
            if !halt.is_cancelled() {
                broken.cancel();
                halt.cancelled().await;
                return Err(anyhow!(
                    "a part of the work beside the requests ended by itself ({ended:?}); this is a defect, and the log \
                     says where. Start the gateway again."
                ));
            }
        }
    }
    let rest = async { while work.join_next().await.is_some() {} };
    if tokio::time::timeout(patience, rest).await.is_err() {
        tracing::warn!(
            "work beside the requests did not end in time; what is recorded goes on at the next start"
        );
    }
    Ok(())
}

/// The first line of the log says what runs here, and what it promises. It names no password.
pub(super) fn announce(app: &App, address: SocketAddr) {
    let settings = &app.settings;
    let layers: Vec<_> = settings
        .verify
        .layers
        .iter()
        .map(|layer| layer.as_str())
        .collect();
    let guarantee = Guarantee::of(&settings.stores);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        %address,
        environment = settings.app.environment.as_str(),
        authorization_server = %settings.upstream.external_auth_url,
        store = store(settings),
        database = database(settings),
        layers = layers.join(","),
        guarantee = guarantee.words(),
        "maxlab-auth starts"
    );
    if let Some(warning) = guarantee.warning() {
        tracing::warn!("{warning}");
    }
}

/// The shared store, without its password.
pub(super) fn store(settings: &Settings) -> String {
    match &settings.stores.store {
        StoreUrl::Embedded => format!("embedded in {}", settings.app.data_dir.display()),
        StoreUrl::Redis { .. } | StoreUrl::Sentinel(_) | StoreUrl::Cluster(_) => shown(settings, "REDIS_URL"),
    }
}

/// The database, without its password.
pub(super) fn database(settings: &Settings) -> String {
    match &settings.stores.database {
        DatabaseUrl::Sqlite(path) => format!("SQLite {}", path.display()),
        DatabaseUrl::Postgres(_) => shown(settings, "DATABASE_URL"),
    }
}

fn shown(settings: &Settings, name: &str) -> String {
    settings
        .rows()
        .iter()
        .find(|row| row.name == name)
        .map_or_else(String::new, |row| row.value.clone())
}
