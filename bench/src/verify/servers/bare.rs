//! hyper and axum with nothing behind them, each a process of its own.

use std::convert::Infallible;

use anyhow::{Context, Result};
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use maxlab_auth_testkit::free_port;
use tokio::net::TcpListener;

use super::process::Server;

/// Which of them.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Bare {
    /// hyper.
    Hyper,
    /// axum.
    Axum,
}

/// Starts one: this program again.
pub(in crate::verify) fn start(which: Bare) -> Result<Server> {
    let port = free_port();
    let me = std::env::current_exe()?;
    let me = me.to_str().context("a readable path")?;
    let which = match which {
        Bare::Hyper => "hyper",
        Bare::Axum => "axum",
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

async fn hyper(listener: &TcpListener) -> Result<()> {
    let answer = |_: Request<Incoming>| async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) };
    loop {
        let (socket, _) = listener.accept().await?;
        let _ = socket.set_nodelay(true);
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer)));
    }
}
