//! What happened, by one clock: every answer, every fault, every death.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::faults::FaultKind;

/// Time since the run began, on the harness's one monotonic clock.
pub(crate) type At = Duration;
/// A token's number.
pub(crate) type Token = usize;
/// A user's number.
pub(crate) type User = usize;

/// Two moments around a request: before its first byte was sent, and after its answer was read or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) begun: At,
    pub(crate) ended: At,
}

impl Span {
    pub(crate) fn length(self) -> Duration {
        self.ended.saturating_sub(self.begun)
    }
}

/// One question whether a token is good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    pub(crate) token: Token,
    pub(crate) instance: usize,
    pub(crate) span: Span,
    pub(crate) answer: Answer,
    /// Asked after all faults were healed, of everything that was acknowledged.
    pub(crate) last: bool,
}

/// What came of a [`Check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200, and it is the token's user.
    Accepted,
    /// 200, and it is somebody else.
    Stranger,
    /// 401 `token_revoked`.
    Revoked,
    /// 401 with another code.
    Refused(&'static str),
    /// 503 or 504; or 408, which a client on a busy machine may deserve.
    Unavailable(u16),
    /// No connection, a broken one, or no answer in time.
    Nothing,
    /// Any other status.
    Odd(u16),
}

impl Answer {
    /// Whether nothing was learnt about the token.
    pub(crate) fn is_none(self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Nothing)
    }
}

/// What one revocation covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Covers {
    /// One token.
    Token(Token),
    /// All tokens of a user, every one issued well before.
    User(User),
}

/// By which door a revocation was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `POST /oauth/revoke`.
    Revoke,
    /// `POST /api/v1/auth/logout/all`.
    LogoutAll,
    /// `maxlab-auth revoke` beside the gateway.
    CommandLine,
}

/// One attempt to revoke.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Revocation {
    pub(crate) covers: Covers,
    pub(crate) way: Way,
    pub(crate) instance: usize,
    pub(crate) span: Span,
    pub(crate) answer: Outcome,
}

/// What came of a [`Revocation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200 (or exit status 0): it is promised.
    Acknowledged,
    /// 503, 504, 408, or the command line's failure: it may take effect or not.
    Unacknowledged(u16),
    /// No answer: it may take effect or not.
    Nothing,
    /// Any other status.
    Odd(u16),
}

/// A time under a fault, until everything answered again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disturbance {
    pub(crate) kind: FaultKind,
    /// The instance that it hit, if it hit one only.
    pub(crate) instance: Option<usize>,
    pub(crate) span: Span,
}

/// A process that ended although nobody killed it.
#[derive(Clone, Debug)]
pub(crate) struct Death {
    pub(crate) at: At,
    pub(crate) who: String,
}

/// A whole run.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The user of each token.
    pub(crate) users: Vec<User>,
    pub(crate) checks: Vec<Check>,
    pub(crate) revocations: Vec<Revocation>,
    pub(crate) disturbances: Vec<Disturbance>,
    pub(crate) deaths: Vec<Death>,
    /// Instances that did not answer about a token at the end, with everything healed.
    pub(crate) silent: Vec<(Token, usize, At)>,
}

impl History {
    /// The fault in force at a moment.
    pub(crate) fn fault_at(&self, at: At) -> FaultKind {
        self.disturbance_at(at)
            .map_or(FaultKind::Undisturbed, |disturbance| disturbance.kind)
    }

    /// They do not overlap and are in order.
    pub(crate) fn disturbance_at(&self, at: At) -> Option<&Disturbance> {
        let after = self.disturbances.partition_point(|one| one.span.begun <= at);
        let last = self.disturbances.get(after.checked_sub(1)?)?;
        (at < last.span.ended).then_some(last)
    }
}

/// The one clock, and the history that is being written.
#[derive(Debug)]
pub(crate) struct Recorder {
    origin: Instant,
    history: Mutex<History>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
            history: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> At {
        self.origin.elapsed()
    }

    /// Writes something down.
    pub(crate) fn note(&self, write: impl FnOnce(&mut History)) {
        write(&mut self.history.lock().unwrap());
    }

    /// Looks something up.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&History) -> T) -> T {
        look(&self.history.lock().unwrap())
    }

    /// The history, once nobody writes any more.
    pub(crate) fn close(&self) -> History {
        std::mem::take(&mut self.history.lock().unwrap())
    }
}
