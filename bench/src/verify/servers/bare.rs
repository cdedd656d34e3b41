//! hyper and axum with nothing behind them, each a process of its own.

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

use super::process::Server;
use crate::verify::load::question::framed;

/// Which of them.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Bare {
    /// hyper.
    Hyper,
    /// axum.
    Axum,
    /// hyper over HTTP/2: it reads the question and gives a yes of gRPC that was made before.
    Grpc,
}

/// Starts one: this program again.
pub(in crate::verify) fn start(which: Bare) -> Result<Server> {
    let port = free_port();
    let me = std::env::current_exe()?;
    let me = me.to_str().context("a readable path")?;
    let which = match which {
        Bare::Hyper => "hyper",
        Bare::Axum => "axum",
        Bare::Grpc => "grpc",
    };
    Server::start(
        &[me, "bare", which, &port.to_string()],
        port,
        tempfile::tempdir()?,
    )
}

/// Serves until it is killed, on the runtime that the gateway has too.
///
/// # Errors
/// The port is taken.
pub(crate) fn serve(which: Bare, port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        match which {
            Bare::Hyper => hyper(&listener).await,
            Bare::Grpc => grpc(&listener).await,
            Bare::Axum => {
                // Its own server would bring timers that bare hyper has not.
                let router = Router::new().route("/auth/verify", get(|| async {}));
                loop {
                    let (socket, _) = listener.accept().await?;
                    let _ = socket.set_nodelay(true);
                    let service = hyper_util::service::TowerToHyperService::new(router.clone());
                    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
                }
            }
        }
    })
}

async fn grpc(listener: &TcpListener) -> Result<()> {
    let yes = ready_made();
    loop {
        let (socket, _) = listener.accept().await?;
        let _ = socket.set_nodelay(true);
        let yes = yes.clone();
        let answer = service_fn(move |question: Request<Incoming>| {
            let yes = yes.clone();
            async move {
                let _ = question.into_body().collect().await?;
                let trailers = HeaderMap::from_iter([(
                    HeaderName::from_static("grpc-status"),
                    HeaderValue::from_static("0"),
                )]);
                let body = Full::new(yes).with_trailers(ready(Some(Ok::<_, Infallible>(trailers))));
                Ok::<_, hyper::Error>(Response::new(body))
            }
        });
        let protocol = http2::Builder::new(TokioExecutor::new());
        tokio::spawn(protocol.serve_connection(TokioIo::new(socket), answer));
    }
}

/// A yes as long as those of the gateway: seven header fields.
fn ready_made() -> Bytes {
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

async fn hyper(listener: &TcpListener) -> Result<()> {
    let answer = |_: Request<Incoming>| async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) };
    loop {
        let (socket, _) = listener.accept().await?;
        let _ = socket.set_nodelay(true);
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer)));
    }
}
