//! Requests that the lying server received, and answers of a script.

use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use crate::http1::{MessageHead, header};

/// Received request, unchanged.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    /// Method, in upper case.
    pub method: String,
    /// Path, without the query. Of a request to a proxy, the path of its URL.
    pub path: String,
    /// Raw query without `?`; empty if there is none.
    pub query: String,
    /// Header fields, in order.
    pub headers: Vec<(String, String)>,
    /// Body, whole.
    pub body: Bytes,
    /// Time at which all of it had arrived.
    pub at: Instant,
}

impl ReceivedRequest {
    pub(super) fn new(head: &MessageHead, body: Vec<u8>) -> Self {
        // A malformed start line gives empty parts. No script matches them, so the answer is 404.
        let mut words = head.start_line.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = origin_form(words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: head.headers.clone(),
            body: body.into(),
            at: Instant::now(),
        }
    }

    /// Returns the first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Returns the bearer token of the `Authorization` header.
    pub fn bearer(&self) -> Option<&str> {
        // Without regard to case (RFC 9110 §11.1). The gateway sends one form; the scripts must not depend on
        // it.
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// Returns one field of a form body.
    pub fn form(&self, name: &str) -> Option<String> {
        form_value(&self.body, name)
    }

    /// Returns one parameter of the query.
    pub fn param(&self, name: &str) -> Option<String> {
        form_value(self.query.as_bytes(), name)
    }

    /// Returns the body as JSON; `None` if it is not JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// Returns a request target in origin form. A client of a proxy sends the absolute form, whose host is in
/// `Host` too (RFC 9112 §3.2.2).
fn origin_form(target: &str) -> &str {
    match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => target,
    }
}

fn form_value(encoded: &[u8], name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(encoded);
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Well-formed answer.
#[derive(Debug, Clone)]
pub struct ScriptedResponse {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl ScriptedResponse {
    /// Makes an answer with an empty body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// Makes a JSON answer.
    #[expect(clippy::needless_pass_by_value, reason = "a script writes json!(…) in place")]
    pub fn json(status: u16, body: Value) -> Self {
        Self::body(status, "application/json", body.to_string())
    }

    /// Makes an answer with exactly this body.
    pub fn body(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            ..Self::status(status)
        }
        .header("content-type", content_type)
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts a byte-order mark before the body, if there is one.
    pub(super) fn with_byte_order_mark(mut self) -> Self {
        if !self.body.is_empty() {
            self.body = [b"\xef\xbb\xbf", &self.body[..]].concat().into();
        }
        self
    }

    /// Returns the start line and the header fields, then `framing` and the empty line.
    pub(super) fn head(&self, framing: &str) -> String {
        // A status without a registered phrase may be scripted too, for example 299.
        let reason = StatusCode::from_u16(self.status)
            .ok()
            .and_then(|code| code.canonical_reason());
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason.unwrap_or("Unknown"));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + framing + "\r\n\r\n"
    }
}
