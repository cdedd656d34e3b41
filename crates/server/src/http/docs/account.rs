//! `/api/v1/auth`, in words.

use serde_json::{Value, json};

use super::answers::{AUTHENTICATED, COOKIE_WRITE};
use super::operation::{Operation, SESSION, USER, json_answer, media, path, request_header};
use super::schemas::{HANDLE, MOMENT, REFRESH_TOKEN, USER_ID, handle};

pub(super) const TAG: &str = "Account";
pub(super) const ACCESS_TAG: &str = "Access";

pub(super) fn operations() -> Vec<Operation> {
    let mut all = vec![me(), logout(), logout_all(), list(), rotate(), terminate()];
    all.extend(access());
    all
}

fn me() -> Operation {
    let member = json!({
        "user_id": USER_ID,
        "email": "member@example.test",
        "name": "Member",
        "avatar": "https://example.test/people/member.png",
        "roles": ["user"],
        "permissions": ["documents:read", "documents:write"],
        "groups": ["engineering"],
        "workspaces": ["ws-1"],
        "scope": ["openid", "profile"],
        "client_id": "maxlab-dev",
        "session_id": HANDLE,
        "verification_source": "local_jwt",
        "verified_at": MOMENT,
    });
    Operation::new("get", "/api/v1/auth/me", "me", "Who is asking")
        .tagged(TAG)
        .described("The identity in one shape, whatever layer verified the credential, with the workspaces that the database knows.")
        .secured(USER)
        .answers("200", json_answer("Who is asking.", &[], "Identity", &[("A member", member)]))
        .may_fail(AUTHENTICATED)
}

/// A JSON body that may be left out.
fn optional_body(name: &str, examples: &[(&'static str, Value)]) -> Value {
    json!({ "required": false, "content": media("application/json", name, examples) })
}

/// What clears the browser's side of a login.
const CLEARED: &[&str] = &["Cache-Control", "Set-Cookie", "Clear-Site-Data"];

fn logout() -> Operation {
    let done = json!({
        "status": "success",
        "message": "Successfully logged out",
        "logout_all_devices": false,
        "timestamp": MOMENT,
    });
    Operation::new("post", "/api/v1/auth/logout", "logout", "Log out")
        .tagged(TAG)
        .described(
            "Ends the session that the credential belongs to, and its tokens; with a bearer token, that token too. Answered when \
             nothing of it is accepted any more. Once more is a success as well: an ended credential logs out without harm.\n\n\
             Where it is not acknowledged (503) no cookie is cleared.",
        )
        .secured(USER)
        .taking(request_header(
            "X-Session-ID",
            "The handle of one more session of the same user to end. Another's is left alone.",
            handle("A session handle."),
            HANDLE,
        ))
        .with_body(optional_body(
            "LogoutRequest",
            &[
                ("With the refresh token", json!({ "refresh_token": REFRESH_TOKEN })),
                ("Everywhere", json!({ "logout_all_devices": true })),
            ],
        ))
        .answers("200", json_answer("Logged out.", CLEARED, "LogoutResponse", &[("Logged out", done)]))
        .may_fail(COOKIE_WRITE)
        .may_fail(&[("415", "UnsupportedMediaType")])
}

fn logout_all() -> Operation {
    let done = json!({
        "status": "success",
        "message": "Successfully logged out from all devices",
        "tokens_blacklisted": 5,
        "sessions_invalidated": 2,
        "timestamp": MOMENT,
    });
    Operation::new(
        "post",
        "/api/v1/auth/logout/all",
        "logoutAll",
        "Log out everywhere",
    )
    .tagged(TAG)
    .described(
        "Ends every session and every token of the user, also those that never passed through this gateway.",
    )
    .secured(USER)
    .with_body(optional_body("AnyObject", &[("Nothing", json!({}))]))
    .answers(
        "200",
        json_answer(
            "Logged out.",
            CLEARED,
            "LogoutAllResponse",
            &[("Logged out", done)],
        ),
    )
    .may_fail(COOKIE_WRITE)
    .may_fail(&[("415", "UnsupportedMediaType")])
}

fn list() -> Operation {
    let sessions = json!({
        "user_id": USER_ID,
        "active_sessions": 1,
        "sessions": [{
            "session_id": HANDLE,
            "ip_address": "203.0.113.7",
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
            "created_at": "2026-03-02T08:00:00Z",
            "last_accessed": MOMENT,
            "access_count": 12,
            "current": true,
        }],
    });
    Operation::new(
        "get",
        "/api/v1/auth/sessions",
        "listSessions",
        "One's own sessions",
    )
    .tagged(TAG)
    .described("The oldest first. Looking at them lengthens none.")
    .secured(USER)
    .answers(
        "200",
        json_answer("The sessions.", &[], "SessionList", &[("One session", sessions)]),
    )
    .may_fail(AUTHENTICATED)
}

fn rotate() -> Operation {
    let done = json!({ "status": "success", "message": "Session rotated", "session_id": HANDLE });
    Operation::new("post", "/api/v1/auth/sessions/rotate", "rotateSession", "Give the session a new id")
        .tagged(TAG)
        .described("The old cookie is dead when this answers; the handle stays. Only a session cookie can be rotated: without one it is 400.")
        .secured(SESSION)
        .answers(
            "200",
            json_answer(
                "The new id is in the cookie.",
                &["Cache-Control", "Set-Cookie", "X-Session-ID"],
                "SessionRotated",
                &[("Rotated", done)],
            ),
        )
        .may_fail(COOKIE_WRITE)
}

fn terminate() -> Operation {
    let done = json!({ "status": "success", "message": "Session terminated" });
    Operation::new(
        "delete",
        "/api/v1/auth/sessions/{session_id}",
        "terminateSession",
        "End one of one's own sessions",
    )
    .tagged(TAG)
    .described("The session and its tokens. Another's session is not found.")
    .secured(USER)
    .taking(path(
        "session_id",
        "The session's handle, as the list shows it.",
        handle("A session handle."),
        HANDLE,
    ))
    .answers(
        "200",
        json_answer("It is ended.", &[], "SessionTerminated", &[("Ended", done)]),
    )
    .may_fail(COOKIE_WRITE)
    .may_fail(&[("404", "NotFound"), ("405", "MethodNotAllowed")])
}

fn access() -> Vec<Operation> {
    let ask = |path: &'static str, id: &str, summary: &str| {
        let yes = json!({ "allowed": true, "user_id": USER_ID });
        Operation::new("get", path, id, summary)
            .tagged(ACCESS_TAG)
            .secured(USER)
            .answers("200", json_answer("Yes.", &[], "AccessAllowed", &[("Yes", yes)]))
            .may_fail(AUTHENTICATED)
            .may_fail(&[("403", "Denied")])
    };
    let named = json!({ "type": "string", "minLength": 1 });
    vec![
        ask(
            "/api/v1/auth/access/admin",
            "accessAdmin",
            "Is whoever asks an administrator?",
        )
        .described("By one of the roles in `ADMIN_ROLES`. A refusal is audited."),
        ask(
            "/api/v1/auth/access/groups/{group}",
            "accessGroup",
            "Is whoever asks in this group?",
        )
        .described("The group's name is compared exactly.")
        .taking(path("group", "The group.", named.clone(), "engineering"))
        .may_fail(&[("404", "NotFound")]),
        ask(
            "/api/v1/auth/access/workspaces/{workspace_id}",
            "accessWorkspace",
            "May whoever asks enter this workspace?",
        )
        .described("By the claims, by the database where it is asked, or as an administrator.")
        .taking(path("workspace_id", "The workspace.", named, "ws-1"))
        .may_fail(&[("404", "NotFound")]),
    ]
}
