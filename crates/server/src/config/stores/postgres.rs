//! URL of PostgreSQL: the machine it names, and whether the connection to it is encrypted.

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::super::address::is_loopback;
use super::super::app::Environment;
use super::super::faults::InvalidValue;
use super::super::plaintext::PlaintextPolicy;
use super::super::reader::SettingsReader;

/// Protection that `sslmode` asks for.
///
/// See [libpq](https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PostgresTlsMode {
    /// `disable`, `allow` or `prefer`: the connection may be in plain text.
    Optional,
    /// `require` or `verify-ca`: encrypted, but another server may answer.
    Unverified,
    /// `verify-full`: encrypted, and the certificate is that of this host.
    Verified,
}

/// Returns the protection that a PostgreSQL URL asks for.
///
/// # Errors
/// PostgreSQL does not have this mode.
pub(super) fn tls_mode(url: &Url) -> Result<PostgresTlsMode, InvalidValue> {
    match last_parameter(url, &["sslmode", "ssl-mode"]).as_deref() {
        // libpq's default is `prefer`: encrypted only if the server offers it.
        None | Some("disable" | "allow" | "prefer") => Ok(PostgresTlsMode::Optional),
        Some("require" | "verify-ca") => Ok(PostgresTlsMode::Unverified),
        Some("verify-full") => Ok(PostgresTlsMode::Verified),
        Some(_) => Err(InvalidValue::new(
            "has an sslmode that PostgreSQL does not have",
            "use ?sslmode=verify-full, verify-ca, require, prefer, allow or disable",
        )),
    }
}

/// Reports a database on another machine that is reached without TLS, like a plain `redis://`. Warns of TLS
/// that does not check the server.
pub(super) fn check_plaintext(reader: &mut SettingsReader<'_>, wire: PlaintextPolicy, url: &SecretString) {
    // A text that is not a URL was reported when it was parsed.
    let Ok(url) = Url::parse(url.expose_secret()) else {
        return;
    };
    let Some(host) = tcp_host(&url) else { return };
    match tls_mode(&url) {
        Ok(PostgresTlsMode::Optional) => {
            let remedy =
                "append ?sslmode=verify-full to the URL (and sslrootcert=/path/ca.pem for a private CA)";
            wire.refuse_plaintext(reader, "DATABASE_URL", [host.as_str()], remedy);
        }
        Ok(PostgresTlsMode::Unverified)
            if wire.environment != Environment::Development && !is_loopback(&host) =>
        {
            reader.warn(
                "DATABASE_URL",
                "the connection is encrypted, but the server is not checked: use sslmode=verify-full, which checks the host name",
            );
        }
        Ok(PostgresTlsMode::Unverified | PostgresTlsMode::Verified) | Err(_) => {}
    }
}

/// Returns the host to connect to. `None` for a Unix socket.
fn tcp_host(url: &Url) -> Option<String> {
    // As in libpq: parameters win over the URL's own host, and the last one over those before it.
    let host = last_parameter(url, &["host", "hostaddr"])
        .or_else(|| url.host_str().map(str::to_owned))
        .unwrap_or_default();
    // `%2F` is an encoded slash: the host part of a URL cannot contain a plain one.
    let is_socket = host.is_empty() || host.starts_with('/') || host.to_ascii_lowercase().starts_with("%2f");
    (!is_socket).then_some(host)
}

/// Returns the last parameter with one of these names.
fn last_parameter(url: &Url, names: &[&str]) -> Option<String> {
    let pairs = url
        .query_pairs()
        .filter(|(name, _)| names.contains(&name.as_ref()));
    pairs.last().map(|(_, value)| value.to_ascii_lowercase())
}
