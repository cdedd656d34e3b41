//! The Unix socket: who is trusted there, whose file it is, and that HTTP is the same as elsewhere.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::get as route;
use maxlab_auth::http::serve::{Listener, ServeLimits, SocketFault, UnixSocketListener, serve};
use maxlab_auth_testkit::GatewayProcess;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::client::{ask, ask_http2, get};
use crate::{auth_server, eventually, gateway};

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    (folder, path)
}

async fn connect(path: &Path) -> UnixStream {
    UnixStream::connect(path).await.unwrap()
}

/// A policy that asks for an administrator under `/admin`, and for nothing elsewhere: it needs the path to be told.
const POLICY: &str = "[[rule]]\npath = \"/admin/**\"\nrequire = \"role=admin\"\n\n[[rule]]\npath = \"/**\"\naccess = \"authenticated\"\n";

#[tokio::test]
async fn who_may_open_it_is_a_trusted_proxy_over_either_http_and_the_port_is_none() {
    let auth = auth_server().await;
    let (folder, path) = folder();
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, POLICY).unwrap();
    let mut running = gateway(&auth)
        .env("LISTEN_UNIX", path.display().to_string())
        .env("POLICY_FILE", policy.display().to_string())
        .start()
        .await
        .unwrap();
    let told = |path| {
        [
            ("authorization", "Bearer good"),
            ("x-forwarded-uri", path),
            ("x-forwarded-for", "198.51.100.7"),
        ]
    };
    let reply = ask(connect(&path).await, get("/auth/verify", &told("/x")))
        .await
        .unwrap();
    assert_eq!(reply.status(), 200, "{reply:?}");
    assert_eq!(reply.headers()["remote-user"], "user-1");
    let reply = ask(connect(&path).await, get("/auth/verify", &told("/admin")))
        .await
        .unwrap();
    assert_eq!(reply.status(), 403, "what it tells is believed: {reply:?}");
    let url = "http://localhost/auth/verify";
    let reply = ask_http2(connect(&path).await, get(url, &told("/x")))
        .await
        .unwrap();
    assert_eq!(
        (reply.status().as_u16(), reply.version()),
        (200, http::Version::HTTP_2)
    );

    let stream = TcpStream::connect(running.addr()).await.unwrap();
    let reply = ask(stream, get("/auth/verify", &told("/x"))).await.unwrap();
    assert_eq!(reply.status(), 400, "nothing is believed at the port: {reply:?}");

    let reply = ask(connect(&path).await, get("/health", &[])).await.unwrap();
    assert_eq!(reply.status(), 200);
    eventually("the log names the forwarded client", async || {
        running.log().contains("198.51.100.7")
    })
    .await;
    assert_eq!(running.terminate().await.unwrap().code(), Some(0));
    assert!(!path.exists(), "its file is gone with it");
}

async fn is_running_at(path: &Path) -> bool {
    match UnixStream::connect(path).await {
        Ok(stream) => ask(stream, get("/health", &[]))
            .await
            .is_ok_and(|reply| reply.status() == 200),
        Err(_) => false,
    }
}

#[tokio::test]
async fn the_socket_of_a_killed_process_is_replaced_and_that_of_a_living_one_is_not() {
    let auth = auth_server().await;
    let (_folder, path) = folder();
    let start = || gateway(&auth).env("LISTEN_UNIX", path.display().to_string());
    let mut first = start().start().await.unwrap();
    assert!(is_running_at(&path).await);

    let ended = start().run().await.unwrap();
    assert_ne!(ended.status.code(), Some(0));
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(
        said.contains("LISTEN_UNIX") && said.contains("another program"),
        "{said}"
    );
    assert!(is_running_at(&path).await, "the first one still has it");

    first.kill9();
    assert!(path.exists(), "what a killed process leaves behind");
    let second: GatewayProcess = start().start().await.unwrap();
    assert!(is_running_at(&path).await);
    drop(second);
}

#[tokio::test]
async fn its_permissions_are_those_that_were_set() {
    let (_folder, path) = folder();
    for mode in [0o600, 0o660, 0o666] {
        let door = UnixSocketListener::bind(&path, mode).await.unwrap();
        let found = std::fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode);
        drop(door);
        assert!(!path.exists());
    }
}

#[tokio::test]
async fn what_is_no_socket_is_not_removed() {
    let (_folder, path) = folder();
    std::fs::write(&path, "mine").unwrap();
    let refused = UnixSocketListener::bind(&path, 0o600).await.unwrap_err();
    assert!(matches!(refused, SocketFault::NotASocket(_)), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    let refused = UnixSocketListener::bind(Path::new("/no/such/folder/s"), 0o600)
        .await
        .unwrap_err();
    assert!(matches!(refused, SocketFault::Io { .. }), "{refused}");
}

#[tokio::test]
async fn a_successors_file_stays() {
    let (_folder, path) = folder();
    let first = UnixSocketListener::bind(&path, 0o600).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let second = UnixSocketListener::bind(&path, 0o600).await.unwrap();
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(!path.exists());
}

/// A door at a Unix socket and a port, with these limits.
async fn both(
    limits: ServeLimits,
) -> (
    tempfile::TempDir,
    PathBuf,
    std::net::SocketAddr,
    CancellationToken,
) {
    let (folder, path) = folder();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let unix = UnixSocketListener::bind(&path, 0o600).await.unwrap();
    let router = Router::new().route("/hello", route(|| async { "hello" }).post(|_: Bytes| async {}));
    let stop = CancellationToken::new();
    let all = vec![Listener::Tcp(tcp), Listener::Unix(unix)];
    tokio::spawn(serve(all, router, limits, stop.clone().cancelled_owned()));
    (folder, path, address, stop)
}

#[tokio::test]
async fn w7_a_full_port_does_not_shut_the_proxy_out() {
    let limits = ServeLimits {
        max_connections: 1,
        ..ServeLimits::default()
    };
    let (_folder, path, address, stop) = both(limits).await;
    let head = b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(head).await.unwrap();
    let mut interim = [0; 21];
    busy.read_exact(&mut interim).await.unwrap();
    assert_eq!(
        &interim, b"HTTP/1.1 100 Continue",
        "the handler waits for the body"
    );
    let overloaded = async || {
        let stream = TcpStream::connect(address).await.unwrap();
        let reply = ask(stream, get("/hello", &[])).await;
        reply.is_ok_and(|reply| reply.status() == 503)
    };
    assert!(overloaded().await, "the port is full");
    for _ in 0..3 {
        let reply = ask(connect(&path).await, get("/hello", &[])).await.unwrap();
        assert_eq!(reply.status(), 200);
    }
    assert!(overloaded().await, "the port is full still");
    stop.cancel();
}

#[tokio::test]
async fn a_slow_client_is_cut_there_too() {
    let limits = ServeLimits {
        header_timeout: Duration::from_millis(200),
        ..ServeLimits::default()
    };
    let (_folder, path, _, stop) = both(limits).await;
    let mut slow = connect(&path).await;
    let begun = Instant::now();
    slow.write_all(b"GET /hel").await.unwrap();
    let mut said = Vec::new();
    slow.read_to_end(&mut said).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    stop.cancel();
}
