//! Settings of the development server.

use std::path::PathBuf;

use url::Url;

use crate::clients::{self, OAuthClient};
use crate::clock::Clock;
use crate::error::DevIdpError;
use crate::people::{self, Person};

/// A lifetime longer than this is a mistake, and would overflow dates.
const LONGEST_LIFETIME_SECONDS: u64 = 10 * 365 * 24 * 60 * 60;

/// The settings of the development authorization server. [`DevIdpConfig::new`] fills in everything but two.
#[derive(Debug, Clone)]
pub struct DevIdpConfig {
    /// The issuer, which is also the server's address as clients see it, for example `http://localhost:8000`. No path.
    pub issuer: String,
    /// Where the signing key and the grants are kept, so that both survive a restart. Created if missing.
    pub data_dir: PathBuf,
    /// The value of `ENVIRONMENT`; `production` is refused. Default `development`.
    pub environment: String,
    /// The `aud` of access tokens. Default `maxlab-auth`.
    pub audience: String,
    /// Life of access and ID tokens, in seconds. Default 900.
    pub access_token_seconds: u64,
    /// Life of a login's refresh tokens, in seconds from the login; rotation does not extend it. Default 30 days.
    pub refresh_token_seconds: u64,
    /// Life of an authorization code, in seconds. Default 60.
    pub code_seconds: u64,
    /// The applications. Default: `maxlab-dev` (public) and `maxlab-dev-confidential`.
    pub clients: Vec<OAuthClient>,
    /// Redirect URIs that every client may use besides its own; compared exactly. Default: none.
    pub redirect_uris: Vec<String>,
    /// The people. Default: `admin`, `member`, `user`.
    pub people: Vec<Person>,
    /// The scopes that may be granted; any other is left out of the grant.
    pub scopes: Vec<String>,
    /// The time. Default: the system's clock.
    pub clock: Clock,
}

impl DevIdpConfig {
    /// The defaults, for a server that clients reach as `issuer` and that keeps its files in `data_dir`.
    pub fn new(issuer: impl Into<String>, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            issuer: issuer.into(),
            data_dir: data_dir.into(),
            environment: "development".to_owned(),
            audience: "maxlab-auth".to_owned(),
            access_token_seconds: 15 * 60,
            refresh_token_seconds: 30 * 24 * 60 * 60,
            code_seconds: 60,
            clients: clients::default_clients(),
            redirect_uris: Vec::new(),
            people: people::default_people(),
            scopes: [
                "openid",
                "profile",
                "email",
                "offline_access",
                "documents:read",
                "documents:write",
            ]
            .map(str::to_owned)
            .to_vec(),
            clock: Clock::system(),
        }
    }

    /// Refuses what the server cannot honestly run with.
    pub(crate) fn check(&self) -> Result<(), DevIdpError> {
        if ["production", "prod"]
            .iter()
            .any(|name| self.environment.trim().eq_ignore_ascii_case(name))
        {
            return Err(DevIdpError::Production);
        }
        let issuer = Url::parse(&self.issuer).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
        });
        if issuer.is_none() {
            return setting(
                "the issuer must be like http://localhost:8000: http or https, no path, no query",
            );
        }
        for uri in self
            .redirect_uris
            .iter()
            .chain(self.clients.iter().flat_map(|client| &client.redirect_uris))
        {
            if !uri.is_ascii() || !Url::parse(uri).is_ok_and(|url| url.fragment().is_none()) {
                return setting(
                    "a redirect URI must be absolute, in ASCII and without a fragment (RFC 6749 §3.1.2)",
                );
            }
        }
        let lifetimes = [
            self.access_token_seconds,
            self.refresh_token_seconds,
            self.code_seconds,
        ];
        if lifetimes
            .iter()
            .any(|seconds| !(1..=LONGEST_LIFETIME_SECONDS).contains(seconds))
        {
            return setting("a lifetime must lie between one second and ten years");
        }
        Ok(())
    }

    /// The absolute address of one of this server's paths.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.issuer.trim_end_matches('/'))
    }
}

fn setting(text: &str) -> Result<(), DevIdpError> {
    Err(DevIdpError::Setting(text.to_owned()))
}

/// A checked lifetime as the signed seconds that time is counted in.
pub(crate) fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
