//! Sessions: their keys, how long they live, and the cookie that carries them.

use std::time::Duration;

use maxlab_auth_core::seal::SealingKeys;
use maxlab_auth_core::session::SessionPolicy;
use secrecy::{ExposeSecret, SecretString};

use super::app::Environment;
use super::parse::{number, seconds, switch};
use super::reader::Reader;
use super::reference::DefaultValue::{Unset, Value};
use super::reference::SettingDoc;
use super::secret::{object_if_short, own_key, sealing_keys};

/// A year: no session is meant to live longer.
const LONGEST: u64 = 366 * 86_400;

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "SECRET_KEY",
        "secret",
        Unset("made in development; required elsewhere"),
        "Signs what the gateway hands out and takes back. 32 bytes or more, the same on every instance.",
    )
    .secret(),
    SettingDoc::new(
        "SESSION_ENCRYPTION_KEY",
        "list of Fernet keys",
        Unset("made in development; required elsewhere"),
        "Seals what is stored of a session. The first key seals, all of them open; the same on every instance.",
    )
    .secret(),
    SettingDoc::new("SESSION_IDLE_SECONDS", "seconds", Value("3600"), "A session ends when it was not used for so long."),
    SettingDoc::new("SESSION_MAX_SECONDS", "seconds", Value("86400"), "A session ends at this age, used or not."),
    SettingDoc::new("SESSION_MAX_PER_USER", "sessions", Value("20"), "With one more, the oldest ends."),
    SettingDoc::new(
        "SESSION_COOKIE_SECURE",
        "true or false",
        Unset("true, but false in development"),
        "Whether the cookie is __Host-maxlab_session, for https only, or plain maxlab_session.",
    ),
];

/// The settings of sessions.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// `SECRET_KEY`.
    pub secret_key: SecretString,
    /// `SESSION_ENCRYPTION_KEY`.
    pub sealing_keys: SealingKeys,
    /// `SESSION_IDLE_SECONDS` (never longer than the next), `SESSION_MAX_SECONDS`, `SESSION_MAX_PER_USER` (at least 1).
    pub policy: SessionPolicy,
    /// `SESSION_COOKIE_SECURE`; always true in production.
    pub cookie_secure: bool,
}

impl SessionSettings {
    /// The cookie's name: `__Host-` binds it to https, the whole host and `Path=/` (RFC 6265bis §4.1.3.2).
    #[must_use]
    pub fn cookie_name(&self) -> &'static str {
        if self.cookie_secure {
            "__Host-maxlab_session"
        } else {
            "maxlab_session"
        }
    }
}

pub(super) fn read(reader: &mut Reader<'_>, environment: Environment) -> Option<SessionSettings> {
    let secret_key = reader.secret_or_generated("SECRET_KEY", environment, own_key);
    if let Some(key) = &secret_key
        && reader.is_given("SECRET_KEY")
    {
        object_if_short(reader, environment, "SECRET_KEY", key.expose_secret().len(), 32);
    }
    let sealing_keys = reader.secret_or_generated("SESSION_ENCRYPTION_KEY", environment, sealing_keys);
    let max = reader.required("SESSION_MAX_SECONDS", seconds(1..=LONGEST));
    let idle = idle(reader, max);
    let max_per_user = reader.required("SESSION_MAX_PER_USER", number(1..=10_000));
    let secure = reader.take("SESSION_COOKIE_SECURE", switch);
    if matches!(secure, Ok(Some(false))) && environment != Environment::Development {
        let problem = "it is false, so that the cookie travels over plain http";
        reader.object(
            environment,
            "SESSION_COOKIE_SECURE",
            problem,
            "take it out, and serve browsers over https",
        );
    }
    Some(SessionSettings {
        secret_key: secret_key?,
        sealing_keys: sealing_keys?,
        policy: SessionPolicy {
            idle: idle?,
            max: max?,
            max_per_user: max_per_user?,
        },
        cookie_secure: secure.ok()?.unwrap_or(environment != Environment::Development),
    })
}

/// Idle life. A default gives way to a shorter absolute life; one that the operator set does not.
fn idle(reader: &mut Reader<'_>, max: Option<Duration>) -> Option<Duration> {
    let idle = reader.required("SESSION_IDLE_SECONDS", seconds(1..=LONGEST))?;
    match max {
        Some(max) if idle > max && reader.is_given("SESSION_IDLE_SECONDS") => {
            let problem = format!(
                "{} is longer than SESSION_MAX_SECONDS, {}",
                idle.as_secs(),
                max.as_secs()
            );
            reader.fault(
                "SESSION_IDLE_SECONDS",
                &problem,
                "lower it, or raise SESSION_MAX_SECONDS",
            );
            None
        }
        Some(max) => Some(idle.min(max)),
        None => Some(idle),
    }
}
