//! What can be revoked in the model, and what a replica, a store or the journal know of it.

/// One line of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Entry {
    /// One token, by name.
    Named,
    /// Everything of a user that was issued up to this moment.
    Cutoff(u8),
    /// The login that is exempt from cut-offs up to [`SPARED_UP_TO`].
    Spare,
}

/// The spared login began after this cut-off and before the next one.
pub(crate) const SPARED_UP_TO: u8 = 1;

/// What is presented to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Credential {
    /// What [`Entry::Named`] revokes.
    Named,
    /// Issued at moment 1.
    Early,
    /// Issued at moment 2.
    Late,
    /// The spared login, whose moment of issue nobody knows.
    Spared,
    /// What nobody revokes.
    Other,
}

impl Credential {
    pub(crate) const ALL: [Self; 5] = [Self::Named, Self::Early, Self::Late, Self::Spared, Self::Other];

    /// Its place in a set of credentials.
    pub(crate) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What entries amount to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Facts {
    named: bool,
    spared: bool,
    cutoff: u8,
}

impl Facts {
    pub(crate) fn of(entries: &[Entry]) -> Self {
        let mut facts = Self::default();
        for entry in entries {
            facts.apply(*entry);
        }
        facts
    }

    /// Several cut-offs combine by their maximum.
    pub(crate) fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Named => self.named = true,
            Entry::Spare => self.spared = true,
            Entry::Cutoff(moment) => self.cutoff = self.cutoff.max(moment),
        }
    }

    /// The planted fault of the maximum rule.
    pub(crate) fn apply_the_least(&mut self, entry: Entry) {
        match entry {
            Entry::Cutoff(moment) if self.cutoff > 0 => self.cutoff = self.cutoff.min(moment),
            _ => self.apply(entry),
        }
    }

    pub(crate) fn join(self, other: Self) -> Self {
        Self {
            named: self.named || other.named,
            spared: self.spared || other.spared,
            cutoff: self.cutoff.max(other.cutoff),
        }
    }

    pub(crate) fn refuses(self, credential: Credential) -> bool {
        match credential {
            Credential::Named => self.named,
            Credential::Early => self.cutoff >= 1,
            Credential::Late => self.cutoff >= 2,
            Credential::Spared => self.cutoff >= 1 && !(self.spared && self.cutoff <= SPARED_UP_TO),
            Credential::Other => false,
        }
    }

    /// The set of credentials that are refused.
    pub(crate) fn refused(self) -> u8 {
        let refused = Credential::ALL.into_iter().filter(|one| self.refuses(*one));
        refused.map(Credential::bit).sum()
    }

    /// What a snapshot reads first, and what it reads then.
    pub(crate) fn halves(self) -> (Self, Self) {
        let first = Self {
            spared: false,
            named: false,
            ..self
        };
        let then = Self { cutoff: 0, ..self };
        (first, then)
    }
}
