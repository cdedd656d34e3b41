//! Sessions that are looked at without being used: who is logged in, and whether the session goes on.

use jiff::Timestamp;

use super::{AuthFault, Engine};
use crate::clock;
use crate::credential::{SessionHandle, SessionId};
use crate::identity::Subject;
use crate::revocation::{GateRefusal, RevocationReason};
use crate::session::{SessionFault, SessionPolicy, SessionRecord};
use crate::verdict::{ActiveCredential, CutoffScope, IssueTime, RevocationKey};

/// Active session as it is stored, with the times at which it ends.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// Credential of the session.
    pub credential: ActiveCredential,
    /// Contents.
    pub record: SessionRecord,
    /// End of the session in any case.
    pub expires_at: Timestamp,
    /// End of the session if it is not used from now on.
    pub idle_expires_at: Timestamp,
}

/// Session that is observed until it ends.
#[derive(Clone, Debug)]
pub struct SessionWatch {
    subject: Subject,
    handle: SessionHandle,
    keys: [RevocationKey; 1],
    scopes: Vec<CutoffScope>,
    issue_time: IssueTime,
    /// Time at which the session ends unless it was used since. It is loaded again then.
    ends_at: Timestamp,
}

/// State of an observed session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchedState {
    /// The session goes on.
    Active,
    /// The session has ended.
    Ended(SessionEnd),
    /// A component did not answer. This is no end.
    Unknown,
}

/// Reason for which a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The session, or everything of its user, was revoked.
    Revoked(RevocationReason),
    /// Idle or absolute limit.
    Expired,
}

impl SessionEnd {
    /// Returns the stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revoked(reason) => reason.as_str(),
            Self::Expired => "expired",
        }
    }
}

impl Engine {
    /// Authenticates a session cookie without recording a use: looking does not prolong a session.
    ///
    /// # Errors
    /// Fails if the session is not accepted, or if the store does not answer.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn view_session(&self, id: &SessionId) -> Result<SessionView, AuthFault> {
        let now = self.now();
        let sessions = &self.deps.sessions;
        let loaded = sessions.load(id, now).await?;
        let credential = self.admit(loaded.to_verified(sessions.policy()), now).await?;
        let (expires_at, idle_expires_at) = limits(&loaded.record, sessions.policy());
        Ok(SessionView {
            credential,
            record: loaded.record,
            expires_at,
            idle_expires_at,
        })
    }

    /// Returns the observation of a session. It knows the session by its handle, so it survives a change of the
    /// session's id.
    pub fn watch_session(&self, view: &SessionView) -> SessionWatch {
        let info = view.credential.info();
        SessionWatch {
            subject: view.record.identity.subject(),
            handle: view.record.handle.clone(),
            keys: [RevocationKey::session(&view.record.handle)],
            scopes: info.cutoff_scopes.clone(),
            issue_time: info.issue_time,
            ends_at: view.idle_expires_at,
        }
    }

    /// Returns whether an observed session goes on. Mostly answered from memory.
    pub async fn watched_state(&self, watch: &mut SessionWatch) -> WatchedState {
        let now = self.now();
        let gate = &self.deps.revocations;
        match gate
            .check(&watch.keys, &watch.scopes, watch.issue_time, now)
            .await
        {
            Ok(_) if now < watch.ends_at => WatchedState::Active,
            Ok(_) => self.reload_watched(watch, now).await,
            Err(GateRefusal::SessionRevoked(reason) | GateRefusal::TokenRevoked(reason)) => {
                WatchedState::Ended(SessionEnd::Revoked(reason))
            }
            Err(GateRefusal::Unavailable(_)) => WatchedState::Unknown,
        }
    }

    async fn reload_watched(&self, watch: &mut SessionWatch, now: Timestamp) -> WatchedState {
        let sessions = &self.deps.sessions;
        match sessions.by_handle(&watch.subject, &watch.handle, now).await {
            Ok(loaded) => {
                watch.ends_at = limits(&loaded.record, sessions.policy()).1;
                WatchedState::Active
            }
            // What ends a session otherwise is a revocation, and the gate knows it.
            Err(SessionFault::Missing | SessionFault::Ended) => WatchedState::Ended(SessionEnd::Expired),
            Err(SessionFault::Unavailable(_)) => WatchedState::Unknown,
        }
    }
}

/// Returns the absolute and the idle end of a session.
fn limits(record: &SessionRecord, policy: &SessionPolicy) -> (Timestamp, Timestamp) {
    let expires_at = clock::after(record.created_at, policy.max_lifetime);
    let idle_expires_at = clock::after(record.last_accessed, policy.idle_timeout);
    (expires_at, idle_expires_at.min(expires_at))
}
