//! SIGHUP: reloads the policy, the providers, the certificate and the log level while the gateway runs. All other settings
//! need a restart.

use std::sync::Arc;

use maxlab_auth_core::engine::Engine;
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::{Settings, SettingsSource};
use crate::policy::PolicyFile;
use crate::providers::ProvidersFile;
use crate::telemetry;
use crate::tls::CertificateFiles;

/// Files that SIGHUP reloads.
#[derive(Clone, Debug)]
pub(super) struct ReloadableFiles {
    policy: Option<Arc<PolicyFile>>,
    certificate: Option<Arc<CertificateFiles>>,
    providers: Option<Arc<ProvidersFile>>,
    engine: Engine,
}

impl ReloadableFiles {
    /// Returns the reloadable files of this gateway.
    pub(super) fn from_app(app: &App) -> Self {
        Self {
            policy: app.background.policy.clone(),
            certificate: app.certificate.clone(),
            providers: app.background.providers.clone(),
            engine: app.state.engine.clone(),
        }
    }

    /// Reloads everything at each SIGHUP, until `stop`.
    pub(super) async fn reload_on_hangup(self, mut hangups: Signal, stop: CancellationToken) {
        loop {
            tokio::select! {
                Some(()) = hangups.recv() => {}
                () = stop.cancelled() => return,
            }
            let files = self.clone();
            // An error is a panic in there. The next SIGHUP may find a file that does not cause it.
            if spawn_blocking(move || files.reload()).await.is_err() {
                tracing::error!("files not reloaded, previous ones kept");
            }
        }
    }

    /// Reloads the policy, the providers, the certificate and the log level. Blocks on the file system.
    fn reload(&self) {
        tracing::info!("SIGHUP received, reloading policy, providers, certificate and log level");
        // Twice: the periodic check uses a change only after two reads that found it, because a file may be
        // half written. The sender of the signal has finished writing.
        for _ in 0..2 {
            self.policy.iter().for_each(|policy| policy.reload_if_changed());
            self.providers
                .iter()
                .for_each(|providers| providers.reload_if_changed(&self.engine));
            self.certificate
                .iter()
                .for_each(|files| files.reload_if_changed());
        }
        reload_log_level();
    }
}

/// Reloads the log level from `.env` and `LOG_LEVEL_FILE`. (The environment of a running process does not
/// change.)
fn reload_log_level() {
    let settings = match Settings::load(&SettingsSource::from_environment()) {
        Ok((settings, _)) => settings,
        // A fault in any setting: a level from a file that is wrong elsewhere is not trusted either.
        Err(faults) => {
            let names: Vec<_> = faults.iter().map(|fault| fault.name.as_str()).collect();
            tracing::error!(
                settings = names.join(","),
                "log level not reloaded, previous level kept: settings are faulty (run `maxlab-auth check`)"
            );
            return;
        }
    };
    match telemetry::set_level(&settings.app.log_directives) {
        Ok(()) => tracing::info!(level = settings.app.log_directives, "log level reloaded"),
        Err(fault) => tracing::error!(%fault, "log level not reloaded, previous level kept"),
    }
}
