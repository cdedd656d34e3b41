//! Audit: one event for each security decision that changes state (invariant I10 of `docs/ARCHITECTURE.md`).

use std::borrow::Cow;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::credential::{hex, sha256};
use crate::identity::Subject;
use crate::unavailable::Unavailable;

/// Kind of an audit event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// Exchange of a code, which began a session.
    Login,
    /// Exchange of a refresh token for new tokens.
    Refresh,
    /// Second use of a rotated refresh token. Its session was ended (RFC 9700 §4.14).
    RefreshReuse,
    /// Revocation of a token by its holder (RFC 7009).
    Revoke,
    /// Logout of one session.
    Logout,
    /// Logout of everything of one user.
    LogoutAll,
    /// Logout that the OpenID provider asked for, of a session or of a person.
    ProviderLogout,
    /// End of one of the user's sessions, named by its handle.
    SessionTerminated,
    /// Change of a session's id.
    SessionRotated,
    /// Revocation by an operator.
    AdminRevoke,
    /// Refusal of an operation because the caller lacks the permission for it.
    AccessDenied,
    /// Deletion of old events by an operator.
    AuditPurged,
}

impl AuditKind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::Login,
        Self::Refresh,
        Self::RefreshReuse,
        Self::Revoke,
        Self::Logout,
        Self::LogoutAll,
        Self::ProviderLogout,
        Self::SessionTerminated,
        Self::SessionRotated,
        Self::AdminRevoke,
        Self::AccessDenied,
        Self::AuditPurged,
    ];

    /// Returns the stable word for the kind, as in the table and in exports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Refresh => "refresh",
            Self::RefreshReuse => "refresh_reuse",
            Self::Revoke => "revoke",
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::ProviderLogout => "provider_logout",
            Self::SessionTerminated => "session_terminated",
            Self::SessionRotated => "session_rotated",
            Self::AdminRevoke => "admin_revoke",
            Self::AccessDenied => "access_denied",
            Self::AuditPurged => "audit_purged",
        }
    }

    /// Returns the kind with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Outcome of an audited operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditResult {
    /// The action was carried out.
    Success,
    /// The action was refused.
    Denied,
    /// Begun and not finished. The recorded part is finished later.
    Unfinished,
}

impl AuditResult {
    /// Returns the stable word for the result.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Unfinished => "unfinished",
        }
    }

    /// Returns the result with this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Success, Self::Denied, Self::Unfinished]
            .into_iter()
            .find(|r| r.as_str() == word)
    }
}

/// Origin of the request that led to an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditOrigin {
    /// Address of the client.
    pub ip_address: Option<String>,
    /// Id of the request, as in `X-Request-ID` and in the log.
    pub request_id: Option<String>,
    /// `User-Agent` of the client.
    pub user_agent: Option<String>,
}

/// Audit event. Contains no secret: a session is named by its handle, a token by its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Time-ordered id (UUID version 7, RFC 9562 §5.7).
    pub id: Uuid,
    /// Time of the event.
    pub at: Timestamp,
    /// Kind of the event.
    pub kind: AuditKind,
    /// Actor, as [`Subject::storage_name`] writes it, or `cli` for the command line.
    pub actor: Option<String>,
    /// User who is affected. As JSON it is `user_id`: the id, and for another issuer than the default one
    /// `@{issuer}|{id}`.
    #[serde(rename = "user_id")]
    pub subject: Option<Subject>,
    /// Object of the operation: a session handle, a token key, a client.
    pub target: Option<String>,
    /// Address of the client.
    pub ip_address: Option<String>,
    /// Id of the request.
    pub request_id: Option<String>,
    /// Outcome.
    pub result: AuditResult,
    /// Number of occurrences: refusals of one person within a minute are merged into one event.
    pub count: u64,
    /// Free text for a reader.
    pub detail: Option<String>,
}

impl AuditEvent {
    /// Builds an event with the result `success`, without actor, user, target and detail.
    pub fn new(kind: AuditKind, at: Timestamp, origin: &AuditOrigin) -> Self {
        Self {
            // Version 7 grows with time: sorted by time and id, events of one millisecond keep their order.
            id: Uuid::now_v7(),
            at,
            kind,
            actor: None,
            subject: None,
            target: None,
            ip_address: origin.ip_address.clone(),
            request_id: origin.request_id.clone(),
            result: AuditResult::Success,
            count: 1,
            detail: None,
        }
    }

    /// Returns the key that this event shares with similar events, which are then counted as one: refusals of
    /// the same kind, in the same minute, of the same person (or of the same address if no person is known).
    /// Returns `None` for an event that is never merged.
    pub fn merge_key(&self) -> Option<String> {
        // Anyone can cause refusals without limit. Successes and unfinished operations each
        // matter on their own.
        if self.result != AuditResult::Denied {
            return None;
        }
        // The actor is who caused the refusal. The affected user stands in for an unknown actor.
        let actor = self.actor.as_deref().map(Cow::Borrowed);
        let person = actor.or_else(|| self.subject.as_ref().map(Subject::storage_name));
        // `scope` keeps a user whose id looks like an address apart from that address.
        let (scope, id) = match (&person, &self.ip_address) {
            (Some(person), _) => ("person", person.as_ref()),
            (None, Some(address)) => ("address", address.as_str()),
            (None, None) => return None,
        };
        let minute = self.at.as_second().div_euclid(60);
        // Only `id` is free text, and it is the last part: no two different events have the same name.
        let name = format!("{}\n{minute}\n{scope}\n{id}", self.kind.as_str());
        Some(hex(&sha256(name.as_bytes())))
    }

    /// Sets actor and user to the same person, for operations of users on themselves.
    #[must_use]
    pub fn with_actor(mut self, subject: &Subject) -> Self {
        self.actor = Some(subject.to_string());
        self.subject = Some(subject.clone());
        self
    }

    /// Sets the object of the operation.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Sets the outcome.
    #[must_use]
    pub fn with_result(mut self, result: AuditResult) -> Self {
        self.result = result;
        self
    }

    /// Sets the free text.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// Filter for events. Every part that is set must match.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Events that affect this user or that this user caused.
    pub subject: Option<Subject>,
    /// Events of this kind.
    pub kind: Option<AuditKind>,
    /// Events at or after this time.
    pub since: Option<Timestamp>,
}

/// Store of audit events. Events are immutable, except for the count of merged refusals.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Appends events durably. If an event with the same [`merge_key`](AuditEvent::merge_key) exists, its
    /// count grows instead.
    async fn append(&self, events: &[AuditEvent]) -> Result<(), Unavailable>;
    /// Returns at most `limit` events, newest first.
    async fn find(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<AuditEvent>, Unavailable>;
    /// Deletes the events before this time, and returns their number.
    async fn delete_before(&self, before: Timestamp) -> Result<u64, Unavailable>;
}
