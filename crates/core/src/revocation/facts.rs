//! What a verified credential is known by, and the proof that it is not revoked.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::assurance::Assurance;
use super::key::{Party, RevocationKey};
use super::prepared::Prepared;
use super::replica::Fingerprint;
use crate::clock;
use crate::credential::SessionHandle;
use crate::identity::Identity;

/// When a credential was issued, as well as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issued {
    /// At this moment, by the gateway's own clock.
    At(Timestamp),
    /// Some time in the second that begins here, by the authorization server's clock (`iat`).
    InSecond(Timestamp),
    /// Nobody says. A cut-off covers it, unless its login is spared by name.
    Unknown,
}

impl Issued {
    /// Whether a cut-off at `cutoff` covers what was issued then. `skew` is how far the authorization server's clock
    /// may be off; within it, and within the same second, the cut-off wins.
    pub fn is_covered_by(self, cutoff: Timestamp, skew: Duration) -> bool {
        match self {
            Self::At(moment) => moment <= cutoff,
            Self::InSecond(second) => second <= clock::after(cutoff, skew),
            Self::Unknown => true,
        }
    }
}

/// Everything that the gate and the handlers need to know of a verified credential.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Who it stands for.
    pub identity: Identity,
    /// The names under which it may have been revoked; the first is the one under which to revoke it.
    pub names: Vec<RevocationKey>,
    /// How many of `names`, from the first, a revocation must write.
    pub own_names: usize,
    /// Whose cut-offs cover it.
    pub parties: Vec<Party>,
    /// When it was issued.
    pub issued: Issued,
    /// When it expires by itself; `None` if nobody says.
    pub expires_at: Option<Timestamp>,
    /// The gateway's session that it opened, if it is a cookie.
    pub session: Option<SessionHandle>,
    /// The key that its signature was checked with, if one was here.
    pub key_id: Option<String>,
    /// What is worked out of all this when it is first wanted.
    pub(crate) prepared: Prepared,
}

impl Facts {
    /// About how many bytes of memory they take, and what is made ready of them.
    pub(crate) fn bytes(&self) -> usize {
        let Identity {
            user_id,
            email,
            name,
            avatar,
            roles,
            permissions,
            groups,
            workspaces,
            scope,
            client_id,
            session_id,
            ..
        } = &self.identity;
        let texts = [email, name, avatar, client_id, session_id, &self.key_id];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>() + user_id.len();
        let lists = [roles, permissions, groups, workspaces, scope];
        let lists = lists
            .into_iter()
            .flatten()
            .map(|each| each.len() + size_of::<String>());
        let keys = self.names.iter().map(RevocationKey::bytes);
        let parties = self.parties.iter().map(Party::bytes);
        let marks = (self.names.len() + self.parties.len()) * size_of::<Fingerprint>();
        // The identity once more as a door's answer, with the names of its fields.
        let answer = texts + lists.clone().sum::<usize>() + 128;
        size_of::<Self>()
            + texts
            + lists.sum::<usize>()
            + keys.sum::<usize>()
            + parties.sum::<usize>()
            + marks
            + answer
    }
}

/// A credential that is verified and was not revoked when the gate looked. Only
/// [`Revocations::admit`](super::Revocations::admit) makes one.
#[derive(Clone, Debug)]
pub struct Live {
    facts: Arc<Facts>,
    assurance: Assurance,
}

impl Live {
    pub(super) fn new(facts: Arc<Facts>, assurance: Assurance) -> Self {
        Self { facts, assurance }
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.facts.identity
    }

    /// What the credential is known by.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What a door makes of this verdict the same way every time, so that it is made once: it lives as long as the verdict is
    /// remembered. There is room for one thing; `None` if another door put something else there.
    pub fn prepared<T: Any + Send + Sync>(&self, make: impl FnOnce(&Facts) -> T) -> Option<&T> {
        self.facts.prepared.answer(|| make(&self.facts))
    }

    /// On what grounds it was let through (invariant I3).
    pub fn assurance(&self) -> &Assurance {
        &self.assurance
    }

    /// The same, of a member of these workspaces too: those that the database knows beside the claims.
    #[must_use]
    pub fn with_workspaces(self, more: Vec<String>) -> Self {
        let mut facts = Arc::unwrap_or_clone(self.facts);
        let mine = &mut facts.identity.workspaces;
        for workspace in more {
            if !mine.contains(&workspace) {
                mine.push(workspace);
            }
        }
        Self {
            facts: Arc::new(facts),
            assurance: self.assurance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: i64) -> Timestamp {
        Timestamp::from_second(n).unwrap()
    }

    #[test]
    fn a_cutoff_wins_within_its_second_and_within_the_skew() {
        let cutoff = Timestamp::from_millisecond(100_500).unwrap();
        let none = Duration::ZERO;
        assert!(Issued::InSecond(second(100)).is_covered_by(cutoff, none));
        assert!(!Issued::InSecond(second(101)).is_covered_by(cutoff, none));
        assert!(Issued::InSecond(second(105)).is_covered_by(cutoff, Duration::from_secs(5)));
        assert!(!Issued::InSecond(second(106)).is_covered_by(cutoff, Duration::from_secs(5)));
    }

    #[test]
    fn the_gateways_own_times_need_no_skew() {
        let cutoff = Timestamp::from_millisecond(100_500).unwrap();
        let skew = Duration::from_secs(60);
        assert!(Issued::At(cutoff).is_covered_by(cutoff, skew));
        assert!(!Issued::At(Timestamp::from_millisecond(100_501).unwrap()).is_covered_by(cutoff, skew));
        assert!(Issued::Unknown.is_covered_by(cutoff, skew));
    }
}
