//! What an HTTP answer means, to a question and to an order.

use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use super::ending::Ending;
use super::register::Presented;
use crate::history::{Answer, Outcome, Way};

/// The route that a question goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    Me,
    ForwardAuth,
}

/// An answer that arrived as a whole.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) status: u16,
    headers: reqwest::header::HeaderMap,
    pub(super) body: Value,
}

impl Read {
    /// Sends a request. `None` without a whole answer.
    pub(super) async fn of(request: RequestBuilder) -> Option<Self> {
        let response: Response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.ok()?;
        Some(Self {
            status,
            headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        })
    }

    fn code(&self) -> Option<&str> {
        self.body["code"].as_str()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.headers.get_all(name).into_iter();
        values.filter_map(|value| value.to_str().ok())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.body[name].as_str()
    }
}

/// Reads what a gateway says of an access token or a cookie.
pub(super) fn of_check(read: &Read, shown: &Presented, door: Door) -> Answer {
    match read.status {
        200 => {
            let user = match door {
                Door::Me => read.text("user_id"),
                Door::ForwardAuth => read.header("remote-user"),
            };
            if user == Some(&shown.user) {
                Answer::Accepted
            } else {
                Answer::Stranger
            }
        }
        401 => match read.code() {
            Some("token_revoked" | "session_revoked") => Answer::Revoked,
            Some("invalid_session") => Answer::Missing,
            other => Answer::Refused(known_code(other)),
        },
        // 408 is the gateway's word for a client that was too slow: on a busy machine it may be this one.
        408 | 503 | 504 => Answer::Unavailable(read.status),
        other => Answer::Odd(other),
    }
}

/// Reads what came of the exchange of a refresh token.
pub(super) fn of_exchange(read: &Read) -> Answer {
    match read.status {
        200 if read.text("access_token").is_some() => Answer::Accepted,
        400 if read.text("error") == Some("invalid_grant") => match read.text("detail") {
            Some("Token has been revoked") => Answer::Revoked,
            _ => Answer::Spent,
        },
        408 | 503 | 504 => Answer::Unavailable(read.status),
        other => Answer::Odd(other),
    }
}

/// Reads what came of an order to end something.
pub(super) fn of_ending(read: &Read, ending: &Ending) -> Outcome {
    let revoked = matches!(read.code(), Some("token_revoked" | "session_revoked"));
    match read.status {
        200 => Outcome::Acknowledged,
        404 if ending.way == Way::Terminate && read.code() == Some("not_found") => Outcome::Over(404),
        // A rotation that is refused promises nothing: its client has to log in again.
        401 if revoked && ending.way != Way::Rotate => Outcome::Over(401),
        401 if revoked || read.code() == Some("invalid_session") => Outcome::Unacknowledged(401),
        408 | 503 | 504 => Outcome::Unacknowledged(read.status),
        other => Outcome::Odd(other),
    }
}

/// The codes that a 401 may carry, without keeping a copy for every answer.
fn known_code(code: Option<&str>) -> &'static str {
    let known = [
        "missing_credential",
        "invalid_token",
        "token_expired",
        "invalid_client",
    ];
    known
        .into_iter()
        .find(|name| Some(*name) == code)
        .unwrap_or("unknown")
}
