//! Description of a verified credential: identity, revocation keys, cut-off scopes and times.

use std::time::Duration;

use jiff::Timestamp;

use super::revocation_key::{CutoffScope, RevocationKey};
use crate::clock;
use crate::credential::SessionHandle;
use crate::identity::Identity;

/// Issue time of a credential, as far as it is known (`iat`, RFC 7519 §4.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueTime {
    /// Exactly this time, by the gateway's own clock.
    At(Timestamp),
    /// Some time in the second that begins here, by the authorization server's clock (`iat`).
    WithinSecond(Timestamp),
    /// Unknown. Every cut-off covers the credential, unless its login is exempt by name.
    Unknown,
}

impl IssueTime {
    /// Returns true if a cut-off at `cutoff` covers a credential that was issued at this time. `skew` is the
    /// largest error of the authorization server's clock. Within it, and within the same second, the cut-off
    /// wins (decision 3).
    pub fn is_covered_by(self, cutoff: Timestamp, skew: Duration) -> bool {
        match self {
            // No skew: cut-offs and the gateway's own times come from one clock.
            Self::At(time) => time <= cutoff,
            Self::WithinSecond(second) => second <= clock::after(cutoff, skew),
            Self::Unknown => true,
        }
    }
}

/// Everything that the gate and the handlers need to know about a verified credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialInfo {
    /// Owner of the credential.
    pub identity: Identity,
    /// Every name under which the credential may have been revoked. A new revocation uses the first.
    pub revocation_keys: Vec<RevocationKey>,
    /// Number of `revocation_keys`, from the first, that a revocation must write.
    pub own_key_count: usize,
    /// Scopes whose cut-offs cover the credential.
    pub cutoff_scopes: Vec<CutoffScope>,
    /// Issue time.
    pub issue_time: IssueTime,
    /// Expiry; `None` if it is unknown.
    pub expires_at: Option<Timestamp>,
    /// Session that the cookie opened; `None` for a token.
    pub session: Option<SessionHandle>,
    /// Id of the key that verified the signature; `None` if no signature was checked here.
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
        assert!(IssueTime::WithinSecond(second(100)).is_covered_by(cutoff, none));
        assert!(!IssueTime::WithinSecond(second(101)).is_covered_by(cutoff, none));
        assert!(IssueTime::WithinSecond(second(105)).is_covered_by(cutoff, Duration::from_secs(5)));
        assert!(!IssueTime::WithinSecond(second(106)).is_covered_by(cutoff, Duration::from_secs(5)));
    }

    #[test]
    fn the_gateways_own_times_need_no_skew() {
        let cutoff = Timestamp::from_millisecond(100_500).unwrap();
        let skew = Duration::from_secs(60);
        assert!(IssueTime::At(cutoff).is_covered_by(cutoff, skew));
        assert!(!IssueTime::At(Timestamp::from_millisecond(100_501).unwrap()).is_covered_by(cutoff, skew));
        assert!(IssueTime::Unknown.is_covered_by(cutoff, skew));
    }
}
