//! The command line: one file for each subcommand.

pub mod args;
mod audit;
mod check;
mod denylist;
mod dev;
mod doors;
mod guarantee;
pub mod keygen;
mod openapi;
mod output;
mod revoke;
mod serve;
mod sessions;
mod stopping;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use maxlab_auth_core::audit::{AuditEvent, AuditKind, Origin};
use maxlab_auth_core::engine::{EndFault, Engine};
use maxlab_auth_core::revocation::RevokeFault;

use crate::app::App;
use crate::config::{DatabaseUrl, Faults, Settings, Source, StoreUrl};
use crate::telemetry::{self, LogFormat};
use args::Command;

/// The actor that audit events name for what is done here.
const ACTOR: &str = "cli";

/// Something is wrong with the settings, or with how the command was called.
const USAGE: u8 = 2;

/// Why a command ends without success.
#[derive(Debug, thiserror::Error)]
enum Stop {
    /// The settings; every fault is listed.
    #[error(transparent)]
    Settings(#[from] Faults),
    /// Anything else. It says how to mend it.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
    /// It has said so already, on standard output.
    #[error("something is wrong")]
    Said(ExitCode),
}

impl From<std::io::Error> for Stop {
    fn from(fault: std::io::Error) -> Self {
        Self::Failed(fault.into())
    }
}

/// Runs a command to its end: 0 when it is done, 1 when it failed, 2 when the settings are faulty.
pub async fn run(command: Command) -> ExitCode {
    // Fails only where one is installed already, which is then the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let ended = match command {
        Command::Serve => Box::pin(serve::serve()).await,
        Command::Dev(args) => Box::pin(dev::dev(&args)).await,
        Command::Check(args) => Box::pin(check::check(&args)).await,
        Command::Keygen(format) => keygen::keygen(format.json)
            .and_then(|keys| output::print(&keys))
            .map_err(Stop::from),
        Command::Openapi => openapi::openapi(),
        Command::Revoke(args) => Box::pin(revoke::revoke(&args)).await,
        Command::Sessions(command) => Box::pin(sessions::sessions(command)).await,
        Command::Denylist(command) => Box::pin(denylist::denylist(command)).await,
        Command::Audit(args) => Box::pin(audit::audit(&args)).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Said(code)) => code,
        Err(stop @ Stop::Settings(_)) => {
            eprint!("error: {stop}");
            ExitCode::from(USAGE)
        }
        Err(stop) => {
            eprintln!("error: {stop}");
            ExitCode::FAILURE
        }
    }
}

/// The gateway's engine and stores, for a command that works beside a running gateway, with that gateway's settings.
async fn open() -> Result<App, Stop> {
    let (settings, _) = Settings::load(&Source::from_environment())?;
    telemetry::init(LogFormat::Readable, "warn").map_err(anyhow::Error::from)?;
    refuse_strange_folder(&settings)?;
    Ok(Box::pin(App::beside(settings)).await?)
}

/// What was never there is not made by asking for it: a revocation in a new and empty file would reach nobody.
fn refuse_strange_folder(settings: &Settings) -> anyhow::Result<()> {
    let data_dir = &settings.app.data_dir;
    if matches!(settings.stores.store, StoreUrl::Embedded) {
        require(&data_dir.join("store.db"))?;
    }
    match &settings.stores.database {
        DatabaseUrl::Sqlite(path) => require(path),
        DatabaseUrl::Postgres(_) => Ok(()),
    }
}

fn require(path: &Path) -> anyhow::Result<()> {
    let there = path
        .try_exists()
        .with_context(|| format!("{} cannot be looked at", path.display()))?;
    if there {
        return Ok(());
    }
    bail!(
        "no gateway has run with these settings: {} is not there. Run this in the folder that the gateway was started \
         in, or give it the gateway's DATA_DIR, DATABASE_URL and REDIS_URL.",
        path.display()
    )
}

/// An operator's act, for the audit log.
fn act(engine: &Engine, user_id: Option<&str>, target: &str) -> AuditEvent {
    let mut event = AuditEvent::new(AuditKind::AdminRevoke, engine.now(), &Origin::default()).on(target);
    event.actor = Some(ACTOR.to_owned());
    event.user_id = user_id.map(str::to_owned);
    event
}

/// What an operator has to know about an ending that is not acknowledged.
fn unacknowledged(fault: EndFault) -> anyhow::Error {
    match fault {
        EndFault::Revoke(RevokeFault::NotRecorded(fault)) => {
            anyhow::anyhow!("nothing was revoked, since {fault}. Run the command again when it answers.")
        }
        EndFault::Revoke(RevokeFault::NotApplied(fault)) => anyhow::anyhow!(
            "the revocation is recorded but not in force everywhere, since {fault}. A running gateway finishes it as \
             soon as it can; until then the credential may still be accepted. Run the command again to be sure."
        ),
        EndFault::Unavailable(fault) => anyhow::anyhow!(
            "this is not acknowledged, since {fault}. A part of it may have been done. Run the command again when it \
             answers."
        ),
    }
}
