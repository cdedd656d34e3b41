//! Interface of the shared store that the protocol needs: a stream, leases, marks and a snapshot.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::journal_entry::JournalEntry;
use super::lease_state::{MonotonicMicros, StreamPosition};
use crate::unavailable::Unavailable;
use crate::verdict::{Epoch, Term};

/// Random name of one running process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(String);

impl InstanceId {
    /// The id with this text.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An instance that has renewed a lease and may still hold it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseHolder {
    /// Id of the holder. It contains the term, so that an acknowledgement never counts in another term
    /// (decision 12).
    pub instance: InstanceId,
    /// Position up to which the holder has reported the stream as applied.
    pub applied: StreamPosition,
    /// Duration of its leases by its own clock, in microseconds.
    pub lease: MonotonicMicros,
    /// Number that the holder gave its latest renewal. It uses each number once, so a changed number proves a
    /// new renewal.
    pub renewal_number: u64,
}

/// State of the store's data set, as an instance reads it before it adopts the data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreView {
    /// Epoch of the data set.
    pub epoch: Epoch,
    /// Mark of the term for which this journal was written into the data set.
    pub filled_mark: Option<String>,
    /// Mark of the term in which all leases of earlier terms have ended.
    pub settled_mark: Option<String>,
}

/// A renewal of a lease, or a request for the stream's position alone.
#[derive(Clone, Debug)]
pub struct LeaseRenewal<'r> {
    /// Epoch of the data set that the store must have.
    pub epoch: &'r Epoch,
    /// Holder and its applied position. `None` takes no lease and only asks for the position.
    pub holder: Option<(&'r InstanceId, StreamPosition)>,
    /// Duration of the lease, in microseconds.
    pub lease: MonotonicMicros,
    /// Number of the renewal. The holder uses each number once.
    pub number: u64,
}

/// Result of publishing: the positions of the entries, and the instances that must apply them before the
/// acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishReceipt {
    /// Position before the first entry of the last step. Everything between it and `position` was written in
    /// that step.
    pub before: StreamPosition,
    /// Position of the last entry.
    pub position: StreamPosition,
    /// Lease holders, read in the step that wrote the last entry.
    pub holders: Vec<LeaseHolder>,
}

/// An entry as the stream delivers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEntry {
    /// Position of the preceding entry.
    pub before: StreamPosition,
    /// Position of the entry.
    pub position: StreamPosition,
    /// Content.
    pub entry: JournalEntry,
}

/// One delivery of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamBatch {
    /// New entries, in order.
    pub entries: Vec<StreamEntry>,
    /// Applied positions that instances have reported.
    pub applied: Vec<(InstanceId, StreamPosition)>,
}

/// Result of a request for the lock on refilling the store from the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefillLock {
    /// This instance has the lock, and no other instance writes.
    Acquired,
    /// Another instance has the lock.
    HeldByOther,
}

/// Error of an operation on the shared log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogFault {
    /// The store has another data set than the one that was named.
    #[error("the store holds another data set")]
    EpochChanged,
    /// The store did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl LogFault {
    /// Converts the error for callers that cannot adopt another data set.
    pub fn into_unavailable(self) -> Unavailable {
        match self {
            Self::EpochChanged => {
                Unavailable::store("its data set is another one: it lost its data or was replaced")
            }
            Self::Unavailable(fault) => fault,
        }
    }
}

/// The part of the shared store that brings a revocation into force on every instance.
#[async_trait]
pub trait RevocationLog: Send + Sync {
    /// Reads epoch and marks. First makes sure that the data set has a generation.
    async fn view(&self, journal: &str) -> Result<StoreView, Unavailable>;
    /// Confirms that this store is still the current one, by a view from outside (the majority of the
    /// Sentinels, or of the Cluster's masters). Always succeeds for a store that can have no second master.
    async fn confirm_primary(&self) -> Result<(), Unavailable>;
    /// Renews a lease and returns the stream's last position, in one step.
    async fn renew_lease(&self, renewal: LeaseRenewal<'_>) -> Result<StreamPosition, LogFault>;
    /// Removes a holder at its own request: no revoker waits for this instance any longer.
    async fn release_lease(&self, instance: &InstanceId) -> Result<(), Unavailable>;
    /// Removes a holder whose lease has ended, unless it has renewed since `holder` was read.
    async fn evict_holder(&self, holder: &LeaseHolder) -> Result<(), Unavailable>;
    /// Writes entries where direct reads find them, then appends them to the stream and reads the leases in
    /// the same step. Every reader sees exemptions before the cut-offs that they are exempt from. If an entry
    /// exists, the later expiry, cut-off and beginning of a login stay: no write ever narrows an existing
    /// revocation.
    async fn publish(
        &self,
        epoch: &Epoch,
        entries: &[JournalEntry],
        now: Timestamp,
    ) -> Result<PublishReceipt, LogFault>;
    /// Returns the present lease holders.
    async fn holders(&self) -> Result<Vec<LeaseHolder>, Unavailable>;
    /// Reports to all instances that this one has applied the stream up to a position.
    async fn report_applied(
        &self,
        instance: &InstanceId,
        position: StreamPosition,
    ) -> Result<(), Unavailable>;
    /// Acquires or extends the lock on refilling the store. It expires by itself, so that a crash does not
    /// block the others.
    async fn acquire_refill_lock(
        &self,
        journal: &str,
        instance: &InstanceId,
    ) -> Result<RefillLock, Unavailable>;
    /// Marks the data set as filled from this journal, for this term.
    async fn mark_filled(&self, journal: &str, term: &Term) -> Result<(), LogFault>;
    /// Marks the term as settled: the leases of all earlier terms have ended.
    async fn mark_settled(&self, journal: &str, term: &Term) -> Result<(), LogFault>;
    /// Passes every unexpired entry of the store to `sink`. Entries that are published meanwhile may be
    /// missing.
    async fn snapshot(
        &self,
        epoch: &Epoch,
        now: Timestamp,
        sink: &mut (dyn FnMut(JournalEntry) + Send),
    ) -> Result<(), LogFault>;
    /// Subscribes to the stream, from the first entry after `behind`.
    async fn subscribe(
        &self,
        epoch: &Epoch,
        behind: StreamPosition,
    ) -> Result<Box<dyn StreamSubscription>, LogFault>;
}

/// A subscription to the stream.
#[async_trait]
pub trait StreamSubscription: Send {
    /// Returns the next delivery; an empty one if nothing arrives within `patience`.
    async fn next(&mut self, patience: Duration) -> Result<StreamBatch, LogFault>;
}
