//! The one mapping from a refused OAuth request to its answer (RFC 6749 §5.2, RFC 6750 §3).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::DevIdpError;

/// A refused request. The description is ours alone: nothing that the caller sent is ever in it.
#[derive(Debug)]
pub(crate) struct OAuthError {
    status: StatusCode,
    code: &'static str,
    description: String,
    challenge: Option<HeaderValue>,
}

impl OAuthError {
    fn new(status: StatusCode, code: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            code,
            description: description.into(),
            challenge: None,
        }
    }

    pub(crate) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub(crate) fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", description)
    }

    pub(crate) fn invalid_scope(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_scope", description)
    }

    pub(crate) fn unauthorized_client(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unauthorized_client", description)
    }

    pub(crate) fn unsupported_grant_type() -> Self {
        let known = "use authorization_code, refresh_token or client_credentials";
        Self::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", known)
    }

    /// The client did not prove who it is: 401 with the challenge that RFC 6749 §5.2 asks for.
    pub(crate) fn invalid_client(description: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description);
        error.challenge = Some(HeaderValue::from_static(
            r#"Basic realm="maxlab-auth-dev-idp", charset="UTF-8""#,
        ));
        error
    }

    /// No bearer token was sent: the challenge names no error (RFC 6750 §3.1).
    pub(crate) fn missing_token() -> Self {
        let mut error = Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            "no bearer token was sent",
        );
        error.challenge = Some(HeaderValue::from_static(r#"Bearer realm="maxlab-auth-dev-idp""#));
        error
    }

    /// The bearer token is no good (RFC 6750 §3.1).
    pub(crate) fn invalid_token(reason: &'static str) -> Self {
        let mut error = Self::new(StatusCode::UNAUTHORIZED, "invalid_token", reason);
        let challenge = format!(
            r#"Bearer realm="maxlab-auth-dev-idp", error="invalid_token", error_description="{reason}""#
        );
        error.challenge = HeaderValue::try_from(challenge).ok();
        error
    }
}

/// A fault of this server itself: nothing was done, and the caller may try again.
impl From<DevIdpError> for OAuthError {
    fn from(cause: DevIdpError) -> Self {
        tracing::error!(%cause, "a request could not be completed");
        let description = "the request could not be recorded; try again";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            description,
        )
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({
            "error": self.code,
            "error_description": self.description,
            "detail": self.description,
        });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
