//! What may be asked of any answer, however it was fetched.

use std::fmt::Debug;

use maxlab_auth_testkit::HttpReply;
use maxlab_auth_testkit::raw::RawReply;
use serde_json::Value;

/// An answer of the gateway.
pub(crate) trait Answer: Debug {
    /// The status.
    fn code(&self) -> u16;
    /// The first header of that name.
    fn field(&self, name: &str) -> Option<String>;
    /// The body.
    fn bytes(&self) -> &[u8];

    /// The body as JSON; `null` where it is none.
    fn value(&self) -> Value {
        serde_json::from_slice(self.bytes()).unwrap_or_default()
    }

    /// The stable `code` of an error.
    fn error_code(&self) -> String {
        self.value()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// What there is to show of it when an assertion fails.
    fn shown(&self) -> String {
        format!("{} {}", self.code(), String::from_utf8_lossy(self.bytes()))
    }
}

impl Answer for HttpReply {
    fn code(&self) -> u16 {
        self.status.as_u16()
    }

    fn field(&self, name: &str) -> Option<String> {
        self.header(name).map(str::to_owned)
    }

    fn bytes(&self) -> &[u8] {
        &self.body
    }
}

impl Answer for RawReply {
    fn code(&self) -> u16 {
        self.status
    }

    fn field(&self, name: &str) -> Option<String> {
        self.header(name).map(str::to_owned)
    }

    fn bytes(&self) -> &[u8] {
        &self.body
    }
}

/// An error that says what is wrong: a `detail` for people, a `code` for programs.
#[track_caller]
pub(crate) fn telling(answer: &impl Answer, what: &str) {
    let body = answer.value();
    let said = body["detail"].as_str().unwrap_or_default();
    assert!(said.len() > 8, "{what}: no telling detail: {}", answer.shown());
    let code = body["code"].as_str().unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    assert!(
        !code.is_empty() && code.chars().all(plain),
        "{what}: no code: {}",
        answer.shown()
    );
}

/// A 4xx that says what is wrong.
#[track_caller]
pub(crate) fn refused(answer: &impl Answer, what: &str) {
    assert!((400..500).contains(&answer.code()), "{what}: {}", answer.shown());
    telling(answer, what);
}

/// A 503 that says when to come back, and takes nothing away (I11).
#[track_caller]
pub(crate) fn unavailable(answer: &impl Answer, what: &str) {
    assert_eq!(answer.code(), 503, "{what}: {}", answer.shown());
    telling(answer, what);
    assert!(answer.field("retry-after").is_some(), "{what}: no Retry-After");
    assert_eq!(answer.field("set-cookie"), None, "{what}: a cookie was touched");
    assert_eq!(
        answer.field("clear-site-data"),
        None,
        "{what}: the browser was cleared"
    );
}
