//! Port to the token endpoint of an authorization server, and its answers without the types of an HTTP client.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::unavailable::Unavailable;

/// Error of a request to the authorization server. Contains no URL and no token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No complete answer came in time.
    #[error("the authorization server did not answer in time")]
    Timeout,
    /// No connection was made, so the server has certainly not read the request.
    #[error("no connection to the authorization server: {0}")]
    NotConnected(String),
    /// The connection broke. The server may have read the request.
    #[error("the request to the authorization server failed: {0}")]
    Unreachable(String),
    /// The server answered that it cannot handle requests now (503).
    #[error("the authorization server is not available")]
    Unavailable,
    /// The answer is longer than 1 MiB.
    #[error("the answer of the authorization server is longer than 1 MiB")]
    TooLarge,
    /// The answer does not follow the protocol.
    #[error("the answer of the authorization server is invalid: {0}")]
    Unreadable(&'static str),
}

impl From<UpstreamError> for Unavailable {
    fn from(fault: UpstreamError) -> Self {
        Self::upstream(fault)
    }
}

/// Request to a token endpoint: the client's own parameters and authentication, passed on unchanged.
#[derive(Clone)]
pub struct TokenRequest {
    /// All parameters, also unknown ones: the gateway does not know every extension (PKCE, resource, …).
    pub parameters: Vec<(String, String)>,
    /// Value of the client's own `Authorization` header, if it uses HTTP Basic.
    pub authorization: Option<Vec<u8>>,
}

// Not derived: parameters and authentication are secrets.
impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenRequest").finish_non_exhaustive()
    }
}

/// Answer of a token endpoint.
#[derive(Debug)]
pub enum TokenAnswer {
    /// Success, with the complete body (RFC 6749 §5.1).
    Granted(Map<String, Value>),
    /// Refusal of the request (RFC 6749 §5.2).
    Refused(AuthServerRefusal),
}

/// Refusal of a request by the authorization server, as it is relayed to the client.
#[derive(Clone)]
pub struct AuthServerRefusal {
    /// HTTP status of the answer.
    pub status: u16,
    /// Body, if it is a JSON object.
    pub body: Option<Map<String, Value>>,
    /// Value of `WWW-Authenticate`.
    pub challenge: Option<Vec<u8>>,
    /// Value of `Retry-After`.
    pub retry_after: Option<Vec<u8>>,
}

// Not derived: the body may contain tokens.
impl std::fmt::Debug for AuthServerRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthServerRefusal")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl AuthServerRefusal {
    /// Returns the error code of the body (`error`, RFC 6749 §5.2).
    pub fn error_code(&self) -> Option<&str> {
        self.body.as_ref()?.get("error")?.as_str()
    }

    /// Returns `true` if a rate limit of the authorization server refused the request (RFC 6585 §4).
    pub fn is_rate_limit(&self) -> bool {
        self.status == 429
    }
}

/// Token endpoint of an authorization server.
#[async_trait]
pub trait TokenEndpoint: Send + Sync {
    /// Returns the longest time that one request may take.
    fn time_limit(&self) -> Duration;

    /// Sends a request and reads the answer. A 503 is [`UpstreamError::Unavailable`], because after it a code
    /// is certainly unspent.
    ///
    /// # Errors
    /// Fails if there is no answer, or none that follows the protocol.
    async fn request_tokens(&self, request: &TokenRequest) -> Result<TokenAnswer, UpstreamError>;
}
