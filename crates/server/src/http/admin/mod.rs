//! Routes for administrators: the denylist, the audit, logout-all of a user, and cut-offs.

use axum::Json;
use axum::extract::{RawQuery, State};
use jiff::Timestamp;
use maxlab_auth_core::audit::{AuditEvent, AuditFilter, AuditKind};
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::revocation::RevocationReason;
use maxlab_auth_core::verdict::{CutoffScope, RevocationKey};
use maxlab_auth_core::verify::UpstreamBudget as _;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use super::app_state::SharedState;
use super::body::{OptionalJson, RequestParameters};
use super::docs::failures::{DeniedFailure, JsonBodyFailures, NotFoundFailure};
use super::docs::{AuditEventBody, CutoffRequest, string_enum};
use super::error::ApiError;
use super::extract::{PathParam, RequestOrigin, RequireAdmin};
use super::rate_limit::CallerBudget;
use crate::cutoff::apply_cutoff;

/// Most entries on one page of a list.
const MAX_PAGE_LEN: u32 = 1_000;

/// Page of the denylist, in the order of the store.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"entries": [{"kind": "token", "key": "7d4f0c52-8f0e-4a53-9d5b-3a1f6f0f2b11", "reason": "logout",
    "user_id": "dev-member", "revoked_at": "2026-03-02T09:30:00Z", "issued_before": null,
    "expires_at": "2026-03-02T09:45:00Z"}], "next": null}))]
pub struct DenylistPage {
    entries: Vec<DenylistEntry>,
    /// Value of `after` for the next page, `null` at the end.
    #[schema(required)]
    next: Option<String>,
}

/// Entry of the denylist.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Revocation)]
pub struct DenylistEntry {
    #[schema(schema_with = entry_kind)]
    kind: &'static str,
    /// Name: the `jti` or hash of a token, the handle of a session, an id. Percent-encoded.
    key: String,
    #[schema(schema_with = revocation_reason)]
    reason: RevocationReason,
    /// Owner, if proven.
    #[schema(required)]
    user_id: Option<String>,
    revoked_at: Timestamp,
    /// For a user, a client or an issuer: everything issued until then is revoked.
    #[schema(required)]
    issued_before: Option<Timestamp>,
    /// Time from which the entry may be deleted, because everything that it covers has expired.
    expires_at: Timestamp,
}

/// Page of the audit, the newest event first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"events": [{"id": "019a2b6e-5d0c-7c31-9a6e-0c8a2f6b1d42", "at": "2026-03-02T09:30:00Z",
    "kind": "session_terminated", "actor": "dev-member", "user_id": "dev-member",
    "target": "6f1c2a9be04d4c7f8a53d0e1b2c49a77", "ip_address": "203.0.113.7", "request_id": "01a20654-1",
    "result": "success", "count": 1, "detail": null}]}))]
pub struct AuditPage {
    #[schema(value_type = Vec<AuditEventBody>)]
    events: Vec<AuditEvent>,
}

/// The user is logged out everywhere.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "success", "user_id": "dev-member", "tokens_blacklisted": 5, "sessions_invalidated": 2,
    "timestamp": "2026-03-02T09:30:00Z"}))]
pub struct UserLoggedOut {
    /// Always `success`.
    status: &'static str,
    user_id: String,
    /// Number of tokens that were known and are revoked by name.
    tokens_blacklisted: usize,
    /// Number of sessions that were ended.
    sessions_invalidated: usize,
    timestamp: Timestamp,
}

/// Everything in the scope is revoked on every instance.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "success", "kind": "client", "key": "app-1", "known": true, "nearest": null, "tokens": 12,
    "sessions": 5, "timestamp": "2026-03-02T09:30:00Z"}))]
pub struct RevocationDone {
    /// Always `success`.
    status: &'static str,
    #[schema(schema_with = cutoff_kind)]
    kind: &'static str,
    /// Name, percent-encoded.
    key: String,
    /// `true` if the register or the settings contain the name.
    known: bool,
    /// Most similar known name, if this one is unknown.
    #[schema(required)]
    nearest: Option<String>,
    /// Number of known tokens that were not revoked before.
    tokens: u64,
    /// Number of sessions of these tokens.
    sessions: u64,
    timestamp: Timestamp,
}

fn entry_kind() -> Object {
    string_enum("Kind of what is revoked.", RevocationKey::KINDS)
}

fn cutoff_kind() -> Object {
    string_enum(
        "Kind of what was revoked.",
        ["user", "client", "issuer", "everything"],
    )
}

fn revocation_reason() -> Object {
    string_enum("Reason.", RevocationReason::ALL.map(RevocationReason::as_str))
}

/// `GET /api/v1/admin/denylist`: a page of the denylist. Query: `user_id`, `after`, `limit`.
///
/// # Errors
/// The store did not answer.
#[utoipa::path(
    get, path = "/api/v1/admin/denylist", tag = "Administration", operation_id = "listDenylist",
    security(("bearer" = []), ("session" = [])),
    summary = "List what is revoked",
    description = "Entries that have not expired. A page may have fewer entries than `limit`, even none. It is the last page if \
        `next` is `null`.",
    params(
        ("user_id" = Option<String>, Query, description = "Only entries of this user.", example = "dev-member"),
        ("after" = Option<String>, Query, description = "`next` of the previous page.", example = "7d4f0c52-8f0e-4a53-9d5b-3a1f6f0f2b11"),
        ("limit" = Option<u32>, Query, description = "Most entries on the page; 100 by default.", minimum = 1, maximum = 1000, example = 100),
    ),
    responses((status = 200, description = "A page.", body = DenylistPage), DeniedFailure),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn denylist(
    State(gateway): State<SharedState>,
    _: RequireAdmin,
    RawQuery(query): RawQuery,
) -> Result<Json<DenylistPage>, ApiError> {
    let query = RequestParameters::from_form(query.unwrap_or_default().as_bytes())?;
    let subject = query.find("user_id").map(Subject::from_storage_name);
    let (page, next) = gateway
        .engine
        .denylist_page(subject.as_ref(), query.find("after"), page_limit(&query)?)
        .await?;
    let entries: Vec<_> = page
        .into_iter()
        .map(|entry| DenylistEntry {
            kind: entry.key.kind(),
            key: entry.key.name(),
            reason: entry.reason,
            user_id: entry.subject.as_ref().map(Subject::to_string),
            revoked_at: entry.revoked_at,
            issued_before: entry.cutoff,
            expires_at: entry.expires_at,
        })
        .collect();
    Ok(Json(DenylistPage { entries, next }))
}

/// `GET /api/v1/admin/audit`: a page of the audit, the newest event first. Query: `user_id`, `kind`, `since`,
/// `limit`.
///
/// # Errors
/// A parameter is not valid, or the database did not answer.
#[utoipa::path(
    get, path = "/api/v1/admin/audit", tag = "Administration", operation_id = "listAudit",
    security(("bearer" = []), ("session" = [])),
    summary = "List audit events",
    description = "One event for each security decision that changed something, the newest first. No event contains a secret.",
    params(
        ("user_id" = Option<String>, Query, description = "Only events about this user, or caused by them.", example = "dev-member"),
        ("kind" = Option<String>, Query, description = "Only events of this kind (`kind` of `AuditEvent`).",
            example = "session_terminated"),
        ("since" = Option<Timestamp>, Query, description = "Only events at or after this time (RFC 3339).", example = "2026-03-01T00:00:00Z"),
        ("limit" = Option<u32>, Query, description = "Most events on the page; 100 by default.", minimum = 1, maximum = 1000, example = 100),
    ),
    responses((status = 200, description = "A page.", body = AuditPage), DeniedFailure),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn audit(
    State(gateway): State<SharedState>,
    _: RequireAdmin,
    RawQuery(query): RawQuery,
) -> Result<Json<AuditPage>, ApiError> {
    let query = RequestParameters::from_form(query.unwrap_or_default().as_bytes())?;
    let invalid = |name: &str| ApiError::InvalidRequest(format!("The parameter `{name}` is not valid"));
    let kind = query
        .find("kind")
        .map(|word| AuditKind::parse(word).ok_or_else(|| invalid("kind")));
    let since = query
        .find("since")
        .map(|text| text.parse().map_err(|_| invalid("since")));
    let filter = AuditFilter {
        subject: query.find("user_id").map(Subject::from_storage_name),
        kind: kind.transpose()?,
        since: since.transpose()?,
    };
    let events = gateway
        .engine
        .find_audit_events(&filter, page_limit(&query)?)
        .await?;
    Ok(Json(AuditPage { events }))
}

/// `POST /api/v1/admin/users/{user_id}/logout`: logs a user out everywhere.
///
/// # Errors
/// The logout is not acknowledged.
#[utoipa::path(
    post, path = "/api/v1/admin/users/{user_id}/logout", tag = "Administration", operation_id = "logoutUser",
    security(("bearer" = []), ("session" = [])),
    summary = "Log a user out everywhere",
    description = "Ends every session and every token of the user, also unknown ones. Works for an unknown user too.",
    params(("user_id" = String, Path, description = "User id.", min_length = 1, example = "dev-member")),
    responses((status = 200, description = "Logged out.", body = UserLoggedOut), DeniedFailure, NotFoundFailure),
)]
#[tracing::instrument(name = "admin_logout_all", level = "debug", skip_all)]
pub async fn logout_all(
    State(gateway): State<SharedState>,
    RequestOrigin(origin): RequestOrigin,
    budget: CallerBudget,
    RequireAdmin(permit): RequireAdmin,
    PathParam(user_id): PathParam,
) -> Result<Json<UserLoggedOut>, ApiError> {
    let engine = &gateway.engine;
    let subject = Subject::from_storage_name(&user_id);
    budget.for_person(&permit.identity().subject()).try_spend()?;
    // `with_actor` sets the user and the actor. The user is the one who is logged out, the actor is the
    // administrator.
    let mut event = AuditEvent::new(AuditKind::AdminRevoke, engine.now(), &origin).with_actor(&subject);
    event.actor = Some(permit.identity().subject().to_string());
    let ended = engine
        .end_all_of_user(&subject, RevocationReason::Admin, vec![event])
        .await?;
    // The same member names as in the answer of a user's own logout-all (docs/GUIDE.md, "Logout").
    Ok(Json(UserLoggedOut {
        status: "success",
        user_id: subject.to_string(),
        tokens_blacklisted: ended.tokens,
        sessions_invalidated: ended.sessions,
        timestamp: engine.now(),
    }))
}

/// `POST /api/v1/admin/revocations`: revokes everything issued until now to a user, to a client, by an
/// issuer, or at all.
///
/// # Errors
/// The body does not name exactly one scope, or the revocation is not acknowledged.
#[utoipa::path(
    post, path = "/api/v1/admin/revocations", tag = "Administration", operation_id = "revokeAll",
    security(("bearer" = []), ("session" = [])),
    summary = "Revoke everything of a user, a client or an issuer",
    description = "Revokes access tokens, refresh tokens and sessions that were issued until now, also unknown ones. Later ones \
        are valid. An unknown name is revoked too; the answer then has the most similar known name.",
    request_body(content = CutoffRequest, examples(
        ("client" = (summary = "A client", value = json!({"client_id": "app-1"}))),
        ("issuer" = (summary = "An issuer", value = json!({"issuer": "https://auth.example.com"}))),
        ("user" = (summary = "A user", value = json!({"user_id": "dev-member"}))),
        ("everything" = (summary = "Everything", value = json!({"everything": true}))),
    )),
    responses((status = 200, description = "Revoked.", body = RevocationDone), DeniedFailure, JsonBodyFailures),
)]
#[tracing::instrument(name = "admin_revoke", level = "debug", skip_all)]
pub async fn revoke(
    State(gateway): State<SharedState>,
    RequestOrigin(origin): RequestOrigin,
    budget: CallerBudget,
    RequireAdmin(permit): RequireAdmin,
    OptionalJson(body): OptionalJson,
) -> Result<Json<RevocationDone>, ApiError> {
    budget.for_person(&permit.identity().subject()).try_spend()?;
    let scope = parse_cutoff_scope(&body)?;
    let key = RevocationKey::Cutoff(scope.clone());
    let now = gateway.engine.now();
    let mut event = AuditEvent::new(AuditKind::AdminRevoke, now, &origin).with_target(key.to_string());
    event.actor = Some(permit.identity().subject().to_string());
    // Only a user's cut-off is about one user, and is found by `user_id` in the audit.
    if let CutoffScope::User(subject) = &scope {
        event.subject = Some(subject.clone());
    }
    let result = apply_cutoff(&gateway, scope, RevocationReason::Admin, vec![event]).await?;
    // An unknown name is revoked too. `nearest` shows a misspelt one.
    Ok(Json(RevocationDone {
        status: "success",
        kind: key.kind(),
        key: key.name(),
        known: result.is_known,
        nearest: result.closest_name,
        tokens: result.affected.tokens,
        sessions: result.affected.sessions,
        timestamp: gateway.engine.now(),
    }))
}

/// Parses the one cut-off scope that a request names.
fn parse_cutoff_scope(body: &Map<String, Value>) -> Result<CutoffScope, ApiError> {
    const EXPECTED: &str = "Name exactly one of `user_id`, `client_id`, `issuer` (a string that is not empty) and `everything` (true)";
    let invalid = || ApiError::InvalidRequest(EXPECTED.to_owned());
    let mut members = body.iter();
    // Exactly one member: with two, one could be ignored by mistake, and a cut-off cannot be undone.
    let (Some((name, value)), None) = (members.next(), members.next()) else {
        return Err(invalid());
    };
    let text = || {
        let text = value.as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(invalid)
    };
    match name.as_str() {
        "user_id" => Ok(CutoffScope::User(Subject::from_storage_name(&text()?))),
        "client_id" => Ok(CutoffScope::Client(text()?)),
        "issuer" => Ok(CutoffScope::Issuer(text()?)),
        // Only the value `true`: an empty string or `false` must not revoke everything.
        "everything" if *value == Value::Bool(true) => Ok(CutoffScope::Everything),
        _ => Err(invalid()),
    }
}

fn page_limit(query: &RequestParameters) -> Result<u32, ApiError> {
    match query.find("limit") {
        None => Ok(100),
        Some(text) => match text.parse() {
            Ok(limit @ 1..=MAX_PAGE_LEN) => Ok(limit),
            _ => Err(ApiError::InvalidRequest(format!(
                "`limit` must be between 1 and {MAX_PAGE_LEN}"
            ))),
        },
    }
}
