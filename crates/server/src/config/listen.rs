//! Where it listens beside the plain port: a Unix socket, TLS, and Envoy's gRPC.

use std::path::PathBuf;

use super::app::AppSettings;
use super::fault::Wrong;
use super::parse::number;
use super::reader::Reader;
use super::reference::DefaultValue::{Unset, Value};
use super::reference::SettingDoc;

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "LISTEN_UNIX",
        "path",
        Unset("none"),
        "A Unix socket to listen at too, for a front proxy on this machine. Whoever may open it is a trusted proxy, whatever TRUSTED_PROXIES says.",
    ),
    SettingDoc::new(
        "LISTEN_UNIX_MODE",
        "octal permissions",
        Value("0660"),
        "The permissions of the socket's file: who may write to it may connect.",
    ),
    SettingDoc::new(
        "TLS_CERT_FILE",
        "path",
        Unset("none: no TLS"),
        "The certificate with its chain, in PEM. PORT then speaks TLS, unless TLS_PORT is set. A changed file counts within two seconds.",
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
        Unset("none: PORT speaks TLS where there is a certificate"),
        "A port of its own for TLS, so that PORT stays plain; 0 takes a free one.",
    ),
    SettingDoc::new(
        "EXT_AUTHZ_PORT",
        "port",
        Unset("none: off"),
        "The port for Envoy's gRPC ext_authz, on HOST; 0 takes a free one. Whoever reaches it is a trusted proxy: keep it private.",
    ),
];

/// Where it listens beside the plain port.
#[derive(Debug, Clone)]
pub struct ListenSettings {
    /// `LISTEN_UNIX`.
    pub unix: Option<UnixSettings>,
    /// `TLS_CERT_FILE` and what belongs to it.
    pub tls: Option<TlsSettings>,
    /// `EXT_AUTHZ_PORT`.
    pub ext_authz_port: Option<u16>,
}

/// The Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSettings {
    /// `LISTEN_UNIX`.
    pub path: PathBuf,
    /// `LISTEN_UNIX_MODE`.
    pub mode: u32,
}

/// TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// `TLS_CERT_FILE`.
    pub certificate: PathBuf,
    /// `TLS_KEY_FILE`.
    pub key: PathBuf,
    /// `TLS_PORT`; `None` for `PORT`.
    pub port: Option<u16>,
}

/// What a socket's address holds of a path (`sun_path`, with its final NUL).
const LONGEST_SOCKET_PATH: usize = 107;

pub(super) fn read(reader: &mut Reader<'_>, app: Option<&AppSettings>) -> Option<ListenSettings> {
    let unix_path = reader.take("LISTEN_UNIX", socket_path);
    let mode = reader.required("LISTEN_UNIX_MODE", permissions);
    let port = |reader: &mut Reader<'_>, name| reader.take(name, number(0..=u16::MAX));
    let tls = read_tls(reader);
    let ext_authz = port(reader, "EXT_AUTHZ_PORT");
    if let (Ok(Some(ours)), Some(app)) = (&ext_authz, app) {
        let tls_port = tls.as_ref().and_then(|tls| tls.as_ref()?.port);
        if *ours != 0 && (*ours == app.port || Some(*ours) == tls_port) {
            reader.fault(
                "EXT_AUTHZ_PORT",
                "it is the port of HTTP",
                "choose one of its own",
            );
        }
        if app.host.is_unspecified() {
            reader.warn(
                "EXT_AUTHZ_PORT",
                "HOST is every address, so whoever reaches the port may ask in any client's name; set HOST to a private one, or close the port to others",
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

#[expect(clippy::option_option, reason = "no TLS is not the same as a fault")]
fn read_tls(reader: &mut Reader<'_>) -> Option<Option<TlsSettings>> {
    let path = |text: &str| Ok(PathBuf::from(text));
    let certificate = reader.take("TLS_CERT_FILE", path);
    let key = reader.take("TLS_KEY_FILE", path);
    let port = reader.take("TLS_PORT", number(0..=u16::MAX));
    match (certificate.ok()?, key.ok()?, port.ok()?) {
        (Some(certificate), Some(key), port) => Some(Some(TlsSettings {
            certificate,
            key,
            port,
        })),
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

fn socket_path(text: &str) -> Result<PathBuf, Wrong> {
    let text = text.strip_prefix("unix:").unwrap_or(text);
    if text.is_empty() || text.contains('\0') || text.starts_with('@') {
        return Err(Wrong::new(
            "is no path",
            "write a path such as /run/maxlab-auth/http.sock",
        ));
    }
    if text.len() > LONGEST_SOCKET_PATH {
        return Err(Wrong::new(
            format!("is longer than {LONGEST_SOCKET_PATH} bytes, which is what a socket's address holds"),
            "choose a shorter path",
        ));
    }
    Ok(PathBuf::from(text))
}

fn permissions(text: &str) -> Result<u32, Wrong> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| {
            Wrong::new(
                "is no permissions in octal",
                "write 0660 for the owner and the group, 0600 for the owner alone, 0666 for everybody",
            )
        })
}
