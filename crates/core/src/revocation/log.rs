//! What the protocol asks of the store that all instances share: a stream, leases, marks, and a snapshot.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::member::{Position, Tick};
use super::record::JournalEntry;
use super::term::{Epoch, Term};
use crate::unavailable::Unavailable;

/// The name of one running process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instance(String);

impl Instance {
    /// The instance with this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An instance that has renewed a lease and may hold it still.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// Whose it is.
    pub instance: Instance,
    /// Up to where it said that it has applied the stream.
    pub applied: Position,
    /// How long its leases last by its own clock, in microseconds.
    pub lease: Tick,
    /// The holder's own number of its latest renewal, which it never uses twice: tells whether it has renewed since.
    pub renewal: u64,
}

/// What a store shows to an instance that comes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreView {
    /// The data set.
    pub epoch: Epoch,
    /// The mark of the term for which this journal was written into it.
    pub filled: Option<String>,
    /// The mark of the term whose predecessors' leases have all run out.
    pub settled: Option<String>,
}

/// A renewal to be sent.
#[derive(Clone, Debug)]
pub struct Renewal<'r> {
    /// The data set that is believed to be there.
    pub epoch: &'r Epoch,
    /// Whose lease it is; `None` asks only for the position, and takes no lease.
    pub holder: Option<(&'r Instance, Position)>,
    /// How long it is to last, in microseconds.
    pub lease: Tick,
    /// The holder's own number of it, which it never uses twice.
    pub number: u64,
}

/// What was published, and who must have applied it before it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The place before the first entry of the last step: what lies between came in that one step.
    pub before: Position,
    /// The place of the last entry.
    pub position: Position,
    /// The leases at that very moment.
    pub holders: Vec<Holder>,
}

/// An entry as the stream delivers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The place of the entry before it.
    pub before: Position,
    /// Its place.
    pub position: Position,
    /// What it says.
    pub entry: JournalEntry,
}

/// What came over the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// New entries, in order.
    pub entries: Vec<Delivered>,
    /// Who has applied up to where.
    pub applied: Vec<(Instance, Position)>,
}

/// Whether this instance is to write the journal into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filling {
    /// It is: nobody else does.
    Mine,
    /// Another instance does.
    Another,
}

/// Why the shared log did not do as it was told.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogFault {
    /// The store holds another data set than the one that was named.
    #[error("the store holds another data set")]
    AnotherEpoch,
    /// It did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl LogFault {
    /// The same as something that did not answer.
    pub fn into_unavailable(self) -> Unavailable {
        match self {
            Self::AnotherEpoch => Unavailable::store("it lost its data, or is another one now"),
            Self::Unavailable(fault) => fault,
        }
    }
}

/// The part of the shared store that makes a revocation bind every instance.
#[async_trait]
pub trait RevocationLog: Send + Sync {
    /// What the store shows, after making sure that its data set has a generation.
    async fn look(&self, journal: &str) -> Result<StoreView, Unavailable>;
    /// Whether this store is still the one that counts, by a view from outside of it (Sentinel's, or the other nodes').
    /// Where a store can have no second master, it is.
    async fn confirm(&self) -> Result<(), Unavailable>;
    /// Renews a lease, and answers the stream's last position at that moment, in one step.
    async fn renew(&self, renewal: Renewal<'_>) -> Result<Position, LogFault>;
    /// Gives a lease back: nobody waits for this instance any longer.
    async fn release(&self, instance: &Instance) -> Result<(), Unavailable>;
    /// Forgets a holder that has not renewed since: its lease has run out.
    async fn evict(&self, holder: &Holder) -> Result<(), Unavailable>;
    /// Writes entries where direct reads find them, then onto the stream with the leases read in the same step. Every
    /// reader sees spares before the cut-offs they are exempt from. Where an entry is there, the later expiry, cut-off and
    /// beginning stay: nothing that is written here ever shortens or narrows what stands.
    async fn publish(
        &self,
        epoch: &Epoch,
        entries: &[JournalEntry],
        now: Timestamp,
    ) -> Result<Published, LogFault>;
    /// Who holds leases now.
    async fn holders(&self) -> Result<Vec<Holder>, Unavailable>;
    /// Tells everybody that an instance has applied the stream up to a position.
    async fn applied(&self, instance: &Instance, position: Position) -> Result<(), Unavailable>;
    /// Takes the right to write the journal into the store, for a while.
    async fn begin_filling(&self, journal: &str, instance: &Instance) -> Result<Filling, Unavailable>;
    /// Marks that the journal is in the store, for this term.
    async fn mark_filled(&self, journal: &str, term: &Term) -> Result<(), LogFault>;
    /// Marks that the leases of all earlier terms have run out.
    async fn mark_settled(&self, journal: &str, term: &Term) -> Result<(), LogFault>;
    /// Everything unexpired that the store holds; what is published meanwhile may be missing.
    async fn snapshot(
        &self,
        epoch: &Epoch,
        now: Timestamp,
        sink: &mut (dyn FnMut(JournalEntry) + Send),
    ) -> Result<(), LogFault>;
    /// Follows the stream from behind a position.
    async fn follow(&self, epoch: &Epoch, behind: Position) -> Result<Box<dyn Follow>, LogFault>;
}

/// A place on the stream, from which it is pushed.
#[async_trait]
pub trait Follow: Send {
    /// What comes next; nothing if nothing comes for as long as `patience`.
    async fn next(&mut self, patience: Duration) -> Result<News, LogFault>;
}
