//! Status of a credential in the replica, and the memo that skips a lookup whose result cannot have changed.

use std::time::Duration;

use jiff::Timestamp;

use super::replica::{ChangeSeq, Fingerprint, Replica};
use crate::verdict::{ChangeSlots, CredentialInfo, IssueTime, NotRevokedMemo};

/// Fingerprints of a credential's names in the one replica of this process.
#[derive(Debug)]
pub(super) struct NameFingerprints {
    /// Fingerprints of the revocation keys, then of the cut-off scopes.
    fingerprints: Box<[Fingerprint]>,
    /// Number of revocation keys among them.
    key_count: usize,
    issue_time: IssueTime,
}

/// Status of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RevocationStatus {
    /// Not revoked. This holds until an entry is recorded under one of the credential's names.
    NotRevoked,
    /// Exempt from a cut-off that covers the credential. The exemption may expire.
    Exempt,
    /// One of the credential's names is revoked, or a cut-off covers it.
    Revoked,
}

impl NameFingerprints {
    pub(super) fn of(replica: &Replica, info: &CredentialInfo) -> Self {
        let keys = info.revocation_keys.iter().map(|key| replica.fingerprint(key));
        let scopes = info.cutoff_scopes.iter();
        let scopes = scopes.map(|scope| replica.fingerprint_of_scope(scope));
        Self {
            fingerprints: keys.chain(scopes).collect(),
            key_count: info.revocation_keys.len(),
            issue_time: info.issue_time,
        }
    }

    /// Looks up the status of the credential.
    pub(super) fn lookup_status(
        &self,
        replica: &Replica,
        skew: Duration,
        now: Timestamp,
    ) -> RevocationStatus {
        let mut status = RevocationStatus::NotRevoked;
        for found in replica.revoked_all(&self.fingerprints, now).flatten() {
            let keys = self.fingerprints.iter().take(self.key_count);
            // Read only if a cut-off covers the credential, which is rare.
            let exempt_since = || keys.filter_map(|key| replica.exempt_since(*key, now)).max();
            match RevocationStatus::from_record(found.cutoff, self.issue_time, skew, exempt_since) {
                RevocationStatus::Revoked => return RevocationStatus::Revoked,
                RevocationStatus::Exempt => status = RevocationStatus::Exempt,
                RevocationStatus::NotRevoked => {}
            }
        }
        status
    }
}

impl RevocationStatus {
    /// Returns the status under one record, which is a revocation by name if `cutoff` is `None`.
    /// `exempt_since` returns the time since which the login is exempt from cut-offs.
    pub(super) fn from_record(
        cutoff: Option<Timestamp>,
        issue_time: IssueTime,
        skew: Duration,
        exempt_since: impl FnOnce() -> Option<Timestamp>,
    ) -> Self {
        match cutoff {
            None => Self::Revoked,
            Some(cutoff) if !issue_time.is_covered_by(cutoff, skew) => Self::NotRevoked,
            // `>=`: cut-off and login are measured by one clock, and a login that began at the cut-off is
            // exempt (decision 3).
            Some(cutoff) if exempt_since().is_some_and(|began_at| began_at >= cutoff) => Self::Exempt,
            Some(_) => Self::Revoked,
        }
    }
}

impl NotRevokedMemo {
    /// Returns true if the last lookup found nothing and nothing has been recorded of its names since.
    pub(super) fn is_current(&self, replica: &Replica) -> bool {
        self.last_clear_lookup()
            .is_some_and(|(slots, since)| !replica.changed_since(slots, ChangeSeq(since)))
    }

    /// Looks up the status of the fingerprints, which are those of this verdict, and remembers a lookup that
    /// found nothing.
    pub(super) fn lookup_and_remember(
        &self,
        fingerprints: &NameFingerprints,
        replica: &Replica,
        skew: Duration,
        now: Timestamp,
    ) -> RevocationStatus {
        self.set_slots(|| ChangeSlots::of(&fingerprints.fingerprints));
        // The number is read before the lookup: what is recorded in between gets a later number and is
        // looked up again.
        let change_seq = replica.change_seq();
        let status = fingerprints.lookup_status(replica, skew, now);
        // `Exempt` is not remembered, because the exemption can expire without a new entry.
        if status == RevocationStatus::NotRevoked {
            self.record_clear_lookup(change_seq.0);
        }
        status
    }
}

#[cfg(test)]
mod tests;
