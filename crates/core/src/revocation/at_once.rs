//! The gate's answer without waiting for anything: what is remembered, under a live lease.

use jiff::Timestamp;

use super::assurance::Assurance;
use super::facts::Live;
use super::gate::Revocations;
use super::key::RevocationKey;
use crate::verify::Verified;

impl Revocations {
    /// Lets a verified credential through if its replica may answer now and nothing in it stands against that. `None` means
    /// that nothing is decided: [`admit`](Self::admit) decides it, and finds the reason if it is a refusal.
    pub fn admit_at_once(&self, verified: Verified, now: Timestamp) -> Option<Live> {
        let lease_left = self.lease_for_memory()?;
        let facts = verified.into_facts();
        let parties = facts.parties.iter().cloned().map(RevocationKey::Before);
        let replica = self.replica();
        let marks = facts.prepared.marks(replica, &facts.names, parties);
        for found in replica.revoked_all(&marks.asked, now).flatten() {
            // Without a moment it is revoked by name.
            let cutoff = found.cutoff?;
            let names = marks.asked.iter().take(marks.names);
            let spared_since = names.filter_map(|name| replica.spared(*name, now)).max();
            if self.is_covered(cutoff, spared_since, facts.issued) {
                return None;
            }
        }
        let assurance = Assurance {
            term: self.adopted(),
            from_memory: true,
            lease_left,
        };
        Some(Live::new(facts, assurance))
    }
}
