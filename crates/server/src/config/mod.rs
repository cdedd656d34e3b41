//! Settings: raw texts in, typed values out, every fault at once.
//!
//! One file per section; each holds its part of the reference and its parser. [`Source`] says where texts come from,
//! [`Settings`] what they mean, [`reference()`] which settings there are.

mod address;
mod app;
mod dev;
mod dotenv;
mod fault;
mod forward_auth;
mod generated;
mod jwt_keys;
mod listen;
mod parse;
mod reader;
mod reference;
mod revocation;
mod secret;
mod session;
mod source;
mod spelling;
mod stores;
#[cfg(test)]
mod tests;
mod upstream;
mod verify;

pub use app::{AppSettings, Environment};
pub use dev::{DEV_CLIENT_ID, dev_defaults};
pub use fault::{Fault, Faults, Warning};
pub use forward_auth::{ForwardAuthSettings, IdentitySettings};
pub use generated::{GeneratedSecrets, generated_secrets, generated_signing_key, random_text};
pub use jwt_keys::JwtKeys;
pub use listen::{ListenSettings, TlsSettings, UnixSettings};
pub use reader::SettingRow;
pub use reference::{DefaultValue, Exposure, SettingDoc, reference};
pub use revocation::{RevocationReads, RevocationSettings};
pub use session::SessionSettings;
pub use source::{Origin, Source};
pub use stores::{DatabaseUrl, RedisNodes, StoreSettings, StoreUrl};
pub use upstream::{IntrospectionClient, OAuthClient, UpstreamSettings};
pub use verify::{VerifySettings, WorkspaceSource};

use std::path::PathBuf;

use reader::Reader;

/// Everything the gateway is told, checked. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The service itself.
    pub app: AppSettings,
    /// Where it listens, beside `PORT`.
    pub listen: ListenSettings,
    /// Where things are kept.
    pub stores: StoreSettings,
    /// The authorization server.
    pub upstream: UpstreamSettings,
    /// How tokens are verified.
    pub verify: VerifySettings,
    /// How revocation is asked for.
    pub revocation: RevocationSettings,
    /// Sessions and their keys.
    pub session: SessionSettings,
    /// What front proxies are told.
    pub forward_auth: ForwardAuthSettings,
    rows: Vec<SettingRow>,
}

impl Settings {
    /// Reads and checks everything. In development, secrets that are missing are made and kept in `DATA_DIR`, once
    /// nothing else is wrong.
    ///
    /// # Errors
    /// Every fault there is, all at once.
    pub fn load(source: &Source) -> Result<(Self, Vec<Warning>), Faults> {
        let data_dir = match parse(source, None)? {
            Outcome::Complete(settings, warnings) => return Ok((*settings, warnings)),
            Outcome::WantsSecrets(data_dir) => data_dir,
        };
        let unkept = |problem: String| {
            Faults::from(vec![Fault {
                name: "DATA_DIR".to_owned(),
                problem,
                remedy: "set DATA_DIR to a folder that this user may write to, or set SECRET_KEY and SESSION_ENCRYPTION_KEY"
                    .to_owned(),
            }])
        };
        let secrets = generated_secrets(&data_dir)
            .map_err(|error| unkept(format!("development's secrets cannot be kept there: {error}")))?;
        match parse(source, Some(&secrets))? {
            Outcome::Complete(settings, warnings) => Ok((*settings, warnings)),
            Outcome::WantsSecrets(_) => Err(unkept("development's secrets are not there".to_owned())),
        }
    }

    /// Every setting as it is in force, in the order of [`reference()`]. No row holds a secret.
    #[must_use]
    pub fn rows(&self) -> &[SettingRow] {
        &self.rows
    }
}

/// What a reading without faults came to.
#[derive(Debug)]
enum Outcome {
    Complete(Box<Settings>, Vec<Warning>),
    /// Secrets are missing that development makes and keeps in this folder.
    WantsSecrets(PathBuf),
}

fn parse(source: &Source, generated: Option<&GeneratedSecrets>) -> Result<Outcome, Faults> {
    let mut reader = Reader::new(source, generated);
    let environment = app::read_environment(&mut reader);
    let app = app::read(&mut reader, environment);
    let listen = listen::read(&mut reader, app.as_ref());
    let wire = upstream::read_wire(&mut reader, environment);
    let data_dir = app.as_ref().map(|app| app.data_dir.clone());
    let stores = stores::read(&mut reader, wire, data_dir.as_deref());
    let upstream = upstream::read(&mut reader, wire);
    let verify = verify::read(&mut reader, wire);
    let revocation = revocation::read(&mut reader);
    let session = session::read(&mut reader, environment);
    let forward_auth = forward_auth::read(&mut reader, environment, app.as_ref());
    reader.sort();
    let Reader {
        faults,
        warnings,
        rows,
        wants_generated,
        ..
    } = reader;
    if !faults.is_empty() {
        return Err(Faults::from(faults));
    }
    match (
        app,
        listen,
        stores,
        upstream,
        verify,
        revocation,
        session,
        forward_auth,
    ) {
        (
            Some(app),
            Some(listen),
            Some(stores),
            Some(upstream),
            Some(verify),
            Some(revocation),
            Some(session),
            Some(forward_auth),
        ) => {
            let settings = Settings {
                app,
                listen,
                stores,
                upstream,
                verify,
                revocation,
                session,
                forward_auth,
                rows,
            };
            Ok(Outcome::Complete(Box::new(settings), warnings))
        }
        _ => data_dir
            .filter(|_| wants_generated)
            .map(Outcome::WantsSecrets)
            .ok_or_else(Faults::default),
    }
}
