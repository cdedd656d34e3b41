//! Headers of answers, each described once: `components.headers`.

use serde_json::{Value, json};

use super::HANDLE;

/// Description of a header.
struct HeaderDescription {
    name: &'static str,
    text: &'static str,
    /// Regular expression of the value, empty for any.
    pattern: &'static str,
    example: &'static str,
}

const fn header(
    name: &'static str,
    text: &'static str,
    pattern: &'static str,
    example: &'static str,
) -> HeaderDescription {
    HeaderDescription {
        name,
        text,
        pattern,
        example,
    }
}

#[rustfmt::skip]
const HEADERS: [HeaderDescription; 19] = [
    header("X-Request-ID", "Id of this request, as in the log and in the audit.", "^[A-Za-z0-9._-]{1,64}$", "019a2b6e-5d0c-7c31-9a6e-0c8a2f6b1d42"),
    header("X-Session-ID", "Public handle of the session that began or got a new id. It is no credential.", "^[0-9a-f]{32}$", HANDLE),
    header("Set-Cookie", "Sets or clears the session cookie.", "", "__Host-maxlab_session=…; Path=/; HttpOnly"),
    header("Clear-Site-Data", "Data of this site that the browser deletes (`CLEAR_SITE_DATA`). Absent if that is `none`.", "", "\"cache\", \"storage\""),
    header("Retry-After", "Seconds to wait before the next attempt.", "^[0-9]+$", "2"),
    header("WWW-Authenticate", "How to authenticate, and why this attempt failed (RFC 6750 §3).", "", "Bearer realm=\"maxlab-auth\", error=\"invalid_token\", error_description=\"Token has expired\""),
    header("Remote-User", "User id.", "", "user-7"),
    header("Remote-Name", "Display name, or empty.", "", "Member"),
    header("Remote-Email", "E-mail address, or empty.", "", "member@example.test"),
    header("Remote-Groups", "Groups, joined with commas. Inside a group, commas, `%` and control characters are percent-encoded.", "", "engineering,design"),
    header("Remote-Workspaces", "Workspaces, joined and encoded like the groups, if `IDENTITY_WORKSPACES` is on.", "", "ws-1"),
    header("Remote-Roles", "Roles, joined and encoded like the groups.", "", "editor"),
    header("X-Auth-Source", "Layer that verified the credential.", "", "oauth_userinfo"),
    header("X-Auth-Identity", "With `IDENTITY_TOKEN`: the same identity as a JWT, bound to the host and the method of the original request. Empty if there is no user, or if no trusted proxy sends the host.", "", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1c2VyLTcifQ.c2lnbmF0dXJl"),
    header("Cookie", "Cookies of the request that belong to the application. Absent if there are none.", "", "theme=dark; cart=42"),
    header("Allow", "Methods of this path.", "", "GET,HEAD"),
    header("Location", "Address that the browser goes on to: absolute, or a path of this origin.", "^([a-z][a-z0-9+.-]*:|/([^/]|$))", "https://login.example.com/authorize?client_id=web"),
    header("Content-Security-Policy", "Which pages may frame the answer.", "", "default-src 'none'; frame-ancestors https://sso.example.com"),
    header("Cache-Control", "Whether the answer may be cached, and for how long.", "", "no-store"),
];

/// Returns the description of a header. An unknown name gives `null`, which a test finds.
pub(super) fn header_component(name: &str, is_required: bool) -> Value {
    let Some(header) = HEADERS.iter().find(|header| header.name == name) else {
        return Value::Null;
    };
    let mut schema = json!({ "type": "string" });
    if !header.pattern.is_empty() {
        schema["pattern"] = header.pattern.into();
    }
    json!({ "description": header.text, "required": is_required, "schema": schema, "example": header.example })
}
