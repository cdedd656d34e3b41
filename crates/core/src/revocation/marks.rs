//! How the replica knows a credential, and since when nothing stood recorded of it: worked out once, not for every request.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use super::key::{Party, RevocationKey};
use super::replica::{Edition, Fingerprint, Replica};

/// Made once of a verdict, when they are first wanted.
#[derive(Debug)]
pub(super) struct Marks {
    /// Its names, then those whose cut-offs may cover it.
    pub(super) asked: Box<[Fingerprint]>,
    /// How many of them are names.
    pub(super) names: usize,
    /// One more than the edition in which nothing stood recorded of any of them; zero if something did.
    clear_since: AtomicU64,
}

impl Marks {
    /// Those by which the one replica of this process knows what bears these names and belongs to these parties.
    pub(super) fn of(replica: &Replica, names: Vec<RevocationKey>, parties: Vec<Party>) -> Self {
        let parties = parties.into_iter().map(RevocationKey::Before);
        Self {
            names: names.len(),
            asked: names
                .into_iter()
                .chain(parties)
                .map(|name| replica.fingerprint(&name))
                .collect(),
            clear_since: AtomicU64::new(0),
        }
    }

    /// Whether nothing stands recorded of any of them: by a look-up, or because one found nothing and nothing has been
    /// recorded since. `false` where something may; a look-up tells what.
    pub(super) fn are_clear(&self, replica: &Replica, now: Timestamp) -> bool {
        let noted = self.clear_since.load(Ordering::Relaxed).checked_sub(1);
        if noted.is_some_and(|at| !replica.changed_since(&self.asked, Edition(at))) {
            return true;
        }
        let edition = replica.edition();
        let clear = replica.revoked_all(&self.asked, now).all(|found| found.is_none());
        if clear {
            // Of two that look at once either's edition is true of what it found.
            self.clear_since.store(edition.0 + 1, Ordering::Relaxed);
        }
        clear
    }
}

#[cfg(test)]
mod tests;
