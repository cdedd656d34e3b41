//! Lies: the ways in which an authorization server can be wrong.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use super::message::{ReceivedRequest, ScriptedResponse};

/// Behaviour of a scripted endpoint in place of its honest answer.
#[derive(Debug, Clone)]
pub struct Lie(LieKind);

#[derive(Clone)]
enum LieKind {
    Act(LieAction),
    Delayed(LieDelay, Box<Lie>),
    Sequence(VecDeque<Lie>),
    ByToken(Arc<LieByToken>),
    Handler(Arc<LieHandler>),
}

/// Returns the lie for a bearer token.
type LieByToken = dyn Fn(Option<&str>) -> Lie + Send + Sync;
/// Returns the answer to a request.
type LieHandler = dyn Fn(&ReceivedRequest) -> ScriptedResponse + Send + Sync;

impl fmt::Debug for LieKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act(action) => action.fmt(f),
            Self::Delayed(_, lie) => write!(f, "after({lie:?})"),
            Self::Sequence(lies) => lies.fmt(f),
            Self::ByToken(_) => f.write_str("by_token"),
            Self::Handler(_) => f.write_str("handler"),
        }
    }
}

/// Action on the socket.
#[derive(Debug, Clone)]
pub(super) enum LieAction {
    Honest,
    Answer(ScriptedResponse),
    Hang,
    Garbage,
    Huge {
        total: u64,
    },
    GzipBomb {
        inflated: u64,
    },
    Close,
    HalfBody(ScriptedResponse),
    SlowDrip {
        answer: ScriptedResponse,
        pause: Duration,
    },
}

/// Delay before the action.
#[derive(Debug, Clone)]
pub(super) enum LieDelay {
    Pause(Duration),
    Gate(ReplyGate),
}

/// Delays and action for one request.
#[derive(Debug)]
pub(super) struct LiePlan {
    pub(super) delays: Vec<LieDelay>,
    pub(super) action: LieAction,
}

impl LiePlan {
    pub(super) fn honest() -> Self {
        Self {
            delays: Vec::new(),
            action: LieAction::Honest,
        }
    }
}

impl From<ScriptedResponse> for Lie {
    fn from(answer: ScriptedResponse) -> Self {
        Self(LieKind::Act(LieAction::Answer(answer)))
    }
}

impl Lie {
    /// Answers honestly, as without a script; for a step of a [`Lie::sequence`].
    pub fn honest() -> Self {
        Self(LieKind::Act(LieAction::Honest))
    }

    /// Answers with this status and an empty body.
    pub fn status(status: u16) -> Self {
        ScriptedResponse::status(status).into()
    }

    /// Answers with this JSON.
    pub fn json(status: u16, body: Value) -> Self {
        ScriptedResponse::json(status, body).into()
    }

    /// Answers with exactly this body, even if it is malformed.
    pub fn body(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        ScriptedResponse::body(status, content_type, body).into()
    }

    /// Answers with a redirect (302) to `to`.
    pub fn redirect(to: &str) -> Self {
        ScriptedResponse::status(302).header("location", to).into()
    }

    /// Waits for `duration`, then performs `lie`.
    pub fn delay(duration: Duration, lie: Lie) -> Self {
        Self(LieKind::Delayed(LieDelay::Pause(duration), Box::new(lie)))
    }

    /// Waits until the test opens the gate, then performs `lie`.
    pub fn gated(gate: &ReplyGate, lie: Lie) -> Self {
        Self(LieKind::Delayed(LieDelay::Gate(gate.clone()), Box::new(lie)))
    }

    /// Reads the request and never answers. The connection stays open until the client closes it.
    pub fn hang() -> Self {
        Self(LieKind::Act(LieAction::Hang))
    }

    /// Answers with bytes that are not HTTP.
    pub fn garbage() -> Self {
        Self(LieKind::Act(LieAction::Garbage))
    }

    /// Answers 200 with a well-formed JSON object of `total` bytes, streamed in chunks and never whole in
    /// memory.
    pub fn huge(total: u64) -> Self {
        Self(LieKind::Act(LieAction::Huge { total }))
    }

    /// Answers 200 with `Content-Encoding: gzip`: 6.5 MiB that inflate to 1 GiB of spaces, which are valid
    /// between JSON tokens.
    pub fn gzip_bomb() -> Self {
        Self(LieKind::Act(LieAction::GzipBomb { inflated: 1 << 30 }))
    }

    /// Closes the connection without an answer.
    pub fn close() -> Self {
        Self(LieKind::Act(LieAction::Close))
    }

    /// Announces the JSON's whole length, sends half of it and closes the connection.
    pub fn half_body(status: u16, body: Value) -> Self {
        Self(LieKind::Act(LieAction::HalfBody(ScriptedResponse::json(
            status, body,
        ))))
    }

    /// Sends the head at once and the JSON byte by byte, `pause` apart.
    pub fn slow_drip(status: u16, body: Value, pause: Duration) -> Self {
        Self(LieKind::Act(LieAction::SlowDrip {
            answer: ScriptedResponse::json(status, body),
            pause,
        }))
    }

    /// Uses one lie per request, in order. The last one is used for all further requests.
    ///
    /// # Panics
    /// If there is no lie.
    pub fn sequence(lies: impl IntoIterator<Item = Lie>) -> Self {
        let lies: VecDeque<Lie> = lies.into_iter().collect();
        assert!(!lies.is_empty(), "a sequence needs at least one lie");
        Self(LieKind::Sequence(lies))
    }

    /// Chooses the lie by the presented bearer token.
    pub fn by_token(decide: impl Fn(Option<&str>) -> Lie + Send + Sync + 'static) -> Self {
        Self(LieKind::ByToken(Arc::new(decide)))
    }

    /// Answers with the result of the closure.
    pub fn handler(answer: impl Fn(&ReceivedRequest) -> ScriptedResponse + Send + Sync + 'static) -> Self {
        Self(LieKind::Handler(Arc::new(answer)))
    }

    /// Returns the plan for this request. A sequence advances by one step.
    pub(super) fn next_plan(&mut self, request: &ReceivedRequest) -> LiePlan {
        match &mut self.0 {
            LieKind::Act(action) => LiePlan {
                delays: Vec::new(),
                action: action.clone(),
            },
            LieKind::Delayed(delay, lie) => {
                let mut plan = lie.next_plan(request);
                // In front: the outermost delay was written first and comes first.
                plan.delays.insert(0, delay.clone());
                plan
            }
            // The last lie is never removed, so it stays for all further requests.
            LieKind::Sequence(lies) if lies.len() > 1 => {
                lies.pop_front().expect("not empty").next_plan(request)
            }
            LieKind::Sequence(lies) => lies.front_mut().expect("not empty").next_plan(request),
            // A new lie for each request, so a sequence in here would start again each time.
            LieKind::ByToken(decide) => decide(request.bearer()).next_plan(request),
            LieKind::Handler(answer) => LiePlan {
                delays: Vec::new(),
                action: LieAction::Answer(answer(request)),
            },
        }
    }
}

/// Gate that holds answers back until the test opens it. Clones are the same gate.
// A watch channel keeps its state: a request that arrives after the opening passes too.
#[derive(Debug, Clone)]
pub struct ReplyGate(Arc<watch::Sender<bool>>);

impl Default for ReplyGate {
    fn default() -> Self {
        Self::closed()
    }
}

impl ReplyGate {
    /// Makes a closed gate.
    pub fn closed() -> Self {
        Self(Arc::new(watch::channel(false).0))
    }

    /// Opens the gate for good.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until the gate is open.
    pub(super) async fn wait_open(&self) {
        // Fails only without a sender, and `self` holds one.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}
