//! What the attacks share: a gateway in front of an authorization server, people who log in, and what a refusal is.

mod exchange;
mod reply;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_testkit::raw::RawReply;
pub(crate) use maxlab_auth_testkit::wait::eventually;
use maxlab_auth_testkit::{
    Actor, AnonymousActor, GatewayOptions, GatewayProcess, LyingAuthServer, RawClient,
};
use serde_json::Value;

pub(crate) use exchange::{Desk, Login, exchange_code, log_in, refresh};
pub(crate) use reply::{Answer, refused, telling, unavailable};

/// The binary under attack.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_maxlab-auth");

/// A gateway with embedded storage in front of an authorization server of its own.
pub(crate) struct Stack {
    /// The authorization server.
    pub(crate) auth: Arc<LyingAuthServer>,
    /// What it exchanged.
    pub(crate) desk: Arc<Desk>,
    /// The gateway.
    pub(crate) gateway: GatewayProcess,
}

impl Stack {
    /// With default settings, but for a cache of verdicts that is off.
    pub(crate) async fn start() -> Self {
        Self::start_with(|options| options).await
    }

    /// With other settings.
    pub(crate) async fn start_with(set: impl FnOnce(GatewayOptions) -> GatewayOptions) -> Self {
        Self::scripted(|_| {}, set).await
    }

    /// With other settings, and an authorization server that has its script before the gateway asks it for keys.
    pub(crate) async fn scripted(
        script: impl FnOnce(&LyingAuthServer),
        set: impl FnOnce(GatewayOptions) -> GatewayOptions,
    ) -> Self {
        let (auth, desk) = auth_server().await;
        script(&auth);
        let gateway = set(options(&auth)).start().await.unwrap();
        Self { auth, desk, gateway }
    }

    /// `http://127.0.0.1:port` of the gateway.
    pub(crate) fn url(&self) -> String {
        self.gateway.url()
    }

    /// Where the gateway listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.gateway.addr()
    }

    /// A good access token of this person, which the authorization server knows too.
    pub(crate) fn token(&self, subject: &str) -> String {
        good_token(&self.auth, subject)
    }
}

/// An authorization server that exchanges codes and rotates refresh tokens.
pub(crate) async fn auth_server() -> (Arc<LyingAuthServer>, Arc<Desk>) {
    let auth = Arc::new(LyingAuthServer::start().await.unwrap());
    let desk = Desk::open(&auth);
    (auth, desk)
}

/// A gateway before this authorization server. It remembers no verdicts, so that each request is judged anew.
pub(crate) fn options(auth: &LyingAuthServer) -> GatewayOptions {
    GatewayProcess::of(BINARY)
        .env("EXTERNAL_AUTH_URL", auth.url())
        .env("VERIFY_CACHE_SECONDS", "0")
        // What an attack meets is to be what stands behind the limits.
        .env("RATE_LIMIT_PER_ADDRESS", "off")
        .env("RATE_LIMIT_PER_PERSON", "off")
}

/// A good access token of this person, which the authorization server knows too.
pub(crate) fn good_token(auth: &LyingAuthServer, subject: &str) -> String {
    let token = auth.forge().access_token(subject);
    let signed = token.sign();
    auth.accept_token(&signed, token.claims());
    signed
}

/// One request on a connection of its own.
pub(crate) async fn raw(gateway: SocketAddr, request: impl AsRef<[u8]>) -> RawReply {
    let mut client = RawClient::connect(gateway)
        .await
        .unwrap()
        .read_timeout(Duration::from_secs(15));
    client.send(request).await.unwrap();
    client.reply().await.unwrap()
}

/// A GET with these header lines, each with its line end.
pub(crate) async fn get_with(gateway: SocketAddr, path: &str, headers: &str) -> RawReply {
    let head = format!("GET {path} HTTP/1.1\r\nhost: {gateway}\r\nconnection: close\r\n{headers}\r\n");
    raw(gateway, head).await
}

/// A POST of this body.
pub(crate) async fn post_with(gateway: SocketAddr, path: &str, headers: &str, body: &[u8]) -> RawReply {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {gateway}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    raw(gateway, [head.as_bytes(), body].concat()).await
}

/// The gateway is alive, and no handler of it has panicked.
pub(crate) async fn assert_lives(gateway: &GatewayProcess) {
    assert!(gateway.is_running(), "the gateway has ended");
    AnonymousActor::new(&gateway.url())
        .get("/health")
        .await
        .expect_status(200);
    let log = gateway.log();
    assert!(!log.contains("panicked"), "a panic: {log}");
}

/// A document of the test vectors, which lie outside the repository: in `../shared/vectors` beside the workspace, or
/// wherever `MAXLAB_VECTORS` points. Where they are not there, nothing and a word of it.
pub(crate) fn vectors(file: &str) -> Option<Value> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = std::env::var_os("MAXLAB_VECTORS").map_or_else(beside, PathBuf::from);
    let Ok(text) = std::fs::read(folder.join(file)) else {
        eprintln!("skipped: no vectors");
        return None;
    };
    Some(serde_json::from_slice(&text).unwrap())
}

/// Resident memory of the gateway now and at its highest, in KiB.
pub(crate) fn memory(gateway: &GatewayProcess) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid().unwrap())).unwrap();
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (kib("VmRSS:"), kib("VmHWM:"))
}
