//! A configuration of the model: who takes part, what is revoked, what may go wrong, and which bug is planted.

use maxlab_auth_core::revocation::Member;

use crate::facts::{Entry, Facts};
use crate::store::{Counted, Epoch, Store, Term};
use crate::world::{Adopted, Faults, Join, Keeper, LEASE, Node, Seen, Task, World};

/// A fault that is planted in what drives the two state machines, to see that the check finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// An instance says that it has applied an entry before the entry is in its replica.
    AckBeforeApply,
    /// The stream is followed from where it stands when the snapshot has been read.
    TailAfterSnapshot,
    /// A lease counts from when the store's answer came.
    LeaseFromReply,
    /// Nobody looks which data set the store holds.
    NoGenerationCheck,
    /// Several cut-offs combine by their minimum.
    CutoffByMinimum,
    /// An entry is applied although one before it is missing.
    GapIgnored,
    /// An instance that joins again says how far it is before the snapshot is loaded.
    AckWhileLoading,
    /// A renewal counts at once, whatever the store held.
    LeaseBeforeApplied,
    /// After a change of term nobody waits for the leases of the term before.
    NoSettling,
    /// Whether the term stands is asked before the line is committed.
    RegisterReadBeforeCommit,
    /// The leases are read first, and the entry is published in another step.
    HoldersReadBeforePublish,
    /// A lease is waited for as if all clocks went at the same speed.
    NoDriftAllowance,
    /// The count of renewals begins anew with each record of a holder.
    RenewalsCountedAnew,
    /// A refusal by a cut-off that the store gave is not kept in memory.
    RefusalNotKept,
    /// An instance that asks the store leaves its own memory out.
    MemoryNotAsked,
    /// A snapshot delivers cut-offs before the logins that are exempt from them.
    CutoffsBeforeSpares,
    /// A renewal's position is compared with what is applied when the answer comes.
    LateAnswerIsLoss,
}

/// What one instance is at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It knows nothing yet.
    New,
    /// It has adopted the term, and asks the store.
    Direct,
    /// It has joined and holds a lease.
    Holder,
}

/// Who revokes what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) by: usize,
    pub(crate) entries: &'static [Entry],
}

pub(crate) const BY_NAME: &[Entry] = &[Entry::Named];
pub(crate) const FIRST_CUTOFF: &[Entry] = &[Entry::Spare, Entry::Cutoff(1)];
pub(crate) const SECOND_CUTOFF: &[Entry] = &[Entry::Cutoff(2)];

#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) roles: &'static [Role],
    pub(crate) orders: Vec<Order>,
    /// How many steps of time there are.
    pub(crate) steps: u8,
    /// How many renewals each instance sends, and how often it joins.
    pub(crate) renewals: &'static [u8],
    pub(crate) joins: &'static [u8],
    pub(crate) faults: Faults,
    /// Who may crash or be cut off, or has the slow clock.
    pub(crate) victim: usize,
    /// Who goes on talking to the old master after a failover until it notices.
    pub(crate) left_behind: usize,
    /// Who does not reach the journal's register.
    pub(crate) without_journal: Option<usize>,
    /// Whether a roll-back brings a copy under the same epoch, which no store does that keeps what `Epoch` promises.
    pub(crate) keeps_epoch: bool,
    pub(crate) asks_directly: bool,
    pub(crate) evicts: bool,
    pub(crate) bug: Option<Bug>,
    /// So many more steps of time, renewals and joins than the configuration says.
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

    /// Whether no store can lose anything here: then steps that only such a loss could come between are taken as one.
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

    /// Term 1 is adopted, and the leases were just renewed.
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

    /// A bound that is not zero, widened.
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
        node.member.adopt(term.number.into());
        let is_holder = self.roles[i] == Role::Holder;
        if is_holder {
            node.member.begin(term.number.into(), 0);
            node.member.loaded();
            node.join = Join::Following {
                term,
                cursor: 0,
                unapplied: None,
            };
        }
        let well = node
            .member
            .renewed(term.number.into(), 0, is_holder.then_some(0), 0);
        assert!(well, "the store stands where it stood");
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
            member: Member::new(LEASE),
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
