//! The gate's answer without waiting for anything: what is remembered, under a live lease.

use jiff::Timestamp;

use super::assurance::Assurance;
use super::facts::Issued;
use super::gate::Revocations;
use super::live::{Known, Live};
use super::marks::Marks;
use crate::verify::Verified;

impl Revocations {
    /// Lets a verified credential through if its replica may answer now and nothing in it stands against that. `None` means
    /// that nothing is decided: [`admit`](Self::admit) decides it, and finds the reason if it is a refusal.
    pub fn admit_at_once(&self, verified: Verified, now: Timestamp) -> Option<Live> {
        let lease_left = self.lease_for_memory()?;
        let Known::Packed(packed) = verified.into_known() else {
            return None;
        };
        let replica = self.replica();
        let marks = packed.marks(replica);
        if !marks.are_clear(replica, now) && self.any_covers(marks, packed.times().0, now) {
            return None;
        }
        let assurance = Assurance {
            term: self.adopted(),
            from_memory: true,
            lease_left,
        };
        Some(Live::new(Known::Packed(packed), assurance))
    }

    /// Whether something that stands recorded under these marks counts for what was issued then.
    fn any_covers(&self, marks: &Marks, issued: Issued, now: Timestamp) -> bool {
        let replica = self.replica();
        let mut found = replica.revoked_all(&marks.asked, now).flatten();
        found.any(|found| {
            // Without a moment it is revoked by name.
            let Some(cutoff) = found.cutoff else { return true };
            let names = marks.asked.iter().take(marks.names);
            let spared_since = names.filter_map(|name| replica.spared(*name, now)).max();
            self.is_covered(cutoff, spared_since, issued)
        })
    }
}
