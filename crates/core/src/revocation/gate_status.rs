//! State of the gate.

use std::time::Duration;

use super::lease_state::StreamPosition;
use super::replica::ReplicaStats;
use crate::verdict::Term;

/// State of this instance's gate, for health and metrics.
#[derive(Clone, Debug)]
pub struct GateStatus {
    /// Term of the adopted data set.
    pub term: Option<Term>,
    /// Position up to which the replica is complete; `None` while it is not.
    pub position: Option<StreamPosition>,
    /// Last position on the stream that the store has returned.
    pub stream_position: StreamPosition,
    /// Time for which the replica may still answer; zero if it may not.
    pub lease_left: Duration,
    /// Number of groups of revocations that wait for other instances.
    pub pending_groups: usize,
    /// Number of lookups that read the store directly, since the start.
    pub direct_reads: u64,
    /// Size of the replica.
    pub replica: ReplicaStats,
}
