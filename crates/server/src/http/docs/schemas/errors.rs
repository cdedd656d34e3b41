//! Schemas of error bodies.

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use super::string_enum;

fn oauth_error() -> Object {
    let words = [
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_token",
        "temporarily_unavailable",
    ];
    string_enum("Error of RFC 6749.", words)
}

/// Error (RFC 9457).
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"type": "about:blank", "title": "Service Unavailable", "status": 503,
    "detail": "The request took too long; try again", "code": "timeout"}))]
pub(crate) struct Problem {
    /// Always `about:blank`: the error has no page of its own.
    #[schema(pattern = "^about:blank$")]
    r#type: String,
    /// Status in words.
    title: String,
    /// HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// Text for people: what is wrong and, if possible, how to fix it.
    detail: String,
    /// Stable word for programs. `detail` may change.
    code: String,
    /// Address at which a browser logs in: in answers 401, if the gateway's own login is on.
    #[schema(format = "uri", required = false, nullable = false)]
    login_url: Option<String>,
}

/// Error (RFC 6749 §5.2), with the `detail` and `code` of all other errors.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OAuthError {
    #[schema(schema_with = oauth_error)]
    error: String,
    /// `detail`, in the characters that RFC 6749 §5.2 allows.
    error_description: String,
    /// Text for people: what is wrong and, if possible, how to fix it.
    detail: String,
    /// Stable word for programs.
    code: String,
}

/// Error of the authorization server with all of its members, or of the gateway in the same form.
#[derive(ToSchema)]
pub(crate) struct RelayedError {
    /// Error of RFC 6749, usually a string.
    error: Option<Value>,
    /// Description of the error, usually a string.
    error_description: Option<Value>,
    /// Text for people. Copied from `error_description` or `error` if the server sends none.
    detail: String,
    /// Stable word for programs, if the gateway itself refuses.
    #[schema(nullable = false)]
    code: Option<String>,
}
