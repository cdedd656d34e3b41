//! A credential that passed the gate.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use super::assurance::Assurance;
use super::facts::Facts;
use super::packed::{Packed, Who};
use crate::guard::Rights;
use crate::identity::{Identity, VerificationSource};

/// What is known of a verified credential: as it is remembered, or as it was just read.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// A token whose verdict is remembered.
    Packed(Arc<Packed>),
    /// Anything else.
    Whole(Arc<Facts>),
}

impl Known {
    /// As facts.
    pub(crate) fn facts(&self) -> Arc<Facts> {
        match self {
            Self::Packed(packed) => Arc::new(packed.facts()),
            Self::Whole(facts) => Arc::clone(facts),
        }
    }
}

/// A credential that is verified and was not revoked when the gate looked. Only
/// [`Revocations::admit`](super::Revocations::admit) makes one.
#[derive(Clone, Debug)]
pub struct Live {
    known: Known,
    assurance: Assurance,
    /// Unpacked when it is first asked for.
    identity: OnceLock<Arc<Identity>>,
    facts: OnceLock<Arc<Facts>>,
}

impl Live {
    pub(super) fn new(known: Known, assurance: Assurance) -> Self {
        Self {
            known,
            assurance,
            identity: OnceLock::new(),
            facts: OnceLock::new(),
        }
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        match (&self.known, self.facts.get()) {
            (Known::Whole(facts), _) | (_, Some(facts)) => &facts.identity,
            (Known::Packed(packed), None) => self.identity.get_or_init(|| Arc::new(packed.identity())),
        }
    }

    /// What the credential is known by.
    pub fn facts(&self) -> &Facts {
        match &self.known {
            Known::Whole(facts) => facts,
            Known::Packed(packed) => self.facts.get_or_init(|| Arc::new(packed.facts())),
        }
    }

    /// Which layer verified it. Like [`who`](Self::who) and [`rights`](Self::rights) it is read where it stands, and unpacks
    /// nothing.
    pub fn source(&self) -> VerificationSource {
        match &self.known {
            Known::Whole(facts) => facts.identity.verification_source,
            Known::Packed(packed) => packed.source(),
        }
    }

    /// Whom a door names.
    pub fn who(&self) -> Who<'_> {
        match &self.known {
            Known::Whole(facts) => Who::of(&facts.identity),
            Known::Packed(packed) => packed.who(),
        }
    }

    /// What guards look at.
    pub fn rights(&self) -> Rights<'_> {
        match &self.known {
            Known::Whole(facts) => Rights::of(&facts.identity),
            Known::Packed(packed) => packed.rights(),
        }
    }

    /// When it expires by itself; `None` if nobody says.
    pub fn expires_at(&self) -> Option<Timestamp> {
        match &self.known {
            Known::Whole(facts) => facts.expires_at,
            Known::Packed(packed) => packed.expires_at(),
        }
    }

    /// What a door makes of source and rights the same way every time, so that it is made once: it lives as long as verdicts with
    /// the same ones are remembered. There is room for one thing; `None` if another door put something else there, or if no
    /// verdict is remembered.
    pub fn prepared<T: Any + Send + Sync>(
        &self,
        make: impl FnOnce(VerificationSource, Rights<'_>) -> T,
    ) -> Option<&T> {
        match &self.known {
            Known::Whole(_) => None,
            Known::Packed(packed) => packed.answer(make),
        }
    }

    /// On what grounds it was let through (invariant I3).
    pub fn assurance(&self) -> &Assurance {
        &self.assurance
    }

    /// The same, of a member of these workspaces too: those that the database knows beside the claims.
    #[must_use]
    pub fn with_workspaces(self, more: Vec<String>) -> Self {
        let mut facts = Arc::unwrap_or_clone(self.known.facts());
        let mine = &mut facts.identity.workspaces;
        for workspace in more {
            if !mine.contains(&workspace) {
                mine.push(workspace);
            }
        }
        Self::new(Known::Whole(Arc::new(facts)), self.assurance)
    }
}
