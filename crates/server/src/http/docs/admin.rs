//! `/api/v1/admin`, in words.

use serde_json::{Value, json};

use super::answers::AUTHENTICATED;
use super::operation::{Operation, USER, json_answer, path, query};
use super::schemas::{HANDLE, JTI, MOMENT, USER_ID, audit_kind, moment, text};

pub(super) const TAG: &str = "Administration";

pub(super) fn operations() -> Vec<Operation> {
    vec![denylist(), audit(), logout_user()]
}

fn limit() -> Value {
    let bounds = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
    query("limit", "How many entries the page holds at most.", bounds, 100)
}

fn of_user(description: &str) -> Value {
    query("user_id", description, text("A user id."), USER_ID)
}

fn denylist() -> Operation {
    let page = json!({
        "entries": [{
            "kind": "token",
            "key": JTI,
            "reason": "logout",
            "user_id": USER_ID,
            "revoked_at": MOMENT,
            "issued_before": null,
            "expires_at": "2026-03-02T09:45:00Z",
        }],
        "next": null,
    });
    Operation::new("get", "/api/v1/admin/denylist", "listDenylist", "What is revoked")
        .tagged(TAG)
        .described("What has not expired yet. A page may hold fewer entries than `limit`, even none; it is the last if `next` is `null`.")
        .secured(USER)
        .taking(of_user("Only what was this user's."))
        .taking(query("after", "`next` of the page before.", text("As it was given."), JTI))
        .taking(limit())
        .answers("200", json_answer("A page.", &[], "DenylistPage", &[("One revoked token", page)]))
        .may_fail(AUTHENTICATED)
        .may_fail(&[("403", "Denied")])
}

fn audit() -> Operation {
    let page = json!({
        "events": [{
            "id": "019a2b6e-5d0c-7c31-9a6e-0c8a2f6b1d42",
            "at": MOMENT,
            "kind": "session_terminated",
            "actor": USER_ID,
            "user_id": USER_ID,
            "target": HANDLE,
            "ip_address": "203.0.113.7",
            "request_id": "019a2b6e-5d0b-7a11-8f21-6b1d420c8a2f",
            "result": "success",
            "detail": null,
        }],
    });
    Operation::new("get", "/api/v1/admin/audit", "listAudit", "What happened")
        .tagged(TAG)
        .described("One event for each security decision that changed something, the newest first. No event holds a secret.")
        .secured(USER)
        .taking(of_user("Only what is about this user, or was done by them."))
        .taking(query("kind", "Only events of this kind.", audit_kind(), "session_terminated"))
        .taking(query("since", "Only at or after this moment.", moment("RFC 3339."), "2026-03-01T00:00:00Z"))
        .taking(limit())
        .answers("200", json_answer("A page.", &[], "AuditPage", &[("One event", page)]))
        .may_fail(AUTHENTICATED)
        .may_fail(&[("403", "Denied")])
}

fn logout_user() -> Operation {
    let done = json!({
        "status": "success",
        "user_id": USER_ID,
        "tokens_blacklisted": 5,
        "sessions_invalidated": 2,
        "timestamp": MOMENT,
    });
    Operation::new("post", "/api/v1/admin/users/{user_id}/logout", "logoutUser", "Log a user out everywhere")
        .tagged(TAG)
        .described("Every session and every token of the user, known here or not. A user of whom nothing is known is logged out as well.")
        .secured(USER)
        .taking(path("user_id", "The user.", json!({ "type": "string", "minLength": 1 }), USER_ID))
        .answers("200", json_answer("Logged out.", &[], "UserLoggedOut", &[("Logged out", done)]))
        .may_fail(AUTHENTICATED)
        .may_fail(&[("403", "DeniedOrCrossSite"), ("404", "NotFound")])
}
