//! The configurations: each has bounds of its own, small enough to be searched to the end.

use crate::setup::{BY_NAME, FIRST_CUTOFF, Order, Role, SECOND_CUTOFF, Setup};
use crate::world::Faults;

const fn order(by: usize, entries: &'static [crate::facts::Entry]) -> Order {
    Order { by, entries }
}

/// Two revocations, by name and by cut-off, while one instance holds a lease and another joins.
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

/// A cut-off of the same user, raised twice, with a spared login.
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

/// The instance that holds a lease dies and comes back.
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

/// The instance that holds a lease is cut off from the store, and its clock is slow.
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

/// A record of a holder is evicted while the holder comes back.
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

/// The stream forgets entries that an instance has not had, which joins again under the lease that it holds.
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

/// The store loses everything.
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

/// The store loses everything, and the instance that held a lease joins the new data set.
pub(crate) fn flush_and_join() -> Setup {
    Setup {
        name: "flush and join",
        joins: &[0, 1, 0],
        steps: 1,
        ..flush()
    }
}

/// The store comes back as it was, by another server's name.
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

/// A replica that lags becomes the master, and a holder goes on talking to the old one. Whoever revokes has moved.
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

/// The same, and that holder does not reach the journal either: Sentinel tells whether its store counts.
pub(crate) fn without_journal() -> Setup {
    Setup {
        name: "failover without the journal",
        without_journal: Some(1),
        ..failover()
    }
}

/// The same, and whoever revokes goes on talking to the old master.
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

/// Requests ask the store while a lease is being renewed.
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

/// What was refused from memory under the old master is asked of the new one.
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

/// What `Epoch` promises is broken: the store comes back as it was and shows the same epoch.
pub(crate) fn same_epoch() -> Setup {
    Setup {
        name: "same epoch",
        keeps_epoch: true,
        ..roll_back()
    }
}

/// Everything at once: two revocations, a join, a crash, a partition, a slow clock, a forgetful stream, a lost store.
pub(crate) fn everything() -> Setup {
    Setup {
        name: "everything",
        roles: &[Role::Direct, Role::Holder, Role::New],
        orders: vec![order(0, FIRST_CUTOFF), order(2, BY_NAME)],
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

/// The same with a failover in place of the loss.
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
