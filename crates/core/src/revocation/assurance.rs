//! On what grounds a credential was let through, and how the gate stands.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::member::Position;
use super::membership::Adopted;
use super::replica::ReplicaStats;
use super::term::Term;

/// On what grounds the gate let something through: which data set, and by which way of reading it.
#[derive(Clone, Debug)]
pub struct Assurance {
    pub(super) term: Option<Arc<Adopted>>,
    pub(super) from_memory: bool,
    pub(super) lease_left: Duration,
}

impl Assurance {
    /// Whether it was read from memory under a lease, and not from the store.
    pub fn is_from_memory(&self) -> bool {
        self.from_memory
    }

    /// The data set that was read, or whose replica was.
    pub fn term(&self) -> Option<&Term> {
        self.term.as_deref().map(|adopted| &adopted.term)
    }
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reads = if self.from_memory { "replica" } else { "direct" };
        write!(f, "reads={reads}")?;
        if let Some(term) = self.term() {
            write!(f, "; term={}; generation={}", term.number, term.epoch)?;
        }
        if self.from_memory {
            write!(f, "; lease_ms={}", self.lease_left.as_millis())?;
        }
        Ok(())
    }
}

/// How an instance's gate stands.
#[derive(Clone, Debug)]
pub struct GateStatus {
    /// The data set that it believes.
    pub term: Option<Term>,
    /// Up to where its replica is complete; `None` while it is not.
    pub position: Option<Position>,
    /// The last position on the stream that the store told of.
    pub stream: Position,
    /// How long it may go on answering from memory; zero if it may not.
    pub lease_left: Duration,
    /// Revocations that wait for other instances.
    pub waiters: usize,
    /// Checks that asked the store, since the start.
    pub direct_reads: u64,
    /// What is in the replica.
    pub replica: ReplicaStats,
}
