//! What happened: one event for each security decision that changes state (invariant I10).

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::unavailable::Unavailable;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// A code was exchanged and a session began.
    Login,
    /// A refresh token was exchanged for new tokens.
    Refresh,
    /// A rotated refresh token came a second time; its session was ended (RFC 9700 §4.14).
    RefreshReuse,
    /// A token was revoked by its holder (RFC 7009).
    Revoke,
    /// One session was logged out.
    Logout,
    /// Everything of one user was logged out.
    LogoutAll,
    /// One of the user's sessions was ended by name.
    SessionTerminated,
    /// A session got a new id.
    SessionRotated,
    /// An operator revoked something.
    AdminRevoke,
    /// An act that needs a right was refused for want of it.
    AccessDenied,
}

impl AuditKind {
    /// Every kind there is.
    pub const ALL: [Self; 10] = [
        Self::Login,
        Self::Refresh,
        Self::RefreshReuse,
        Self::Revoke,
        Self::Logout,
        Self::LogoutAll,
        Self::SessionTerminated,
        Self::SessionRotated,
        Self::AdminRevoke,
        Self::AccessDenied,
    ];

    /// The stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Refresh => "refresh",
            Self::RefreshReuse => "refresh_reuse",
            Self::Revoke => "revoke",
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::SessionTerminated => "session_terminated",
            Self::SessionRotated => "session_rotated",
            Self::AdminRevoke => "admin_revoke",
            Self::AccessDenied => "access_denied",
        }
    }

    /// The kind with that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditResult {
    /// It was done.
    Success,
    /// It was refused.
    Denied,
    /// It was begun and could not be finished; what was recorded will be.
    Unfinished,
}

impl AuditResult {
    /// The stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Unfinished => "unfinished",
        }
    }

    /// The result with that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Success, Self::Denied, Self::Unfinished]
            .into_iter()
            .find(|r| r.as_str() == word)
    }
}

/// From where a decision was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub ip_address: Option<String>,
    /// The request's id, as in `X-Request-ID` and the log.
    pub request_id: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
}

/// Who, what, when, from where, and how it ended. It holds no secret: sessions by handle, tokens by key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// A time-ordered id (UUID version 7).
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: AuditKind,
    /// Who did it: a user id, or `cli` for the command line.
    pub actor: Option<String>,
    /// Whom it is about: a user id.
    pub user_id: Option<String>,
    /// What it was done to: a session handle, a token key, a client.
    pub target: Option<String>,
    /// The client's address.
    pub ip_address: Option<String>,
    /// The request's id.
    pub request_id: Option<String>,
    /// How it ended.
    pub result: AuditResult,
    /// A word more, for a reader.
    pub detail: Option<String>,
}

impl AuditEvent {
    /// A success, with nothing said yet of whom and what.
    pub fn new(kind: AuditKind, at: Timestamp, origin: &Origin) -> Self {
        Self {
            id: Uuid::now_v7(),
            at,
            kind,
            actor: None,
            user_id: None,
            target: None,
            ip_address: origin.ip_address.clone(),
            request_id: origin.request_id.clone(),
            result: AuditResult::Success,
            detail: None,
        }
    }

    /// Sets who did it and to whom, where both are one.
    #[must_use]
    pub fn by(mut self, user_id: impl Into<String>) -> Self {
        let user_id = user_id.into();
        self.actor = Some(user_id.clone());
        self.user_id = Some(user_id);
        self
    }

    /// Sets what it was done to.
    #[must_use]
    pub fn on(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Sets how it ended.
    #[must_use]
    pub fn with_result(mut self, result: AuditResult) -> Self {
        self.result = result;
        self
    }

    /// Adds a word for the reader.
    #[must_use]
    pub fn saying(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// Which events are asked for; every part that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// About this user, or done by them.
    pub user_id: Option<String>,
    /// Of this kind.
    pub kind: Option<AuditKind>,
    /// At or after this moment.
    pub since: Option<Timestamp>,
}

/// The append-only record.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Appends durably.
    async fn append(&self, events: &[AuditEvent]) -> Result<(), Unavailable>;
    /// The newest first, at most `limit`.
    async fn find(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<AuditEvent>, Unavailable>;
}
