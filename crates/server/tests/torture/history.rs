//! What happened, by one clock: every answer, every fault, every death.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::faults::FaultKind;

/// Time since the run began, on the harness's one monotonic clock.
pub(crate) type At = Duration;
/// A credential's number: its place in [`History::credentials`].
pub(crate) type CredentialId = usize;
/// A user's number.
pub(crate) type User = usize;
/// A login's number.
pub(crate) type LoginId = usize;

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

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    AccessToken,
    SessionCookie,
    RefreshToken,
}

impl CredentialKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "access token",
            Self::SessionCookie => "cookie",
            Self::RefreshToken => "refresh token",
        }
    }
}

/// One credential that was given out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CredentialRecord {
    pub(crate) kind: CredentialKind,
    pub(crate) user: User,
    /// The login that it belongs to; a token that never passed through a gateway has none.
    pub(crate) login: Option<LoginId>,
    /// Time when the request that brought it began.
    pub(crate) issued: At,
}

/// One question whether a credential is good. Of a refresh token it is an exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    pub(crate) credential: CredentialId,
    pub(crate) instance: usize,
    pub(crate) span: Span,
    pub(crate) answer: Answer,
    /// Asked after all faults were healed, of everything that was acknowledged.
    pub(crate) last: bool,
}

/// What came of a [`Check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200, and it is the credential's user.
    Accepted,
    /// 200, and it is somebody else.
    Stranger,
    /// Refused because it, or its session, was revoked.
    Revoked,
    /// 401 `invalid_session`: the store has no such session.
    Missing,
    /// A refresh token that was exchanged before.
    Spent,
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
    /// Whether nothing was learnt about the credential.
    pub(crate) fn is_none(self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Nothing)
    }
}

/// A set of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Covers {
    /// One alone.
    Credential(CredentialId),
    /// All cookies of a login, also those before a rotation.
    Cookies(LoginId),
    /// All credentials of a login: cookies, access tokens and refresh tokens.
    Login(LoginId),
    /// All credentials of a user, every one issued well before.
    User(User),
}

impl Covers {
    pub(crate) fn includes(self, id: CredentialId, record: &CredentialRecord) -> bool {
        match self {
            Self::Credential(one) => one == id,
            Self::Cookies(login) => {
                record.login == Some(login) && record.kind == CredentialKind::SessionCookie
            }
            Self::Login(login) => record.login == Some(login),
            Self::User(user) => record.user == user,
        }
    }
}

/// One attempt to end something.
#[derive(Clone, Debug)]
pub(crate) struct Revocation {
    /// What the attempt may end, acknowledged or not.
    pub(crate) may_end: Vec<Covers>,
    /// What an acknowledgement promises to be over.
    pub(crate) promises: Vec<Covers>,
    pub(crate) way: Way,
    pub(crate) instance: usize,
    pub(crate) span: Span,
    pub(crate) answer: Outcome,
    /// Whether the client had asked for the same before and got no acknowledgement.
    pub(crate) repeat: bool,
}

/// How something is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Way {
    /// `POST /oauth/revoke` of a token that never passed through a gateway.
    Revoke,
    /// `POST /oauth/revoke` of a login's access token.
    RevokeAccess,
    /// `POST /oauth/revoke` of a login's refresh token.
    RevokeRefresh,
    /// `maxlab-auth revoke` beside the gateway.
    CommandLine,
    /// `POST /api/v1/auth/logout` with an access token.
    LogoutBearer,
    /// The same with the session cookie.
    LogoutCookie,
    /// The same with both.
    LogoutBoth,
    /// The same with an access token, and `X-Session-ID` of another session.
    LogoutNamed,
    /// `POST /api/v1/auth/logout/all` with an access token.
    LogoutAll,
    /// The same with the session cookie.
    LogoutAllCookie,
    /// `POST /api/v1/auth/logout` with `logout_all_devices`.
    LogoutEverywhere,
    /// `DELETE /api/v1/auth/sessions/{handle}`.
    Terminate,
    /// `POST /api/v1/admin/users/{user_id}/logout`.
    AdminLogout,
    /// `POST /api/v1/auth/sessions/rotate`, which ends the old id.
    Rotate,
}

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Revoke => "revoke: token",
            Self::RevokeAccess => "revoke: access token of a login",
            Self::RevokeRefresh => "revoke: refresh token",
            Self::CommandLine => "command line",
            Self::LogoutBearer => "logout: bearer",
            Self::LogoutCookie => "logout: cookie",
            Self::LogoutBoth => "logout: bearer and cookie",
            Self::LogoutNamed => "logout: X-Session-ID",
            Self::LogoutAll => "logout-all: bearer",
            Self::LogoutAllCookie => "logout-all: cookie",
            Self::LogoutEverywhere => "logout: logout_all_devices",
            Self::Terminate => "DELETE of a session",
            Self::AdminLogout => "administrator's logout",
            Self::Rotate => "rotation",
        }
    }
}

/// What came of a [`Revocation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200 (or exit status 0): it is promised.
    Acknowledged,
    /// Another answer which says that it is over already: 404, or 401 because of a revocation. It is promised too.
    Over(u16),
    /// 503, 504, 408, 401 for want of a session, or the command line's failure: it may take effect or not.
    Unacknowledged(u16),
    /// No answer: it may take effect or not.
    Nothing,
    /// Any other status.
    Odd(u16),
}

impl Outcome {
    pub(crate) fn is_acknowledgement(self) -> bool {
        matches!(self, Self::Acknowledged | Self::Over(_))
    }
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
    pub(crate) credentials: Vec<CredentialRecord>,
    pub(crate) checks: Vec<Check>,
    pub(crate) revocations: Vec<Revocation>,
    pub(crate) disturbances: Vec<Disturbance>,
    pub(crate) deaths: Vec<Death>,
    /// Instances that did not answer about a credential at the end, with everything healed.
    pub(crate) silent: Vec<(CredentialId, usize, At)>,
    /// Sessions are in Redis, and not in a database that keeps what it was given (I14).
    pub(crate) sessions_in_redis: bool,
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

    /// Whether a session that was there at `from` may be lost at `to`, because of a fault after which Redis lacks data.
    pub(crate) fn may_lose_sessions(&self, from: At, to: At) -> bool {
        let mut lossy = self.disturbances.iter().filter(|one| one.kind.loses_sessions());
        self.sessions_in_redis && lossy.any(|one| one.span.ended >= from && one.span.begun <= to)
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
