//! A client with as many questions under way as it is told, each the next as soon as the last is answered: hyper's, for
//! every protocol, so that what differs is the door.

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

use super::question;
use crate::percentiles::Percentiles;

/// How a door is asked.
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

/// What to ask, where, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Order {
    protocol: Protocol,
    /// An address with its port, or the path of a socket.
    at: String,
    /// A file with a token in each line.
    tokens: PathBuf,
    millis: u64,
    connections: usize,
    /// Questions under way on each connection, where the protocol has room for more than one.
    streams: usize,
}

/// One who asks, and waits for the answer.
enum Asker {
    Http(http1::SendRequest<Full<Bytes>>),
    Grpc(http2::SendRequest<Full<Bytes>>),
}

/// What all of them share.
struct Desk {
    questions: Vec<Request<Full<Bytes>>>,
    next: AtomicUsize,
    end: Instant,
}

/// Asks, and prints how many questions that were, how many in a second, and the median and the 99th percentile of the
/// waits in microseconds.
///
/// # Errors
/// The door is closed, or an answer is no yes.
pub(crate) fn run(order: &Order) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    println!("{}", runtime.block_on(drive(order))?);
    Ok(())
}

async fn drive(order: &Order) -> Result<String> {
    let tokens = std::fs::read_to_string(&order.tokens)?;
    let question = match order.protocol {
        Protocol::Http | Protocol::Unix => question::over_http,
        Protocol::Grpc => question::over_grpc,
    };
    let questions = tokens.lines().map(question).collect::<Result<Vec<_>, _>>()?;
    ensure!(!questions.is_empty(), "there are no tokens");
    let mut askers = Vec::new();
    for _ in 0..order.connections {
        askers.extend(connect(order).await.with_context(|| order.at.clone())?);
    }
    let began = Instant::now();
    let desk = Arc::new(Desk {
        questions,
        next: AtomicUsize::new(0),
        end: began + Duration::from_millis(order.millis),
    });
    let mut asking = JoinSet::new();
    for asker in askers {
        asking.spawn(keep_asking(asker, Arc::clone(&desk)));
    }
    let mut waits = Vec::new();
    for waited in asking.join_all().await {
        waits.extend(waited?);
    }
    let took = began.elapsed().as_secs_f64();
    let waits = Percentiles::of(waits);
    let micros = |per_mille| waits.at(per_mille).as_secs_f64() * 1e6;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let count = waits.len() as f64;
    Ok(format!(
        "{count} {} {} {}",
        count / took,
        micros(500),
        micros(990)
    ))
}

/// Opens a connection, for one or for many who ask.
async fn connect(order: &Order) -> Result<Vec<Asker>> {
    match order.protocol {
        Protocol::Http => http(tcp(&order.at).await?).await,
        Protocol::Unix => http(UnixStream::connect(&order.at).await?).await,
        Protocol::Grpc => {
            let io = TokioIo::new(tcp(&order.at).await?);
            let (asker, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            Ok(std::iter::repeat_n(asker, order.streams)
                .map(Asker::Grpc)
                .collect())
        }
    }
}

async fn tcp(at: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn http(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Vec<Asker>> {
    let (asker, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(vec![Asker::Http(asker)])
}

async fn keep_asking(mut asker: Asker, desk: Arc<Desk>) -> Result<Vec<u32>> {
    let mut waits = Vec::new();
    loop {
        let number = desk.next.fetch_add(1, Ordering::Relaxed) % desk.questions.len();
        let question = desk
            .questions
            .get(number)
            .cloned()
            .context("there are no tokens")?;
        let began = Instant::now();
        if began >= desk.end {
            return Ok(waits);
        }
        asker.ask(question).await?;
        waits.push(u32::try_from(began.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }
}

impl Asker {
    async fn ask(&mut self, question: Request<Full<Bytes>>) -> Result<()> {
        let answer = match self {
            Self::Http(asker) => {
                asker.ready().await?;
                asker.send_request(question).await?
            }
            Self::Grpc(asker) => {
                asker.ready().await?;
                asker.send_request(question).await?
            }
        };
        ensure!(
            answer.status() == StatusCode::OK,
            "an answer is {}",
            answer.status()
        );
        let body = answer.into_body().collect().await?.to_bytes();
        match self {
            Self::Http(_) => Ok(()),
            Self::Grpc(_) => is_yes(body),
        }
    }
}

/// Whether Envoy would let the client's request pass.
fn is_yes(mut body: Bytes) -> Result<()> {
    ensure!(body.len() >= 5, "an answer holds no message");
    body.advance(5);
    let code = CheckResponse::decode(body)?
        .status
        .map_or(0, |status| status.code);
    ensure!(code == 0, "an answer is {code}");
    Ok(())
}
