//! Revocation: the entries, their storage and propagation, and the gate that checks every credential.
//!
//! `docs/REVOCATION.md` states the protocol. Its rules are two pure state machines: [`LeaseState`] (may this
//! instance answer from memory?) and [`AckBarrier`] (for which instances must a revocation wait?). The other
//! modules drive them over the traits in `shared_log` and `storage`.

mod ack_barrier;
mod applied_positions;
mod fast_path;
mod follower;
mod gate;
mod gate_status;
mod idempotency;
mod journal_entry;
mod lease_manager;
mod lease_state;
mod lookup;
mod propagation;
mod publisher;
mod refill;
mod replica;
mod revoke_fault;
mod shared_log;
mod status;
mod storage;
mod unproven;

pub use crate::verdict::RevocationReason;
pub use ack_barrier::{AckBarrier, with_clock_drift};
pub use gate::{GateDeps, GateRefusal, RevocationGate, RevocationPolicy};
pub use gate_status::GateStatus;
pub use idempotency::RecordOutcome;
pub use journal_entry::{CutoffExemption, JournalEntry, JournalLine, Revocation};
pub use lease_state::{LeaseState, MonotonicMicros, StreamEntryAction, StreamPosition};
pub use replica::{Fingerprint, Replica, ReplicaStats};
pub use revoke_fault::RevokeFault;
pub use shared_log::{
    InstanceId, LeaseHolder, LeaseRenewal, LogFault, PublishReceipt, RefillLock, RevocationLog, StoreView,
    StreamBatch, StreamEntry, StreamSubscription,
};
pub use storage::{
    FoundRevocation, Journal, JournalLineStatus, JournalTransaction, RevocationFindings, RevocationStore,
};
pub use unproven::{PlaceReservation, UnprovenToken, UnprovenTokens};
