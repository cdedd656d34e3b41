//! Command line: one file for each subcommand.

pub mod args;
mod audit;
mod check;
mod denylist;
mod dev;
mod guarantee;
mod guard_config;
pub mod keygen;
mod openapi;
mod output;
mod reload;
mod revoke;
mod serve;
mod sessions;
mod signals;
mod sockets;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use maxlab_auth_core::audit::{AuditEvent, AuditKind, AuditOrigin};
use maxlab_auth_core::engine::{Engine, TerminationFault};
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::revocation::RevokeFault;

use crate::app::App;
use crate::config::{DatabaseUrl, SettingFaults, Settings, SettingsSource, StoreUrl};
use crate::telemetry::{self, LogFormat};
use args::GatewayCommand;

/// Actor of audit events that a command records.
const ACTOR: &str = "cli";

/// Time limit for writing the last log lines when the process ends.
const LOG_FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Exit status for faulty settings or arguments. clap uses the same.
const EXIT_USAGE: u8 = 2;

/// Reason why a command ends without success.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// Faulty settings, every one of them.
    #[error(transparent)]
    Settings(#[from] SettingFaults),
    /// Any other failure. The text says how to fix it.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
    /// A failure that was reported on standard output already.
    #[error("the failure was reported on standard output")]
    AlreadyReported(ExitCode),
}

impl From<std::io::Error> for CommandError {
    fn from(fault: std::io::Error) -> Self {
        Self::Failed(fault.into())
    }
}

/// Runs a command to its end. Returns 0 for success, 1 for a failure, 2 for faulty settings.
pub async fn run(command: GatewayCommand) -> ExitCode {
    // Fails only if a provider is installed already, which is then the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // The large futures are boxed: otherwise this one would be as large as the largest of them.
    let result = match command {
        GatewayCommand::Serve => Box::pin(serve::serve()).await,
        GatewayCommand::Dev(args) => Box::pin(dev::dev(&args)).await,
        GatewayCommand::Check(args) => Box::pin(check::check(&args)).await,
        GatewayCommand::Keygen(args) => keygen::run(&args),
        GatewayCommand::Openapi => openapi::openapi(),
        GatewayCommand::GuardConfig => Box::pin(guard_config::guard_config()).await,
        GatewayCommand::Revoke(args) => Box::pin(revoke::revoke(&args)).await,
        GatewayCommand::Sessions(command) => Box::pin(sessions::sessions(command)).await,
        GatewayCommand::Denylist(command) => Box::pin(denylist::denylist(command)).await,
        GatewayCommand::Audit(args) => Box::pin(audit::audit(&args)).await,
    };
    let code = match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(CommandError::AlreadyReported(code)) => code,
        // The list of faults ends with a line end of its own.
        Err(fault @ CommandError::Settings(_)) => {
            telemetry::write_to_stderr(&format!("error: {fault}"));
            ExitCode::from(EXIT_USAGE)
        }
        Err(fault) => {
            telemetry::write_to_stderr(&format!("error: {fault}\n"));
            ExitCode::FAILURE
        }
    };
    // The log is written by a thread of its own, which the end of the process would cut short.
    telemetry::flush(LOG_FLUSH_TIMEOUT);
    code
}

/// Opens engine and stores for a command that works next to a running gateway, with that gateway's settings.
async fn open_app() -> Result<App, CommandError> {
    // Warnings are the running gateway's to report, and `check`'s.
    let (settings, _) = Settings::load(&SettingsSource::from_environment())?;
    telemetry::init(LogFormat::Readable, "warn").map_err(anyhow::Error::from)?;
    require_existing_stores(&settings)?;
    Ok(Box::pin(App::open_for_command(settings)).await?)
}

/// Opens like [`open_app`], after assigning a Redis whose journal is lost to the journal of these settings.
async fn open_app_replacing_journal() -> Result<App, CommandError> {
    let (settings, _) = Settings::load(&SettingsSource::from_environment())?;
    telemetry::init(LogFormat::Readable, "warn").map_err(anyhow::Error::from)?;
    // The journal may be new, so `require_existing_stores` is left out.
    Ok(Box::pin(App::open_replacing_journal(settings)).await?)
}

/// Refuses settings whose files do not exist yet: a revocation in a new and empty file would reach no
/// gateway.
fn require_existing_stores(settings: &Settings) -> anyhow::Result<()> {
    let data_dir = &settings.app.data_dir;
    if matches!(settings.stores.store, StoreUrl::Embedded) {
        require_file(&data_dir.join("store.db"))?;
    }
    match &settings.stores.database {
        DatabaseUrl::Sqlite(path) => require_file(path),
        DatabaseUrl::Postgres(_) => Ok(()),
    }
}

fn require_file(path: &Path) -> anyhow::Result<()> {
    let exists = path
        .try_exists()
        .with_context(|| format!("{} cannot be accessed", path.display()))?;
    if exists {
        return Ok(());
    }
    bail!(
        "no gateway has run with these settings: {} does not exist. Run this command in the folder in which the gateway was \
         started, or set the gateway's DATA_DIR, DATABASE_URL and REDIS_URL.",
        path.display()
    )
}

/// Returns the audit event of an operator's action.
fn admin_audit_event(engine: &Engine, subject: Option<&Subject>, target: &str) -> AuditEvent {
    let mut event =
        AuditEvent::new(AuditKind::AdminRevoke, engine.now(), &AuditOrigin::default()).with_target(target);
    event.actor = Some(ACTOR.to_owned());
    event.subject = subject.cloned();
    event
}

/// Explains to an operator what a missing acknowledgement means.
fn explain_unacknowledged(fault: TerminationFault) -> anyhow::Error {
    match fault {
        TerminationFault::Revoke(RevokeFault::NotRecorded(fault)) => {
            anyhow::anyhow!("nothing was revoked: {fault}. Run the command again when it answers.")
        }
        // The reconciler of any gateway on this journal finds the line and finishes it.
        TerminationFault::Revoke(RevokeFault::NotApplied(fault)) => anyhow::anyhow!(
            "the revocation is recorded but not in force everywhere yet: {fault}. A running gateway finishes it as soon as \
             it can. Until then the credential may still be accepted. Run the command again to be sure."
        ),
        TerminationFault::Unavailable(fault) => anyhow::anyhow!(
            "the command is not acknowledged: {fault}. A part of it may have been done. Run the command again when the \
             component answers."
        ),
    }
}
