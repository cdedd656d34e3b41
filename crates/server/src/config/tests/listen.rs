//! Settings of the places to listen: Unix socket, TLS, and Envoy's gRPC.

use std::path::{Path, PathBuf};

use super::super::{SettingsSource, TlsSettings, UnixSettings};
use super::{development, faults, load, names, settings, warned_of};

#[test]
fn by_itself_it_listens_at_its_port_alone() {
    let listen = settings(&[]).listen;
    assert!(listen.unix.is_none() && listen.tls.is_none() && listen.ext_authz_port.is_none());
}

#[test]
fn a_socket_has_a_path_and_permissions() {
    let unix = |pairs: &[(&str, &str)]| settings(pairs).listen.unix.unwrap();
    let path = PathBuf::from("/run/a.sock");
    let plain = unix(&[("LISTEN_UNIX", "/run/a.sock")]);
    assert_eq!(
        plain,
        UnixSettings {
            path: path.clone(),
            mode: 0o660
        }
    );
    for (text, mode) in [("600", 0o600), ("0666", 0o666), ("0o640", 0o640)] {
        let given = unix(&[("LISTEN_UNIX", "unix:/run/a.sock"), ("LISTEN_UNIX_MODE", text)]);
        assert_eq!(
            given,
            UnixSettings {
                path: path.clone(),
                mode
            }
        );
    }
}

#[test]
fn what_is_no_path_and_no_permissions_is_a_fault() {
    let long = format!("/run/{}", "x".repeat(103));
    for (path, mode) in [
        ("@abstract", "660"),
        ("unix:", "1777"),
        (long.as_str(), "rw-rw----"),
    ] {
        let faults = faults(&development(&[("LISTEN_UNIX", path), ("LISTEN_UNIX_MODE", mode)]));
        if mode == "660" {
            assert_eq!(names(&faults), ["LISTEN_UNIX"]);
        } else {
            assert_eq!(names(&faults), ["LISTEN_UNIX", "LISTEN_UNIX_MODE"]);
        }
    }
}

#[test]
fn tls_needs_a_certificate_and_its_key_whose_names_end_like_those_of_secrets_files() {
    let vars = [
        ("TLS_CERT_FILE", "/c.pem"),
        ("TLS_KEY_FILE", "/k.pem"),
        ("TLS_PORT", "8443"),
        ("SECRET_KEY", super::LONG_KEY),
        ("SESSION_ENCRYPTION_KEY", super::FERNET_KEY),
    ];
    let vars = vars.map(|(name, value)| (name.into(), value.into()));
    let (settings, _) = load(&SettingsSource::from_vars_and_dotenv(
        vars,
        Path::new("no-such-file"),
    ));
    let expected = TlsSettings {
        certificate: "/c.pem".into(),
        key: "/k.pem".into(),
        port: Some(8443),
    };
    assert_eq!(settings.listen.tls, Some(expected));
    for (given, missing) in [
        (("TLS_CERT_FILE", "/c.pem"), "TLS_KEY_FILE"),
        (("TLS_KEY_FILE", "/k.pem"), "TLS_CERT_FILE"),
        (("TLS_PORT", "8443"), "TLS_PORT"),
    ] {
        assert_eq!(names(&faults(&development(&[given]))), [missing]);
    }
}

#[test]
fn the_grpc_port_is_its_own_and_is_warned_of_where_everybody_reaches_it() {
    let (open, warnings) = load(&development(&[("EXT_AUTHZ_PORT", "9191")]));
    assert_eq!(open.listen.ext_authz_port, Some(9191));
    assert!(warned_of(&warnings, "EXT_AUTHZ_PORT"));
    let (_, warnings) = load(&development(&[("EXT_AUTHZ_PORT", "9191"), ("HOST", "10.0.0.7")]));
    assert!(!warned_of(&warnings, "EXT_AUTHZ_PORT"));
    for wrong in ["8080", "65536", "grpc"] {
        let faults = faults(&development(&[("EXT_AUTHZ_PORT", wrong)]));
        assert_eq!(names(&faults), ["EXT_AUTHZ_PORT"], "{wrong}");
    }
}

#[test]
fn w7_an_address_has_half_of_the_connections_unless_its_share_is_set() {
    for (given, share) in [
        (&[][..], 5_000),
        (&[("MAX_CONNECTIONS", "20")], 100),
        (&[("MAX_CONNECTIONS_PER_ADDRESS", "7")], 7),
    ] {
        assert_eq!(
            settings(given).app.max_connections_per_address,
            share,
            "{given:?}"
        );
    }
}
