//! TLS: both versions of HTTP, a certificate that changes while it runs, and clients that do not shake hands.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get as route;
use maxlab_auth::http::serve::{Listener, ServeLimits, TlsListener, serve};
use maxlab_auth::tls::CertificateFiles;
use maxlab_auth_testkit::free_port;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::client::{ask, ask_http2, get};
use crate::{auth_server, eventually, gateway};

/// A certificate for `localhost` and its key, made by openssl.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

impl Pair {
    fn make(folder: &Path, name: &str) -> Self {
        let pair = Self {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ])
            .args([
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
            ])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(&pair.key)
            .arg("-out")
            .arg(&pair.certificate)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        pair
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(&self.certificate).unwrap()
    }
}

async fn connect(
    address: SocketAddr,
    trusted: &[&Pair],
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for pair in trusted {
        roots.add(pair.der()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The certificate that the door shows at the moment.
async fn shown(address: SocketAddr, trusted: &[&Pair]) -> CertificateDer<'static> {
    let stream = connect(address, trusted, &[]).await.unwrap();
    let (_, session) = stream.get_ref();
    session.peer_certificates().unwrap()[0].clone().into_owned()
}

async fn metric(plain: SocketAddr, line: &str) -> bool {
    let stream = TcpStream::connect(plain).await.unwrap();
    let reply = ask(stream, get("/metrics", &[])).await.unwrap();
    let text = String::from_utf8(reply.body().to_vec()).unwrap();
    text.lines().any(|found| found == line)
}

#[tokio::test]
async fn both_versions_of_http_and_a_certificate_that_changes_while_it_runs() {
    let auth = auth_server().await;
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (
        Pair::make(folder.path(), "first"),
        Pair::make(folder.path(), "second"),
    );
    let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls.key"));
    std::fs::copy(&first.certificate, &certificate).unwrap();
    std::fs::copy(&first.key, &key).unwrap();
    let port = free_port();
    let mut running = gateway(&auth)
        .env("TLS_CERT_FILE", certificate.display().to_string())
        .env("TLS_KEY_FILE", key.display().to_string())
        .env("TLS_PORT", port.to_string())
        .start()
        .await
        .unwrap();
    let (plain, address) = (running.addr(), SocketAddr::from(([127, 0, 0, 1], port)));
    let either = [&first, &second];

    let credential = [("authorization", "Bearer good")];
    let stream = connect(address, &either, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let url = "https://localhost/auth/verify";
    let reply = ask_http2(stream, get(url, &credential)).await.unwrap();
    assert_eq!(
        (reply.status().as_u16(), reply.version()),
        (200, http::Version::HTTP_2)
    );
    let stream = connect(address, &either, &["http/1.1"]).await.unwrap();
    let reply = ask(stream, get("/auth/verify", &credential)).await.unwrap();
    assert_eq!(
        (reply.status().as_u16(), reply.version()),
        (200, http::Version::HTTP_11)
    );
    let reply = ask(
        connect(address, &either, &[]).await.unwrap(),
        get("/auth/verify", &[]),
    )
    .await
    .unwrap();
    assert_eq!(reply.status(), 401);

    // A certificate without its key, as a renewal leaves it for a moment: no pair.
    std::fs::copy(&second.certificate, &certificate).unwrap();
    eventually("the halves are refused, and counted", async || {
        metric(plain, "tls_certificate_reloads_total{outcome=\"refused\"} 1").await
    })
    .await;
    assert!(metric(plain, "tls_certificate_stale 1").await);
    eventually("it is logged", async || {
        running
            .log()
            .contains("certificate refused, previous certificate kept")
    })
    .await;
    assert_eq!(
        shown(address, &either).await,
        first.der(),
        "a bad pair never replaces a good one"
    );

    std::fs::copy(&second.key, &key).unwrap();
    eventually("the new pair counts", async || {
        shown(address, &either).await == second.der()
    })
    .await;
    assert!(metric(plain, "tls_certificate_stale 0").await);

    std::fs::remove_file(&key).unwrap();
    eventually("a missing file is told of", async || {
        metric(plain, "tls_certificate_stale 1").await
    })
    .await;
    assert_eq!(shown(address, &either).await, second.der());
    assert_eq!(running.terminate().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn what_is_no_pair_stops_the_start_and_says_which_settings() {
    let auth = auth_server().await;
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (
        Pair::make(folder.path(), "first"),
        Pair::make(folder.path(), "second"),
    );
    let mixed = || {
        gateway(&auth)
            .env("TLS_CERT_FILE", first.certificate.display().to_string())
            .env("TLS_KEY_FILE", second.key.display().to_string())
    };
    let ended = mixed().run().await.unwrap();
    assert_ne!(ended.status.code(), Some(0));
    assert!(
        ended.stderr.contains("TLS_CERT_FILE and TLS_KEY_FILE"),
        "{ended:?}"
    );
    let ended = mixed().args(["check"]).run().await.unwrap();
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(
        said.contains("does not belong to the certificate") && said.contains("TLS_KEY_FILE"),
        "{said}"
    );
    assert!(!said.contains("PRIVATE KEY"), "{said}");
}

async fn door(pair: &Pair, limits: ServeLimits) -> (SocketAddr, CancellationToken) {
    let files = CertificateFiles::open(&pair.certificate, &pair.key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/hello", route(|| async { "hello" }));
    let stop = CancellationToken::new();
    let all = vec![Listener::Tls(TlsListener::new(listener, files.in_force()))];
    tokio::spawn(serve(all, router, limits, stop.clone().cancelled_owned()));
    (address, stop)
}

#[tokio::test]
async fn who_does_not_shake_hands_is_cut_and_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make(folder.path(), "pair");
    let limits = ServeLimits {
        header_timeout: Duration::from_millis(500),
        ..ServeLimits::default()
    };
    let (address, _stop) = door(&pair, limits).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain
        .write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let begun = Instant::now();
    let reply = ask(connect(address, &[&pair], &[]).await.unwrap(), get("/hello", &[]))
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    for client in [&mut silent, &mut plain] {
        let mut said = Vec::new();
        let _ = client.read_to_end(&mut said).await;
        assert!(!String::from_utf8_lossy(&said).contains("hello"), "{said:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn w9_a_pipe_in_the_place_of_the_key_or_the_policy_blocks_no_reload_and_no_stop() {
    let auth = auth_server().await;
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make(folder.path(), "pair");
    let next = Pair::make(folder.path(), "next");
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, "default = \"deny\"\n").unwrap();
    let port = free_port();
    let mut running = gateway(&auth)
        .env("TLS_CERT_FILE", pair.certificate.display().to_string())
        .env("TLS_KEY_FILE", pair.key.display().to_string())
        .env("TLS_PORT", port.to_string())
        .env("POLICY_FILE", policy.display().to_string())
        .env("SHUTDOWN_SECONDS", "600")
        .start()
        .await
        .unwrap();
    let (plain, address) = (running.addr(), SocketAddr::from(([127, 0, 0, 1], port)));
    let pipe = |path: &Path| {
        std::fs::remove_file(path).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    pipe(&pair.key);
    pipe(&policy);
    for stale in ["tls_certificate_stale 1", "policy_stale 1"] {
        eventually(stale, async || metric(plain, stale).await).await;
    }
    let first = Pair {
        certificate: folder.path().join("first.pem"),
        key: pair.key.clone(),
    };
    std::fs::copy(&pair.certificate, &first.certificate).unwrap();
    std::fs::remove_file(&pair.key).unwrap();
    std::fs::copy(&next.certificate, &pair.certificate).unwrap();
    std::fs::copy(&next.key, &pair.key).unwrap();
    eventually("the next pair counts", async || {
        shown(address, &[&first, &next]).await == next.der()
    })
    .await;
    pipe(&pair.key);
    eventually("the key is a pipe again", async || {
        metric(plain, "tls_certificate_stale 1").await
    })
    .await;
    assert_eq!(running.terminate().await.unwrap().code(), Some(0));
}
