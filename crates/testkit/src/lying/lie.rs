//! The ways in which an authorization server can be wrong.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use super::message::{Request, Response};

/// What an endpoint does instead of its duty.
#[derive(Debug, Clone)]
pub struct Lie(Kind);

#[derive(Clone)]
enum Kind {
    Act(Act),
    After(Before, Box<Lie>),
    Sequence(VecDeque<Lie>),
    ByToken(Arc<Decide>),
    Handler(Arc<Handle>),
}

/// The lie for a bearer token.
type Decide = dyn Fn(Option<&str>) -> Lie + Send + Sync;
/// The answer to a request.
type Handle = dyn Fn(&Request) -> Response + Send + Sync;

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act(act) => act.fmt(f),
            Self::After(_, lie) => write!(f, "after({lie:?})"),
            Self::Sequence(lies) => lies.fmt(f),
            Self::ByToken(_) => f.write_str("by_token"),
            Self::Handler(_) => f.write_str("handler"),
        }
    }
}

/// What is done on the socket in the end.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Honest,
    Answer(Response),
    Hang,
    Garbage,
    Huge { total: u64 },
    GzipBomb { inflated: u64 },
    Close,
    HalfBody(Response),
    SlowDrip { answer: Response, pause: Duration },
}

/// What comes first.
#[derive(Debug, Clone)]
pub(super) enum Before {
    Pause(Duration),
    Gate(Gate),
}

/// What one request gets.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) first: Vec<Before>,
    pub(super) then: Act,
}

impl Plan {
    pub(super) fn honest() -> Self {
        Self {
            first: Vec::new(),
            then: Act::Honest,
        }
    }
}

impl From<Response> for Lie {
    fn from(answer: Response) -> Self {
        Self(Kind::Act(Act::Answer(answer)))
    }
}

impl Lie {
    /// What it would do unscripted; a step of a [`Lie::sequence`].
    pub fn honest() -> Self {
        Self(Kind::Act(Act::Honest))
    }

    /// This status with an empty body.
    pub fn status(status: u16) -> Self {
        Response::status(status).into()
    }

    /// This JSON.
    pub fn json(status: u16, body: Value) -> Self {
        Response::json(status, body).into()
    }

    /// Exactly this body, however malformed.
    pub fn body(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Response::body(status, content_type, body).into()
    }

    /// A redirect (302) to `to`.
    pub fn redirect(to: &str) -> Self {
        Response::status(302).header("location", to).into()
    }

    /// Waits this long, then goes on with `lie`.
    pub fn delay(duration: Duration, lie: Lie) -> Self {
        Self(Kind::After(Before::Pause(duration), Box::new(lie)))
    }

    /// Waits until the test opens the gate, then goes on with `lie`.
    pub fn held(gate: &Gate, lie: Lie) -> Self {
        Self(Kind::After(Before::Gate(gate.clone()), Box::new(lie)))
    }

    /// Takes the request and never answers; the connection stays open until the client leaves.
    pub fn hang() -> Self {
        Self(Kind::Act(Act::Hang))
    }

    /// Answers with bytes that are no HTTP.
    pub fn garbage() -> Self {
        Self(Kind::Act(Act::Garbage))
    }

    /// 200 and a well-formed JSON object of `total` bytes, streamed in chunks, without holding it in memory.
    pub fn huge(total: u64) -> Self {
        Self(Kind::Act(Act::Huge { total }))
    }

    /// 200 with `Content-Encoding: gzip`: 6.5 MiB that inflate to 1 GiB of spaces, which no JSON reader minds.
    pub fn gzip_bomb() -> Self {
        Self(Kind::Act(Act::GzipBomb { inflated: 1 << 30 }))
    }

    /// Drops the connection without a word.
    pub fn close() -> Self {
        Self(Kind::Act(Act::Close))
    }

    /// Announces the JSON's whole length, sends half of it and drops the connection.
    pub fn half_body(status: u16, body: Value) -> Self {
        Self(Kind::Act(Act::HalfBody(Response::json(status, body))))
    }

    /// Sends the head at once and the JSON byte by byte, `pause` apart.
    pub fn slow_drip(status: u16, body: Value, pause: Duration) -> Self {
        Self(Kind::Act(Act::SlowDrip {
            answer: Response::json(status, body),
            pause,
        }))
    }

    /// One after the other, a request each; the last one stays.
    ///
    /// # Panics
    /// When there is none.
    pub fn sequence(lies: impl IntoIterator<Item = Lie>) -> Self {
        let lies: VecDeque<Lie> = lies.into_iter().collect();
        assert!(!lies.is_empty(), "a sequence needs a lie");
        Self(Kind::Sequence(lies))
    }

    /// Decides by the bearer token that was presented.
    pub fn by_token(decide: impl Fn(Option<&str>) -> Lie + Send + Sync + 'static) -> Self {
        Self(Kind::ByToken(Arc::new(decide)))
    }

    /// Answers as the closure says.
    pub fn handler(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Self(Kind::Handler(Arc::new(answer)))
    }

    /// What this request gets; moves sequences on.
    pub(super) fn next(&mut self, request: &Request) -> Plan {
        match &mut self.0 {
            Kind::Act(act) => Plan {
                first: Vec::new(),
                then: act.clone(),
            },
            Kind::After(before, lie) => {
                let mut plan = lie.next(request);
                plan.first.insert(0, before.clone());
                plan
            }
            Kind::Sequence(lies) if lies.len() > 1 => lies.pop_front().expect("not empty").next(request),
            Kind::Sequence(lies) => lies.front_mut().expect("not empty").next(request),
            Kind::ByToken(decide) => decide(request.bearer()).next(request),
            Kind::Handler(answer) => Plan {
                first: Vec::new(),
                then: Act::Answer(answer(request)),
            },
        }
    }
}

/// A gate that holds answers back until the test opens it. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Default for Gate {
    fn default() -> Self {
        Self::closed()
    }
}

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        Self(Arc::new(watch::channel(false).0))
    }

    /// Lets everyone through, now and later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn passed(&self) {
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}
