//! `/auth/verify`: forward-auth for front proxies. 200 with identity headers allows; every other status
//! refuses.
//!
//! What is decided, and in which order, is in [`maxlab_auth_core::access`]. This module reads the request for
//! it, takes its steps, and turns the decision into an answer.

mod access;
mod config;
pub(super) mod cookies;
mod headers;
pub(super) mod jwks;
mod original_request;
mod remote_user;

use axum::extract::{FromRequestParts, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::access::{AccessDecision, AccessRefusal, AccessRequest, CredentialFault, LoginPrompt};
use maxlab_auth_core::guard::RequirementSet;
use maxlab_auth_core::policy::PolicyRequest;
use maxlab_auth_core::verdict::ActiveCredential;

pub use config::{ForwardAuthConfig, X_AUTH_IDENTITY};
pub use cookies::cookies;
pub use headers::HeaderStyle;
pub use jwks::jwks;
pub(in crate::http) use original_request::ForwardedRequest;
pub use original_request::OriginalRequest;
pub use remote_user::RemoteUserForms;

use super::app_state::SharedState;
use super::assurance;
use super::body::RequestParameters;
use super::docs::failures::VerifyFailures;
use super::error::{ApiError, loaded_ahead};
use super::navigation::is_prefetch;
use super::rate_limit::CallerBudget;

impl FromRequestParts<SharedState> for OriginalRequest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &SharedState) -> Result<Self, ApiError> {
        Self::from_parts(parts, &gateway.trusted_proxies)
    }
}

/// Answers 200 with the identity headers if the request that a front proxy asks about may pass.
///
/// # Errors
/// The request may not pass, cannot be understood, or cannot be decided now.
// No span: after the fast path this is the hot path.
#[utoipa::path(
    method(get, post, put, patch, delete, options), path = "/auth/verify", tag = "Forward-auth", operation_id = "verify",
    security(("bearer" = []), ("session" = [])),
    summary = "May this request pass, and for which user?",
    description = "For `auth_request` and its like, with any method. A 200 has every identity header, empty if there is no value, \
        so that the client's own headers never reach the application. `X-Forwarded-*` count only from `TRUSTED_PROXIES`. An \
        unknown or empty requirement is 400, and never ignored.\n\nIn each requirement a comma means \"or\"; a repeated \
        parameter is one more requirement. Administrators are in every workspace.\n\nWith `POLICY_FILE` the policy also \
        decides about the original method, host and path. An original request that can be read in more than one way is 400. A \
        public path is 200 for anyone, with empty identity headers for an anonymous request.",
    params(
        ("role" = Option<Vec<String>>, Query, description = "Required role.", example = json!(["editor,owner"])),
        ("group" = Option<Vec<String>>, Query, description = "Required group.", example = json!(["engineering"])),
        ("permission" = Option<Vec<String>>, Query, description = "Required permission.", example = json!(["documents:read"])),
        ("workspace" = Option<Vec<String>>, Query, description = "Required workspace.", example = json!(["ws-1"])),
        ("scope" = Option<Vec<String>>, Query, description = "Required scope.", example = json!(["openid"])),
    ),
    responses(
        (status = 200, description = "The request may pass.", headers(
            ("Remote-User" = String), ("Remote-Name" = String), ("Remote-Email" = String), ("Remote-Groups" = String),
            ("Remote-Roles" = String), ("X-Auth-Source" = String), ("Remote-Workspaces" = Option<String>),
            ("X-Auth-Identity" = Option<String>),
            ("Cache-Control" = String),
        )),
        (status = 302, description = "Redirects a browser that opens a page to the login, if `LOGIN_URL` is set.",
            headers(("Location" = String), ("Cache-Control" = String))),
        VerifyFailures,
    ),
)]
pub async fn verify(
    State(gateway): State<SharedState>,
    original: OriginalRequest,
    budget: CallerBudget,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let requirements = query_requirements(&gateway, query.as_deref().unwrap_or_default())?;
    let policy_request = gateway.forward_auth.policy_request(original.forwarded());
    // One policy for the whole request: the file may be reloaded meanwhile.
    let policy = gateway.forward_auth.current_policy();
    let credential = access::read_credential(&gateway, &original, &headers);
    let request = AccessRequest {
        policy: policy.as_deref(),
        original: policy_request
            .as_ref()
            .map(Option::as_ref)
            .map_err(|fault| *fault),
        requirements: Some(&requirements),
        credential: access::credential_state(&credential),
        has_workspace_store: gateway.has_workspace_store(),
        names_workspaces: gateway.forward_auth.header_style.workspaces,
        login_prompt: login_prompt(&gateway, &original, &headers),
    };
    let credential = credential.ok().flatten();
    let active = match access::resolve(&gateway, request, credential.as_ref(), &budget).await {
        AccessDecision::Allow(active) => Some(active),
        AccessDecision::AllowPublic(CredentialFault::Missing) => None,
        AccessDecision::AllowPublic(_) => {
            tracing::debug!("credential of a public request not accepted, passed as anonymous");
            None
        }
        AccessDecision::Refuse(refusal) => return refuse(&gateway, &original, &headers, refusal),
    };
    // An ambiguous request was refused above.
    let policy_request = policy_request.ok().flatten();
    allow(&gateway, &original, active.as_ref(), policy_request.as_ref())
}

/// Returns how this client is asked to log in.
fn login_prompt(gateway: &SharedState, original: &OriginalRequest, headers: &HeaderMap) -> LoginPrompt {
    if gateway.login_rules.url.is_some() && original.is_navigation(headers) {
        LoginPrompt::Redirect
    } else {
        LoginPrompt::Challenge
    }
}

/// Builds the answer that refuses.
fn refuse(
    gateway: &SharedState,
    original: &OriginalRequest,
    headers: &HeaderMap,
    refusal: AccessRefusal,
) -> Result<Response, ApiError> {
    match (&refusal, gateway.login_rules.url.as_ref()) {
        // Only a 401 sends a browser to the login. A 403 would come back, and a 503 says nothing about the
        // credential.
        (
            AccessRefusal::Unauthenticated {
                prompt: LoginPrompt::Redirect,
                ..
            },
            Some(login),
        ) => original.login_redirect(login),
        // A page that is loaded ahead is loaded anew when its user opens it, so the login waits until then.
        (AccessRefusal::Unauthenticated { .. }, Some(login)) if login.is_own && is_prefetch(headers) => {
            Ok(loaded_ahead())
        }
        // A script cannot follow a redirect to a login. It gets the address, and sends its window there.
        (AccessRefusal::Unauthenticated { .. }, Some(login)) if login.is_own => {
            Ok(ApiError::from(refusal).into_login_response(&login.url))
        }
        _ => Err(refusal.into()),
    }
}

/// Builds the answer that allows: 200 with the identity headers.
fn allow(
    gateway: &SharedState,
    original: &OriginalRequest,
    active: Option<&ActiveCredential>,
    policy_request: Option<&PolicyRequest<'_>>,
) -> Result<Response, ApiError> {
    let style = &gateway.forward_auth.header_style;
    let mut answer = active.map_or_else(
        || style.anonymous_headers(),
        |active| style.identity_headers(active),
    );
    if let Some(active) = active {
        assurance::report(gateway, active, &mut answer);
    }
    let (method, now) = (original.method.as_str(), gateway.engine.now());
    let signed = gateway
        .forward_auth
        .sign_identity(active, policy_request, method, now)?;
    if let Some(signed) = signed {
        answer.insert(X_AUTH_IDENTITY, signed);
    }
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok((StatusCode::OK, answer).into_response())
}

/// Reads the requirements of a query.
///
/// # Errors
/// The query is malformed, or a requirement is unknown or empty.
pub(in crate::http) fn query_requirements(
    gateway: &SharedState,
    query: &str,
) -> Result<RequirementSet, ApiError> {
    let pairs = RequestParameters::parse_pairs(query.as_bytes())?;
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    RequirementSet::parse(pairs, gateway.admin.clone())
        .map_err(|fault| ApiError::InvalidRequest(fault.to_string()))
}
