//! Settings: from raw texts to typed values, with all faults reported at once.
//!
//! Each section has one file with its part of the reference and its parser; `sections.rs` lists them.
//! [`SettingsSource`] collects the texts, [`Settings`] has the values, and [`reference()`] documents the
//! settings. `framework/` knows no section: the list is passed to it.

mod app;
mod dev;
mod dotenv_file;
mod forward_auth;
mod framework;
mod generated_secrets;
mod jwt_keys;
mod listen;
mod login;
mod pages;
mod plaintext;
mod rate_limit;
mod revocation;
mod secret;
mod sections;
mod session;
mod stores;
#[cfg(test)]
mod tests;
mod upstream;
mod verify;

pub use app::AppSettings;
pub use dev::{DEV_CLIENT_ID, dev_defaults};
pub use dotenv_file::{KeysWritten, write_missing_keys};
pub use forward_auth::{ForwardAuthSettings, HeaderEncoding, IdentitySettings};
pub use framework::{
    DefaultValue, Environment, SettingDoc, SettingFault, SettingFaults, SettingOrigin, SettingRow,
    SettingWarning, SettingsSource, ValueExposure,
};
pub use generated_secrets::{
    GeneratedSecrets, load_or_generate_secrets, load_or_generate_signing_key, random_base64url,
};
pub use jwt_keys::JwtKeys;
pub use listen::{ListenSettings, TlsSettings, UnixSettings};
pub use login::LoginSettings;
pub use pages::{LogoPath, PageSettings};
pub use rate_limit::{RateLimit, RateLimitSettings};
pub use revocation::{RevocationReads, RevocationSettings};
pub use sections::reference;
pub use session::{SessionSettings, SiteData};
pub use stores::{DatabaseUrl, RedisNodes, SessionPlace, StoreSettings, StoreUrl};
pub use upstream::{IntrospectionClient, UpstreamSettings};
pub use verify::{VerifySettings, WorkspaceSource};

use std::collections::BTreeMap;
use std::path::PathBuf;

// The sections name these as if they were their neighbours.
use framework::{address, dotenv, faults, reader, reference, value_parsers};
use reader::SettingsReader;
use secrecy::SecretString;

/// All settings, checked. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The service itself: address, files, limits, proxies.
    pub app: AppSettings,
    /// Places to listen other than `PORT`.
    pub listen: ListenSettings,
    /// Rate limits.
    pub rate_limit: RateLimitSettings,
    /// Database and store.
    pub stores: StoreSettings,
    /// The authorization server.
    pub upstream: UpstreamSettings,
    /// Verification of tokens.
    pub verify: VerifySettings,
    /// Revocation.
    pub revocation: RevocationSettings,
    /// Sessions and their keys.
    pub session: SessionSettings,
    /// Policy and identity token for front proxies.
    pub forward_auth: ForwardAuthSettings,
    /// Browser login.
    pub login: LoginSettings,
    /// Pages for people.
    pub pages: PageSettings,
    rows: Vec<SettingRow>,
}

impl Settings {
    /// Reads and checks all settings.
    ///
    /// In development, missing secrets are generated and kept in `DATA_DIR` if there is no other fault.
    ///
    /// # Errors
    /// All faults of all settings.
    pub fn load(source: &SettingsSource) -> Result<(Self, Vec<SettingWarning>), SettingFaults> {
        // First without secrets: nothing is generated while another setting is wrong.
        let data_dir = match parse_settings(source, BTreeMap::new())? {
            ParsedSettings::Complete(settings, warnings) => return Ok((*settings, warnings)),
            ParsedSettings::NeedsSecrets(data_dir) => data_dir,
        };
        let storage_fault = |problem: String| {
            SettingFaults::from(vec![SettingFault {
                name: "DATA_DIR".to_owned(),
                problem,
                remedy: "set DATA_DIR to a folder that this user may write to, or set SECRET_KEY and SESSION_ENCRYPTION_KEY"
                    .to_owned(),
            }])
        };
        let secrets = load_or_generate_secrets(&data_dir).map_err(|error| {
            storage_fault(format!("the generated secrets cannot be stored there: {error}"))
        })?;
        // Everything is read again, now with the secrets.
        match parse_settings(source, secrets.by_setting())? {
            ParsedSettings::Complete(settings, warnings) => Ok((*settings, warnings)),
            ParsedSettings::NeedsSecrets(_) => {
                Err(storage_fault("the generated secrets are missing".to_owned()))
            }
        }
    }

    /// Returns all settings as they are in force, in the order of [`reference()`]. No row contains a secret.
    #[must_use]
    pub fn rows(&self) -> &[SettingRow] {
        &self.rows
    }
}

/// Result of reading the settings without a fault.
#[derive(Debug)]
enum ParsedSettings {
    Complete(Box<Settings>, Vec<SettingWarning>),
    /// Secrets are missing. Development generates them and keeps them in this folder.
    NeedsSecrets(PathBuf),
}

/// Reads all sections, and reports all their faults at once.
fn parse_settings(
    source: &SettingsSource,
    generated: BTreeMap<&'static str, SecretString>,
) -> Result<ParsedSettings, SettingFaults> {
    let mut reader = SettingsReader::new(source, generated);
    let (settings, data_dir) = read_sections(&mut reader);
    reader.sort_by_reference();
    let SettingsReader {
        faults,
        warnings,
        rows,
        needs_generated,
        ..
    } = reader;
    if !faults.is_empty() {
        return Err(SettingFaults::from(faults).with_hints(source.hints.clone()));
    }
    match settings {
        Some(settings) => {
            let settings = Settings { rows, ..settings };
            Ok(ParsedSettings::Complete(Box::new(settings), warnings))
        }
        // No fault and no value: a secret is missing that development generates.
        None => data_dir
            .filter(|_| needs_generated)
            .map(ParsedSettings::NeedsSecrets)
            .ok_or_else(SettingFaults::default),
    }
}

/// Reads every section. Returns the settings if no section lacks a value, and `DATA_DIR`.
fn read_sections(reader: &mut SettingsReader<'_>) -> (Option<Settings>, Option<PathBuf>) {
    // Read first, because the rules of all other sections depend on it.
    let environment = app::read_environment(reader);
    let app = app::read(reader, environment);
    let listen = listen::read(reader, app.as_ref());
    let rate_limit = rate_limit::read(reader);
    let wire = upstream::read_plaintext_policy(reader, environment);
    let data_dir = app.as_ref().map(|app| app.data_dir.clone());
    let stores = stores::read(reader, wire, data_dir.as_deref());
    let upstream = upstream::read(reader, wire);
    let verify = verify::read(reader, wire);
    let revocation = revocation::read(reader);
    let session = session::read(reader, environment);
    let forward_auth = forward_auth::read(reader, environment, app.as_ref());
    let login = login::read(reader, environment);
    let pages = pages::read(reader, app.as_ref());
    // The first `?` comes after the last section, so that the faults of all sections are found.
    let complete = move || {
        Some(Settings {
            app: app?,
            listen: listen?,
            rate_limit: rate_limit?,
            stores: stores?,
            upstream: upstream?,
            verify: verify?,
            revocation: revocation?,
            session: session?,
            forward_auth: forward_auth?,
            login: login?,
            pages: pages?,
            rows: Vec::new(),
        })
    };
    (complete(), data_dir)
}
