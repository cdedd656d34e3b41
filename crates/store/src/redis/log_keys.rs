//! Keys of the revocation log, and the part of an epoch that they hold.

use maxlab_auth_core::verdict::Epoch;

pub(super) const GENERATION: &str = "gateway:{revocations}:generation";
pub(super) const STREAM: &str = "revocations";
pub(super) const ACK_STREAM: &str = "gateway:{revocations}:notices";
pub(super) const POSITION: &str = "gateway:{revocations}:position";
pub(super) const LEASES: &str = "gateway:{revocations}:leases";
pub(super) const FILLED: &str = "gateway:{revocations}:filled";
pub(super) const SETTLED: &str = "gateway:{revocations}:settled";
pub(super) const SNAPSHOT_PARTS: &str = "gateway:{revocations}:snapshots";

/// Returns the part of an epoch that is stored in Redis.
pub(super) fn generation_of(epoch: &Epoch) -> &str {
    epoch
        .as_str()
        .split_once('@')
        .map_or("", |(generation, _)| generation)
}
