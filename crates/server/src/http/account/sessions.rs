//! `/api/v1/auth/sessions`: one's own sessions, shown by handle, ended by name, rotated.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::audit::{AuditEvent, AuditKind};
use maxlab_auth_core::credential::SessionHandle;
use maxlab_auth_core::engine::AuthFault;
use maxlab_auth_core::revocation::Reason;
use serde_json::{Value, json};

use super::super::error::Failure;
use super::super::extract::{Caller, CurrentUser, PathText};
use super::super::gateway::Gateway;
use crate::observed;

/// The user's sessions, the oldest first; `current` marks the one that asks.
///
/// # Errors
/// The store did not answer.
pub async fn list(State(gateway): State<Gateway>, user: CurrentUser) -> Result<Json<Value>, Failure> {
    let engine = &gateway.engine;
    let current = engine.sessions_of(&user.live).await?;
    let user_id = &user.live.identity().user_id;
    let sessions: Vec<_> = engine
        .live_sessions(user_id)
        .await?
        .into_iter()
        .map(|record| {
            json!({
                "session_id": record.handle,
                "ip_address": record.ip_address,
                "user_agent": record.user_agent,
                "created_at": record.created_at,
                "last_accessed": record.last_accessed,
                "access_count": record.access_count,
                "current": current.contains(&record.handle),
            })
        })
        .collect();
    Ok(Json(
        json!({ "user_id": user_id, "active_sessions": sessions.len(), "sessions": sessions }),
    ))
}

/// Ends one of the user's own sessions, and its tokens.
///
/// # Errors
/// The user has no such session, or the ending is not acknowledged.
pub async fn terminate(
    State(gateway): State<Gateway>,
    Caller(origin): Caller,
    PathText(handle): PathText,
    user: CurrentUser,
) -> Result<Json<Value>, Failure> {
    const NOT_OWNED: Failure = Failure::NotFound("Session not found or not owned by user");
    let engine = &gateway.engine;
    let user_id = &user.live.identity().user_id;
    let handle = SessionHandle::parse(&handle).ok_or(NOT_OWNED)?;
    if !engine.owns_session(user_id, &handle).await? {
        return Err(NOT_OWNED);
    }
    let event = AuditEvent::new(AuditKind::SessionTerminated, engine.now(), &origin)
        .by(user_id)
        .on(handle.as_str());
    engine
        .end_session(user_id, &handle, Reason::SessionTerminated, vec![event])
        .await?;
    observed::session_ended(Reason::SessionTerminated.as_str());
    Ok(Json(
        json!({ "status": "success", "message": "Session terminated" }),
    ))
}

/// Gives the session of the cookie a new id; the old one is dead when this answers.
///
/// # Errors
/// There is no session cookie, or the store did not answer.
pub async fn rotate(
    State(gateway): State<Gateway>,
    Caller(origin): Caller,
    user: CurrentUser,
) -> Result<Response, Failure> {
    let engine = &gateway.engine;
    let id = user.credentials.cookie.as_ref().ok_or_else(|| {
        Failure::InvalidRequest("Only a session cookie can be rotated; this request has none".into())
    })?;
    let (live, opened) = engine.open_session(id).await?;
    if live.identity().user_id != user.live.identity().user_id {
        return Err(AuthFault::NoSession.into());
    }
    let (now, handle) = (engine.now(), opened.record.handle.as_str());
    // Recorded first: once the old id is dead, the new one must reach the browser, or an outage would log it out.
    let event = AuditEvent::new(AuditKind::SessionRotated, now, &origin)
        .by(&live.identity().user_id)
        .on(handle);
    engine.audit(event).await?;
    let (new_id, _) = engine.parts().sessions.rotate(id, now).await?;
    let mut headers = HeaderMap::new();
    if let Some(cookie) = gateway.cookies.set(&new_id) {
        headers.append(header::SET_COOKIE, cookie);
    }
    if let Ok(handle) = HeaderValue::from_str(handle) {
        headers.insert("x-session-id", handle);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let body = json!({ "status": "success", "message": "Session rotated", "session_id": handle });
    Ok((headers, Json(body)).into_response())
}
