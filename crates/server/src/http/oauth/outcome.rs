//! What comes of a request for tokens.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_core::engine::Granted;
use serde_json::{Map, Value};

use super::super::error::Failure;
use super::{no_store, passed_through};
use crate::upstream::{Answer, UpstreamError};

/// What came of a request for tokens, in a form that several can be answered with.
#[derive(Debug)]
pub enum Outcome {
    /// Tokens.
    Granted {
        /// The whole answer of the authorization server, unknown fields too.
        body: Map<String, Value>,
        /// What is set beside it: the session's cookie and name.
        headers: HeaderMap,
    },
    /// The authorization server said no.
    Refused(Answer),
    /// Something else said no, or did not answer.
    Failed(Failure),
}

impl Outcome {
    /// Whether there are tokens in it.
    pub fn is_granted(&self) -> bool {
        matches!(self, Self::Granted { .. })
    }

    /// The exchange was cut off by the end of the process.
    pub fn lost() -> Self {
        Self::Failed(Failure::Upstream(UpstreamError::Unreachable(
            "the exchange was cut off".into(),
        )))
    }

    /// The answer to each of them.
    ///
    /// # Errors
    /// What said no.
    pub(super) fn response(&self) -> Result<Response, Failure> {
        match self {
            Self::Granted { body, headers } => {
                let mut all = no_store();
                all.extend(headers.clone());
                Ok((StatusCode::OK, all, Json(body)).into_response())
            }
            Self::Refused(answer) => passed_through(answer),
            Self::Failed(failure) => Err(failure.clone()),
        }
    }
}

impl From<Result<Self, Failure>> for Outcome {
    fn from(result: Result<Self, Failure>) -> Self {
        result.unwrap_or_else(Self::Failed)
    }
}

/// The tokens in an answer (RFC 6749 §5.1).
pub(super) fn granted(body: &Map<String, Value>) -> Result<Granted, UpstreamError> {
    let token = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => PresentedToken::parse(text)
            .map(Some)
            .map_err(|_| UpstreamError::Unreadable("a token in its answer is malformed")),
        Some(_) => Err(UpstreamError::Unreadable("a token in its answer is not a string")),
    };
    let lifetime = match body.get("expires_in") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_u64().ok_or(UpstreamError::Unreadable(
            "its expires_in is not a number of seconds",
        ))?),
    };
    Ok(Granted {
        access: token("access_token")?.ok_or(UpstreamError::Unreadable("its answer has no access_token"))?,
        refresh: token("refresh_token")?,
        lifetime: lifetime.map(Duration::from_secs),
    })
}
