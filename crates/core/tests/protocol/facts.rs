//! Revocations of the model, and their combined effect in a replica, a store or the journal.

/// Line of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Entry {
    /// Revocation of one token, by name.
    Named,
    /// Cut-off: everything of a user that was issued up to this moment.
    Cutoff(u8),
    /// Exemption of a login from cut-offs up to [`SPARED_UP_TO`].
    Spare,
}

/// Last cut-off that does not apply to the exempt login, which began before the next one.
pub(crate) const SPARED_UP_TO: u8 = 1;

/// Credential that is presented to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Credential {
    /// The token that [`Entry::Named`] revokes.
    Named,
    /// Token issued at moment 1.
    Early,
    /// Token issued at moment 2.
    Late,
    /// Exempt login, whose time of issue is unknown.
    Spared,
    /// Token that is never revoked.
    Other,
}

impl Credential {
    pub(crate) const ALL: [Self; 5] = [Self::Named, Self::Early, Self::Late, Self::Spared, Self::Other];

    /// Bit of the credential in a set of credentials.
    pub(crate) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Combined effect of entries.
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

    /// Applies an entry. Cut-offs combine by their maximum.
    pub(crate) fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Named => self.named = true,
            Entry::Spare => self.spared = true,
            Entry::Cutoff(moment) => self.cutoff = self.cutoff.max(moment),
        }
    }

    /// Applies an entry with a planted bug: cut-offs combine by their minimum.
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
            // With an unknown time of issue, every cut-off applies unless the login is exempt.
            Credential::Spared => self.cutoff >= 1 && !(self.spared && self.cutoff <= SPARED_UP_TO),
            Credential::Other => false,
        }
    }

    /// Set of refused credentials.
    pub(crate) fn refused(self) -> u8 {
        let refused = Credential::ALL
            .into_iter()
            .filter(|credential| self.refuses(*credential));
        refused.map(Credential::bit).sum()
    }

    /// The two parts that a snapshot reads one after the other: cut-offs first.
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
