//! Interfaces of the journal and of the store that the gate needs.

use async_trait::async_trait;
use jiff::Timestamp;

use super::journal_entry::{JournalEntry, JournalLine, Revocation};
use crate::audit::AuditEvent;
use crate::identity::Subject;
use crate::outbox::UpstreamRevocation;
use crate::unavailable::Unavailable;
use crate::verdict::{Epoch, RevocationKey, RevocationReason, Term, TokenKey};

/// Revocation that was found for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRevocation {
    /// Reason of the revocation.
    pub reason: RevocationReason,
    /// Time of a cut-off; `None` for a revocation by name.
    pub cutoff: Option<Timestamp>,
}

/// Result of one lookup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevocationFindings {
    /// Revocation of each requested key, in the order of the request.
    pub revoked: Vec<Option<FoundRevocation>>,
    /// Time since which the login is exempt, for each requested key, in the order of the request.
    pub exempt_since: Vec<Option<Timestamp>>,
    /// Epoch of the store's data set. `None` if the store has lost its data or never had any, and for a
    /// lookup in a replica.
    pub epoch: Option<Epoch>,
}

/// The store that all instances share. It is fast to read and not trusted to remember; the journal is.
/// Entries get into it by [`RevocationLog::publish`](super::RevocationLog::publish).
#[async_trait]
pub trait RevocationStore: Send + Sync {
    /// Looks up revocations of the keys `revoked` and exemptions of the keys `exempt`, together with the
    /// epoch, in one round trip.
    async fn find(
        &self,
        revoked: &[RevocationKey],
        exempt: &[RevocationKey],
        now: Timestamp,
    ) -> Result<RevocationFindings, Unavailable>;
    /// Returns the present by the one clock that all instances share: the store's clock if several instances
    /// share a store, `local` if there is only one instance. Cut-offs and the beginnings of logins are
    /// measured by it, so that instances whose clocks differ agree on the order (decision 3).
    async fn shared_time(&self, local: Timestamp) -> Result<Timestamp, Unavailable>;
    /// Lists up to `limit` revoked tokens, of all users or of one, after the key `after`. The order is the
    /// store's and need not be sorted. The second value is the key to continue after; `None` at the end.
    async fn list(
        &self,
        subject: Option<&Subject>,
        after: Option<&str>,
        limit: u32,
        now: Timestamp,
    ) -> Result<(Vec<Revocation>, Option<String>), Unavailable>;
    /// Deletes expired entries, and foreign entries that have no expiry. Returns how many.
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable>;
    /// Records that the user holds this token, in the set `user_tokens:{user}` that other programs read
    /// (`docs/GUIDE.md#tokens-of-a-user`).
    async fn record_user_token(
        &self,
        subject: &Subject,
        token: &TokenKey,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), Unavailable>;
    /// Returns the recorded tokens of the user.
    async fn user_tokens(&self, subject: &Subject) -> Result<Vec<TokenKey>, Unavailable>;
}

/// Records that are written together or not at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct JournalTransaction<'r> {
    /// Revocations and exemptions.
    pub entries: &'r [JournalEntry],
    /// Audit events.
    pub audit: &'r [AuditEvent],
    /// Messages to the authorization server, for the outbox.
    pub upstream: &'r [UpstreamRevocation],
}

impl<'r> JournalTransaction<'r> {
    /// A transaction of entries only, without audit events and messages.
    pub fn from_entries(entries: &'r [JournalEntry]) -> Self {
        Self {
            entries,
            ..Self::default()
        }
    }

    /// Replaces the audit events.
    #[must_use]
    pub fn with_audit(self, audit: &'r [AuditEvent]) -> Self {
        Self { audit, ..self }
    }
}

/// A line of the journal, and whether it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLineStatus {
    /// The line.
    pub line: JournalLine,
    /// True if [`mark_acknowledged`](Journal::mark_acknowledged) was called for the line. An acknowledgement
    /// holds for good.
    pub is_acknowledged: bool,
}

/// The durable record of all revocations, in SQL. It is committed and synced before anything else happens, so
/// that nothing acknowledged is lost (I2).
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends the records in one transaction, which is committed and synced when this returns. Returns the
    /// line of each entry, in the order of the entries.
    ///
    /// Nothing is written twice. For a key revoked by name whose line outlives the new one, and for a cut-off
    /// of the same key that is not yet [acknowledged](Self::mark_acknowledged), the existing line is
    /// returned. So a caller that repeats a call after 503 gets one revocation, with the time that was first
    /// written.
    async fn append(
        &self,
        record: JournalTransaction<'_>,
        now: Timestamp,
    ) -> Result<Vec<JournalLine>, Unavailable>;
    /// Marks the lines as acknowledged: no instance answers without them any longer.
    async fn mark_acknowledged(&self, positions: &[i64]) -> Result<(), Unavailable>;
    /// Returns the unexpired revocations of these keys, the oldest first.
    async fn lines_for_keys(
        &self,
        keys: &[RevocationKey],
        now: Timestamp,
    ) -> Result<Vec<JournalLineStatus>, Unavailable>;
    /// Returns up to `limit` lines that are not acknowledged, the oldest first.
    async fn unacknowledged(&self, limit: u32) -> Result<Vec<JournalLine>, Unavailable>;
    /// Returns up to `limit` unexpired lines after a position, in order. A store that lost its data is
    /// refilled from them.
    async fn unexpired_after(
        &self,
        position: i64,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<JournalLine>, Unavailable>;
    /// Returns the random name of this journal. A store's marks contain it, so that they name the journal
    /// that filled it.
    async fn id(&self) -> Result<String, Unavailable>;
    /// Returns the current term from the register of data sets; `None` before the first.
    async fn current_term(&self) -> Result<Option<Term>, Unavailable>;
    /// Registers a data set as the current one, under the next number, if `current` is still registered
    /// (compare-and-set). Returns `None` if it is not.
    async fn register_term(&self, current: Option<&Term>, epoch: &Epoch)
    -> Result<Option<Term>, Unavailable>;
    /// Deletes expired lines, and returns how many.
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable>;
}
