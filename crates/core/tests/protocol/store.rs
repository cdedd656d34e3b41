//! Shared store of the model. Each function that `revocation/shared_log.rs` requires is one step.

use maxlab_auth_core::revocation::{InstanceId, LeaseHolder, MonotonicMicros, StreamPosition};

use crate::facts::{Entry, Facts};

/// Generation of a store's data set (0: none), and its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Epoch {
    pub(crate) generation: u8,
    pub(crate) server: u8,
}

/// Data set in the register of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Term {
    pub(crate) number: u8,
    pub(crate) epoch: Epoch,
}

/// Numbering of renewals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Not,
    /// No number is used twice.
    Once,
    /// From 1 for each new record of a holder. A planted bug.
    Anew,
}

/// State of a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    pub(crate) epoch: Epoch,
    pub(crate) facts: Facts,
    pub(crate) stream: Vec<Entry>,
    /// Entries up to this position are no longer on the stream.
    pub(crate) trimmed: StreamPosition,
    pub(crate) holders: Vec<LeaseHolder>,
    /// Last number that was given to `LeaseHolder::renewal_number`. No number is used twice.
    pub(crate) renewals: u64,
    pub(crate) filled: Option<Term>,
    pub(crate) settled: Option<Term>,
}

impl Store {
    pub(crate) fn blank(server: u8) -> Self {
        Self {
            epoch: Epoch {
                generation: 0,
                server,
            },
            facts: Facts::default(),
            stream: Vec::new(),
            trimmed: 0,
            holders: Vec::new(),
            renewals: 0,
            filled: None,
            settled: None,
        }
    }

    /// Returns the last position of the stream.
    pub(crate) fn last(&self) -> StreamPosition {
        self.stream.len() as StreamPosition
    }

    /// Records a lease. Numbers that do not matter stay the same, because each would make another state.
    pub(crate) fn renew(
        &mut self,
        instance: &InstanceId,
        applied: StreamPosition,
        lease: MonotonicMicros,
        counted: Counted,
    ) {
        self.renewals += u64::from(counted == Counted::Once);
        let restarts = counted == Counted::Anew;
        match self
            .holders
            .iter_mut()
            .find(|holder| holder.instance == *instance)
        {
            Some(holder) => {
                holder.applied = applied;
                holder.renewal_number = if restarts {
                    holder.renewal_number + 1
                } else {
                    self.renewals
                };
            }
            None => self.holders.push(LeaseHolder {
                instance: instance.clone(),
                applied,
                lease,
                renewal_number: if restarts { 1 } else { self.renewals },
            }),
        }
        // Sorted, so that the order of renewals makes no difference between states.
        self.holders
            .sort_by(|one, other| one.instance.cmp(&other.instance));
    }

    pub(crate) fn publish(&mut self, entries: &[Entry]) -> StreamPosition {
        for entry in entries {
            self.facts.apply(*entry);
            self.stream.push(*entry);
        }
        self.last()
    }

    /// Returns the first entry after a position that is still on the stream, with its own position.
    pub(crate) fn next(&self, cursor: StreamPosition) -> Option<(StreamPosition, Entry)> {
        let previous = cursor.max(self.trimmed);
        // Positions start at 1, so an index is the position of the previous entry.
        let entry = self.stream.get(usize::try_from(previous).ok()?)?;
        Some((previous + 1, *entry))
    }

    /// Returns the position that a holder has reported.
    pub(crate) fn applied(&self, instance: &InstanceId) -> Option<StreamPosition> {
        let holder = self.holders.iter().find(|holder| holder.instance == *instance);
        holder.map(|holder| holder.applied)
    }

    pub(crate) fn tell(&mut self, instance: &InstanceId, position: StreamPosition) {
        for holder in &mut self.holders {
            if holder.instance == *instance {
                holder.applied = holder.applied.max(position);
            }
        }
    }

    /// Evicts a holder, unless it has renewed since: the number would differ.
    pub(crate) fn evict(&mut self, lapsed: &LeaseHolder) {
        self.holders.retain(|holder| {
            holder.instance != lapsed.instance || holder.renewal_number != lapsed.renewal_number
        });
    }
}
