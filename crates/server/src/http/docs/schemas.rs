//! What bodies look like: `components.schemas`, and the words that schemas and parameters are made of.

mod account;
mod oauth;
mod operator;

pub(super) use operator::audit_kind;

use serde_json::{Map, Value, json};

/// A session handle, for examples.
pub(super) const HANDLE: &str = "6f1c2a9be04d4c7f8a53d0e1b2c49a77";
/// A user id, for examples.
pub(super) const USER_ID: &str = "dev-member";
/// A moment, for examples.
pub(super) const MOMENT: &str = "2026-03-02T09:30:00Z";
/// What an access token may look like.
pub(super) const ACCESS_TOKEN: &str =
    "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJkZXYtbWVtYmVyIn0.c2lnbmF0dXJl";
/// What a refresh token may look like.
pub(super) const REFRESH_TOKEN: &str = "rt_8Jk2mPq4Vx0sZ1";
/// A token's `jti`, for examples.
pub(super) const JTI: &str = "7d4f0c52-8f0e-4a53-9d5b-3a1f6f0f2b11";

/// All of them.
pub(super) fn all() -> Value {
    let all = [
        errors(),
        oauth::schemas(),
        account::schemas(),
        operator::schemas(),
    ];
    let named = all
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.to_owned(), schema));
    Value::Object(named.collect::<Map<_, _>>())
}

type Named = Vec<(&'static str, Value)>;

fn errors() -> Named {
    let code = text("The stable word for what is wrong. Compare this; `detail` may change.");
    vec![
        (
            "Problem",
            object(
                "What is wrong (RFC 9457).",
                &["type", "title", "status", "detail", "code"],
                json!({
                    "type": { "type": "string", "const": "about:blank", "description": "Nothing beyond the status." },
                    "title": text("The status in words."),
                    "status": { "type": "integer", "minimum": 400, "maximum": 599, "description": "The status." },
                    "detail": text("What is wrong and, where there is a way, how to mend it."),
                    "code": code,
                }),
            ),
        ),
        (
            "OAuthError",
            object(
                "What is wrong (RFC 6749 §5.2), with the `detail` and `code` of all other errors beside it.",
                &["error", "error_description", "detail", "code"],
                json!({
                    "error": words(
                        "The error of RFC 6749.",
                        &[
                            "access_denied",
                            "invalid_client",
                            "invalid_grant",
                            "invalid_request",
                            "invalid_token",
                            "temporarily_unavailable",
                        ],
                    ),
                    "error_description": text("`detail`, in the characters that RFC 6749 §5.2 allows."),
                    "detail": text("What is wrong and, where there is a way, how to mend it."),
                    "code": code,
                }),
            ),
        ),
        (
            "RelayedError",
            open(object(
                "The authorization server's own words, all of its members kept. The gateway's own refusals have this form \
                 too.",
                &["detail"],
                json!({
                    "error": { "description": "The error of RFC 6749, a string as a rule." },
                    "error_description": { "description": "What is wrong, a string as a rule." },
                    "detail": text("What is wrong; from `error_description` or `error` where the server sends none."),
                    "code": text("The gateway's stable word, where the refusal is the gateway's."),
                }),
            )),
        ),
    ]
}

/// An object with just these properties, of which the required ones are always there.
fn object(description: &str, required: &[&str], properties: Value) -> Value {
    let mut schema = json!({ "type": "object", "description": description, "additionalProperties": false });
    schema["properties"] = properties;
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// The same object, with room for more properties.
fn open(mut schema: Value) -> Value {
    schema["additionalProperties"] = true.into();
    schema
}

pub(super) fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// A string, or `null`.
fn text_or_null(description: &str) -> Value {
    json!({ "type": ["string", "null"], "description": description })
}

/// One of these words.
pub(super) fn words(description: &str, words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words, "description": description })
}

/// Just this word.
fn word(word: &str, description: &str) -> Value {
    json!({ "type": "string", "const": word, "description": description })
}

/// A list of strings.
fn list(description: &str) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "description": description })
}

/// A moment (RFC 3339).
pub(super) fn moment(description: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": description })
}

/// A moment, or `null`.
fn moment_or_null(description: &str) -> Value {
    json!({ "type": ["string", "null"], "format": "date-time", "description": description })
}

/// How many.
fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

/// Seconds since 1970 (RFC 7519 §2).
fn seconds(description: &str) -> Value {
    json!({ "type": "integer", "description": description })
}

fn truth(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

/// A session handle.
pub(super) fn handle(description: &str) -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{32}$", "description": description })
}
