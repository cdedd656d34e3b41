//! Bodies of `/api/v1/auth`.

use serde_json::{Value, json};

use super::oauth::{ended, verification_source};
use super::{Named, count, handle, list, moment, object, open, text, text_or_null, truth, word};

pub(super) fn schemas() -> Named {
    let mut all = vec![
        ("Identity", identity()),
        ("Session", session()),
        (
            "SessionList",
            object(
                "One's own sessions, the oldest first.",
                &["user_id", "active_sessions", "sessions"],
                json!({
                    "user_id": text("Whose they are."),
                    "active_sessions": count("How many there are."),
                    "sessions": { "type": "array", "items": { "$ref": "#/components/schemas/Session" } },
                }),
            ),
        ),
        (
            "AccessAllowed",
            object(
                "Yes. A no is 403.",
                &["allowed", "user_id"],
                json!({
                    "allowed": { "const": true, "description": "Whoever asks may." },
                    "user_id": text("Who asks."),
                }),
            ),
        ),
    ];
    all.extend(logout());
    all.extend(session_acts());
    all
}

fn logout() -> Named {
    vec![
        (
            "LogoutRequest",
            open(object(
                "What to end beside the credential that is shown. Nothing need be sent.",
                &[],
                json!({
                    "refresh_token": text_or_null("A refresh token to be revoked as well."),
                    "logout_all_devices": {
                        "type": ["boolean", "null"],
                        "default": false,
                        "description": "Whether to end everything of the user.",
                    },
                }),
            )),
        ),
        (
            "LogoutResponse",
            object(
                "Logged out.",
                &["status", "message", "logout_all_devices", "timestamp"],
                json!({
                    "status": word("success", "It is done."),
                    "message": text("The same, to be read."),
                    "logout_all_devices": truth("Whether everything of the user was ended."),
                    "timestamp": moment("When."),
                }),
            ),
        ),
        (
            "LogoutAllResponse",
            object(
                "Logged out everywhere.",
                &[
                    "status",
                    "message",
                    "tokens_blacklisted",
                    "sessions_invalidated",
                    "timestamp",
                ],
                ended(json!({
                    "status": word("success", "It is done."),
                    "message": text("The same, to be read."),
                })),
            ),
        ),
        (
            "AnyObject",
            json!({ "type": "object", "description": "A JSON object, of which nothing is read." }),
        ),
    ]
}

fn session_acts() -> Named {
    vec![
        (
            "SessionTerminated",
            object(
                "The session and its tokens are ended.",
                &["status", "message"],
                json!({
                    "status": word("success", "It is done."),
                    "message": text("The same, to be read."),
                }),
            ),
        ),
        (
            "SessionRotated",
            object(
                "The session has a new id, which is in the cookie.",
                &["status", "message", "session_id"],
                json!({
                    "status": word("success", "It is done."),
                    "message": text("The same, to be read."),
                    "session_id": handle("Its public handle, which stays the same."),
                }),
            ),
        ),
    ]
}

fn identity() -> Value {
    object(
        "Who a credential stands for, in one shape whatever layer verified it.",
        &[
            "user_id",
            "email",
            "name",
            "avatar",
            "roles",
            "permissions",
            "groups",
            "workspaces",
            "scope",
            "client_id",
            "session_id",
            "verification_source",
            "verified_at",
        ],
        json!({
            "user_id": { "type": "string", "minLength": 1, "description": "The subject." },
            "email": text_or_null("E-mail address."),
            "name": text_or_null("A name to show."),
            "avatar": text_or_null("Address of a picture."),
            "roles": list("Roles."),
            "permissions": list("Permissions."),
            "groups": list("Groups."),
            "workspaces": list("Workspaces: of the claims, and of the database where it is asked."),
            "scope": list("The scope of the token."),
            "client_id": text_or_null("The OAuth client that the token was issued to."),
            "session_id": text_or_null("The session: the gateway's public handle, or the token's own `sid`."),
            "verification_source": verification_source(),
            "verified_at": moment("When it was verified."),
        }),
    )
}

fn session() -> Value {
    object(
        "A session as its owner sees it.",
        &[
            "session_id",
            "ip_address",
            "user_agent",
            "created_at",
            "last_accessed",
            "access_count",
            "current",
        ],
        json!({
            "session_id": handle("Its public handle; it is no credential."),
            "ip_address": text_or_null("The client's address at the login."),
            "user_agent": text_or_null("The client's `User-Agent` at the login."),
            "created_at": moment("When the login began."),
            "last_accessed": moment("When it was last used, to within a minute."),
            "access_count": count("In how many minutes it was used."),
            "current": truth("Whether it is the one that asks."),
        }),
    )
}
