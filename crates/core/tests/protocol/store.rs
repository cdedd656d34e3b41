//! The shared store of the model: what `revocation/log.rs` asks of one, each of its functions in one step.

use maxlab_auth_core::revocation::{Holder, Instance, Position, Tick};

use crate::facts::{Entry, Facts};

/// The generation that was written into a store (0: none), and the server that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Epoch {
    pub(crate) generation: u8,
    pub(crate) server: u8,
}

/// A data set in the journal's register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Term {
    pub(crate) number: u8,
    pub(crate) epoch: Epoch,
}

/// How renewals are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Not,
    /// No number comes twice.
    Once,
    /// From 1 with each new record of a holder.
    Anew,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    pub(crate) epoch: Epoch,
    pub(crate) facts: Facts,
    pub(crate) stream: Vec<Entry>,
    /// Entries up to here are not on the stream any longer.
    pub(crate) trimmed: Position,
    pub(crate) holders: Vec<Holder>,
    /// Where `Holder::renewals` counts from, which is never the same number twice.
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

    /// The stream's last position.
    pub(crate) fn last(&self) -> Position {
        self.stream.len() as Position
    }

    /// Writes down a lease. Where counts do not matter they are left out, since each makes another state.
    pub(crate) fn renew(&mut self, instance: &Instance, applied: Position, lease: Tick, counted: Counted) {
        self.renewals += u64::from(counted == Counted::Once);
        let restarts = counted == Counted::Anew;
        match self
            .holders
            .iter_mut()
            .find(|holder| holder.instance == *instance)
        {
            Some(holder) => {
                holder.applied = applied;
                holder.renewal = if restarts {
                    holder.renewal + 1
                } else {
                    self.renewals
                };
            }
            None => self.holders.push(Holder {
                instance: instance.clone(),
                applied,
                lease,
                renewal: if restarts { 1 } else { self.renewals },
            }),
        }
        self.holders
            .sort_by(|one, other| one.instance.cmp(&other.instance));
    }

    pub(crate) fn publish(&mut self, entries: &[Entry]) -> Position {
        for entry in entries {
            self.facts.apply(*entry);
            self.stream.push(*entry);
        }
        self.last()
    }

    /// The first entry behind a position that the stream still has, and where it stands.
    pub(crate) fn next(&self, cursor: Position) -> Option<(Position, Entry)> {
        let behind = cursor.max(self.trimmed);
        let entry = self.stream.get(usize::try_from(behind).ok()?)?;
        Some((behind + 1, *entry))
    }

    /// Where the holder said it stands.
    pub(crate) fn applied(&self, instance: &Instance) -> Option<Position> {
        let holder = self.holders.iter().find(|holder| holder.instance == *instance);
        holder.map(|holder| holder.applied)
    }

    pub(crate) fn tell(&mut self, instance: &Instance, position: Position) {
        for holder in &mut self.holders {
            if holder.instance == *instance {
                holder.applied = holder.applied.max(position);
            }
        }
    }

    pub(crate) fn evict(&mut self, lapsed: &Holder) {
        self.holders
            .retain(|holder| holder.instance != lapsed.instance || holder.renewal != lapsed.renewal);
    }
}
