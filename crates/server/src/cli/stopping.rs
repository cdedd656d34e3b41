//! How a server is told to stop: SIGTERM or Ctrl-C to drain, Ctrl-C again to end at once.

use std::io;

use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGTERM or SIGINT. A SIGINT after that ends the process, for a person who does
/// not want to wait; a supervisor that repeats SIGTERM gets the drain that it asked for.
///
/// # Errors
/// The operating system does not let us listen for signals.
#[cfg(unix)]
pub(super) fn on_signal() -> io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        loop {
            let impatient = tokio::select! {
                _ = terminate.recv() => false,
                _ = interrupt.recv() => told.is_cancelled(),
            };
            if impatient {
                tracing::warn!("told to stop twice: ending at once");
                std::process::exit(1);
            }
            told.cancel();
        }
    });
    Ok(stop)
}

/// A token that is cancelled by Ctrl-C.
///
/// # Errors
/// Never, here.
#[cfg(not(unix))]
pub(super) fn on_signal() -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            told.cancel();
        }
    });
    Ok(stop)
}
