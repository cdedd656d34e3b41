//! The server's parts, together, as every handler sees them.

use std::sync::Arc;

use crate::config::{self, DevIdpConfig};
use crate::error::DevIdpError;
use crate::grants::{GrantLedger, RefreshFamily, RefreshToken, RefreshTokenKey};
use crate::keys::SigningKey;
use crate::people::Person;

/// The running server: settings that were checked, keys, and what has been granted.
#[derive(Debug)]
pub(crate) struct DevServer {
    pub(crate) config: DevIdpConfig,
    pub(crate) signing_key: SigningKey,
    pub(crate) refresh_key: RefreshTokenKey,
    pub(crate) grants: Arc<GrantLedger>,
}

impl DevServer {
    /// Checks the settings and opens the data folder.
    pub(crate) fn open(config: DevIdpConfig) -> Result<Self, DevIdpError> {
        config.check()?;
        let now = config.clock.seconds();
        let grants = GrantLedger::open(&config.data_dir, now, config::signed(config.access_token_seconds))?;
        Ok(Self {
            signing_key: SigningKey::open(&config.data_dir)?,
            refresh_key: RefreshTokenKey::open(&config.data_dir)?,
            grants: Arc::new(grants),
            config,
        })
    }

    pub(crate) fn now(&self) -> i64 {
        self.config.clock.seconds()
    }

    pub(crate) fn person(&self, sub: &str) -> Option<&Person> {
        self.config.people.iter().find(|person| person.sub == sub)
    }

    /// The newest refresh token of a login.
    pub(crate) fn refresh_token(&self, family: &RefreshFamily) -> String {
        self.refresh_key.write(RefreshToken {
            sid: family.sid,
            generation: family.generation,
        })
    }
}
