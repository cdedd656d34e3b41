//! Settings of sessions: their keys, their lifetimes, and their cookie.

use std::time::Duration;

use maxlab_auth_core::seal::SealingKeys;
use maxlab_auth_core::session::SessionPolicy;
use secrecy::{ExposeSecret, SecretString};

use super::app::Environment;
use super::faults::InvalidValue;
use super::reader::SettingsReader;
use super::reference::DefaultValue::{Unset, Value};
use super::reference::SettingDoc;
use super::secret::{check_length, gateway_secret, sealing_keys};
use super::value_parsers::{boolean, choice, non_empty_list_of, number, seconds};

/// Maximum lifetime of a session, in seconds: a year.
const MAX_SESSION_SECONDS: u64 = 366 * 86_400;

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "SECRET_KEY",
        "secret",
        Unset("generated in development; required elsewhere"),
        "Seals the state of a browser login while the browser is at the provider. Comma-separated: the first key seals, all of them open. 32 bytes or more, the same on every instance.",
    )
    .secret(),
    SettingDoc::new(
        "SESSION_ENCRYPTION_KEY",
        "list of Fernet keys",
        Unset("generated in development; required elsewhere"),
        "Encrypts stored sessions. The first key encrypts, all keys decrypt. The same on every instance.",
    )
    .secret(),
    SettingDoc::new("SESSION_IDLE_SECONDS", "seconds", Value("3600"), "A session ends after this time without use."),
    SettingDoc::new("SESSION_MAX_SECONDS", "seconds", Value("86400"), "A session ends at this age, even if it is in use."),
    SettingDoc::new("SESSION_MAX_PER_USER", "sessions", Value("20"), "Maximum of sessions of one user. One more ends the oldest."),
    SettingDoc::new(
        "SESSION_COOKIE_SECURE",
        "true or false",
        Unset("true, but false in development"),
        "Whether the cookie is __Host-maxlab_session, for https only, or plain maxlab_session.",
    ),
    SettingDoc::new(
        "REFRESH_GRACE_SECONDS",
        "seconds",
        Value("10"),
        "How long after a refresh the same request with the used refresh token gets the same answer: a second tab, or a client that lost the answer. Later, a second use ends the session. 0 turns it off.",
    ),
    SettingDoc::new(
        "CLEAR_SITE_DATA",
        "list of cache, cookies, storage; or none",
        Value("cache,storage"),
        "What a browser deletes at a logout (Clear-Site-Data). \"cookies\" also deletes the cookies of other applications under the same registrable domain.",
    ),
];

/// Settings of sessions.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// `SECRET_KEY`. Checked and reserved; nothing reads it today.
    pub secret_key: SecretString,
    /// `SESSION_ENCRYPTION_KEY`.
    pub sealing_keys: SealingKeys,
    /// `SESSION_IDLE_SECONDS` (not above the maximum), `SESSION_MAX_SECONDS`, `SESSION_MAX_PER_USER` (at
    /// least 1).
    pub policy: SessionPolicy,
    /// `SESSION_COOKIE_SECURE`. Always true in production.
    pub cookie_secure: bool,
    /// `REFRESH_GRACE_SECONDS`.
    pub refresh_grace: Duration,
    /// `CLEAR_SITE_DATA`. Empty for `none`.
    pub clear_site_data: Vec<SiteData>,
}

/// Kind of data that a browser stores for a site ([Clear Site Data](https://www.w3.org/TR/clear-site-data/)
/// §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SiteData {
    /// `cache`: cached responses.
    Cache,
    /// Cookies of the whole registrable domain, including those of other applications.
    Cookies,
    /// Local storage, databases and service workers of the origin.
    Storage,
}

impl SiteData {
    const ALL: [Self; 3] = [Self::Cache, Self::Cookies, Self::Storage];

    /// Word in the setting and in the header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Cookies => "cookies",
            Self::Storage => "storage",
        }
    }
}

/// Reads the section.
pub(super) fn read(reader: &mut SettingsReader<'_>, environment: Environment) -> Option<SessionSettings> {
    let secret_key = reader.secret_or_generated("SECRET_KEY", environment, gateway_secret);
    // A generated key is long enough. Checked here only if the operator set one.
    if let Some(key) = &secret_key
        && reader.is_given("SECRET_KEY")
    {
        check_length(reader, environment, "SECRET_KEY", key.expose_secret().len(), 32);
    }
    let sealing_keys = reader.secret_or_generated("SESSION_ENCRYPTION_KEY", environment, sealing_keys);
    // Before the idle time, which depends on it.
    let max = reader.required("SESSION_MAX_SECONDS", seconds(1..=MAX_SESSION_SECONDS));
    let idle = idle_timeout(reader, max);
    let max_per_user = reader.required("SESSION_MAX_PER_USER", number(1..=10_000));
    let secure = reader.try_optional("SESSION_COOKIE_SECURE", boolean);
    // Development has no certificate, so the default there is a plain cookie.
    if matches!(secure, Ok(Some(false))) && environment != Environment::Development {
        let problem = "it is false, so the cookie is sent over plain http";
        reader.fault_in_production(
            environment,
            "SESSION_COOKIE_SECURE",
            problem,
            "remove it, and serve browsers over https",
        );
    }
    // A stolen refresh token is not noticed within this time, so it is short.
    let refresh_grace = reader.required("REFRESH_GRACE_SECONDS", seconds(0..=120));
    let clear_site_data = reader.required("CLEAR_SITE_DATA", site_data);
    Some(SessionSettings {
        secret_key: secret_key?,
        sealing_keys: sealing_keys?,
        policy: SessionPolicy {
            idle_timeout: idle?,
            max_lifetime: max?,
            max_per_user: max_per_user?,
        },
        cookie_secure: secure.ok()?.unwrap_or(environment != Environment::Development),
        refresh_grace: refresh_grace?,
        clear_site_data: clear_site_data?,
    })
}

/// Parses `CLEAR_SITE_DATA`.
fn site_data(text: &str) -> Result<Vec<SiteData>, InvalidValue> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    let words = SiteData::ALL.map(|data| (data.as_str(), data));
    non_empty_list_of(|item| choice(&words)(item))(text).map_err(|wrong| {
        InvalidValue::new(
            wrong.problem,
            "write a list of cache, cookies and storage, or none",
        )
    })
}

/// Reads the idle time. If it is the default, a shorter absolute time lowers it. If the operator set it, it
/// is a fault.
fn idle_timeout(reader: &mut SettingsReader<'_>, max: Option<Duration>) -> Option<Duration> {
    let idle = reader.required("SESSION_IDLE_SECONDS", seconds(1..=MAX_SESSION_SECONDS))?;
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
