//! What a verified credential is known by.

use std::time::Duration;

use jiff::Timestamp;

use super::key::{Party, RevocationKey};
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
