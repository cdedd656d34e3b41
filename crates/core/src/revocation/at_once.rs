//! The gate's answer without waiting for anything: from the replica, under a live lease.

use jiff::Timestamp;

use super::assurance::Assurance;
use super::gate::Revocations;
use super::live::{Known, Live};
use super::marks::{Marks, Standing};
use crate::verify::Verified;

impl Revocations {
    /// Lets a verified credential through if its replica may answer now and nothing in it stands against that. `None` means
    /// that nothing is decided: [`admit`](Self::admit) decides it, and finds the reason if it is a refusal.
    pub fn admit_at_once(&self, verified: Verified, now: Timestamp) -> Option<Live> {
        let lease_left = self.lease_for_memory()?;
        let known = verified.into_known();
        if self.stands_against(&known, now) {
            return None;
        }
        let assurance = Assurance {
            term: self.adopted(),
            from_memory: true,
            lease_left,
        };
        Some(Live::new(known, assurance))
    }

    /// Whether the replica may answer now.
    pub fn answers_from_memory(&self) -> bool {
        self.lease_for_memory().is_some()
    }

    fn stands_against(&self, known: &Known, now: Timestamp) -> bool {
        let (replica, skew) = (self.replica(), self.policy.skew);
        let standing = match known {
            Known::Packed(packed) if packed.watch().is_clear(replica) => Standing::Clear,
            Known::Packed(packed) => {
                let marks = Marks::of(replica, &packed.facts());
                packed.watch().look_up(&marks, replica, skew, now)
            }
            Known::Whole(facts) => Marks::of(replica, facts).look_up(replica, skew, now),
        };
        standing == Standing::Revoked
    }
}
