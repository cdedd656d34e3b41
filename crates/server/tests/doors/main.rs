//! The doors beside the plain port, at the real program: a Unix socket, TLS, and Envoy's gRPC.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod client;
mod envoy;
mod grpc;
mod tls;
mod unix;

pub(crate) use maxlab_auth_testkit::wait::eventually;
use maxlab_auth_testkit::{GatewayOptions, GatewayProcess, LyingAuthServer};
use serde_json::json;

/// A gateway to be started before this authorization server.
pub(crate) fn gateway(auth: &LyingAuthServer) -> GatewayOptions {
    GatewayProcess::of(env!("CARGO_BIN_EXE_maxlab-auth"))
        .env("EXTERNAL_AUTH_URL", auth.url())
        .env("VERIFY_CACHE_SECONDS", "0")
}

/// An authorization server that knows `good` and `admin`.
pub(crate) async fn auth_server() -> LyingAuthServer {
    let auth = LyingAuthServer::start().await.unwrap();
    auth.accept_token(
        "good",
        json!({ "sub": "user-1", "name": "김 하나", "roles": ["member"] }),
    );
    auth.accept_token("admin", json!({ "sub": "root-1", "roles": ["admin"] }));
    auth
}
