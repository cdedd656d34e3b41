//! Extractors: the credentials of a request in one strict form, the authenticated user, and the permits of
//! routes.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use maxlab_auth_core::access::CredentialFault;
use maxlab_auth_core::audit::{AuditEvent, AuditKind, AuditOrigin, AuditResult};
use maxlab_auth_core::credential::{self, BearerFault, PresentedCredential, PresentedToken, SessionId};
use maxlab_auth_core::engine::CredentialRefusal;
use maxlab_auth_core::guard::{Admin, InGroup, InWorkspace, Permit};
use maxlab_auth_core::verdict::ActiveCredential;
use maxlab_auth_core::verify::{TokenRejection, UpstreamBudget as _};

use super::app_state::{AppState, SharedState};
use super::cookies::SessionCookie;
use super::error::ApiError;
use super::forward_auth::OriginalRequest;
use super::peer::ClientIp;
use super::rate_limit::CallerBudget;
use super::request_id::RequestId;
use crate::record;

/// Credentials of a request. If both are present, the token authenticates it.
#[derive(Clone, Debug, Default)]
pub struct RequestCredentials {
    /// Token of `Authorization: Bearer …` (RFC 6750 §2.1).
    pub token: Option<PresentedToken>,
    /// Session id of the session cookie.
    pub cookie: Option<SessionId>,
}

impl RequestCredentials {
    /// Reads the credentials from the headers.
    ///
    /// # Errors
    /// There is more than one credential of a kind, or one is malformed.
    pub fn from_headers(headers: &HeaderMap, shared: &AppState) -> Result<Self, CredentialFault> {
        let token = bearer_token(headers)?;
        let cookie = match shared.cookies.read_session_cookie(headers)? {
            Some(SessionCookie::Session(id)) => Some(id),
            // With a token the cookie does not authenticate, so a malformed one is ignored.
            Some(SessionCookie::Malformed) if token.is_none() => {
                return Err(CredentialRefusal::NoSession.into());
            }
            Some(SessionCookie::Malformed) | None => None,
        };
        Ok(Self { token, cookie })
    }

    /// Returns the credential that authenticates the request: the token, else the cookie.
    pub fn effective(&self) -> Option<PresentedCredential> {
        let token = self.token.clone().map(PresentedCredential::Token);
        token.or_else(|| self.cookie.clone().map(PresentedCredential::Session))
    }
}

/// Reads the token of `Authorization: Bearer …`; `None` if there is no such header.
///
/// # Errors
/// There is more than one header, or the token is malformed or too long.
pub fn bearer_token(headers: &HeaderMap) -> Result<Option<PresentedToken>, CredentialFault> {
    let fields = headers.get_all(header::AUTHORIZATION).iter();
    credential::parse_bearer(fields.map(|value| value.as_bytes())).map_err(|fault| match fault {
        // A malformed token is an invalid credential (401); an ambiguous request is the client's mistake
        // (400).
        BearerFault::Malformed => CredentialRefusal::Rejected(TokenRejection::Malformed).into(),
        BearerFault::Several | BearerFault::TooLong => CredentialFault::Ambiguous(fault.to_string()),
    })
}

/// User who sends the request: authenticated and not revoked.
#[derive(Clone, Debug)]
pub struct CurrentUser {
    /// Active credential with the user's identity.
    pub active: ActiveCredential,
    /// Credentials that the request presents.
    pub credentials: RequestCredentials,
}

impl FromRequestParts<SharedState> for CurrentUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &SharedState) -> Result<Self, ApiError> {
        let credentials = RequestCredentials::from_headers(&parts.headers, gateway)?;
        let credential = credentials.effective().ok_or(ApiError::MissingCredential)?;
        // Only a cookie is sent by a browser without the page's doing (CSRF); a token is added by a program.
        if credentials.token.is_none() {
            let original = OriginalRequest::from_request_parts(parts, gateway).await;
            // Forwarded headers that cannot be read name no host: the check then compares with `Host`.
            let host = original.ok().and_then(|original| original.host);
            require_same_origin(&parts.method, &parts.headers, host.as_deref(), gateway)?;
        }
        // `Infallible`: the pattern cannot fail.
        let Ok(budget) = CallerBudget::from_request_parts(parts, gateway).await;
        let active = gateway.engine.authenticate_within(&credential, &budget).await?;
        record::verified(active.source().as_str());
        Ok(Self { active, credentials })
    }
}

/// Checks that an unsafe request with a cookie comes from the gateway's own pages or from an origin on the
/// allow-list. `forwarded_host` is the host that the browser asked for, if a trusted proxy forwards it.
///
/// # Errors
/// The request does not prove that.
pub fn require_same_origin(
    method: &Method,
    headers: &HeaderMap,
    forwarded_host: Option<&str>,
    shared: &AppState,
) -> Result<(), CredentialFault> {
    if method.is_safe() {
        return Ok(());
    }
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
    };
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    match text(header::ORIGIN) {
        Some(origin) if shared.trusted_origins.iter().any(|trusted| trusted == origin) => Ok(()),
        // A page with `Referrer-Policy: no-referrer` sends this with a form (Fetch §3.2). The other header is set by
        // the browser alone.
        Some("null") if site == Some("same-origin") => Ok(()),
        Some(origin) => {
            let host = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            let own = forwarded_host.or_else(|| text(header::HOST));
            // The scheme is not compared, because TLS may end at the proxy. `Sec-Fetch-Site` covers it in new
            // browsers.
            let is_same_origin = host
                .zip(own)
                .is_some_and(|(theirs, own)| theirs.eq_ignore_ascii_case(own))
                && site.is_none_or(|site| site == "same-origin");
            if is_same_origin {
                Ok(())
            } else {
                Err(CredentialFault::CrossSite)
            }
        }
        // Older browsers leave out `Origin` on requests to the same origin.
        None if site == Some("same-origin") => Ok(()),
        None => Err(CredentialFault::CrossSite),
    }
}

/// Origin of a request for the audit: client address, request id, user agent.
#[derive(Clone, Debug)]
pub struct RequestOrigin(pub AuditOrigin);

impl<S: Send + Sync> FromRequestParts<S> for RequestOrigin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let agent = parts
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok());
        Ok(Self(AuditOrigin {
            ip_address: parts
                .extensions
                .get::<ClientIp>()
                .map(|ClientIp(address)| address.to_string()),
            request_id: parts
                .extensions
                .get::<RequestId>()
                .map(|RequestId(id)| id.clone()),
            // Shortened, because every event keeps a copy in the database.
            user_agent: agent.map(|agent| agent.chars().take(512).collect()),
        }))
    }
}

/// Permit of an administrator (`ADMIN_ROLES`). A refusal is audited.
#[derive(Debug)]
pub struct RequireAdmin(pub Permit<Admin>);

impl FromRequestParts<SharedState> for RequireAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &SharedState) -> Result<Self, ApiError> {
        let user = CurrentUser::from_request_parts(parts, gateway).await?;
        let subject = user.active.identity().subject();
        match Permit::check(user.active, &gateway.admin) {
            Ok(permit) => Ok(Self(permit)),
            Err(denied) => {
                // A refusal writes an audit event, so it costs the person's limit.
                let Ok(budget) = CallerBudget::from_request_parts(parts, gateway).await;
                budget.for_person(&subject).try_spend()?;
                let Ok(RequestOrigin(origin)) = RequestOrigin::from_request_parts(parts, gateway).await;
                let event = AuditEvent::new(AuditKind::AccessDenied, gateway.engine.now(), &origin)
                    .with_actor(&subject)
                    .with_target(format!("{} {}", parts.method, parts.uri.path()))
                    .with_result(AuditResult::Denied);
                // Before the answer: a refusal that cannot be recorded is answered 503.
                gateway.engine.audit(event).await?;
                Err(denied.into())
            }
        }
    }
}

/// Permit of a member of the group in the path (`{group}`).
#[derive(Debug)]
pub struct RequireGroup(pub Permit<InGroup>);

impl FromRequestParts<SharedState> for RequireGroup {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &SharedState) -> Result<Self, ApiError> {
        let PathParam(group) = PathParam::from_request_parts(parts, gateway).await?;
        let user = CurrentUser::from_request_parts(parts, gateway).await?;
        Ok(Self(Permit::check(user.active, &InGroup { group })?))
    }
}

/// Permit of an administrator, or of a member of the workspace in the path (`{workspace_id}`) by claims or by
/// the database.
#[derive(Debug)]
pub struct RequireWorkspace(pub Permit<InWorkspace>);

impl FromRequestParts<SharedState> for RequireWorkspace {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &SharedState) -> Result<Self, ApiError> {
        let PathParam(workspace_id) = PathParam::from_request_parts(parts, gateway).await?;
        let user = CurrentUser::from_request_parts(parts, gateway).await?;
        let active = gateway.engine.with_workspaces(user.active).await?;
        Ok(Self(Permit::check(
            active,
            &InWorkspace {
                workspace_id,
                admin: gateway.admin.clone(),
            },
        )?))
    }
}

/// Decoded value of the one parameter in a route's path.
#[derive(Clone, Debug)]
pub struct PathParam(pub String);

impl FromRequestParts<SharedState> for PathParam {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &SharedState) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, gateway)
            .await
            .map_err(|_| ApiError::InvalidRequest("The path is not UTF-8 after decoding".into()))?;
        Ok(Self(text))
    }
}
