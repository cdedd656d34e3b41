//! What is worked out once of a verdict, and not again for every request that it answers.

use std::any::Any;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use super::key::RevocationKey;
use super::replica::{Edition, Fingerprint, Replica};

/// Kept beside the facts of a credential, and made when it is first wanted. A copy of the facts begins without: it may be
/// changed.
#[derive(Default)]
pub(crate) struct Prepared {
    marks: OnceLock<Marks>,
    answer: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// How the replica knows a credential.
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
    pub(super) fn marks<'k>(
        &self,
        replica: &Replica,
        names: &[RevocationKey],
        parties: impl Iterator<Item = RevocationKey> + 'k,
    ) -> &Marks {
        self.marks.get_or_init(|| Marks {
            asked: names
                .iter()
                .map(|name| replica.fingerprint(name))
                .chain(parties.map(|party| replica.fingerprint(&party)))
                .collect(),
            names: names.len(),
            clear_since: AtomicU64::new(0),
        })
    }

    /// What a door made ready of the verdict; `None` if another door made something else.
    pub(super) fn answer<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        self.answer.get_or_init(|| Box::new(make())).downcast_ref()
    }
}

impl Clone for Prepared {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
