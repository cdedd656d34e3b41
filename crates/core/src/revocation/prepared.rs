//! What is worked out once of a verdict, and not again for every request that it answers.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use super::key::{Party, RevocationKey};
use super::replica::{Edition, Fingerprint, Replica};

/// Kept beside what is known of a credential, and made when it is first wanted.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    marks: OnceLock<Marks>,
}

/// How the replica knows a credential.
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

impl Prepared {
    /// The marks by which the one replica of this process knows a credential.
    pub(super) fn marks(
        &self,
        replica: &Replica,
        known_by: impl FnOnce() -> (Vec<RevocationKey>, Vec<Party>),
    ) -> &Marks {
        self.marks.get_or_init(|| {
            let (names, parties) = known_by();
            let parties = parties.into_iter().map(RevocationKey::Before);
            Marks {
                names: names.len(),
                asked: names
                    .into_iter()
                    .chain(parties)
                    .map(|name| replica.fingerprint(&name))
                    .collect(),
                clear_since: AtomicU64::new(0),
            }
        })
    }
}

#[cfg(test)]
mod tests;
