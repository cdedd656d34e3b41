//! State of the model: instances, stores, journal, and the operations in progress.

use maxlab_auth_core::revocation::{
    AckBarrier, InstanceId, LeaseHolder, LeaseState, MonotonicMicros, StreamPosition,
};

use crate::facts::{Entry, Facts};
use crate::setup::Setup;
use crate::store::{Store, Term};

/// Step of the model's time, in microseconds.
pub(crate) const STEP: MonotonicMicros = 1_000_000;
/// Length of a lease: two steps. A wait for it ends in the third step, because clocks drift.
pub(crate) const LEASE: MonotonicMicros = 2 * STEP;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Adopted {
    pub(crate) term: Term,
    pub(crate) settles_at: Option<MonotonicMicros>,
}

/// Answer to a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    At(StreamPosition),
    AnotherEpoch,
    Unconfirmed,
}

/// Operation under the lock that renewals and adoptions share (`lease_manager.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Keeper {
    Idle,
    Renewing {
        term: Term,
        sent_at: MonotonicMicros,
        reported: Option<StreamPosition>,
        /// Term in the register; `None` if the journal cannot be reached.
        register: Option<Term>,
        answer: Option<Answer>,
    },
    /// After reading the store's epoch and marks.
    Looked {
        epoch: crate::store::Epoch,
        filled: Option<Term>,
        settled: Option<Term>,
    },
    Filling {
        term: Term,
        settled: bool,
        lines: usize,
    },
}

/// Progress of an instance on the stream (`follower.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Join {
    Out,
    /// After reading a position.
    Placed {
        term: Term,
        at: StreamPosition,
    },
    /// With the stream open. `read` is the part of the snapshot that is not applied yet.
    Loading {
        term: Term,
        cursor: StreamPosition,
        read: Option<Facts>,
    },
    Following {
        term: Term,
        cursor: StreamPosition,
        unapplied: Option<Entry>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) up: bool,
    pub(crate) life: u8,
    /// Store that the instance is connected to.
    pub(crate) link: usize,
    pub(crate) is_cut: bool,
    /// Time steps that its clock has missed.
    pub(crate) lag: u8,
    pub(crate) member: LeaseState,
    pub(crate) adopted: Option<Adopted>,
    /// Term that this instance has seen rolled back.
    pub(crate) rolled_back: Option<Term>,
    pub(crate) replica: Facts,
    /// Credentials refused after a direct read. Memory refuses them from then on.
    pub(crate) kept: u8,
    pub(crate) keeper: Keeper,
    pub(crate) join: Join,
    /// Credentials that this instance has ever refused.
    pub(crate) refused: u8,
    pub(crate) renewals: u8,
    pub(crate) joins: u8,
}

/// Progress of an order (`publisher.rs`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    Waiting {
        early: Option<Term>,
    },
    Recorded {
        early: Option<Term>,
    },
    /// To be published in the term that was adopted then. `holders` is set if a planted bug has
    /// read them already.
    Carrying {
        adopted: Adopted,
        early: Option<Term>,
        holders: Option<Vec<LeaseHolder>>,
    },
    Published {
        adopted: Adopted,
        awaiting: AckBarrier,
        holders: Vec<LeaseHolder>,
        published_at: MonotonicMicros,
        is_current: bool,
    },
    Disproved {
        term: Term,
    },
    Acknowledged,
    Lost,
}

/// Faults that may still happen, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    pub(crate) crashes: u8,
    pub(crate) cuts: u8,
    pub(crate) flushes: u8,
    pub(crate) rollbacks: u8,
    pub(crate) failovers: u8,
    pub(crate) trims: u8,
    pub(crate) slow_steps: u8,
    pub(crate) cancels: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) now: u8,
    pub(crate) nodes: Vec<Node>,
    pub(crate) stores: Vec<Store>,
    /// Store that is the master according to Sentinel.
    pub(crate) master: usize,
    pub(crate) generations: u8,
    /// Earlier copy of the first store: a snapshot, or a lagging replica.
    pub(crate) copy: Option<Box<Store>>,
    pub(crate) journal: Vec<Entry>,
    pub(crate) register: Term,
    pub(crate) tasks: Vec<Task>,
    /// Evictions in progress, each with its store.
    pub(crate) evictions: Vec<(usize, LeaseHolder)>,
    pub(crate) acknowledged: Facts,
    pub(crate) left: Faults,
    /// `true` after a store has lost data.
    pub(crate) is_lost: bool,
    pub(crate) seen: Seen,
}

/// Events so far, for the properties that show that a configuration is not vacuous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    pub(crate) lapsed: bool,
    pub(crate) joined_later: bool,
    pub(crate) acknowledged_later: bool,
    pub(crate) false_alarm: bool,
    /// A repeated request was answered.
    pub(crate) repeated: bool,
}

impl World {
    /// Returns the time on an instance's clock.
    pub(crate) fn clock(&self, i: usize) -> MonotonicMicros {
        MonotonicMicros::from(self.now - self.nodes[i].lag) * STEP
    }

    /// Returns the store, if the instance reaches it.
    pub(crate) fn reached(&self, i: usize) -> Option<&Store> {
        let node = &self.nodes[i];
        (node.up && !node.is_cut).then(|| &self.stores[node.link])
    }

    pub(crate) fn store_of(&mut self, i: usize) -> &mut Store {
        let link = self.nodes[i].link;
        &mut self.stores[link]
    }

    /// Returns the name under which an instance has leases of a term. It contains the number of its restarts.
    pub(crate) fn holder(&self, i: usize, term: Term) -> InstanceId {
        InstanceId::new(format!("{i}{}.{}", self.nodes[i].life, term.number))
    }

    pub(crate) fn is_adopted(&self, i: usize, term: Term) -> bool {
        self.nodes[i].adopted.is_some_and(|adopted| adopted.term == term)
    }

    /// Returns `true` if the instance may answer from memory.
    pub(crate) fn remembers(&self, i: usize) -> bool {
        self.nodes[i].up && self.nodes[i].member.may_answer(self.clock(i))
    }

    /// Returns the stores whose answer to a direct read the instance would accept now.
    pub(crate) fn believed<'w>(&'w self, i: usize, setup: &Setup) -> impl Iterator<Item = &'w Store> {
        let node = &self.nodes[i];
        let is_confirmed = node.up && node.member.is_confirmed(self.clock(i));
        let adopted = node.adopted.filter(|_| is_confirmed);
        let any = setup.has(crate::setup::Bug::NoGenerationCheck);
        let link = node.link;
        self.stores.iter().enumerate().filter_map(move |(at, store)| {
            let adopted = adopted?;
            (store.epoch == adopted.term.epoch || (any && at == link)).then_some(store)
        })
    }

    /// Returns the credentials that an instance refuses from memory.
    pub(crate) fn refused_from_memory(&self, i: usize) -> u8 {
        self.nodes[i].replica.refused() | self.nodes[i].kept
    }

    /// Returns the credentials that an instance refuses after a direct read, which its memory adds to.
    pub(crate) fn refused_by(&self, i: usize, store: &Store, setup: &Setup) -> u8 {
        if setup.has(crate::setup::Bug::MemoryNotAsked) {
            return store.facts.refused();
        }
        let node = &self.nodes[i];
        store.facts.join(node.replica).refused() | node.kept
    }

    /// Returns the set of credentials that an instance would refuse now, for each way in which
    /// it could answer.
    pub(crate) fn answers<'w>(&'w self, i: usize, setup: &'w Setup) -> impl Iterator<Item = u8> + 'w {
        let memory = self.remembers(i).then(|| self.refused_from_memory(i));
        let stores = self
            .believed(i, setup)
            .map(move |store| self.refused_by(i, store, setup));
        memory.into_iter().chain(stores)
    }

    /// Records the credentials that are refused from memory now.
    pub(crate) fn note_refusals(&mut self) {
        for i in 0..self.nodes.len() {
            if self.remembers(i) {
                self.nodes[i].refused |= self.refused_from_memory(i);
            }
        }
    }
}
