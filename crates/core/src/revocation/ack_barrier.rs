//! The acknowledgement barrier of a revocation, as a pure state machine: waits for every instance that may
//! still answer from a replica without the entry. `docs/REVOCATION.md` states the protocol (step 5 of
//! "Revoking").

use std::collections::BTreeMap;

use super::lease_state::{MonotonicMicros, StreamPosition};
use super::shared_log::{InstanceId, LeaseHolder};

/// Largest difference in speed between the clocks of two machines, in per mille (an assumption of the
/// protocol).
const DRIFT_PER_MILLE: u64 = 20;
/// Margin for rounding and timer resolution, in microseconds.
const ROUNDING_MICROS: MonotonicMicros = 2_000;

/// Longest time, on this instance's clock, that another instance may measure as `lease` microseconds.
pub fn with_clock_drift(lease: MonotonicMicros) -> MonotonicMicros {
    lease
        .saturating_add(lease.saturating_mul(DRIFT_PER_MILLE) / 1_000)
        .saturating_add(ROUNDING_MICROS)
}

/// A published revocation, and the instances that may hold a lease older than it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AckBarrier {
    position: StreamPosition,
    /// End of each pending instance's lease at the latest, on this instance's clock.
    pending: BTreeMap<InstanceId, MonotonicMicros>,
}

impl AckBarrier {
    /// Starts a wait for the lease holders that the publishing step returned. The entry is at `position`; the
    /// store's answer arrived at `answered_at`.
    pub fn new(
        position: StreamPosition,
        holders: impl IntoIterator<Item = LeaseHolder>,
        own: &InstanceId,
        answered_at: MonotonicMicros,
    ) -> Self {
        let pending = holders
            .into_iter()
            // The publisher applies its own entries before it waits, so it is never pending.
            .filter(|holder| holder.instance != *own && holder.applied < position)
            .map(|holder| {
                // A renewal after the publishing step counts only once the entry is applied. So an older
                // lease ends at the latest one lease after the store's answer arrived.
                (
                    holder.instance,
                    answered_at.saturating_add(with_clock_drift(holder.lease)),
                )
            })
            .collect();
        Self { position, pending }
    }

    /// Records that an instance has applied the stream up to `position`.
    pub fn record_applied(&mut self, instance: &InstanceId, position: StreamPosition) {
        // Reports for earlier entries arrive meanwhile; they prove nothing about this one.
        if position >= self.position {
            self.pending.remove(instance);
        }
    }

    /// Removes the instances whose leases have ended by `now`, and returns them.
    pub fn expire_leases(&mut self, now: MonotonicMicros) -> Vec<InstanceId> {
        let expired: Vec<_> = self
            .pending
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(instance, _)| instance.clone())
            .collect();
        for instance in &expired {
            self.pending.remove(instance);
        }
        expired
    }

    /// Returns true if no instance is pending: the revocation may be acknowledged.
    pub fn is_complete(&self) -> bool {
        self.pending.is_empty()
    }

    /// Time at which the next pending lease ends; `None` if no instance is pending.
    pub fn next_expiry(&self) -> Option<MonotonicMicros> {
        self.pending.values().min().copied()
    }

    /// Position of the entry that each instance must have applied.
    pub fn position(&self) -> StreamPosition {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(name: &str, applied: StreamPosition) -> LeaseHolder {
        LeaseHolder {
            instance: InstanceId::new(name),
            applied,
            lease: 1_000_000,
            renewal_number: 1,
        }
    }

    #[test]
    fn it_is_complete_when_each_has_applied_or_its_lease_has_ended() {
        let own = InstanceId::new("own");
        let holders = [
            holder("own", 0),
            holder("a", 0),
            holder("b", 0),
            holder("ahead", 7),
        ];
        let mut barrier = AckBarrier::new(7, holders, &own, 50);
        barrier.record_applied(&InstanceId::new("a"), 6);
        assert!(!barrier.is_complete());
        barrier.record_applied(&InstanceId::new("a"), 8);
        assert!(barrier.expire_leases(50 + 1_000_000).is_empty(), "clocks drift");
        assert_eq!(
            barrier.expire_leases(50 + with_clock_drift(1_000_000)),
            vec![InstanceId::new("b")]
        );
        assert!(barrier.is_complete());
    }
}
