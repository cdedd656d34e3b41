//! Settings of the browser login.

use std::time::Duration;

use url::{Host, Origin, Url};

use super::app::Environment;
use super::faults::InvalidValue;
use super::reader::SettingsReader;
use super::reference::DefaultValue::{Unset, Value};
use super::reference::SettingDoc;
use super::value_parsers::seconds;

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "PUBLIC_URL",
        "URL",
        Unset("none: no browser login"),
        "Where browsers reach the gateway: scheme, host and port. With OAUTH_CLIENT_ID it switches the browser login on (docs/BROWSER.md). Registered at the provider: {PUBLIC_URL}/auth/callback/default.",
    ),
    SettingDoc::new(
        "LOGIN_RETURN_ORIGINS",
        "list of origins",
        Unset("none"),
        "Other origins than that of PUBLIC_URL to which a login may return.",
    ),
    SettingDoc::new(
        "LOGIN_ATTEMPT_SECONDS",
        "seconds",
        Value("3600"),
        "How long a login may take, from 60 to 86400.",
    ),
];

/// Settings of the browser login.
#[derive(Debug, Clone)]
pub struct LoginSettings {
    /// `PUBLIC_URL`. `None` switches the login off.
    pub public_url: Option<Url>,
    /// `LOGIN_RETURN_ORIGINS`.
    pub return_origins: Vec<Origin>,
    /// `LOGIN_ATTEMPT_SECONDS`.
    pub attempt: Duration,
}

/// Reads the section.
pub(super) fn read(reader: &mut SettingsReader<'_>, environment: Environment) -> Option<LoginSettings> {
    let public_url = reader.try_optional("PUBLIC_URL", |text| public_url(text, environment));
    let origins = reader.try_optional("LOGIN_RETURN_ORIGINS", return_origins);
    let attempt = reader.required("LOGIN_ATTEMPT_SECONDS", seconds(60..=86_400));
    Some(LoginSettings {
        public_url: public_url.ok()?,
        return_origins: origins.ok()?.unwrap_or_default(),
        attempt: attempt?,
    })
}

/// Parses `PUBLIC_URL`. Outside development it is https: a session cookie over http can be read on its way.
fn public_url(text: &str, environment: Environment) -> Result<Url, InvalidValue> {
    let url = origin_url(text)?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "https" || environment == Environment::Development || is_loopback {
        return Ok(url);
    }
    Err(InvalidValue::new(
        "is an http URL, and anybody on the way could read the session cookie",
        "write the https URL that browsers open",
    ))
}

fn return_origins(text: &str) -> Result<Vec<Origin>, InvalidValue> {
    text.split(',')
        .map(str::trim)
        .filter(|origin| !origin.is_empty())
        .map(|origin| origin_url(origin).map(|url| url.origin()))
        .collect()
}

/// Parses a URL that has only a scheme, a host and a port.
fn origin_url(text: &str) -> Result<Url, InvalidValue> {
    let fault = || {
        InvalidValue::new(
            "is not a scheme, a host and a port",
            "write for example https://app.example.com or http://localhost:8080",
        )
    };
    let url = Url::parse(text).map_err(|_| fault())?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let is_web = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    let has_user = !url.username().is_empty() || url.password().is_some();
    if is_bare && is_web && !has_user {
        Ok(url)
    } else {
        Err(fault())
    }
}
