//! Failures of the guard. Statuses, codes and texts are the gateway's (`maxlab_auth_core::error_code`,
//! `docs/ERRORS.md`).

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::response::IntoResponse;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use maxlab_auth_core::access::{AccessRefusal, CredentialFault, LoginPrompt};
use maxlab_auth_core::engine::{AuthFault, CredentialRefusal};
use maxlab_auth_core::error_code::ErrorCode;
use maxlab_auth_core::guard::AccessDenied;
use maxlab_auth_core::unavailable::Unavailable;
use serde_json::json;

/// Reason why a request does not reach the handler.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardFailure {
    /// The request has no credential.
    #[error("the request has no credential")]
    MissingCredential,
    /// The credential is invalid, expired or revoked.
    #[error(transparent)]
    Auth(CredentialRefusal),
    /// The caller does not meet the requirement; the message names what is missing.
    #[error(transparent)]
    Denied(#[from] AccessDenied),
    /// The request changes state with the session cookie, and nothing shows that it comes from the
    /// application's own pages.
    #[error("a request that acts with the session cookie comes from another site")]
    CrossSite,
    /// The request is malformed; the text says how.
    #[error("{0}")]
    InvalidRequest(String),
    /// A dependency did not answer, so the result is unknown: neither a yes nor a no.
    #[error(transparent)]
    Unavailable(Unavailable),
    /// The route lacks a path parameter that the guard reads: a mistake in the application.
    #[error("the route has no path parameter `{0}`")]
    MissingPathParameter(&'static str),
}

impl From<AuthFault> for GuardFailure {
    fn from(fault: AuthFault) -> Self {
        match fault {
            // `Auth` has no place for it: its status is 401, and an outage must not log anyone out.
            AuthFault::Unavailable(fault) => Self::Unavailable(fault),
            AuthFault::Refused(refusal) => Self::Auth(refusal),
        }
    }
}

impl GuardFailure {
    // Functions and no `From`, which would make the core's types a part of this library's public API.
    pub(crate) fn of_credential(fault: CredentialFault) -> Self {
        // A fault has one meaning: that of the access decision. The prompt has no part in it.
        Self::of_refusal(AccessRefusal::of_credential(fault, LoginPrompt::Challenge))
    }

    pub(crate) fn of_refusal(refusal: AccessRefusal) -> Self {
        match refusal {
            AccessRefusal::Unauthenticated { fault: None, .. } => Self::MissingCredential,
            AccessRefusal::Unauthenticated {
                fault: Some(refusal), ..
            } => Self::Auth(refusal),
            AccessRefusal::AmbiguousCredential(text) => Self::InvalidRequest(text),
            AccessRefusal::CrossSite => Self::CrossSite,
            AccessRefusal::Requirement(denied) => Self::Denied(denied),
            AccessRefusal::Unavailable(fault) => Self::Unavailable(fault),
            // A guard has no policy of paths: its router decides which routes exist.
            AccessRefusal::Policy | AccessRefusal::Ambiguous(_) | AccessRefusal::MissingAttribute(_) => {
                Self::InvalidRequest("The policy does not permit this request".to_owned())
            }
        }
    }
}

impl From<CredentialRefusal> for GuardFailure {
    fn from(refusal: CredentialRefusal) -> Self {
        Self::Auth(refusal)
    }
}

impl From<Unavailable> for GuardFailure {
    fn from(fault: Unavailable) -> Self {
        Self::Unavailable(fault)
    }
}

impl GuardFailure {
    /// Returns the HTTP status of the answer.
    pub fn status(&self) -> StatusCode {
        // Every status of the list is valid.
        StatusCode::from_u16(self.error_code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Returns the stable error code, equal to the gateway's.
    pub fn code(&self) -> &'static str {
        self.error_code().as_str()
    }

    /// Returns the text for the client, which never contains the cause of an outage.
    pub fn detail(&self) -> String {
        let text = match self {
            Self::Denied(denied) => denied.message.as_str(),
            Self::InvalidRequest(why) => why.as_str(),
            Self::MissingPathParameter(_) => {
                "The application's route has no such path parameter; this is an error in the application"
            }
            _ => self.error_code().detail(),
        };
        text.to_owned()
    }

    fn error_code(&self) -> ErrorCode {
        match self {
            Self::MissingCredential => ErrorCode::MissingCredential,
            Self::Auth(refusal) => refusal.code(),
            Self::Denied(_) => ErrorCode::InsufficientPermission,
            Self::CrossSite => ErrorCode::CrossSiteRequest,
            Self::InvalidRequest(_) => ErrorCode::InvalidRequest,
            Self::Unavailable(fault) => fault.code(),
            Self::MissingPathParameter(_) => ErrorCode::InternalError,
        }
    }

    /// Returns the default answer: `application/problem+json` (RFC 9457), `WWW-Authenticate` (RFC 6750 §3)
    /// with a 401, `Retry-After` with a 503.
    pub fn to_response(&self) -> Response<String> {
        let (status, code, detail) = (self.status(), self.code(), self.detail());
        let body = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": detail,
            "code": code,
        });
        let mut response = Response::new(body.to_string());
        *response.status_mut() = status;
        *response.headers_mut() = self.headers(&detail);
        response
    }

    fn headers(&self, detail: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let problem = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem);
        // An answer about one caller must not be served to another one from a cache.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let challenge = match self {
            // Without an error code: RFC 6750 §3.1 reserves it for requests that have authentication
            // information.
            Self::MissingCredential => Some("Bearer realm=\"maxlab-auth\"".to_owned()),
            Self::Auth(_) => Some(format!(
                "Bearer realm=\"maxlab-auth\", error=\"invalid_token\", error_description=\"{detail}\""
            )),
            _ => None,
        };
        if let Some(challenge) = challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.error_code().retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        headers
    }

    fn log(&self) {
        match self {
            Self::Unavailable(fault) if fault.is_internal() => {
                tracing::error!(%fault, "guard failed, answered 500");
            }
            Self::Unavailable(fault) => tracing::warn!(%fault, "dependency unavailable, answered 503"),
            Self::MissingPathParameter(parameter) => {
                tracing::error!(parameter, "path parameter not found in the route, answered 500");
            }
            // A client causes these. At a higher level a stranger could fill the log.
            other => tracing::debug!(fault = %other, "request refused"),
        }
    }
}

/// The application's own rendering of failures.
pub(crate) type FailureRenderer = Arc<dyn Fn(&GuardFailure) -> Response<String> + Send + Sync>;

/// Rejection of the extractors: a failure, and how the application renders it.
#[derive(Clone)]
pub struct GuardRejection {
    cause: GuardFailure,
    renderer: Option<FailureRenderer>,
}

impl fmt::Debug for GuardRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GuardRejection").field(&self.cause).finish()
    }
}

impl GuardRejection {
    pub(crate) fn new(cause: GuardFailure, renderer: Option<FailureRenderer>) -> Self {
        // Logged where it is made: a handler that takes a `Result` may never turn it into an answer.
        cause.log();
        Self { cause, renderer }
    }

    /// Returns the reason of the rejection.
    pub fn cause(&self) -> &GuardFailure {
        &self.cause
    }

    /// Returns the application's answer if it renders failures itself, else [`GuardFailure::to_response`].
    pub fn to_response(&self) -> Response<String> {
        match &self.renderer {
            Some(render) => render(&self.cause),
            None => self.cause.to_response(),
        }
    }
}

impl IntoResponse for GuardRejection {
    fn into_response(self) -> Response<Body> {
        self.to_response().map(Body::from)
    }
}
