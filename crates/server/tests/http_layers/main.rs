//! The accept loop and the layers, at a real socket: what a client can do to them and what it gets for it.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod answers;
mod bodies;
mod connections;
mod crowds;
mod frames;
mod framing;
mod http2;
mod observation;
mod shutdown;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{any, get, post};
use maxlab_auth::http::layers::{self, LayerConfig};
use maxlab_auth::http::serve::{ServeLimits, ServeRoutes, serve};
use maxlab_auth_testkit::RawClient;
use maxlab_auth_testkit::raw::RawReply;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A gateway's door with little behind it, on a port of its own.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<std::io::Result<()>>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl Door {
    pub(crate) async fn open() -> Self {
        Self::with(LayerConfig::default(), ServeLimits::default(), Router::new()).await
    }

    pub(crate) async fn with_layers(config: LayerConfig) -> Self {
        Self::with(config, ServeLimits::default(), Router::new()).await
    }

    pub(crate) async fn with_limits(limits: ServeLimits) -> Self {
        Self::with(LayerConfig::default(), limits, Router::new()).await
    }

    /// Opens it with `more` routes beside the common ones.
    pub(crate) async fn with(config: LayerConfig, limits: ServeLimits, more: Router) -> Self {
        Self::before(layers::apply(routes().merge(more), config), limits).await
    }

    /// Opens it before nothing but these.
    pub(crate) async fn before(routes: impl Into<ServeRoutes>, limits: ServeLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(
            listener,
            routes.into(),
            limits,
            stop.clone().cancelled_owned(),
        ));
        Self {
            address,
            stop,
            served,
        }
    }

    pub(crate) async fn connect(&self) -> RawClient {
        RawClient::connect(self.address)
            .await
            .unwrap()
            .read_timeout(Duration::from_secs(20))
    }

    /// Sends one request's bytes on a connection of its own.
    pub(crate) async fn ask(&self, request: impl AsRef<[u8]>) -> RawReply {
        let mut client = self.connect().await;
        client.send(request).await.unwrap();
        client.reply().await.unwrap()
    }

    /// Everything that the server says to these bytes until it closes.
    pub(crate) async fn whole_answer(&self, request: impl AsRef<[u8]>) -> String {
        let mut client = self.connect().await;
        client.send(request).await.unwrap();
        String::from_utf8(client.read_to_end().await.unwrap()).unwrap()
    }
}

fn routes() -> Router {
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route(
            "/length",
            post(|body: Bytes| async move { body.len().to_string() }),
        )
        .route("/things/{id}", get(|| async { "a thing" }))
        .route("/auth/verify", any(|| async { StatusCode::UNAUTHORIZED }))
        .route(
            "/host",
            get(|headers: HeaderMap| async move {
                headers.get(header::HOST).unwrap().to_str().unwrap().to_owned()
            }),
        )
        .route("/panic", get(panics))
}

#[expect(clippy::panic, reason = "a bug in a handler is what is tested")]
async fn panics() -> StatusCode {
    panic!("panic-s3cret");
}

/// `code` of a problem+json answer, which it must be.
pub(crate) fn code(reply: &RawReply) -> String {
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    let problem = reply.json();
    assert_eq!(problem["status"], reply.status);
    assert!(
        problem["detail"].is_string() && problem["title"].is_string(),
        "{problem}"
    );
    problem["code"].as_str().unwrap().to_owned()
}
