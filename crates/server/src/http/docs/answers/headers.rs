//! The headers that answers bear: `components.headers`.

use serde_json::{Map, Value, json};

use super::super::schemas::HANDLE;

/// Headers that some answers may lack.
const OPTIONAL: [&str; 5] = [
    "Retry-After",
    "Set-Cookie",
    "WWW-Authenticate",
    "X-Auth-Identity",
    "X-Session-ID",
];

/// The headers of one answer, by name; one with `?` may be absent.
pub(in super::super) fn headers_of(names: &[&str]) -> Value {
    let headers = std::iter::once(&"X-Request-ID")
        .chain(names)
        .map(|name| match name.strip_suffix('?') {
            Some(plain) => (
                plain.to_owned(),
                json!({ "$ref": format!("#/components/headers/{plain}-Optional") }),
            ),
            None => (
                (*name).to_owned(),
                json!({ "$ref": format!("#/components/headers/{name}") }),
            ),
        });
    Value::Object(headers.collect())
}

/// `components.headers`: each as one that is always there, and some as one that may be absent.
pub(in super::super) fn headers() -> Value {
    let text = || json!({ "type": "string" });
    let described = [
        (
            "X-Request-ID",
            "The id of this request, as in the log and in the audit.",
            json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" }),
            "019a2b6e-5d0c-7c31-9a6e-0c8a2f6b1d42",
        ),
        (
            "X-Session-ID",
            "The public handle of the session that this began or gave a new id; it is no credential.",
            json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }),
            HANDLE,
        ),
        (
            "Set-Cookie",
            "Sets the session cookie, or clears it.",
            text(),
            "__Host-maxlab_session=…; Path=/; HttpOnly",
        ),
        (
            "Clear-Site-Data",
            "What a browser is to forget of this site.",
            text(),
            "\"cache\", \"cookies\", \"storage\"",
        ),
        ("Retry-After", "After how many seconds to ask again.", text(), "2"),
        (
            "WWW-Authenticate",
            "How to be let in, and why not so (RFC 6750 §3).",
            text(),
            "Bearer realm=\"maxlab-auth\", error=\"invalid_token\", error_description=\"Token has expired\"",
        ),
        ("Remote-User", "Who it is: the user id.", text(), "user-7"),
        ("Remote-Name", "A name to show, or empty.", text(), "Member"),
        (
            "Remote-Email",
            "An e-mail address, or empty.",
            text(),
            "member@example.test",
        ),
        (
            "Remote-Groups",
            "Groups, joined with commas; inside one, commas, `%` and control characters are percent-encoded.",
            text(),
            "engineering,design",
        ),
        (
            "Remote-Roles",
            "Roles, joined and encoded like the groups.",
            text(),
            "editor",
        ),
        (
            "X-Auth-Source",
            "The layer that verified the credential.",
            text(),
            "oauth_userinfo",
        ),
        (
            "X-Auth-Identity",
            "Where `IDENTITY_TOKEN` is on: the same identity as a JWT, bound to the host and the method of the original request; \
             empty where there is nobody, or no trusted proxy tells the host.",
            text(),
            "eyJhbGciOiJFUzI1NiIsInR5cCI6ImlkZW50aXR5K2p3dCJ9.eyJzdWIiOiJ1c2VyLTcifQ.c2lnbmF0dXJl",
        ),
        ("Allow", "The methods that this path has.", text(), "GET,HEAD"),
        (
            "Location",
            "Where the browser logs in.",
            json!({ "type": "string", "format": "uri" }),
            "https://login.example.com/authorize?client_id=web",
        ),
        (
            "Cache-Control",
            "Whether it may be kept, and how long.",
            text(),
            "no-store",
        ),
    ];
    let mut all = Map::new();
    for (name, description, schema, example) in described {
        let header = |required: bool| json!({ "description": description, "required": required, "schema": schema, "example": example });
        // This one depends on a setting wherever it is.
        if name != "X-Auth-Identity" {
            all.insert(name.to_owned(), header(true));
        }
        if OPTIONAL.contains(&name) {
            all.insert(format!("{name}-Optional"), header(false));
        }
    }
    Value::Object(all)
}
