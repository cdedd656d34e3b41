//! What Prometheus is told of revocation: how far this instance's replica is, and what a revoke waits for.

use std::time::Duration;

use maxlab_auth_core::revocation::GateStatus;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// Entries in the replica, by `kind`: `token`, `session`, `cutoff` or `spared`.
pub const REPLICA_ENTRIES: &str = "revocation_replica_entries";
/// Memory that the replica takes.
pub const REPLICA_BYTES: &str = "revocation_replica_bytes";
/// Up to which entry of the stream the replica is complete; 0 while it is not.
pub const REPLICA_POSITION: &str = "revocation_replica_position";
/// Entries that the store told of and that are not applied yet.
pub const REPLICA_LAG: &str = "revocation_replica_lag";
/// Seconds for which the replica may go on answering; 0 without a lease.
pub const LEASE_REMAINING: &str = "revocation_lease_remaining_seconds";
/// Groups of revocations that wait for other instances.
pub const WAITERS: &str = "revocation_waiters";
/// Seconds from a revocation's arrival to its acknowledgement.
pub const ACKNOWLEDGED: &str = "revocation_acknowledgement_seconds";
/// The number of the store's data set in the journal's register; it grows when the store lost its data or was replaced.
pub const GENERATION: &str = "revocation_store_generation";
/// Checks that asked the store, because there was no lease or by `REVOCATION_READS=direct`.
pub const DIRECT_READS: &str = "revocation_direct_reads_total";

/// A revocation was acknowledged.
pub fn acknowledged(took: Duration) {
    histogram!(ACKNOWLEDGED).record(took.as_secs_f64());
}

/// Shows how the gate stands.
#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats; 2^53 entries are far away"
)]
pub fn show(status: &GateStatus) {
    let replica = &status.replica;
    let kinds = [
        ("token", replica.tokens),
        ("session", replica.sessions),
        ("cutoff", replica.cutoffs),
        ("spared", replica.spares),
    ];
    for (kind, entries) in kinds {
        gauge!(REPLICA_ENTRIES, "kind" => kind).set(entries as f64);
    }
    gauge!(REPLICA_BYTES).set(replica.bytes as f64);
    let position = status.position.unwrap_or(0);
    gauge!(REPLICA_POSITION).set(position as f64);
    gauge!(REPLICA_LAG).set(status.stream.saturating_sub(position) as f64);
    gauge!(LEASE_REMAINING).set(status.lease_left.as_secs_f64());
    gauge!(WAITERS).set(status.waiters as f64);
    gauge!(GENERATION).set(status.term.as_ref().map_or(0, |term| term.number) as f64);
    counter!(DIRECT_READS).absolute(status.direct_reads);
}

pub(super) fn describe() {
    describe_gauge!(REPLICA_ENTRIES, "Revocations in memory, by kind.");
    describe_gauge!(REPLICA_BYTES, Unit::Bytes, "Memory that they take.");
    describe_gauge!(
        REPLICA_POSITION,
        "Up to which entry of the stream the replica is complete; 0 while it is not."
    );
    describe_gauge!(
        REPLICA_LAG,
        "Entries that are published and not applied here yet."
    );
    describe_gauge!(
        LEASE_REMAINING,
        Unit::Seconds,
        "How long this instance may answer from memory; 0 without a lease."
    );
    describe_gauge!(WAITERS, "Groups of revocations that wait for other instances.");
    describe_histogram!(
        ACKNOWLEDGED,
        Unit::Seconds,
        "Time from a revocation's arrival to its acknowledgement."
    );
    describe_gauge!(
        GENERATION,
        "The number of the store's data set; it grows when the store lost its data or was replaced."
    );
    describe_counter!(DIRECT_READS, "Checks that asked the store instead of memory.");
}
