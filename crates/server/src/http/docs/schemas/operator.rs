//! Bodies of the administration and of the gateway's own health.

use maxlab_auth_core::audit::AuditKind;
use serde_json::{Value, json};

use super::oauth::ended;
use super::{Named, moment, moment_or_null, object, text, text_or_null, word, words};

/// What kinds of audit event there are.
pub(in super::super) fn audit_kind() -> Value {
    words("What happened.", &AuditKind::ALL.map(AuditKind::as_str))
}

pub(super) fn schemas() -> Named {
    vec![
        ("Revocation", revocation()),
        (
            "DenylistPage",
            object(
                "A page of the denylist. The order is the store's.",
                &["entries", "next"],
                json!({
                    "entries": { "type": "array", "items": { "$ref": "#/components/schemas/Revocation" } },
                    "next": text_or_null("To be sent as `after` for the next page; `null` at the end."),
                }),
            ),
        ),
        ("AuditEvent", audit_event()),
        (
            "AuditPage",
            object(
                "A page of the audit, the newest first.",
                &["events"],
                json!({ "events": { "type": "array", "items": { "$ref": "#/components/schemas/AuditEvent" } } }),
            ),
        ),
        (
            "UserLoggedOut",
            object(
                "The user is logged out everywhere.",
                &[
                    "status",
                    "user_id",
                    "tokens_blacklisted",
                    "sessions_invalidated",
                    "timestamp",
                ],
                ended(json!({
                    "status": word("success", "It is done."),
                    "user_id": text("Who was logged out."),
                })),
            ),
        ),
        (
            "Health",
            object(
                "The process lives.",
                &["status", "service", "version"],
                json!({
                    "status": word("healthy", "It lives."),
                    "service": word("maxlab-auth", "What it is."),
                    "version": text("Its version."),
                }),
            ),
        ),
        ("Readiness", readiness()),
        ("ComponentHealth", component_health()),
        (
            "PrometheusText",
            text("Counters, gauges and histograms, in the text format of Prometheus (0.0.4)."),
        ),
        ("IdentityKeys", identity_keys()),
        ("Page", text("A page of HTML.")),
        (
            "OpenApiDocument",
            json!({
                "type": "object",
                "description": "A description after OpenAPI 3.1.",
                "required": ["openapi", "info", "paths"],
                "properties": {
                    "openapi": { "type": "string", "pattern": "^3\\.1\\.\\d+$", "description": "The version of OpenAPI." },
                    "info": { "type": "object", "description": "What is described." },
                    "paths": { "type": "object", "description": "The operations, by path and method." },
                },
            }),
        ),
    ]
}

fn revocation() -> Value {
    let reasons = [
        "revoked",
        "logout",
        "logout_all",
        "session_terminated",
        "refresh_reuse",
        "admin",
        "other",
    ];
    object(
        "One entry of the denylist.",
        &[
            "kind",
            "key",
            "reason",
            "user_id",
            "revoked_at",
            "issued_before",
            "expires_at",
        ],
        json!({
            "kind": words("What is revoked.", &["token", "session", "user", "client", "issuer"]),
            "key": text("Its name: a token's `jti` or hash, a session's handle, an id; percent-escaped."),
            "reason": words("Why.", &reasons),
            "user_id": text_or_null("Whose it was, where that is proven."),
            "revoked_at": moment("When it was revoked."),
            "issued_before": moment_or_null("For a user, a client or an issuer: what was issued up to then is revoked."),
            "expires_at": moment("When the entry may be forgotten, since what it covers has expired."),
        }),
    )
}

fn audit_event() -> Value {
    let names = [
        "id",
        "at",
        "kind",
        "actor",
        "user_id",
        "target",
        "ip_address",
        "request_id",
        "result",
        "detail",
    ];
    object(
        "Who did what, when, from where, and how it ended.",
        &names,
        json!({
            "id": { "type": "string", "format": "uuid", "description": "A time-ordered id." },
            "at": moment("When."),
            "kind": audit_kind(),
            "actor": text_or_null("Who did it: a user id, or `cli`."),
            "user_id": text_or_null("Whom it is about."),
            "target": text_or_null("What it was done to: a session's handle, a token's key, a route."),
            "ip_address": text_or_null("The client's address."),
            "request_id": text_or_null("The request, as in `X-Request-ID` and the log."),
            "result": words("How it ended.", &["success", "denied", "unfinished"]),
            "detail": text_or_null("A word more."),
        }),
    )
}

fn identity_keys() -> Value {
    let key = object(
        "A public key on P-256 (RFC 7518 §6.2).",
        &["kty", "crv", "x", "y", "kid", "use", "alg"],
        json!({
            "kty": word("EC", "Its kind."),
            "crv": word("P-256", "Its curve."),
            "x": text("A coordinate, in base64url."),
            "y": text("The other one."),
            "kid": text("Its name: its thumbprint (RFC 7638)."),
            "use": word("sig", "What it is for."),
            "alg": word("ES256", "The algorithm."),
        }),
    );
    object(
        "A JWK Set (RFC 7517 §5).",
        &["keys"],
        json!({ "keys": { "type": "array", "items": key, "description": "The keys; the first one signs." } }),
    )
}

fn readiness() -> Value {
    object(
        "Whether the gateway can do its work. The authorization server is shown and does not decide.",
        &["status", "components", "revocation"],
        json!({
            "revocation": revocation_standing(),
            "status": words("Whether every component of the gateway's own answers.", &["ready", "unavailable"]),
            "components": {
                "type": "object",
                "description": "Each component: `store`, `database` and `authorization_server`.",
                "required": ["authorization_server"],
                "additionalProperties": { "$ref": "#/components/schemas/ComponentHealth" },
            },
        }),
    )
}

fn revocation_standing() -> Value {
    object(
        "How revocations are read here.",
        &["reads", "answers_from_memory", "lease_seconds"],
        json!({
            "reads": words("`REVOCATION_READS`.", &["replica", "direct"]),
            "answers_from_memory": {
                "type": "boolean",
                "description": "Whether a lease holds. Without one each check asks the store.",
            },
            "lease_seconds": { "type": "number", "minimum": 0, "description": "How long the lease still holds." },
            "generation": {
                "type": ["string", "null"],
                "description": "The store's data set, by its number in the journal's register and its name.",
            },
            "position": {
                "type": ["integer", "null"],
                "description": "Up to which entry the replica is complete; `null` while it is not.",
            },
            "lag": { "type": ["integer", "null"], "description": "Entries that are published and not applied here yet." },
        }),
    )
}

fn component_health() -> Value {
    object(
        "How one component is.",
        &["status", "response_time"],
        json!({
            "status": words("Whether it answers.", &["healthy", "unhealthy"]),
            "status_code": {
                "type": ["integer", "null"],
                "description": "Of the authorization server: the status of its answer, `null` where there was none.",
            },
            "response_time": { "type": "number", "minimum": 0, "description": "How long the answer took, in seconds." },
        }),
    )
}
