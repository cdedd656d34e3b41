//! The providers file (`PROVIDERS_FILE`): read at the start, polled for changes, and replaced as a whole or not at
//! all (decision 41).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use futures::future::join_all;
use jiff::Timestamp;
use maxlab_auth_core::engine::Engine;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::VerifyChain;
use maxlab_auth_providers::ProviderList;

use crate::app::{ProviderChain, build_provider_chains};
use crate::change_detector::{ChangeDetector, FileChange};
use crate::config::Settings;
use crate::files::read_regular_text;
use crate::http::forward_auth::RemoteUserForms;

/// Maximum length of a providers file, in bytes.
const MAX_PROVIDERS_BYTES: u64 = 1024 * 1024;

/// Providers in force.
#[derive(Debug)]
pub struct Providers {
    /// Providers as the file lists them, for logins.
    pub list: ProviderList,
    /// One chain for each issuer that is not the default one.
    pub issuers: Vec<ProviderChain>,
}

impl Providers {
    /// Returns the chains, in the order of the file.
    pub fn chains(&self) -> Vec<Arc<VerifyChain>> {
        self.issuers
            .iter()
            .map(|issuer| Arc::clone(&issuer.chain))
            .collect()
    }
}

/// Providers that follow their file.
#[derive(Debug)]
pub struct ProvidersFile {
    path: PathBuf,
    settings: Settings,
    current: ArcSwap<Providers>,
    change_detector: Mutex<ChangeDetector<String>>,
    remote_user_forms: Arc<RemoteUserForms>,
}

impl ProvidersFile {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// The file cannot be read, or has faults. The text has all of them, one in each line.
    pub fn open(path: &Path, settings: &Settings) -> anyhow::Result<Self> {
        let text = read_providers_text(path);
        let providers = parse(path, &text, settings).map_err(anyhow::Error::msg)?;
        let file = Self {
            path: path.to_owned(),
            settings: settings.clone(),
            remote_user_forms: Arc::new(RemoteUserForms::default()),
            change_detector: Mutex::new(ChangeDetector::new(text.unwrap_or_default())),
            current: ArcSwap::from_pointee(providers),
        };
        file.remote_user_forms.replace(&file.current().issuers);
        Ok(file)
    }

    /// Returns the providers in force.
    pub fn current(&self) -> Arc<Providers> {
        self.current.load_full()
    }

    /// Returns the forms of `Remote-User`, which follow the file.
    pub fn remote_user_forms(&self) -> Arc<RemoteUserForms> {
        Arc::clone(&self.remote_user_forms)
    }

    /// Gives the providers in force to the engine.
    pub fn apply(&self, engine: &Engine) {
        engine.replace_other_issuers(self.current().chains());
    }

    /// Renews the keys of all providers at once, so that one that does not answer delays no other.
    ///
    /// # Errors
    /// Never: the cache of each key set logs a failure and has a pause of its own.
    pub async fn renew_keys(self: Arc<Self>, now: Timestamp) -> Result<(), Unavailable> {
        let current = self.current();
        join_all(current.issuers.iter().map(|issuer| issuer.keys.renew(now))).await;
        Ok(())
    }

    /// Polls the file, and uses new providers once two polls in a row have found them. Blocks on the file system.
    ///
    /// A file that cannot be used is logged once and changes nothing.
    #[tracing::instrument(level = "debug", skip_all)]
    pub fn reload_if_changed(&self, engine: &Engine) {
        let found = read_providers_text(&self.path);
        // A poisoned lock is used: the detector has no state that a panic could leave half changed.
        let mut change = self
            .change_detector
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let found = match change.observe(found) {
            FileChange::Unchanged => return,
            FileChange::Restored => {
                tracing::info!(path = %self.path.display(), "providers file restored, it matches the providers in force");
                return;
            }
            FileChange::Changed(found) => found,
        };
        match parse(&self.path, &found, &self.settings) {
            Ok(providers) => {
                let issuers = providers.issuers.len();
                self.remote_user_forms.replace(&providers.issuers);
                self.current.store(Arc::new(providers));
                self.apply(engine);
                tracing::info!(path = %self.path.display(), issuers, "providers file reloaded");
                change.accept(found.unwrap_or_default());
            }
            Err(fault) => {
                tracing::error!(path = %self.path.display(), fault, "providers file refused, previous providers kept");
                change.reject(found);
            }
        }
    }
}

/// Parses the file and builds its chains.
///
/// # Errors
/// Every fault, one in each line.
fn parse(path: &Path, found: &Result<String, String>, settings: &Settings) -> Result<Providers, String> {
    let named = |faults: String| format!("the providers file {} has errors:\n{faults}", path.display());
    let text = found
        .as_ref()
        .map_err(|why| format!("the providers file {} {why}", path.display()))?;
    let list = ProviderList::parse(text).map_err(|faults| named(faults.to_string()))?;
    let issuers = build_provider_chains(settings, &list).map_err(named)?;
    Ok(Providers { list, issuers })
}

fn read_providers_text(path: &Path) -> Result<String, String> {
    read_regular_text(path, MAX_PROVIDERS_BYTES).map_err(|fault| fault.to_string())
}
