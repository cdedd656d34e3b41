//! Metrics of revocation: the state of this instance's replica, and what a revoke waits for.

use std::time::Duration;

use maxlab_auth_core::revocation::GateStatus;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

// The label values are public. `spared` is the older word for an exemption.
/// Entries in the replica, by `kind`: `token`, `session`, `cutoff` or `spared`.
pub const REPLICA_ENTRIES: &str = "revocation_replica_entries";
/// Bytes of memory that the replica takes.
pub const REPLICA_BYTES: &str = "revocation_replica_bytes";
/// Stream position up to which the replica is complete. 0 while it is not.
pub const REPLICA_POSITION: &str = "revocation_replica_position";
/// Entries that the store has published and this instance has not applied yet.
pub const REPLICA_LAG: &str = "revocation_replica_lag";
/// Seconds for which the replica may still answer. 0 without a lease.
pub const LEASE_REMAINING: &str = "revocation_lease_remaining_seconds";
/// Groups of revocations that wait for other instances.
pub const WAITING_REVOCATIONS: &str = "revocation_waiters";
/// Seconds from a revocation's arrival to its acknowledgement.
pub const ACKNOWLEDGEMENT_DURATION: &str = "revocation_acknowledgement_seconds";
/// Number of the store's data set in the journal's register. Grows when the store lost its data or was
/// replaced.
pub const GENERATION: &str = "revocation_store_generation";
/// Checks that were answered by the store, without a lease or with `REVOCATION_READS=direct`.
pub const DIRECT_READS: &str = "revocation_direct_reads_total";

/// Records the time from a revocation's arrival to its acknowledgement.
pub fn record_acknowledged(took: Duration) {
    histogram!(ACKNOWLEDGEMENT_DURATION).record(took.as_secs_f64());
}

/// Records the state of the gate.
#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats; 2^53 entries are far away"
)]
pub fn record_status(status: &GateStatus) {
    let replica = &status.replica;
    let kinds = [
        ("token", replica.tokens),
        ("session", replica.sessions),
        ("cutoff", replica.cutoffs),
        ("spared", replica.exemptions),
    ];
    for (kind, entries) in kinds {
        gauge!(REPLICA_ENTRIES, "kind" => kind).set(entries as f64);
    }
    gauge!(REPLICA_BYTES).set(replica.bytes as f64);
    // 0 stands for an incomplete replica: stream positions begin at 1.
    let position = status.position.unwrap_or(0);
    gauge!(REPLICA_POSITION).set(position as f64);
    // Saturating, since the two positions were read one after the other.
    gauge!(REPLICA_LAG).set(status.stream_position.saturating_sub(position) as f64);
    gauge!(LEASE_REMAINING).set(status.lease_left.as_secs_f64());
    gauge!(WAITING_REVOCATIONS).set(status.pending_groups as f64);
    gauge!(GENERATION).set(status.term.as_ref().map_or(0, |term| term.number) as f64);
    counter!(DIRECT_READS).absolute(status.direct_reads);
}

pub(super) fn describe() {
    describe_gauge!(REPLICA_ENTRIES, "Revocations in memory, by kind.");
    describe_gauge!(REPLICA_BYTES, Unit::Bytes, "Memory that the replica takes.");
    describe_gauge!(
        REPLICA_POSITION,
        "Stream position up to which the replica is complete; 0 while it is not."
    );
    describe_gauge!(
        REPLICA_LAG,
        "Entries that the store has published and this instance has not applied yet."
    );
    describe_gauge!(
        LEASE_REMAINING,
        Unit::Seconds,
        "How long this instance may answer from memory; 0 without a lease."
    );
    describe_gauge!(
        WAITING_REVOCATIONS,
        "Groups of revocations that wait for other instances."
    );
    describe_histogram!(
        ACKNOWLEDGEMENT_DURATION,
        Unit::Seconds,
        "Time from a revocation's arrival to its acknowledgement."
    );
    describe_gauge!(
        GENERATION,
        "Number of the store's data set; it grows when the store lost its data or was replaced."
    );
    describe_counter!(
        DIRECT_READS,
        "Checks that were answered by the store and not from memory."
    );
}
