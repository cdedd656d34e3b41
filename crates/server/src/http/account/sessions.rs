//! `/api/v1/auth/sessions`: the user's own sessions: list, end by handle, rotate.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use maxlab_auth_core::audit::{AuditEvent, AuditKind};
use maxlab_auth_core::credential::{PresentedCredential, SessionHandle};
use maxlab_auth_core::engine::{CredentialProof, CredentialRefusal, SessionEnding};
use maxlab_auth_core::revocation::RevocationReason;
use maxlab_auth_core::verify::UpstreamBudget as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::app_state::SharedState;
use super::super::docs::failures::{MethodFailure, NotFoundFailure};
use super::super::error::ApiError;
use super::super::extract::{CurrentUser, PathParam, RequestCredentials, RequestOrigin};
use super::super::rate_limit::CallerBudget;

/// The user's sessions, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"user_id": "dev-member", "active_sessions": 1, "sessions": [{
    "session_id": "6f1c2a9be04d4c7f8a53d0e1b2c49a77", "ip_address": "203.0.113.7", "user_agent": "Mozilla/5.0",
    "created_at": "2026-03-02T08:00:00Z", "last_accessed": "2026-03-02T09:30:00Z", "access_count": 12, "current": true}]}))]
pub struct SessionList {
    user_id: String,
    active_sessions: usize,
    sessions: Vec<Session>,
}

/// Session, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Session {
    // The handle and never the id, which is the secret of the cookie.
    /// Public handle. It is no credential.
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    session_id: SessionHandle,
    /// Address of the client at the login.
    #[schema(required)]
    ip_address: Option<String>,
    /// `User-Agent` of the client at the login.
    #[schema(required)]
    user_agent: Option<String>,
    /// Time of the login.
    created_at: Timestamp,
    /// Time of the last use, accurate to a minute.
    last_accessed: Timestamp,
    /// Number of minutes in which it was used.
    access_count: u64,
    /// `true` for the session of this request.
    current: bool,
}

/// The session and its tokens have ended.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "success", "message": "Session terminated"}))]
pub struct SessionTerminated {
    /// Always `success`.
    status: &'static str,
    /// Text for people.
    message: &'static str,
}

/// The session has a new id, which is in the cookie.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "success", "message": "Session rotated", "session_id": "6f1c2a9be04d4c7f8a53d0e1b2c49a77"}))]
pub(crate) struct SessionRotated {
    /// Always `success`.
    status: &'static str,
    /// Text for people.
    message: &'static str,
    /// Public handle, which stays the same.
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    session_id: SessionHandle,
}

/// `GET /api/v1/auth/sessions`: the user's sessions, the oldest first. `current` marks the session of this
/// request.
///
/// # Errors
/// The store did not answer.
#[utoipa::path(
    get, path = "/api/v1/auth/sessions", tag = "Account", operation_id = "listSessions",
    security(("bearer" = []), ("session" = [])),
    summary = "List the user's sessions",
    description = "The oldest first. Listing does not extend a session.",
    responses((status = 200, description = "The sessions.", body = SessionList)),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list_sessions(
    State(gateway): State<SharedState>,
    user: CurrentUser,
) -> Result<Json<SessionList>, ApiError> {
    let engine = &gateway.engine;
    // The session of the cookie, or the one that the register has for a bearer token.
    let current = engine.sessions_of(&user.active).await?;
    let subject = &user.active.identity().subject();
    let sessions: Vec<_> = engine
        .active_sessions(subject)
        .await?
        .into_iter()
        .map(|record| Session {
            current: current.contains(&record.handle),
            session_id: record.handle,
            ip_address: record.ip_address,
            user_agent: record.user_agent,
            created_at: record.created_at,
            last_accessed: record.last_accessed,
            access_count: record.access_count,
        })
        .collect();
    Ok(Json(SessionList {
        user_id: subject.to_string(),
        active_sessions: sessions.len(),
        sessions,
    }))
}

/// `DELETE /api/v1/auth/sessions/{session_id}`: ends one of the user's own sessions and its tokens. For a
/// session that has already ended, the 404 is sent when that end is acknowledged.
///
/// # Errors
/// The user has no such session, or the end is not acknowledged.
#[utoipa::path(
    delete, path = "/api/v1/auth/sessions/{session_id}", tag = "Account", operation_id = "terminateSession",
    security(("bearer" = []), ("session" = [])),
    summary = "End one of the user's sessions",
    description = "Ends the session and its tokens. A session of another user is 404.",
    params(("session_id" = String, Path, description = "Handle of the session, from the list.", pattern = "^[0-9a-f]{32}$",
        example = "6f1c2a9be04d4c7f8a53d0e1b2c49a77")),
    responses((status = 200, description = "The session has ended.", body = SessionTerminated), NotFoundFailure, MethodFailure),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn terminate_session(
    State(gateway): State<SharedState>,
    RequestOrigin(origin): RequestOrigin,
    PathParam(handle): PathParam,
    budget: CallerBudget,
    headers: HeaderMap,
    user: Result<CurrentUser, ApiError>,
) -> Result<Json<SessionTerminated>, ApiError> {
    // One text for both, so that the answer does not show which handles exist.
    const NOT_OWNED: ApiError = ApiError::NotFound("Session not found or not owned by user");
    let engine = &gateway.engine;
    let user = match user {
        Ok(user) => user,
        Err(failure) => {
            // A repeated request to end the own session comes with a revoked credential. Its revocation may
            // not be acknowledged yet, and the 401 would be taken for success.
            if let ApiError::Auth(CredentialRefusal::TokenRevoked(_) | CredentialRefusal::SessionRevoked(_)) =
                failure
            {
                await_own_revocation(&gateway, &headers, &budget).await?;
            }
            return Err(failure);
        }
    };
    let subject = &user.active.identity().subject();
    budget.for_person(subject).try_spend()?;
    let handle = SessionHandle::parse(&handle).ok_or(NOT_OWNED)?;
    let event = AuditEvent::new(AuditKind::SessionTerminated, engine.now(), &origin)
        .with_actor(subject)
        .with_target(handle.as_str());
    match engine
        .end_owned_session(subject, &handle, RevocationReason::SessionTerminated, event)
        .await?
    {
        SessionEnding::Ended => Ok(Json(SessionTerminated {
            status: "success",
            message: "Session terminated",
        })),
        SessionEnding::NotOwned => Err(NOT_OWNED),
    }
}

/// Waits until the revocation of the presented credential is acknowledged, if the credential proves a login.
async fn await_own_revocation(
    gateway: &SharedState,
    headers: &HeaderMap,
    budget: &CallerBudget,
) -> Result<(), ApiError> {
    let engine = &gateway.engine;
    let proof = match RequestCredentials::from_headers(headers, gateway)?.effective() {
        Some(PresentedCredential::Token(token)) => engine.proof_of_token(&token, budget).await?,
        Some(PresentedCredential::Session(id)) => engine.proof_of_cookie(&id).await?,
        None => return Ok(()),
    };
    // Any other proof has no revocation to wait for.
    if let CredentialProof::Revoked(login, _) = proof {
        engine.repeat_logout(&login).await?;
    }
    Ok(())
}

/// `POST /api/v1/auth/sessions/rotate`: gives the session of the cookie a new id. The old id is revoked when
/// this answers.
///
/// # Errors
/// There is no session cookie, or the store did not answer.
#[utoipa::path(
    post, path = "/api/v1/auth/sessions/rotate", tag = "Account", operation_id = "rotateSession", security(("session" = [])),
    summary = "Give the session a new id",
    description = "The old cookie is invalid when this answers; the handle stays the same. Without a session cookie: 400.",
    responses((status = 200, description = "The new id is in the cookie.", body = SessionRotated,
        headers(("Cache-Control" = String), ("Set-Cookie" = String), ("X-Session-ID" = String)))),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn rotate_session(
    State(gateway): State<SharedState>,
    RequestOrigin(origin): RequestOrigin,
    budget: CallerBudget,
    user: CurrentUser,
) -> Result<Response, ApiError> {
    let engine = &gateway.engine;
    budget.for_person(&user.active.identity().subject()).try_spend()?;
    let id = user.credentials.cookie.as_ref().ok_or_else(|| {
        ApiError::InvalidRequest("Only a session cookie can be rotated; this request has none".into())
    })?;
    // A request may carry a bearer token of one user and a cookie of another: only the own session is
    // rotated.
    let (active, _) = engine.authenticate_session(id).await?;
    if !active.identity().belongs_to(&user.active.identity().subject()) {
        return Err(CredentialRefusal::NoSession.into());
    }
    let rotation = engine.rotate_session(id, &origin).await?;
    let mut headers = HeaderMap::new();
    if let Some(cookie) = gateway.cookies.set_cookie_header(&rotation.id) {
        headers.append(header::SET_COOKIE, cookie);
    }
    if let Err(fault) = rotation.acknowledged {
        // The new id must reach the browser in any case: the old one may be revoked later, and an outage must
        // not log the user out.
        let mut response = ApiError::from(fault).into_response();
        response.headers_mut().extend(headers);
        return Ok(response);
    }
    if let Ok(handle) = HeaderValue::from_str(rotation.handle.as_str()) {
        headers.insert("x-session-id", handle);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let body = SessionRotated {
        status: "success",
        message: "Session rotated",
        session_id: rotation.handle,
    };
    Ok((headers, Json(body)).into_response())
}
