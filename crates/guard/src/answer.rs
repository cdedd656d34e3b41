//! An answer over HTTP, read whole and bounded.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use maxlab_auth_core::unavailable::Unavailable;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};

/// The most that is read of an answer, in bytes.
const LONGEST: usize = 1024 * 1024;
const LONGEST_CONNECT: Duration = Duration::from_secs(5);
/// Shorter than servers usually keep a connection, so that few requests meet one that was just closed.
const IDLE: Duration = Duration::from_secs(30);

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A client with a pool of connections. It follows no redirect and asks no proxy.
pub(crate) fn client(timeout: Duration, idle_connections: usize) -> Result<Client, Unavailable> {
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(timeout)
        .connect_timeout(timeout.min(LONGEST_CONNECT))
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(idle_connections)
        .user_agent(concat!("maxlab-auth-guard/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|fault| unavailable(&fault))
}

/// Sends a request and reads all of its answer.
pub(crate) async fn ask(request: RequestBuilder) -> Result<Answer, Unavailable> {
    let mut response = request.send().await.map_err(|fault| unavailable(&fault))?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|fault| unavailable(&fault))? {
        if body.len() + chunk.len() > LONGEST {
            return Err(Unavailable::upstream("the answer is longer than 1 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body,
    })
}

/// The causes in a row, without the address, which may hold a password.
fn unavailable(fault: &reqwest::Error) -> Unavailable {
    let mut text = if fault.is_timeout() {
        "no answer within the time limit"
    } else if fault.is_connect() {
        "no connection"
    } else {
        "the answer broke off"
    }
    .to_owned();
    let mut source = std::error::Error::source(fault);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    Unavailable::upstream(text)
}
