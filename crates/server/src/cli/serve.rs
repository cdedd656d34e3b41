//! `serve`: runs the gateway until a signal stops it.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::anyhow;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::CommandError;
use super::guarantee::RevocationGuarantee;
use super::reload::ReloadableFiles;
use super::signals::{self, HangupAction, ProcessSignals};
use super::sockets::BoundSockets;
use crate::app::App;
use crate::config::{DatabaseUrl, Environment, Settings, SettingsSource, StoreUrl};
use crate::descriptors;
use crate::telemetry::{self, LogFormat};

/// Shortest time for background tasks to end, even if `SHUTDOWN_SECONDS` is shorter.
const MIN_TASK_DRAIN: Duration = Duration::from_secs(5);

/// Runs the gateway.
// No span around it: every line of the process would carry it.
pub(super) async fn serve() -> Result<(), CommandError> {
    let (settings, warnings) = Settings::load(&SettingsSource::from_environment())?;
    init_logging(&settings)?;
    for warning in &warnings {
        tracing::warn!(setting = warning.name, "{warning}");
    }
    if let Some(too_few) = descriptors::raise_limit(&settings) {
        tracing::warn!(setting = "MAX_CONNECTIONS", "{too_few}");
    }
    // Before anything that waits: a signal during the start must end the process in order.
    let ProcessSignals { stop, reload } = signals::listen_for_signals(HangupAction::Reload)?;
    // Before the stores: a second gateway with the same settings ends here and touches no data.
    let sockets = BoundSockets::bind(&settings, "set PORT (or HOST) to another one").await?;
    let Some(app) = open_answering_health(settings, &sockets, &stop).await? else {
        return Ok(());
    };
    log_startup(&app, sockets.http_address()?);
    if let Some(hangups) = reload {
        tokio::spawn(ReloadableFiles::from_app(&app).reload_on_hangup(hangups, stop.clone()));
    }
    Ok(run_until_stopped(&app, sockets, &stop).await?)
}

/// Opens the stores. Meanwhile `/health` answers, so that a supervisor does not restart the process. Returns
/// `None` if the stop came first.
async fn open_answering_health(
    settings: Settings,
    sockets: &BoundSockets,
    stop: &CancellationToken,
) -> anyhow::Result<Option<App>> {
    let awaited = watch::Sender::new(None);
    let opened = CancellationToken::new();
    let health = sockets.serve_while_starting(&settings, awaited.subscribe(), &opened);
    let app = async {
        let app = tokio::select! {
            app = Box::pin(App::open_reporting_waits(settings.clone(), &awaited)) => app.map(Some),
            () = stop.cancelled() => Ok(None),
        };
        // Also after an error: otherwise the join below would wait for ever.
        opened.cancel();
        app
    };
    let (app, ()) = tokio::join!(app, Box::pin(health));
    app
}

/// Starts logging: JSON in production, readable lines elsewhere.
pub(super) fn init_logging(settings: &Settings) -> anyhow::Result<()> {
    let format = match settings.app.environment {
        Environment::Production => LogFormat::Json,
        Environment::Development | Environment::Staging => LogFormat::Readable,
    };
    Ok(telemetry::init(format, &settings.app.log_directives)?)
}

/// Serves until `stop`, then drains: requests first, then the background tasks.
pub(super) async fn run_until_stopped(
    app: &App,
    sockets: BoundSockets,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    // Two tokens: `halt` stops the tasks after the requests have ended, `task_failed` stops the requests.
    let halt = CancellationToken::new();
    let mut tasks = app.background.spawn(&halt);
    let task_failed = CancellationToken::new();
    let stop_serving = async {
        tokio::select! {
            () = async {
                stop.cancelled().await;
                announce_stop(app).await;
            } => {}
            () = task_failed.cancelled() => {}
        }
    };
    let serving = async {
        let served = sockets.serve(app, stop_serving).await;
        // Only now: requests in progress may still need the lease, and write to the outbox.
        halt.cancel();
        served
    };
    let task_timeout = app.settings.app.shutdown_timeout.max(MIN_TASK_DRAIN);
    let (served, supervised) = tokio::join!(
        Box::pin(serving),
        supervise_tasks(&mut tasks, &halt, &task_failed, task_timeout)
    );
    served?;
    supervised?;
    tracing::info!("gateway stopped");
    Ok(())
}

/// Makes `/health/ready` answer 503, and goes on serving until a load balancer has noticed
/// (`SHUTDOWN_DELAY_SECONDS`).
async fn announce_stop(app: &App) {
    app.state.is_stopping.store(true, Ordering::Relaxed);
    let delay = app.settings.app.shutdown_delay;
    if !delay.is_zero() {
        tracing::info!(
            seconds = delay.as_secs_f64(),
            "stop requested, not ready any more"
        );
        tokio::time::sleep(delay).await;
    }
}

/// Waits for the background tasks. They end after `halt`. If one ends before, the gateway must not go on
/// without it, and `task_failed` is cancelled. Messages that are left in the outbox after `task_timeout` are
/// durable and sent after the next start.
async fn supervise_tasks(
    tasks: &mut JoinSet<()>,
    halt: &CancellationToken,
    task_failed: &CancellationToken,
    task_timeout: Duration,
) -> anyhow::Result<()> {
    tokio::select! {
        () = halt.cancelled() => {}
        Some(ended) = tasks.join_next() => {
            // Both may be ready at once. After `halt` an end is what was asked for.
            if !halt.is_cancelled() {
                task_failed.cancel();
                halt.cancelled().await;
                return Err(anyhow!(
                    "a background task ended by itself ({ended:?}). This is a defect; the log shows where. Start the \
                     gateway again."
                ));
            }
        }
    }
    let rest = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(task_timeout, rest).await.is_err() {
        tracing::warn!("background tasks not ended in time, continued after the next start");
    }
    Ok(())
}

/// Logs the first line: version, address, stores without their passwords, and the guarantee.
pub(super) fn log_startup(app: &App, address: SocketAddr) {
    let settings = &app.settings;
    let layers: Vec<_> = settings
        .verify
        .layers
        .iter()
        .map(|layer| layer.as_str())
        .collect();
    let guarantee = RevocationGuarantee::for_stores(&settings.stores);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        %address,
        environment = settings.app.environment.as_str(),
        authorization_server = %settings.upstream.external_auth_url,
        store = describe_store(settings),
        database = describe_database(settings),
        layers = layers.join(","),
        guarantee = guarantee.description(),
        "gateway started"
    );
    if let Some(warning) = guarantee.warning() {
        tracing::warn!("{warning}");
    }
}

/// Describes the shared store without its password.
pub(super) fn describe_store(settings: &Settings) -> String {
    match &settings.stores.store {
        StoreUrl::Embedded => format!("embedded in {}", settings.app.data_dir.display()),
        StoreUrl::Redis { .. } | StoreUrl::Sentinel(_) | StoreUrl::Cluster(_) => {
            displayed_setting(settings, "REDIS_URL")
        }
    }
}

/// Describes the database without its password.
pub(super) fn describe_database(settings: &Settings) -> String {
    match &settings.stores.database {
        DatabaseUrl::Sqlite(path) => format!("SQLite {}", path.display()),
        DatabaseUrl::Postgres(_) => displayed_setting(settings, "DATABASE_URL"),
    }
}

/// Returns a setting as `check` shows it, with its password hidden.
fn displayed_setting(settings: &Settings, name: &str) -> String {
    settings
        .rows()
        .iter()
        .find(|row| row.name == name)
        .map_or_else(String::new, |row| row.value.clone())
}
