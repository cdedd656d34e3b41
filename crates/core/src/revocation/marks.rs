//! How the replica knows a credential, what stands against it there, and since when nothing does.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::facts::{Facts, Issued};
use super::replica::{Edition, Fingerprint, Places, Replica};

/// The marks by which the one replica of this process knows a credential.
#[derive(Debug)]
pub(super) struct Marks {
    /// Its names, then those whose cut-offs may cover it.
    asked: Box<[Fingerprint]>,
    /// How many of them are names.
    names: usize,
    issued: Issued,
}

/// What stands recorded against a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing, and nothing will until something is recorded of it.
    Clear,
    /// A cut-off that would cover it, were its login not spared, which runs out.
    Spared,
    /// It is revoked.
    Revoked,
}

impl Marks {
    pub(super) fn of(replica: &Replica, facts: &Facts) -> Self {
        let names = facts.names.iter().map(|name| replica.fingerprint(name));
        let parties = facts.parties.iter();
        let parties = parties.map(|party| replica.fingerprint_of_party(party));
        Self {
            asked: names.chain(parties).collect(),
            names: facts.names.len(),
            issued: facts.issued,
        }
    }

    /// Looks up what stands recorded of them.
    pub(super) fn look_up(&self, replica: &Replica, skew: Duration, now: Timestamp) -> Standing {
        let mut standing = Standing::Clear;
        for found in replica.revoked_all(&self.asked, now).flatten() {
            let names = self.asked.iter().take(self.names);
            let spared_since = || names.filter_map(|name| replica.spared(*name, now)).max();
            match Standing::under(found.cutoff, self.issued, skew, spared_since) {
                Standing::Revoked => return Standing::Revoked,
                Standing::Spared => standing = Standing::Spared,
                Standing::Clear => {}
            }
        }
        standing
    }
}

impl Standing {
    /// Under one record, which revokes by name if it has no moment: of what was issued then, by a login that is spared from
    /// cut-offs since `spared_since`.
    pub(super) fn under(
        cutoff: Option<Timestamp>,
        issued: Issued,
        skew: Duration,
        spared_since: impl FnOnce() -> Option<Timestamp>,
    ) -> Self {
        match cutoff {
            None => Self::Revoked,
            Some(cutoff) if !issued.is_covered_by(cutoff, skew) => Self::Clear,
            Some(cutoff) if spared_since().is_some_and(|began| began >= cutoff) => Self::Spared,
            Some(_) => Self::Revoked,
        }
    }
}

/// Since when a look-up need not be made again, in few bytes: a verdict has one of these, and no marks of its own.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Where what is recorded of its names shows; `None` if there are too many of them.
    places: OnceLock<Option<Places>>,
    /// One more than the edition in which nothing stood against it; zero if something did, or nobody looked.
    clear_since: AtomicU64,
}

impl Watch {
    /// Whether a look-up found nothing, and nothing has been recorded since.
    pub(super) fn is_clear(&self, replica: &Replica) -> bool {
        let since = self.clear_since.load(Ordering::Relaxed).checked_sub(1);
        let places = self.places.get().and_then(Option::as_ref);
        matches!((since, places), (Some(at), Some(places)) if !replica.changed_since(places, Edition(at)))
    }

    /// Looks up what stands against these marks, which are those of this verdict.
    pub(super) fn look_up(
        &self,
        marks: &Marks,
        replica: &Replica,
        skew: Duration,
        now: Timestamp,
    ) -> Standing {
        self.places.get_or_init(|| Places::of(&marks.asked));
        let edition = replica.edition();
        let standing = marks.look_up(replica, skew, now);
        if standing == Standing::Clear {
            // Of two that look at once either's edition is true of what it found.
            self.clear_since.store(edition.0 + 1, Ordering::Relaxed);
        }
        standing
    }
}

#[cfg(test)]
mod tests;
