//! The one map from a cause to an answer, with the words and codes of the gateway's own (`docs/ERRORS.md`).

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::response::IntoResponse;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use maxlab_auth_core::engine::AuthFault;
use maxlab_auth_core::guard::Denied;
use maxlab_auth_core::unavailable::{Component, Unavailable};
use maxlab_auth_core::verify;
use serde_json::json;

/// Why a request does not reach the handler.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It carries no credential.
    #[error("there is no credential")]
    MissingCredential,
    /// Its credential does not let it in.
    #[error(transparent)]
    Auth(AuthFault),
    /// It may not; names what is wanting.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It acts with the session cookie, and nothing shows that it comes from one of the application's own pages.
    #[error("a request that acts with the session cookie comes from another site")]
    CrossSite,
    /// It is not a request that can be understood.
    #[error("{0}")]
    InvalidRequest(String),
    /// Nobody knows: never a yes, and never a no.
    #[error(transparent)]
    Unavailable(Unavailable),
    /// The route lacks what the guard reads from it: a mistake in the application.
    #[error("the route has no path parameter `{0}`")]
    Misrouted(&'static str),
}

impl From<AuthFault> for Failure {
    fn from(fault: AuthFault) -> Self {
        match fault {
            AuthFault::Unavailable(fault) => Self::Unavailable(fault),
            other => Self::Auth(other),
        }
    }
}

impl From<Unavailable> for Failure {
    fn from(fault: Unavailable) -> Self {
        Self::Unavailable(fault)
    }
}

impl Failure {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.said().0
    }

    /// The stable word for it, as the gateway has it.
    pub fn code(&self) -> &'static str {
        self.said().1
    }

    /// What is told to the client; never the cause of an outage.
    pub fn detail(&self) -> String {
        self.said().2
    }

    /// The answer unless the application gives another: `application/problem+json` (RFC 9457), `WWW-Authenticate` (RFC 6750)
    /// with a 401, `Retry-After` with a 503.
    pub fn response(&self) -> Response<String> {
        let (status, code, detail) = self.said();
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

    fn said(&self) -> (StatusCode, &'static str, String) {
        let (status, code, detail) = match self {
            Self::MissingCredential => (
                StatusCode::UNAUTHORIZED,
                "missing_credential",
                "Authentication required",
            ),
            Self::Auth(fault) => {
                let (code, detail) = of_credential(fault);
                (StatusCode::UNAUTHORIZED, code, detail)
            }
            Self::Denied(denied) => (
                StatusCode::FORBIDDEN,
                "insufficient_permission",
                denied.wanting.as_str(),
            ),
            Self::CrossSite => (
                StatusCode::FORBIDDEN,
                "cross_site_request",
                "A request that acts with the session cookie must come from the same origin (send Origin or Sec-Fetch-Site)",
            ),
            Self::InvalidRequest(why) => (StatusCode::BAD_REQUEST, "invalid_request", why.as_str()),
            Self::Unavailable(fault) => {
                let (code, detail) = of_outage(fault.component());
                (StatusCode::SERVICE_UNAVAILABLE, code, detail)
            }
            Self::Misrouted(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "The application is not set up right",
            ),
        };
        (status, code, detail.to_owned())
    }

    fn headers(&self, detail: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let problem = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let challenge = match self {
            Self::MissingCredential => Some("Bearer realm=\"maxlab-auth\"".to_owned()),
            Self::Auth(_) => Some(format!(
                "Bearer realm=\"maxlab-auth\", error=\"invalid_token\", error_description=\"{detail}\""
            )),
            _ => None,
        };
        if let Some(challenge) = challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if matches!(self, Self::Unavailable(_)) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        headers
    }

    fn log(&self) {
        match self {
            Self::Unavailable(fault) => tracing::warn!(%fault, "answered unavailable"),
            Self::Misrouted(_) => tracing::error!("{self}"),
            other => tracing::debug!(cause = %other, "refused"),
        }
    }
}

fn of_credential(fault: &AuthFault) -> (&'static str, &'static str) {
    match fault {
        AuthFault::Rejected(verify::Rejection::Expired) => ("token_expired", "Token has expired"),
        AuthFault::Rejected(_) => ("invalid_token", "Invalid token"),
        AuthFault::TokenRevoked(_) => ("token_revoked", "Token has been revoked"),
        AuthFault::SessionRevoked(_) => ("session_revoked", "Session has been ended"),
        AuthFault::NoSession => ("invalid_session", "Session not found or expired"),
        AuthFault::Unavailable(fault) => of_outage(fault.component()),
    }
}

fn of_outage(component: Component) -> (&'static str, &'static str) {
    match component {
        Component::Upstream => (
            "upstream_unavailable",
            "The authorization server does not answer; try again",
        ),
        Component::Store | Component::Database => {
            ("store_unavailable", "The store does not answer; try again")
        }
    }
}

/// How an application answers a failure.
pub(crate) type Show = Arc<dyn Fn(&Failure) -> Response<String> + Send + Sync>;

/// A failure on its way to the client: what the extractors reject with.
#[derive(Clone)]
pub struct Rejection {
    cause: Failure,
    show: Option<Show>,
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rejection").field(&self.cause).finish()
    }
}

impl Rejection {
    pub(crate) fn new(cause: Failure, show: Option<Show>) -> Self {
        cause.log();
        Self { cause, show }
    }

    /// Why.
    pub fn cause(&self) -> &Failure {
        &self.cause
    }

    /// The answer: the application's own where it gives one.
    pub fn response(&self) -> Response<String> {
        match &self.show {
            Some(show) => show(&self.cause),
            None => self.cause.response(),
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response<Body> {
        self.response().map(Body::from)
    }
}
