//! hyper and axum with nothing behind them, each as its own process.

use std::convert::Infallible;
use std::future::ready;

use anyhow::{Context, Result};
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use maxlab_auth_ext_authz::proto::{
    self, CheckResponse, HeaderValueOption, HttpResponse, OkHttpResponse, RpcStatus,
};
use maxlab_auth_testkit::free_port;
use prost::Message as _;
use tokio::net::TcpListener;

use super::process::ServerProcess;
use crate::verify::load::check_request::framed;

/// Kind of bare server.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum BareServer {
    /// hyper over HTTP/1.1.
    Hyper,
    /// axum over HTTP/1.1.
    Axum,
    /// hyper over HTTP/2. Reads the request, and sends a prepared gRPC answer that allows it.
    Grpc,
}

/// Starts a bare server as a process: this program again, with the command `bare`.
pub(in crate::verify) fn start(which: BareServer) -> Result<ServerProcess> {
    let port = free_port();
    let program = std::env::current_exe()?;
    let program = program
        .to_str()
        .context("the path of this program is not UTF-8")?;
    let which = match which {
        BareServer::Hyper => "hyper",
        BareServer::Axum => "axum",
        BareServer::Grpc => "grpc",
    };
    ServerProcess::start(
        &[program, "bare", which, &port.to_string()],
        port,
        tempfile::tempdir()?,
    )
}

/// Serves until the process is killed, on the same kind of runtime as the gateway.
///
/// # Errors
/// The port is taken.
pub(crate) fn serve(which: BareServer, port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        match which {
            BareServer::Hyper => hyper(&listener).await,
            BareServer::Grpc => grpc(&listener).await,
            BareServer::Axum => {
                // Not axum's own server, which has timers that bare hyper has not.
                let router = Router::new().route("/auth/verify", get(|| async {}));
                loop {
                    let (socket, _) = listener.accept().await?;
                    // Without effect on a closed connection, whose error comes later anyway.
                    let _ = socket.set_nodelay(true);
                    let service = hyper_util::service::TowerToHyperService::new(router.clone());
                    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
                }
            }
        }
    })
}

/// Serves gRPC answers over HTTP/2.
async fn grpc(listener: &TcpListener) -> Result<()> {
    let message = allow_message();
    loop {
        let (socket, _) = listener.accept().await?;
        let _ = socket.set_nodelay(true);
        let message = message.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let message = message.clone();
            async move {
                // Read to its end, as the gateway must.
                let _ = request.into_body().collect().await?;
                let trailers = HeaderMap::from_iter([(
                    HeaderName::from_static("grpc-status"),
                    HeaderValue::from_static("0"),
                )]);
                let body = Full::new(message).with_trailers(ready(Some(Ok::<_, Infallible>(trailers))));
                Ok::<_, hyper::Error>(Response::new(body))
            }
        });
        let protocol = http2::Builder::new(TokioExecutor::new());
        tokio::spawn(protocol.serve_connection(TokioIo::new(socket), answer));
    }
}

/// Returns an answer that allows the request, as long as those of the gateway: seven header fields.
fn allow_message() -> Bytes {
    let field = |number| HeaderValueOption {
        header: Some(proto::HeaderValue {
            key: format!("remote-field-{number}"),
            value: "a value of usual length".to_owned(),
            raw_value: Bytes::new(),
        }),
        append: Some(false),
        keep_empty_value: true,
    };
    let ok = OkHttpResponse {
        headers: (0..6).map(field).collect(),
        headers_to_remove: vec!["x-auth-identity".to_owned()],
        response_headers_to_add: Vec::new(),
    };
    let answer = CheckResponse {
        status: Some(RpcStatus { code: 0 }),
        http_response: Some(HttpResponse::Ok(ok)),
    };
    framed(&answer.encode_to_vec())
}

/// Serves empty answers over HTTP/1.1.
async fn hyper(listener: &TcpListener) -> Result<()> {
    let answer = |_: Request<Incoming>| async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) };
    loop {
        let (socket, _) = listener.accept().await?;
        let _ = socket.set_nodelay(true);
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer)));
    }
}
