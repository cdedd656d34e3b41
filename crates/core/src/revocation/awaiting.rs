//! Whom a revocation waits for, as a pure state machine: every instance that may still answer from a memory without it.

use std::collections::BTreeMap;

use super::log::{Holder, Instance};
use super::member::{Position, Tick};

/// Clocks of two machines may differ in speed by so many per mille, and a wait is rounded up by a little.
const DRIFT_PER_MILLE: u64 = 20;
const ROUNDING: Tick = 2_000;

/// How long something that another instance measures as `lease` may last on this one's clock.
pub fn at_most(lease: Tick) -> Tick {
    lease
        .saturating_add(lease.saturating_mul(DRIFT_PER_MILLE) / 1_000)
        .saturating_add(ROUNDING)
}

/// A published revocation, and the instances whose leases are older than it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Awaiting {
    position: Position,
    open: BTreeMap<Instance, Tick>,
}

impl Awaiting {
    /// Waits for those who held leases when it was published at `position`; the store's answer came at `answered_at`.
    /// A lease renewed after that counts only with the entry applied, so each can last for one lease from then at most.
    pub fn new(
        position: Position,
        holders: impl IntoIterator<Item = Holder>,
        own: &Instance,
        answered_at: Tick,
    ) -> Self {
        let open = holders
            .into_iter()
            .filter(|holder| holder.instance != *own && holder.applied < position)
            .map(|holder| (holder.instance, answered_at.saturating_add(at_most(holder.lease))))
            .collect();
        Self { position, open }
    }

    /// An instance says that it has applied everything up to `position`.
    pub fn applied(&mut self, instance: &Instance, position: Position) {
        if position >= self.position {
            self.open.remove(instance);
        }
    }

    /// Whose leases have run out by now; they are waited for no longer.
    pub fn lapse(&mut self, now: Tick) -> Vec<Instance> {
        let lapsed: Vec<_> = self
            .open
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(instance, _)| instance.clone())
            .collect();
        for instance in &lapsed {
            self.open.remove(instance);
        }
        lapsed
    }

    /// Whether nobody is waited for any longer.
    pub fn is_over(&self) -> bool {
        self.open.is_empty()
    }

    /// When the next lease runs out.
    pub fn next_lapse(&self) -> Option<Tick> {
        self.open.values().min().copied()
    }

    /// What is waited for to be applied.
    pub fn position(&self) -> Position {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(name: &str, applied: Position) -> Holder {
        Holder {
            instance: Instance::new(name),
            applied,
            lease: 1_000_000,
            renewal: 1,
        }
    }

    #[test]
    fn it_is_over_when_each_has_applied_or_lapsed() {
        let own = Instance::new("own");
        let holders = [
            holder("own", 0),
            holder("a", 0),
            holder("b", 0),
            holder("ahead", 7),
        ];
        let mut awaiting = Awaiting::new(7, holders, &own, 50);
        awaiting.applied(&Instance::new("a"), 6);
        assert!(!awaiting.is_over());
        awaiting.applied(&Instance::new("a"), 8);
        assert!(awaiting.lapse(50 + 1_000_000).is_empty(), "clocks drift");
        assert_eq!(awaiting.lapse(50 + at_most(1_000_000)), vec![Instance::new("b")]);
        assert!(awaiting.is_over());
    }
}
