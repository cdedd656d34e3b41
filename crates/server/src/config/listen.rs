//! Settings of the other places to listen: a Unix socket, TLS, and Envoy's gRPC.

use std::path::PathBuf;

use super::app::AppSettings;
use super::faults::InvalidValue;
use super::reader::SettingsReader;
use super::reference::DefaultValue::{Unset, Value};
use super::reference::SettingDoc;
use super::value_parsers::number;

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "LISTEN_UNIX",
        "path",
        Unset("none"),
        "A Unix socket to listen on as well, for a front proxy on this machine. Anyone who can open it is a trusted proxy, whatever TRUSTED_PROXIES says.",
    ),
    SettingDoc::new(
        "LISTEN_UNIX_MODE",
        "octal permissions",
        Value("0660"),
        "The permissions of the socket file. Anyone with write permission can connect.",
    ),
    SettingDoc::new(
        "TLS_CERT_FILE",
        "path",
        Unset("none: no TLS"),
        "The certificate with its chain, in PEM. PORT then speaks TLS, unless TLS_PORT is set. A changed file is loaded within two seconds.",
    ),
    SettingDoc::new(
        "TLS_KEY_FILE",
        "path",
        Unset("none: no TLS"),
        "The certificate's private key, in PEM without a password.",
    ),
    SettingDoc::new(
        "TLS_PORT",
        "port",
        Unset("none: PORT speaks TLS if there is a certificate"),
        "A separate port for TLS, so that PORT stays plain. 0 takes a free one.",
    ),
    SettingDoc::new(
        "EXT_AUTHZ_PORT",
        "port",
        Unset("none: off"),
        "The port for Envoy's gRPC ext_authz, on HOST. 0 takes a free one. Anyone who reaches it is a trusted proxy: keep it private.",
    ),
];

/// Places to listen other than the plain port.
#[derive(Debug, Clone)]
pub struct ListenSettings {
    /// `LISTEN_UNIX`.
    pub unix: Option<UnixSettings>,
    /// `TLS_CERT_FILE`, `TLS_KEY_FILE` and `TLS_PORT`.
    pub tls: Option<TlsSettings>,
    /// `EXT_AUTHZ_PORT`.
    pub ext_authz_port: Option<u16>,
}

/// Settings of the Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSettings {
    /// `LISTEN_UNIX`.
    pub path: PathBuf,
    /// `LISTEN_UNIX_MODE`.
    pub mode: u32,
}

/// Settings of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// `TLS_CERT_FILE`.
    pub certificate: PathBuf,
    /// `TLS_KEY_FILE`.
    pub key: PathBuf,
    /// `TLS_PORT`. `None` makes `PORT` speak TLS.
    pub port: Option<u16>,
}

/// Maximum length of a socket path in bytes: `sun_path` has 108, the last of them NUL (unix(7)).
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// Reads the section. `app` is needed to compare the ports.
pub(super) fn read(reader: &mut SettingsReader<'_>, app: Option<&AppSettings>) -> Option<ListenSettings> {
    let unix_path = reader.try_optional("LISTEN_UNIX", socket_path);
    let mode = reader.required("LISTEN_UNIX_MODE", permissions);
    let port = |reader: &mut SettingsReader<'_>, name| reader.try_optional(name, number(0..=u16::MAX));
    let tls = read_tls(reader);
    let ext_authz = port(reader, "EXT_AUTHZ_PORT");
    if let (Ok(Some(ours)), Some(app)) = (&ext_authz, app) {
        let tls_port = tls.as_ref().and_then(|tls| tls.as_ref()?.port);
        // Port 0 takes a free one, so it collides with nothing.
        if *ours != 0 && (*ours == app.port || Some(*ours) == tls_port) {
            reader.fault(
                "EXT_AUTHZ_PORT",
                "it is also the port of HTTP",
                "choose another port",
            );
        }
        // Anyone who reaches the gRPC port is believed like a proxy (decision 13).
        if app.host.is_unspecified() {
            reader.warn(
                "EXT_AUTHZ_PORT",
                "HOST is every address, so anyone who reaches the port can ask in the name of any client; set HOST to a private address, or close the port with a firewall",
            );
        }
    }
    Some(ListenSettings {
        unix: unix_path
            .ok()?
            .zip(mode)
            .map(|(path, mode)| UnixSettings { path, mode }),
        tls: tls?,
        ext_authz_port: ext_authz.ok()?,
    })
}

/// Reads the settings of TLS. `Some(None)` is no TLS, `None` a fault.
#[expect(clippy::option_option, reason = "no TLS is not the same as a fault")]
fn read_tls(reader: &mut SettingsReader<'_>) -> Option<Option<TlsSettings>> {
    let path = |text: &str| Ok(PathBuf::from(text));
    let certificate = reader.try_optional("TLS_CERT_FILE", path);
    let key = reader.try_optional("TLS_KEY_FILE", path);
    let port = reader.try_optional("TLS_PORT", number(0..=u16::MAX));
    match (certificate.ok()?, key.ok()?, port.ok()?) {
        (Some(certificate), Some(key), port) => Some(Some(TlsSettings {
            certificate,
            key,
            port,
        })),
        // One of the two alone is a mistake, and must not start without TLS.
        (Some(_), None, _) => {
            reader.missing("TLS_KEY_FILE", "set TLS_KEY_FILE to the key of TLS_CERT_FILE");
            None
        }
        (None, Some(_), _) => {
            reader.missing(
                "TLS_CERT_FILE",
                "set TLS_CERT_FILE to the certificate of TLS_KEY_FILE",
            );
            None
        }
        (None, None, Some(_)) => {
            reader.fault(
                "TLS_PORT",
                "there is no certificate",
                "set TLS_CERT_FILE and TLS_KEY_FILE",
            );
            None
        }
        (None, None, None) => Some(None),
    }
}

/// Parses the path of a Unix socket.
fn socket_path(text: &str) -> Result<PathBuf, InvalidValue> {
    // nginx and others write `unix:/path`.
    let text = text.strip_prefix("unix:").unwrap_or(text);
    // `@` names an abstract socket, which has no file and so no permissions: anyone on the machine could
    // connect.
    if text.is_empty() || text.contains('\0') || text.starts_with('@') {
        return Err(InvalidValue::new(
            "is not a path",
            "write a path such as /run/maxlab-auth/http.sock",
        ));
    }
    // The system would refuse it only at the bind, with an error that does not name the setting.
    if text.len() > MAX_SOCKET_PATH_BYTES {
        return Err(InvalidValue::new(
            format!("is longer than {MAX_SOCKET_PATH_BYTES} bytes, the maximum for a socket"),
            "choose a shorter path",
        ));
    }
    Ok(PathBuf::from(text))
}

/// Parses octal permissions.
fn permissions(text: &str) -> Result<u32, InvalidValue> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    // Setuid, setgid and the sticky bit mean nothing for a socket.
    u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| {
            InvalidValue::new(
                "is not octal permissions",
                "write 0660 for the owner and the group, 0600 for the owner only, 0666 for everyone",
            )
        })
}
