//! Client that keeps a number of requests in progress, each followed by the next once it is answered.
//!
//! hyper is the client for every transport, so that figures differ only by the transport.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::{Buf as _, Bytes};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use maxlab_auth_ext_authz::proto::CheckResponse;
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

use super::check_request;
use crate::percentiles::Percentiles;

/// Transport to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// HTTP/1.1 over TCP.
    Http,
    /// HTTP/1.1 over a Unix socket.
    Unix,
    /// gRPC over TCP.
    Grpc,
}

impl Protocol {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Unix => "unix",
            Self::Grpc => "grpc",
        }
    }
}

/// Requests to send, their target, and the duration.
#[derive(Debug, clap::Args)]
pub(crate) struct LoadArgs {
    protocol: Protocol,
    /// Address with its port, or path of a socket.
    at: String,
    /// File with one token a line.
    tokens: PathBuf,
    /// Duration in milliseconds.
    millis: u64,
    /// Number of connections.
    connections: usize,
    /// Requests in progress on each connection, if the protocol allows more than one.
    streams: usize,
}

/// Connection, or stream of a connection, with one request in progress.
enum LoadConnection {
    Http(http1::SendRequest<Full<Bytes>>),
    Grpc(http2::SendRequest<Full<Bytes>>),
}

/// Requests that all connections share.
struct RequestQueue {
    questions: Vec<Request<Full<Bytes>>>,
    next: AtomicUsize,
    end: Instant,
}

/// Sends requests, and prints four numbers: requests, requests per second, median and 99th percentile in
/// microseconds.
///
/// # Errors
/// The target cannot be reached, or an answer does not allow the request.
pub(crate) fn run(load: &LoadArgs) -> Result<()> {
    // One thread, since it has one core.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    println!("{}", runtime.block_on(drive(load))?);
    Ok(())
}

/// Sends requests on all connections, and returns the line to print.
async fn drive(load: &LoadArgs) -> Result<String> {
    let tokens = std::fs::read_to_string(&load.tokens)?;
    let build = match load.protocol {
        Protocol::Http | Protocol::Unix => check_request::over_http,
        Protocol::Grpc => check_request::over_grpc,
    };
    // Built before the measurement. A clone of one is cheap.
    let requests = tokens.lines().map(build).collect::<Result<Vec<_>, _>>()?;
    ensure!(!requests.is_empty(), "the file has no tokens");
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        connections.extend(connect(load).await.with_context(|| load.at.clone())?);
    }
    let started = Instant::now();
    let queue = Arc::new(RequestQueue {
        questions: requests,
        next: AtomicUsize::new(0),
        end: started + Duration::from_millis(load.millis),
    });
    let mut tasks = JoinSet::new();
    for connection in connections {
        tasks.spawn(send_until_end(connection, Arc::clone(&queue)));
    }
    let mut nanos = Vec::new();
    for finished in tasks.join_all().await {
        nanos.extend(finished?);
    }
    let took = started.elapsed().as_secs_f64();
    let times = Percentiles::of(nanos);
    let micros = |per_mille| times.at(per_mille).as_secs_f64() * 1e6;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let count = times.len() as f64;
    Ok(format!(
        "{count} {} {} {}",
        count / took,
        micros(500),
        micros(990)
    ))
}

/// Opens a connection. Returns one handle for each request that may be in progress on it.
async fn connect(load: &LoadArgs) -> Result<Vec<LoadConnection>> {
    match load.protocol {
        Protocol::Http => http(tcp(&load.at).await?).await,
        Protocol::Unix => http(UnixStream::connect(&load.at).await?).await,
        Protocol::Grpc => {
            let io = TokioIo::new(tcp(&load.at).await?);
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            // hyper's connection must be polled by a task of its own.
            tokio::spawn(connection);
            Ok(std::iter::repeat_n(sender, load.streams)
                .map(LoadConnection::Grpc)
                .collect())
        }
    }
}

async fn tcp(at: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(at).await?;
    // Otherwise Nagle's algorithm could hold a request back.
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn http(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Vec<LoadConnection>> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(vec![LoadConnection::Http(sender)])
}

/// Sends requests one after another until the time is over. Returns the nanoseconds of each.
async fn send_until_end(mut connection: LoadConnection, queue: Arc<RequestQueue>) -> Result<Vec<u32>> {
    let mut nanos = Vec::new();
    loop {
        let number = queue.next.fetch_add(1, Ordering::Relaxed) % queue.questions.len();
        let request = queue
            .questions
            .get(number)
            .cloned()
            .context("the file has no tokens")?;
        let started = Instant::now();
        if started >= queue.end {
            return Ok(nanos);
        }
        connection.send(request).await?;
        nanos.push(u32::try_from(started.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }
}

impl LoadConnection {
    /// Sends a request and reads the whole answer, which must allow it.
    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<()> {
        let answer = match self {
            Self::Http(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Self::Grpc(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        ensure!(
            answer.status() == StatusCode::OK,
            "an answer has the status {}",
            answer.status()
        );
        let body = answer.into_body().collect().await?.to_bytes();
        match self {
            Self::Http(_) => Ok(()),
            Self::Grpc(_) => check_allowed(body),
        }
    }
}

/// Checks that Envoy would let the client's request through.
fn check_allowed(mut body: Bytes) -> Result<()> {
    ensure!(body.len() >= 5, "an answer contains no message");
    // gRPC's prefix: a flag and the length.
    body.advance(5);
    let code = CheckResponse::decode(body)?
        .status
        .map_or(0, |status| status.code);
    ensure!(code == 0, "an answer has the gRPC status {code}");
    Ok(())
}
