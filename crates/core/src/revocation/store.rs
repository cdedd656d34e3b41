//! What the gate asks of its journal and of its store.

use async_trait::async_trait;
use jiff::Timestamp;

use super::key::{RevocationKey, TokenKey};
use super::record::{JournalEntry, Journalled, Reason, Revocation};
use super::term::{Epoch, Term};
use crate::audit::AuditEvent;
use crate::outbox::UpstreamRevocation;
use crate::unavailable::Unavailable;

/// What a store knows of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Why it is revoked.
    pub reason: Reason,
    /// For a cut-off, its moment.
    pub cutoff: Option<Timestamp>,
}

/// What a store answers, all read in one trip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// For each key that was asked about, in that order.
    pub revoked: Vec<Option<Found>>,
    /// For each key that was asked about, in that order: since when the login is spared.
    pub spared: Vec<Option<Timestamp>>,
    /// The store's data set: `None` if it has lost its data, or never had any, and where nobody asked a store.
    pub epoch: Option<Epoch>,
}

/// The store that every instance shares, fast to read, not trusted to remember: the journal is. What stands in it came by
/// [`RevocationLog::publish`](super::RevocationLog::publish).
#[async_trait]
pub trait RevocationStore: Send + Sync {
    /// What stands recorded, together with the data set, in one trip.
    async fn find(
        &self,
        revoked: &[RevocationKey],
        spared: &[RevocationKey],
        now: Timestamp,
    ) -> Result<Findings, Unavailable>;
    /// The present by the one clock that all instances share: the store's own where they have a store in common, and
    /// `local` where there is but one instance. Cut-offs and the beginnings of logins are measured by it, so that
    /// instances whose clocks differ agree on which came first.
    async fn shared_time(&self, local: Timestamp) -> Result<Timestamp, Unavailable>;
    /// Revoked tokens, those of one user where given; at most `limit`, beginning after the key `after`, in the order
    /// of the store (which need not be sorted); the second value is where to go on, `None` at the end.
    async fn list(
        &self,
        user_id: Option<&str>,
        after: Option<&str>,
        limit: u32,
        now: Timestamp,
    ) -> Result<(Vec<Revocation>, Option<String>), Unavailable>;
    /// Removes what has expired, and what could never expire; how many that were.
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable>;
    /// Notes that the user holds this token, where a deployment of the guide may look for it (`user_tokens:{user}`).
    async fn note_user_token(
        &self,
        user_id: &str,
        token: &TokenKey,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), Unavailable>;
    /// The tokens noted of the user.
    async fn user_tokens(&self, user_id: &str) -> Result<Vec<TokenKey>, Unavailable>;
}

/// What is recorded together, or not at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record<'r> {
    /// What is revoked and spared.
    pub entries: &'r [JournalEntry],
    /// What happened.
    pub audit: &'r [AuditEvent],
    /// What the authorization server has to be told of it.
    pub upstream: &'r [UpstreamRevocation],
}

impl<'r> Record<'r> {
    /// These entries, of which nobody is told.
    pub fn of(entries: &'r [JournalEntry]) -> Self {
        Self {
            entries,
            ..Self::default()
        }
    }

    /// The same with these events.
    #[must_use]
    pub fn audited(self, audit: &'r [AuditEvent]) -> Self {
        Self { audit, ..self }
    }
}

/// The record that nothing acknowledged is lost from: SQL, committed and synced before anything else happens.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends the whole record in one transaction, committed and synced when it answers: for each entry the line that it
    /// stands in, in the order of the entries.
    ///
    /// An order that stands already is not written twice: a key revoked by name whose line outlives the new one, and
    /// a cut-off of the same key that is not yet [`applied`](Self::applied), answer the line that is there. So a
    /// caller that repeats a call after 503 gets one revocation, with the time first written.
    async fn append(&self, record: Record<'_>, now: Timestamp) -> Result<Vec<Journalled>, Unavailable>;
    /// Notes that the lines have reached the store.
    async fn applied(&self, positions: &[i64]) -> Result<(), Unavailable>;
    /// Lines that have not reached the store, the oldest first.
    async fn unapplied(&self, limit: u32) -> Result<Vec<Journalled>, Unavailable>;
    /// Unexpired lines after a position, in order: what a store that lost its data is rebuilt from.
    async fn live_after(
        &self,
        position: i64,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Journalled>, Unavailable>;
    /// The journal's own name, by which a store remembers that this journal was written into it.
    async fn id(&self) -> Result<String, Unavailable>;
    /// The data set that is registered as the one that counts; `None` before the first.
    async fn term(&self) -> Result<Option<Term>, Unavailable>;
    /// Registers a data set as the one that counts, under the next number, if `current` is still what is registered.
    /// `None` if it is not.
    async fn announce(&self, current: Option<&Term>, epoch: &Epoch) -> Result<Option<Term>, Unavailable>;
    /// Forgets lines that have expired; how many that were.
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable>;
}
