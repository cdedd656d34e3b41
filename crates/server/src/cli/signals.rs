//! Signals: which of them drain a server, which make it reload its files, and which it ignores.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::LOG_FLUSH_TIMEOUT;
use crate::telemetry;

/// Meaning of SIGHUP. A supervisor sends it to make a process reload its files, and a terminal when it is
/// closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HangupAction {
    /// A supervisor asks: the files are read again, and the process goes on.
    Reload,
    /// The terminal was closed: open requests are answered, then the process ends.
    Drain,
}

/// Requests that arrive as signals.
#[derive(Debug)]
pub(super) struct ProcessSignals {
    /// Cancelled by the first SIGTERM, SIGQUIT or SIGINT. A later SIGINT ends the process at once, for a
    /// person who does not want to wait. A later SIGTERM changes nothing: supervisors repeat it.
    pub(super) stop: CancellationToken,
    /// Every SIGHUP, if SIGHUP reloads.
    pub(super) reload: Option<Signal>,
}

/// Listens for signals from now on. Ignores SIGUSR1 and SIGUSR2, which would end the process by default.
///
/// # Errors
/// If the operating system refuses to register a handler.
pub(super) fn listen_for_signals(hangup: HangupAction) -> io::Result<ProcessSignals> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let hangups = signal(SignalKind::hangup())?;
    // tokio's handler stays for the life of the process even if its receiver is dropped. So these signals do
    // nothing.
    drop((
        signal(SignalKind::user_defined1())?,
        signal(SignalKind::user_defined2())?,
    ));

    let stop = CancellationToken::new();
    let task_stop = stop.clone();
    let (hangup_drains, reload) = match hangup {
        HangupAction::Drain => (Some(hangups), None),
        HangupAction::Reload => (None, Some(hangups)),
    };
    // Runs until the process ends, so that a second SIGINT is seen during the drain.
    tokio::spawn(async move {
        let mut hangup_drains = hangup_drains;
        loop {
            let terminal_closed = async {
                match &mut hangup_drains {
                    Some(hangups) => hangups.recv().await,
                    None => std::future::pending().await,
                }
            };
            let exit_now = tokio::select! {
                _ = terminate.recv() => false,
                _ = quit.recv() => false,
                _ = terminal_closed => false,
                _ = interrupt.recv() => task_stop.is_cancelled(),
            };
            if exit_now {
                tracing::warn!("second interrupt received, process ended without draining");
                // `exit` runs no destructors, so the log has to be written here.
                telemetry::flush(LOG_FLUSH_TIMEOUT);
                std::process::exit(1);
            }
            task_stop.cancel();
        }
    });
    Ok(ProcessSignals { stop, reload })
}
