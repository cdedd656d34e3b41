//! The state of the whole: instances, stores, journal, and what is under way between them.

use maxlab_auth_core::revocation::{Awaiting, Holder, Instance, Member, Position, Tick};

use crate::facts::{Entry, Facts};
use crate::setup::Setup;
use crate::store::{Store, Term};

/// One step of the model's time, in microseconds.
pub(crate) const STEP: Tick = 1_000_000;
/// A lease lasts two steps; whoever waits for one waits into the third, since clocks drift.
pub(crate) const LEASE: Tick = 2 * STEP;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Adopted {
    pub(crate) term: Term,
    pub(crate) settles_at: Option<Tick>,
}

/// What a renewal was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    At(Position),
    AnotherEpoch,
    Unconfirmed,
}

/// What an instance does under the lock that renewals and adoptions share (`membership.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Keeper {
    Idle,
    Renewing {
        term: Term,
        sent_at: Tick,
        told: Option<Position>,
        /// What the register said; `None` if the journal is out of reach.
        register: Option<Term>,
        answer: Option<Answer>,
    },
    /// It has looked at the store, which shows `term.epoch` and these marks.
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

/// Where an instance stands on the stream (`follower.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Join {
    Out,
    /// It has read a position.
    Placed {
        term: Term,
        at: Position,
    },
    /// The stream is open, and so much of the snapshot is read but not yet applied.
    Loading {
        term: Term,
        cursor: Position,
        read: Option<Facts>,
    },
    Following {
        term: Term,
        cursor: Position,
        unapplied: Option<Entry>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) up: bool,
    pub(crate) life: u8,
    /// The store that it talks to.
    pub(crate) link: usize,
    pub(crate) is_cut: bool,
    /// How many steps of time its clock has missed.
    pub(crate) lag: u8,
    pub(crate) member: Member,
    pub(crate) adopted: Option<Adopted>,
    /// A term that this instance has seen to be rolled back.
    pub(crate) rolled_back: Option<Term>,
    pub(crate) replica: Facts,
    /// Credentials that the store refused here; memory refuses them from then on.
    pub(crate) kept: u8,
    pub(crate) keeper: Keeper,
    pub(crate) join: Join,
    /// Credentials that this instance has refused once.
    pub(crate) refused: u8,
    pub(crate) renewals: u8,
    pub(crate) joins: u8,
}

/// How far an order is (`publisher.rs`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    Waiting {
        early: Option<Term>,
    },
    Recorded {
        early: Option<Term>,
    },
    /// It is to be published under what was believed then; the holders if a planted fault has read them already.
    Carrying {
        adopted: Adopted,
        early: Option<Term>,
        holders: Option<Vec<Holder>>,
    },
    Published {
        adopted: Adopted,
        awaiting: Awaiting,
        holders: Vec<Holder>,
        published_at: Tick,
        is_current: bool,
    },
    Disproved {
        term: Term,
    },
    Acknowledged,
    Lost,
}

/// What may still go wrong, and how often.
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
    /// The store that Sentinel names.
    pub(crate) master: usize,
    pub(crate) generations: u8,
    /// An earlier copy of the first store: a snapshot, or a replica that lags.
    pub(crate) copy: Option<Box<Store>>,
    pub(crate) journal: Vec<Entry>,
    pub(crate) register: Term,
    pub(crate) tasks: Vec<Task>,
    /// Evictions that are under way, each to a store.
    pub(crate) evictions: Vec<(usize, Holder)>,
    pub(crate) acknowledged: Facts,
    pub(crate) left: Faults,
    /// Whether a store has lost something.
    pub(crate) is_lost: bool,
    pub(crate) seen: Seen,
}

/// What has happened on the way, for the properties that say that a model is not empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    pub(crate) lapsed: bool,
    pub(crate) joined_later: bool,
    pub(crate) acknowledged_later: bool,
    pub(crate) false_alarm: bool,
}

impl World {
    pub(crate) fn clock(&self, i: usize) -> Tick {
        Tick::from(self.now - self.nodes[i].lag) * STEP
    }

    /// The store that an instance reaches.
    pub(crate) fn reached(&self, i: usize) -> Option<&Store> {
        let node = &self.nodes[i];
        (node.up && !node.is_cut).then(|| &self.stores[node.link])
    }

    pub(crate) fn store_of(&mut self, i: usize) -> &mut Store {
        let link = self.nodes[i].link;
        &mut self.stores[link]
    }

    /// The name under which an instance holds leases of a term.
    pub(crate) fn holder(&self, i: usize, term: Term) -> Instance {
        Instance::new(format!("{i}{}.{}", self.nodes[i].life, term.number))
    }

    pub(crate) fn is_adopted(&self, i: usize, term: Term) -> bool {
        self.nodes[i].adopted.is_some_and(|adopted| adopted.term == term)
    }

    /// Whether an instance answers from memory.
    pub(crate) fn remembers(&self, i: usize) -> bool {
        self.nodes[i].up && self.nodes[i].member.may_answer(self.clock(i))
    }

    /// The stores that an instance would believe now, if it asked them directly.
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

    /// What an instance refuses from memory.
    pub(crate) fn refused_from_memory(&self, i: usize) -> u8 {
        self.nodes[i].replica.refused() | self.nodes[i].kept
    }

    /// What an instance refuses when it asks a store: its memory is asked beside it.
    pub(crate) fn refused_by(&self, i: usize, store: &Store, setup: &Setup) -> u8 {
        if setup.has(crate::setup::Bug::MemoryNotAsked) {
            return store.facts.refused();
        }
        let node = &self.nodes[i];
        store.facts.join(node.replica).refused() | node.kept
    }

    /// Each set of credentials that an instance could refuse now, by each way of answering that it has.
    pub(crate) fn answers<'w>(&'w self, i: usize, setup: &'w Setup) -> impl Iterator<Item = u8> + 'w {
        let memory = self.remembers(i).then(|| self.refused_from_memory(i));
        let stores = self
            .believed(i, setup)
            .map(move |store| self.refused_by(i, store, setup));
        memory.into_iter().chain(stores)
    }

    /// Notes what is refused from memory now.
    pub(crate) fn note_refusals(&mut self) {
        for i in 0..self.nodes.len() {
            if self.remembers(i) {
                self.nodes[i].refused |= self.refused_from_memory(i);
            }
        }
    }
}
