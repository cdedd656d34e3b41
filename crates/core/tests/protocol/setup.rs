//! Configuration of the model: instances, revocations, possible faults, and the planted bug.

use maxlab_auth_core::revocation::LeaseState;

use crate::facts::{Entry, Facts};
use crate::store::{Counted, Epoch, Store, Term};
use crate::world::{Adopted, Faults, Join, Keeper, LEASE, Node, Seen, Task, World};

/// Bug that is planted in the code that drives the two state machines, to show that the check finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Reports an entry as applied before it is in the replica.
    AckBeforeApply,
    /// Follows the stream from its last position after the snapshot was read.
    TailAfterSnapshot,
    /// Counts a lease from the arrival of the store's answer.
    LeaseFromReply,
    /// Never checks which data set the store has.
    NoGenerationCheck,
    /// Combines cut-offs by their minimum.
    CutoffByMinimum,
    /// Applies an entry although an earlier one is missing.
    GapIgnored,
    /// Reports a position during a second join, before the snapshot is loaded.
    AckWhileLoading,
    /// Counts a renewal at once, whatever position the store had.
    LeaseBeforeApplied,
    /// Does not wait for the leases of the previous term after a change of term.
    NoSettling,
    /// Reads the register before the line is committed.
    RegisterReadBeforeCommit,
    /// Reads the leases first, and publishes the entry in another step.
    HoldersReadBeforePublish,
    /// Waits for a lease as if all clocks ran at the same speed.
    NoDriftAllowance,
    /// Starts the renewal number again with each record of a holder.
    RenewalsCountedAnew,
    /// Does not keep a refusal by a cut-off from the store in memory.
    RefusalNotKept,
    /// Ignores the own memory after a direct read.
    MemoryNotAsked,
    /// Applies the cut-offs of a snapshot before the exemptions from them.
    CutoffsBeforeSpares,
    /// Compares the position of a renewal with what is applied when the answer arrives.
    LateAnswerIsLoss,
    /// Answers a repeat at once, because the instance itself refuses already.
    RepeatBelievesRefusal,
    /// Answers a repeat as soon as the entry is published.
    RepeatBelievesPublished,
}

/// State of an instance at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Without a term.
    New,
    /// With the term adopted, and direct reads from the store.
    Direct,
    /// Joined, with a lease.
    Holder,
}

/// Order: a revocation by an instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) by: usize,
    pub(crate) entries: &'static [Entry],
    /// Earlier order that is repeated, because its client gave up waiting.
    pub(crate) repeats: Option<usize>,
}

pub(crate) const BY_NAME: &[Entry] = &[Entry::Named];
pub(crate) const FIRST_CUTOFF: &[Entry] = &[Entry::Spare, Entry::Cutoff(1)];
pub(crate) const SECOND_CUTOFF: &[Entry] = &[Entry::Cutoff(2)];

/// Configuration of the model.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) roles: &'static [Role],
    pub(crate) orders: Vec<Order>,
    /// Number of time steps.
    pub(crate) steps: u8,
    /// Number of renewals and of joins of each instance.
    pub(crate) renewals: &'static [u8],
    pub(crate) joins: &'static [u8],
    pub(crate) faults: Faults,
    /// Instance that may crash, lose its link or have the slow clock.
    pub(crate) victim: usize,
    /// Instance that stays connected to the old master for a while after a failover.
    pub(crate) left_behind: usize,
    /// Instance that does not reach the register of the journal.
    pub(crate) without_journal: Option<usize>,
    /// Rolls back under the same epoch, against the promise of `Epoch`.
    pub(crate) keeps_epoch: bool,
    pub(crate) asks_directly: bool,
    pub(crate) evicts: bool,
    pub(crate) bug: Option<Bug>,
    /// Additional time steps, renewals and joins (`PROTOCOL_MODEL_DEPTH`).
    pub(crate) more: u8,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            name: "",
            roles: &[Role::Direct, Role::Holder, Role::New],
            orders: vec![Order {
                by: 0,
                entries: BY_NAME,
                repeats: None,
            }],
            steps: 4,
            renewals: &[0, 1, 1],
            joins: &[0, 0, 1],
            faults: Faults::default(),
            victim: 1,
            left_behind: 1,
            without_journal: None,
            keeps_epoch: false,
            asks_directly: false,
            evicts: false,
            bug: None,
            more: 0,
        }
    }
}

impl Setup {
    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Returns `true` if no store can lose data in this configuration. Steps that only a loss could separate
    /// are then taken as one.
    pub(crate) fn is_lossless(&self) -> bool {
        self.faults.flushes + self.faults.rollbacks + self.faults.failovers == 0 && !self.evicts
    }

    pub(crate) fn counted(&self) -> Counted {
        match (self.evicts, self.bug) {
            (false, _) => Counted::Not,
            (true, Some(Bug::RenewalsCountedAnew)) => Counted::Anew,
            (true, _) => Counted::Once,
        }
    }

    /// Returns the first state: term 1 is adopted, and the leases were just renewed.
    pub(crate) fn start(&self) -> World {
        let epoch = Epoch {
            generation: 1,
            server: 1,
        };
        let term = Term { number: 1, epoch };
        let store = Store {
            epoch,
            filled: Some(term),
            settled: Some(term),
            ..Store::blank(1)
        };
        let nodes = (0..self.roles.len()).map(|i| self.node(i, term)).collect();
        let mut world = World {
            now: 0,
            nodes,
            stores: vec![store],
            master: 0,
            generations: 1,
            copy: None,
            journal: Vec::new(),
            register: term,
            tasks: self
                .orders
                .iter()
                .map(|_| Task::Waiting { early: None })
                .collect(),
            evictions: Vec::new(),
            acknowledged: Facts::default(),
            left: self.faults,
            is_lost: false,
            seen: Seen::default(),
        };
        for i in 0..self.roles.len() {
            if self.roles[i] == Role::Holder {
                let name = world.holder(i, term);
                world.stores[0].renew(&name, 0, LEASE, self.counted());
            }
        }
        world
    }

    /// Extends a bound by `more`, unless it is zero.
    fn widened(&self, bound: u8) -> u8 {
        if bound == 0 { 0 } else { bound + self.more }
    }

    fn node(&self, i: usize, term: Term) -> Node {
        let mut node = Node::new(self.widened(self.renewals[i]), self.widened(self.joins[i]));
        if self.roles[i] == Role::New {
            return node;
        }
        node.adopted = Some(Adopted {
            term,
            settles_at: None,
        });
        node.member.adopt_term(term.number.into());
        let is_holder = self.roles[i] == Role::Holder;
        if is_holder {
            node.member.begin_join(term.number.into(), 0);
            node.member.mark_loaded();
            node.join = Join::Following {
                term,
                cursor: 0,
                unapplied: None,
            };
        }
        let is_accepted = node
            .member
            .record_renewal(term.number.into(), 0, is_holder.then_some(0), 0);
        assert!(is_accepted, "the store has lost nothing yet");
        node
    }
}

impl Node {
    pub(crate) fn new(renewals: u8, joins: u8) -> Self {
        Self {
            up: true,
            life: 0,
            link: 0,
            is_cut: false,
            lag: 0,
            member: LeaseState::new(LEASE),
            adopted: None,
            rolled_back: None,
            replica: Facts::default(),
            kept: 0,
            keeper: Keeper::Idle,
            join: Join::Out,
            refused: 0,
            renewals,
            joins,
        }
    }
}
