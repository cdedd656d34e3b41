//! HTTP client of the guard: reads answers whole, up to a bound.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use maxlab_auth_core::unavailable::Unavailable;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};

/// Longest body that is read, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Longest time for opening a connection, also if the time limit of the whole request is longer.
const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time after which an idle connection is closed. Servers usually wait longer, so few requests meet one that
/// they just closed.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Name of the guard in its requests.
pub(crate) const USER_AGENT: &str = concat!("maxlab-auth-guard/", env!("CARGO_PKG_VERSION"));

/// Answer with its whole body in memory.
pub(crate) struct BufferedResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Makes a client with a pool of connections.
pub(crate) fn build_client(timeout: Duration, idle_connections: usize) -> Result<Client, Unavailable> {
    // No redirects and no proxies: the credential goes to the configured address and nowhere else.
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(timeout)
        .connect_timeout(timeout.min(MAX_CONNECT_TIMEOUT))
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(idle_connections)
        .user_agent(USER_AGENT)
        .build()
        .map_err(|fault| unavailable_from_reqwest(&fault))
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// [`Unavailable`] if there is no answer in time, or if its body is longer than 1 MiB.
pub(crate) async fn send_buffered(request: RequestBuilder) -> Result<BufferedResponse, Unavailable> {
    let mut response = request
        .send()
        .await
        .map_err(|fault| unavailable_from_reqwest(&fault))?;
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|fault| unavailable_from_reqwest(&fault))?
    {
        // Counted here and not from `Content-Length`, which a chunked answer does not have.
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(Unavailable::upstream("the answer is longer than 1 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(BufferedResponse {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body,
    })
}

/// Joins the causes of a failure. The text of the outermost error is left out: it has the address, which may
/// hold a password.
fn unavailable_from_reqwest(fault: &reqwest::Error) -> Unavailable {
    let mut text = if fault.is_timeout() {
        "no answer within the time limit"
    } else if fault.is_connect() {
        "no connection"
    } else {
        "the answer broke off"
    }
    .to_owned();
    // The sources only: the display of `fault` itself ends with the URL.
    let mut source = std::error::Error::source(fault);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    Unavailable::upstream(text)
}
