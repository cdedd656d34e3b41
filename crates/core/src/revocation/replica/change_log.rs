//! Log of changes to the replica, so that a lookup that found nothing need not be repeated (decision 14).
//!
//! A lookup among millions of entries waits for main memory, once for each name. Its result stays true until
//! an entry is recorded under one of these names. So every recorded entry gets a number, which is stored in a
//! small table under a part of the name's hash: 32 KiB, which stay in the processor's cache. If the slot of a
//! name has no later number than the lookup, the result of the lookup still holds. Names that share a slot
//! cause a needless lookup now and then, and never a missing one.

use super::fingerprint::Fingerprint;
use crate::sync::atomic::AtomicU64;
use crate::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use crate::verdict::{ChangeSlots, MAX_NAMES};

/// 4,096 slots. With a thousand recorded entries a second, more than nine in ten checks of a verdict with
/// five names that is used fifty times a second need no lookup.
const SLOT_BITS: u32 = 12;

impl ChangeSlots {
    /// Slots of these names; `None` if there are too many, or none.
    pub(in crate::revocation) fn of(names: &[Fingerprint]) -> Option<Self> {
        if names.len() > MAX_NAMES {
            return None;
        }
        // A fixed number of slots, without a length: sixteen bytes in each cached verdict.
        let mut slots = [slot_of(names.first()?); MAX_NAMES];
        for (slot, name) in slots.iter_mut().zip(names) {
            *slot = slot_of(name);
        }
        Some(Self(slots))
    }
}

fn slot_of(name: &Fingerprint) -> u16 {
    // Twelve bits always fit.
    u16::try_from(name.shard(SLOT_BITS)).unwrap_or_default()
}

/// Sequence number of a change. A lookup as of this number sees every change up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::revocation) struct ChangeSeq(pub(in crate::revocation) u64);

/// Numbers of the recorded entries.
#[derive(Debug)]
pub(super) struct ChangeLog {
    latest: AtomicU64,
    /// Number of the latest entry under each slot.
    by_slot: Box<[AtomicU64]>,
}

impl ChangeLog {
    pub(super) fn new() -> Self {
        Self {
            latest: AtomicU64::new(0),
            by_slot: (0..1 << SLOT_BITS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Latest number. Read it before a lookup: the lookup sees every entry that it counts.
    pub(super) fn latest(&self) -> ChangeSeq {
        // Pairs with `AcqRel` in `record`: an entry is in the replica before its number is counted.
        ChangeSeq(self.latest.load(Acquire))
    }

    /// Records a change of the name. Call it after the entry is in the replica, and before the entry is
    /// acknowledged.
    pub(super) fn record(&self, name: Fingerprint) {
        // Drawn after the entry is in the replica: an earlier number would be counted by a lookup that cannot
        // see the entry.
        let number = self.latest.fetch_add(1, AcqRel) + 1;
        // `fetch_max`: of two threads with names in one slot, the one with the lower number may come last.
        self.by_slot[usize::from(slot_of(&name))].fetch_max(number, Release);
    }

    /// Returns true if an entry may have been recorded under one of these slots after `since`.
    pub(super) fn any_changed_since(&self, slots: &ChangeSlots, since: ChangeSeq) -> bool {
        let mut slots = slots.0.iter();
        slots.any(|slot| self.by_slot[usize::from(*slot)].load(Acquire) > since.0)
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.by_slot)
    }
}
