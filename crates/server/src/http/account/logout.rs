//! `POST /api/v1/auth/logout` and `/logout/all`: with a cookie or a bearer token, and again without harm.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::audit::{AuditEvent, AuditKind, Origin};
use maxlab_auth_core::credential::{PresentedToken, SessionHandle};
use maxlab_auth_core::engine::{AuthFault, EndedAll};
use maxlab_auth_core::revocation::{Live, Reason, TokenUse};
use serde_json::{Map, Value, json};

use super::super::body::OptionalJson;
use super::super::error::Failure;
use super::super::extract::{Caller, Credentials, same_origin};
use super::super::forward_auth::Original;
use super::super::gateway::Gateway;
use super::super::oauth::client_of_token;
use crate::observed;

/// Everything that the browser keeps of this site goes.
const CLEAR: HeaderValue = HeaderValue::from_static("\"cache\", \"cookies\", \"storage\"");

/// Ends the session that the credential belongs to; with `logout_all_devices`, everything of the user.
///
/// # Errors
/// Nobody is logged in, the request is not one, or the ending is not acknowledged: then no cookie is cleared.
pub async fn logout(
    State(gateway): State<Gateway>,
    Caller(origin): Caller,
    original: Original,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson,
) -> Result<Response, Failure> {
    let all_devices = flag(&body, "logout_all_devices")?;
    let refresh_token = refresh_token(&body)?;
    let credentials = Credentials::read(&headers, &gateway)?;
    match who(&gateway, &original, &headers, &credentials).await? {
        Ok(live) if all_devices => {
            everything(&gateway, &live, &origin).await?;
        }
        Ok(live) => this_login(&gateway, &live, &credentials, &headers, &origin).await?,
        // It was logged out before: that is what was asked for, unless more was.
        Err(fault) if all_devices && !was_everything(&fault) => return Err(fault.into()),
        Err(_) => what_is_left(&gateway, &credentials, &headers, &origin).await?,
    }
    revoke_refresh_token(&gateway, refresh_token.as_ref(), &origin).await?;
    let body = json!({
        "status": "success",
        "message": "Successfully logged out",
        "logout_all_devices": all_devices,
        "timestamp": gateway.engine.now(),
    });
    Ok(cleared(&gateway, body))
}

/// Ends everything of the user: every session, every token, also those that never passed here.
///
/// # Errors
/// Nobody is logged in, or the ending is not acknowledged: then no cookie is cleared.
pub async fn logout_all(
    State(gateway): State<Gateway>,
    Caller(origin): Caller,
    original: Original,
    headers: HeaderMap,
    OptionalJson(_): OptionalJson,
) -> Result<Response, Failure> {
    let credentials = Credentials::read(&headers, &gateway)?;
    let ended = match authenticate(&gateway, &original, &headers, &credentials).await {
        Ok(live) => everything(&gateway, &live, &origin).await?,
        // The answer to the first call was lost, and this is the second.
        Err(Failure::Auth(fault)) if was_everything(&fault) => {
            what_is_left(&gateway, &credentials, &headers, &origin).await?;
            EndedAll {
                tokens: 0,
                sessions: 0,
            }
        }
        Err(failure) => return Err(failure),
    };
    let body = json!({
        "status": "success",
        "message": "Successfully logged out from all devices",
        "tokens_blacklisted": ended.tokens,
        "sessions_invalidated": ended.sessions,
        "timestamp": gateway.engine.now(),
    });
    Ok(cleared(&gateway, body))
}

async fn authenticate(
    gateway: &Gateway,
    original: &Original,
    headers: &HeaderMap,
    credentials: &Credentials,
) -> Result<Live, Failure> {
    let credential = credentials.deciding().ok_or(Failure::MissingCredential)?;
    if credentials.token.is_none() {
        same_origin(&Method::POST, headers, original.host.as_deref(), gateway)?;
    }
    Ok(gateway.engine.authenticate(&credential).await?)
}

/// Whether the credential died in a logout-all: asking for one again is asking for what is done.
fn was_everything(fault: &AuthFault) -> bool {
    matches!(
        fault,
        AuthFault::TokenRevoked(Reason::LogoutAll) | AuthFault::SessionRevoked(Some(Reason::LogoutAll))
    )
}

/// Who asks; or, where the credential was good and has been revoked, how that was.
async fn who(
    gateway: &Gateway,
    original: &Original,
    headers: &HeaderMap,
    credentials: &Credentials,
) -> Result<Result<Live, AuthFault>, Failure> {
    match authenticate(gateway, original, headers, credentials).await {
        Ok(live) => Ok(Ok(live)),
        Err(Failure::Auth(fault @ (AuthFault::TokenRevoked(_) | AuthFault::SessionRevoked(_)))) => {
            Ok(Err(fault))
        }
        Err(failure) => Err(failure),
    }
}

async fn everything(gateway: &Gateway, live: &Live, origin: &Origin) -> Result<EndedAll, Failure> {
    let user_id = &live.identity().user_id;
    let event = AuditEvent::new(AuditKind::LogoutAll, gateway.engine.now(), origin).by(user_id);
    let ended = gateway
        .engine
        .end_all(user_id, Reason::LogoutAll, vec![event])
        .await?;
    observed::revocation(Reason::LogoutAll.as_str());
    Ok(ended)
}

/// The presented credential, the session it hangs on, the session of the cookie beside it, and the user's session that
/// `X-Session-ID` names.
async fn this_login(
    gateway: &Gateway,
    live: &Live,
    credentials: &Credentials,
    headers: &HeaderMap,
    origin: &Origin,
) -> Result<(), Failure> {
    let engine = &gateway.engine;
    let (user_id, now) = (&live.identity().user_id, engine.now());
    let event = || AuditEvent::new(AuditKind::Logout, now, origin).by(user_id);
    let mut handles = engine.sessions_of(live).await?;
    handles.extend(named_session(headers));
    if let Some(id) = &credentials.cookie
        && let Ok((mine, opened)) = engine.open_session(id).await
        && mine.identity().user_id == *user_id
    {
        handles.push(opened.record.handle);
    }
    handles.sort();
    handles.dedup();
    for handle in handles {
        if engine.owns_session(user_id, &handle).await? {
            engine
                .end_session(
                    user_id,
                    &handle,
                    Reason::Logout,
                    vec![event().on(handle.as_str())],
                )
                .await?;
            observed::session_ended(Reason::Logout.as_str());
        }
    }
    // The credential comes last: while it is good, whoever was answered 503 can ask again and the rest is done.
    if let Some(token) = &credentials.token {
        let revocations = engine.revocations_of(live.facts(), Reason::Logout, now);
        let target = revocations
            .first()
            .map(|own| own.key.to_string())
            .unwrap_or_default();
        let gate = &engine.parts().revocations;
        let fault = gate.revoke(revocations, &[event().on(target)], now).await;
        fault.map_err(maxlab_auth_core::engine::EndFault::from)?;
        let client = client_of_token(live);
        engine
            .tell_upstream_of(token, TokenUse::Access, live.facts().expires_at, client, now)
            .await?;
    }
    Ok(())
}

/// The credential that counts is dead already. The answer clears the cookie: so the session that came along with it ends
/// too, and what an ending that was answered 503 has left undone is done.
async fn what_is_left(
    gateway: &Gateway,
    credentials: &Credentials,
    headers: &HeaderMap,
    origin: &Origin,
) -> Result<(), Failure> {
    let Some(cookie) = &credentials.cookie else {
        return Ok(());
    };
    match gateway.engine.open_session(cookie).await {
        Ok((live, _)) => {
            let only = Credentials {
                token: None,
                cookie: Some(cookie.clone()),
            };
            this_login(gateway, &live, &only, headers, origin).await
        }
        Err(AuthFault::Unavailable(fault)) => Err(fault.into()),
        Err(_) => Ok(gateway.engine.finish_endings(cookie).await?),
    }
}

fn named_session(headers: &HeaderMap) -> Option<SessionHandle> {
    SessionHandle::parse(headers.get("x-session-id")?.to_str().ok()?)
}

async fn revoke_refresh_token(
    gateway: &Gateway,
    token: Option<&PresentedToken>,
    origin: &Origin,
) -> Result<(), Failure> {
    if let Some(token) = token {
        gateway
            .engine
            .revoke_token(token, Some("refresh_token"), None, origin)
            .await?;
    }
    Ok(())
}

fn refresh_token(body: &Map<String, Value>) -> Result<Option<PresentedToken>, Failure> {
    match body.get("refresh_token") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => PresentedToken::parse(text)
            .map(Some)
            .map_err(|fault| Failure::InvalidRequest(format!("`refresh_token`: {fault}"))),
        Some(_) => Err(Failure::InvalidRequest("`refresh_token` must be a string".into())),
    }
}

fn flag(body: &Map<String, Value>, name: &str) -> Result<bool, Failure> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(Failure::InvalidRequest(format!("`{name}` must be true or false"))),
    }
}

fn cleared(gateway: &Gateway, body: Value) -> Response {
    let mut headers = HeaderMap::new();
    for cookie in gateway.cookies.clear() {
        headers.append(header::SET_COOKIE, cookie);
    }
    headers.insert("clear-site-data", CLEAR);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (headers, Json(body)).into_response()
}
