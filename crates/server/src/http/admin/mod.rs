//! What administrators may do over HTTP: see the denylist and the audit, and log a user out everywhere.

use axum::Json;
use axum::extract::{RawQuery, State};
use maxlab_auth_core::audit::{AuditEvent, AuditFilter, AuditKind};
use maxlab_auth_core::revocation::Reason;
use serde_json::{Value, json};

use super::body::Parameters;
use super::error::Failure;
use super::extract::{Caller, PathText, RequireAdmin};
use super::gateway::Gateway;
use crate::observed;

/// The most that one page of a list holds.
const LONGEST_PAGE: u32 = 1_000;

/// A page of the denylist; `user_id`, `after` and `limit` by query.
///
/// # Errors
/// The store did not answer.
pub async fn denylist(
    State(gateway): State<Gateway>,
    _: RequireAdmin,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = Parameters::from_form(query.unwrap_or_default().as_bytes())?;
    let store = gateway.engine.parts().revocations.store();
    let (limit, now) = (limit(&query)?, gateway.engine.now());
    let (page, next) = store
        .list(query.find("user_id"), query.find("after"), limit, now)
        .await?;
    let entries: Vec<_> = page
        .into_iter()
        .map(|entry| {
            json!({
                "kind": entry.key.kind(),
                "key": entry.key.name(),
                "reason": entry.reason,
                "user_id": entry.user_id,
                "revoked_at": entry.revoked_at,
                "issued_before": entry.cutoff,
                "expires_at": entry.expires_at,
            })
        })
        .collect();
    Ok(Json(json!({ "entries": entries, "next": next })))
}

/// A page of the audit, the newest first; `user_id`, `kind`, `since` and `limit` by query.
///
/// # Errors
/// A parameter cannot be read, or the database did not answer.
pub async fn audit(
    State(gateway): State<Gateway>,
    _: RequireAdmin,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Failure> {
    let query = Parameters::from_form(query.unwrap_or_default().as_bytes())?;
    let invalid = |name: &str| Failure::InvalidRequest(format!("The parameter `{name}` cannot be read"));
    let kind = query
        .find("kind")
        .map(|word| AuditKind::parse(word).ok_or_else(|| invalid("kind")));
    let since = query
        .find("since")
        .map(|text| text.parse().map_err(|_| invalid("since")));
    let filter = AuditFilter {
        user_id: query.find("user_id").map(str::to_owned),
        kind: kind.transpose()?,
        since: since.transpose()?,
    };
    let events = gateway.engine.parts().audit.find(&filter, limit(&query)?).await?;
    Ok(Json(json!({ "events": events })))
}

/// Logs a user out everywhere.
///
/// # Errors
/// It is not acknowledged.
pub async fn logout_all(
    State(gateway): State<Gateway>,
    Caller(origin): Caller,
    RequireAdmin(permit): RequireAdmin,
    PathText(user_id): PathText,
) -> Result<Json<Value>, Failure> {
    let engine = &gateway.engine;
    let mut event = AuditEvent::new(AuditKind::AdminRevoke, engine.now(), &origin).by(&user_id);
    event.actor = Some(permit.identity().user_id.clone());
    let ended = engine.end_all(&user_id, Reason::Admin, vec![event]).await?;
    observed::revocation(Reason::Admin.as_str());
    Ok(Json(json!({
        "status": "success",
        "user_id": user_id,
        "tokens_blacklisted": ended.tokens,
        "sessions_invalidated": ended.sessions,
        "timestamp": engine.now(),
    })))
}

fn limit(query: &Parameters) -> Result<u32, Failure> {
    match query.find("limit") {
        None => Ok(100),
        Some(text) => match text.parse() {
            Ok(limit @ 1..=LONGEST_PAGE) => Ok(limit),
            _ => Err(Failure::InvalidRequest(format!(
                "`limit` must be between 1 and {LONGEST_PAGE}"
            ))),
        },
    }
}
