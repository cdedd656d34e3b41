//! What is worked out once of a verdict, and not again for every request that it answers.

use std::any::Any;
use std::fmt;
use std::sync::OnceLock;

use super::key::RevocationKey;
use super::replica::{Fingerprint, Replica};

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
