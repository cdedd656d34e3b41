//! Configurations of the model, each with bounds that are small enough for a complete search.

use crate::setup::{BY_NAME, FIRST_CUTOFF, Order, Role, SECOND_CUTOFF, Setup};
use crate::world::Faults;

const fn order(by: usize, entries: &'static [crate::facts::Entry]) -> Order {
    Order {
        by,
        entries,
        repeats: None,
    }
}

/// An order whose client gave up waiting for an earlier one, and asks an instance for the same again.
const fn again(by: usize, repeats: usize, entries: &'static [crate::facts::Entry]) -> Order {
    Order {
        by,
        entries,
        repeats: Some(repeats),
    }
}

/// Two revocations, by name and by cut-off, while one instance has a lease and another one joins.
pub(crate) fn join() -> Setup {
    Setup {
        name: "join",
        roles: &[Role::Direct, Role::Holder, Role::Direct],
        orders: vec![order(0, BY_NAME), order(1, SECOND_CUTOFF)],
        renewals: &[0, 0, 1],
        steps: 1,
        ..Setup::default()
    }
}

/// Two cut-offs of the same user, the second one later, and a login that is exempt from the first.
pub(crate) fn cutoffs() -> Setup {
    Setup {
        name: "cut-offs",
        roles: &[Role::Direct, Role::Holder, Role::Direct],
        orders: vec![order(0, SECOND_CUTOFF), order(1, FIRST_CUTOFF)],
        renewals: &[0, 0, 1],
        steps: 0,
        ..Setup::default()
    }
}

/// Crash and restart of an instance with a lease.
pub(crate) fn crash() -> Setup {
    Setup {
        name: "crash",
        roles: &[Role::Direct, Role::Holder, Role::Holder],
        orders: vec![order(0, BY_NAME), order(1, FIRST_CUTOFF)],
        renewals: &[0, 1, 0],
        joins: &[0, 1, 0],
        faults: Faults {
            crashes: 1,
            ..Faults::default()
        },
        steps: 3,
        ..Setup::default()
    }
}

/// Network partition between an instance with a lease and the store, with a slow clock on that instance.
pub(crate) fn partition() -> Setup {
    Setup {
        name: "partition",
        roles: &[Role::Direct, Role::Holder, Role::Direct],
        orders: vec![order(0, BY_NAME), order(2, FIRST_CUTOFF)],
        renewals: &[0, 1, 0],
        joins: &[0, 0, 0],
        faults: Faults {
            cuts: 1,
            slow_steps: 1,
            ..Faults::default()
        },
        steps: 3,
        ..Setup::default()
    }
}

/// Clients that give up and ask again, on the same and on another instance, while a lease
/// holder is partitioned.
pub(crate) fn repeats() -> Setup {
    Setup {
        name: "repeats",
        roles: &[Role::Direct, Role::Holder, Role::Direct],
        orders: vec![order(0, BY_NAME), again(0, 0, BY_NAME), again(2, 0, BY_NAME)],
        renewals: &[0, 1, 0],
        joins: &[0, 0, 0],
        faults: Faults {
            cuts: 1,
            slow_steps: 1,
            ..Faults::default()
        },
        steps: 3,
        ..Setup::default()
    }
}

/// Repeat of a cut-off on another instance, after the first one has crashed.
pub(crate) fn repeats_after_a_crash() -> Setup {
    Setup {
        name: "repeats after a crash",
        roles: &[Role::Direct, Role::Holder, Role::Direct],
        orders: vec![order(0, FIRST_CUTOFF), again(2, 0, FIRST_CUTOFF)],
        renewals: &[0, 1, 0],
        joins: &[0, 0, 0],
        faults: Faults {
            crashes: 1,
            ..Faults::default()
        },
        victim: 0,
        steps: 3,
        ..Setup::default()
    }
}

/// Repeat of a request, between which the store loses everything.
pub(crate) fn repeats_after_a_flush() -> Setup {
    Setup {
        name: "repeats after a flush",
        orders: vec![order(0, BY_NAME), again(0, 0, BY_NAME)],
        steps: 3,
        ..flush()
    }
}

/// Eviction of a holder's record while the holder comes back.
pub(crate) fn eviction() -> Setup {
    Setup {
        name: "eviction",
        roles: &[Role::Direct, Role::Holder],
        orders: vec![order(0, BY_NAME), order(0, BY_NAME), order(0, SECOND_CUTOFF)],
        renewals: &[0, 1],
        joins: &[0, 0],
        steps: 4,
        evicts: true,
        ..Setup::default()
    }
}

/// Trimmed stream: an instance misses entries, and joins again while it has a lease.
pub(crate) fn gap() -> Setup {
    Setup {
        name: "gap",
        roles: &[Role::Direct, Role::Holder, Role::Holder],
        orders: vec![order(0, FIRST_CUTOFF), order(2, BY_NAME)],
        renewals: &[0, 1, 0],
        joins: &[0, 1, 0],
        faults: Faults {
            trims: 1,
            ..Faults::default()
        },
        steps: 2,
        ..Setup::default()
    }
}

/// Store that loses everything.
pub(crate) fn flush() -> Setup {
    Setup {
        name: "flush",
        roles: &[Role::Direct, Role::Holder, Role::Direct],
        renewals: &[1, 1, 0],
        joins: &[0, 0, 0],
        faults: Faults {
            flushes: 1,
            ..Faults::default()
        },
        steps: 3,
        ..Setup::default()
    }
}

/// Store that loses everything, and a former lease holder that joins the new data set.
pub(crate) fn flush_and_join() -> Setup {
    Setup {
        name: "flush and join",
        joins: &[0, 1, 0],
        steps: 1,
        ..flush()
    }
}

/// Store that is rolled back to an earlier copy, on another server.
pub(crate) fn roll_back() -> Setup {
    Setup {
        name: "roll-back",
        faults: Faults {
            rollbacks: 1,
            ..Faults::default()
        },
        ..flush()
    }
}

/// Failover to a lagging replica. A lease holder stays connected to the old master; the revoking
/// instance has moved.
pub(crate) fn failover() -> Setup {
    Setup {
        name: "failover",
        roles: &[Role::Direct, Role::Holder, Role::Direct],
        renewals: &[1, 1, 0],
        joins: &[0, 0, 0],
        faults: Faults {
            failovers: 1,
            ..Faults::default()
        },
        steps: 3,
        ..Setup::default()
    }
}

/// Failover, and the lease holder does not reach the journal either: Sentinel decides whether its
/// store is current.
pub(crate) fn without_journal() -> Setup {
    Setup {
        name: "failover without the journal",
        without_journal: Some(1),
        ..failover()
    }
}

/// Failover, and the revoking instance stays connected to the old master.
pub(crate) fn old_master() -> Setup {
    Setup {
        name: "old master",
        roles: &[Role::Direct, Role::Direct, Role::Direct],
        orders: vec![order(1, BY_NAME)],
        renewals: &[1, 1, 0],
        joins: &[0, 0, 0],
        faults: Faults {
            failovers: 1,
            ..Faults::default()
        },
        steps: 1,
        ..Setup::default()
    }
}

/// Direct reads from the store during the renewal of a lease.
pub(crate) fn refusals() -> Setup {
    Setup {
        name: "refusals",
        roles: &[Role::Direct, Role::Direct, Role::Holder],
        orders: vec![order(0, FIRST_CUTOFF)],
        renewals: &[0, 1, 0],
        joins: &[0, 1, 0],
        asks_directly: true,
        steps: 2,
        ..Setup::default()
    }
}

/// Refusal from memory under the old master, then a direct read from the new one.
pub(crate) fn refusals_of_an_old_master() -> Setup {
    Setup {
        name: "refusals of an old master",
        roles: &[Role::Direct, Role::Holder, Role::Direct],
        orders: vec![order(1, BY_NAME)],
        renewals: &[1, 1, 0],
        joins: &[0, 0, 0],
        faults: Faults {
            failovers: 1,
            ..Faults::default()
        },
        asks_directly: true,
        steps: 0,
        ..Setup::default()
    }
}

/// Broken promise of `Epoch`: the store is rolled back and shows the same epoch.
pub(crate) fn same_epoch() -> Setup {
    Setup {
        name: "same epoch",
        keeps_epoch: true,
        ..roll_back()
    }
}

/// All faults together: two revocations, a join, a crash, a partition, a slow clock, a trimmed
/// stream, a lost store.
pub(crate) fn everything() -> Setup {
    Setup {
        name: "everything",
        roles: &[Role::Direct, Role::Holder, Role::New],
        orders: vec![
            order(0, FIRST_CUTOFF),
            order(2, BY_NAME),
            again(1, 0, FIRST_CUTOFF),
            again(0, 1, BY_NAME),
        ],
        renewals: &[3, 4, 4],
        joins: &[0, 2, 2],
        faults: Faults {
            crashes: 1,
            cuts: 1,
            flushes: 1,
            trims: 1,
            slow_steps: 1,
            cancels: 1,
            ..Faults::default()
        },
        steps: 6,
        asks_directly: true,
        evicts: true,
        ..Setup::default()
    }
}

/// All faults together, with a failover instead of the loss.
pub(crate) fn everything_with_a_failover() -> Setup {
    let faults = Faults {
        flushes: 0,
        failovers: 1,
        ..everything().faults
    };
    Setup {
        name: "everything, with a failover",
        faults,
        ..everything()
    }
}
