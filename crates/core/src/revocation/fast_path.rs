//! The gate's synchronous answer, from the replica under a valid lease (decision 14).

use jiff::Timestamp;

use super::gate::RevocationGate;
use super::status::{NameFingerprints, RevocationStatus};
use crate::verdict::{ActiveCredential, CredentialRepr, ReadAssurance, Verified};

impl RevocationGate {
    /// Lets a verified credential through if the replica may answer now and does not refuse it. `None` is
    /// undecided: call [`admit`](Self::admit), which also finds the reason of a refusal.
    pub fn try_admit(&self, verified: Verified, now: Timestamp) -> Option<ActiveCredential> {
        // The lease first, then the replica: everything acknowledged before the lease was read is in the
        // replica (I1).
        let lease_left = self.replica_lease_left()?;
        let repr = verified.into_repr();
        if self.is_revoked_in_replica(&repr, now) {
            return None;
        }
        let assurance = ReadAssurance {
            term: self.store_term(),
            from_replica: true,
            lease_left,
        };
        Some(ActiveCredential::new(repr, assurance))
    }

    /// Returns true if the replica may answer now.
    pub fn can_answer_from_replica(&self) -> bool {
        self.replica_lease_left().is_some()
    }

    fn is_revoked_in_replica(&self, repr: &CredentialRepr, now: Timestamp) -> bool {
        let (replica, skew) = (self.replica(), self.policy.skew);
        let status = match repr {
            CredentialRepr::Compact(verdict) if verdict.not_revoked_memo().is_current(replica) => {
                RevocationStatus::NotRevoked
            }
            // The fingerprints are computed again and not stored: they took 96 bytes for each verdict
            // (decision 15).
            CredentialRepr::Compact(verdict) => {
                let fingerprints = NameFingerprints::of(replica, &verdict.to_info());
                verdict
                    .not_revoked_memo()
                    .lookup_and_remember(&fingerprints, replica, skew, now)
            }
            CredentialRepr::Full(info) => {
                NameFingerprints::of(replica, info).lookup_status(replica, skew, now)
            }
        };
        status == RevocationStatus::Revoked
    }
}
