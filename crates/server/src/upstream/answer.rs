//! An answer of the authorization server, read whole and bounded.

use reqwest::header::{self, HeaderMap};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Map, Value};

use maxlab_auth_core::token::parse_object;
use maxlab_auth_core::unavailable::Unavailable;

/// The most that is read of an answer, in bytes.
const LONGEST: usize = 1024 * 1024;

/// Why there is no answer. It holds no URL and no token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It took too long.
    #[error("the authorization server took too long to answer")]
    Timeout,
    /// No connection, or it broke.
    #[error("the authorization server could not be reached: {0}")]
    Unreachable(String),
    /// The answer is over 1 MiB.
    #[error("the answer of the authorization server is longer than 1 MiB")]
    TooLarge,
    /// The answer is not what the protocol says.
    #[error("the answer of the authorization server cannot be understood: {0}")]
    Unreadable(&'static str),
}

impl From<UpstreamError> for Unavailable {
    fn from(fault: UpstreamError) -> Self {
        Self::upstream(fault)
    }
}

/// An answer.
#[derive(Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// The body as a JSON object, read strictly: duplicate keys, trailing bytes and the like are malformed.
    ///
    /// # Errors
    /// It is not one.
    pub fn json(&self) -> Result<Map<String, Value>, UpstreamError> {
        parse_object(&self.body)
            .map_err(|_| UpstreamError::Unreadable("the body is not a well-formed JSON object"))
    }

    /// Where a redirect leads.
    pub fn location(&self) -> Option<&str> {
        self.headers.get(header::LOCATION)?.to_str().ok()
    }

    /// Whether the body says to be HTML.
    pub fn is_html(&self) -> bool {
        let kind = self
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
    }
}

pub(super) async fn read(request: RequestBuilder) -> Result<Answer, UpstreamError> {
    let mut response = request.send().await.map_err(fault)?;
    if response
        .content_length()
        .is_some_and(|length| length > LONGEST as u64)
    {
        return Err(UpstreamError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(fault)? {
        if body.len() + chunk.len() > LONGEST {
            return Err(UpstreamError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body,
    })
}

fn fault(error: reqwest::Error) -> UpstreamError {
    if error.is_timeout() {
        return UpstreamError::Timeout;
    }
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    UpstreamError::Unreachable(text)
}
