//! The gate's lookup: from the replica under a valid lease, otherwise from the store. A direct read never
//! finds less than the replica has found before (I6).

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;

use super::gate::{GateRefusal, RevocationGate};
use super::journal_entry::{JournalEntry, Revocation};
use super::storage::{FoundRevocation, RevocationFindings};
use crate::clock;
use crate::unavailable::Unavailable;
use crate::verdict::{CredentialInfo, ReadAssurance, RevocationKey, RevocationReason};

/// Number of attempts at one direct read if the store's data set changes meanwhile.
const MAX_STORE_READ_ATTEMPTS: usize = 3;
/// Time for which a refusal found in the store stays in the replica if the expiry is unknown. The stream
/// brings the entry itself, with its own expiry, long before that.
const CACHED_REFUSAL_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

impl RevocationGate {
    /// Looks up revocations of the keys `revoked` and exemptions of the keys `exempt`. Reads the replica
    /// under a valid lease, otherwise the store.
    pub(super) async fn find(
        &self,
        revoked: &[RevocationKey],
        exempt: &[RevocationKey],
        now: Timestamp,
    ) -> Result<(RevocationFindings, ReadAssurance), Unavailable> {
        if self.policy.reads_replica && self.lease_manager.may_answer() {
            return Ok((self.find_in_replica(revoked, exempt, now), self.assurance(true)));
        }
        // Relaxed: a figure for metrics, which orders nothing.
        self.direct_reads.fetch_add(1, Ordering::Relaxed);
        let findings = self.find_in_store(revoked, exempt, now).await?;
        Ok((findings, self.assurance(false)))
    }

    /// Reads the store directly. The answer counts only if the store shows the epoch of the active term.
    #[tracing::instrument(level = "debug", skip_all, fields(keys = revoked.len()))]
    pub(super) async fn find_in_store(
        &self,
        revoked: &[RevocationKey],
        exempt: &[RevocationKey],
        now: Timestamp,
    ) -> Result<RevocationFindings, Unavailable> {
        let mut adopted = self.lease_manager.confirmed_term(now).await?;
        for _ in 0..MAX_STORE_READ_ATTEMPTS {
            let findings = self.store.find(revoked, exempt, now).await?;
            // Entries and epoch come from one round trip: a store that lost its data in between cannot pass.
            if findings.epoch.as_ref() == Some(&adopted.term.epoch) {
                self.cache_found(revoked, &findings, now);
                return Ok(self.merge_replica_findings(findings, revoked, exempt, now));
            }
            adopted = self.lease_manager.readopt(&adopted.term, now).await?;
        }
        Err(Unavailable::store(
            "its data set changed repeatedly during one read",
        ))
    }

    fn find_in_replica(
        &self,
        revoked: &[RevocationKey],
        exempt: &[RevocationKey],
        now: Timestamp,
    ) -> RevocationFindings {
        let replica = &self.replica;
        let fingerprints: Vec<_> = revoked.iter().map(|key| replica.fingerprint(key)).collect();
        RevocationFindings {
            revoked: replica.revoked_all(&fingerprints, now).collect(),
            exempt_since: exempt
                .iter()
                .map(|key| replica.exempt_since(replica.fingerprint(key), now))
                .collect(),
            epoch: None,
        }
    }

    /// Adds the replica's findings to the store's. The replica may have entries that a store behind a
    /// failover has lost, and a refusal is permanent (I6).
    fn merge_replica_findings(
        &self,
        mut findings: RevocationFindings,
        revoked: &[RevocationKey],
        exempt: &[RevocationKey],
        now: Timestamp,
    ) -> RevocationFindings {
        if !self.policy.reads_replica {
            return findings;
        }
        let in_replica = self.find_in_replica(revoked, exempt, now);
        for (found, replicated) in findings.revoked.iter_mut().zip(in_replica.revoked) {
            // Of two cut-offs the later one covers more. By name both are `None`, and the store's entry
            // stays.
            let is_later = |other: &FoundRevocation| found.as_ref().is_none_or(|f| other.cutoff > f.cutoff);
            if replicated.as_ref().is_some_and(is_later) {
                *found = replicated;
            }
        }
        for (found, replicated) in findings.exempt_since.iter_mut().zip(in_replica.exempt_since) {
            *found = replicated.max(*found);
        }
        findings
    }

    /// Puts a revocation by name that was read from the store into the replica, because the stream may bring
    /// it later (I6).
    fn cache_found(&self, revoked: &[RevocationKey], findings: &RevocationFindings, now: Timestamp) {
        if !self.policy.reads_replica {
            return;
        }
        for (key, found) in revoked.iter().zip(&findings.revoked) {
            // No cut-offs: without the exemptions from it, a cut-off in the replica would refuse exempt
            // logins (I5).
            if let Some(found) = found.as_ref().filter(|found| found.cutoff.is_none()) {
                self.cache_revocation(key, found.reason, clock::after(now, CACHED_REFUSAL_LIFETIME), now);
            }
        }
    }

    /// Puts a refused credential into the replica under its own name. For a refusal by a cut-off this
    /// replaces the cut-off itself, which may arrive before the exemptions from it (I5).
    pub(super) fn cache_refusal(&self, refusal: &GateRefusal, info: &CredentialInfo, now: Timestamp) {
        let (GateRefusal::TokenRevoked(reason) | GateRefusal::SessionRevoked(reason)) = refusal else {
            return;
        };
        // The first key is the one under which this credential is revoked. The others, for example its
        // session's, may cover credentials that are not refused.
        let (true, Some(own)) = (self.policy.reads_replica, info.revocation_keys.first()) else {
            return;
        };
        let expires_at = info
            .expires_at
            .unwrap_or(clock::after(now, CACHED_REFUSAL_LIFETIME));
        self.cache_revocation(own, *reason, self.keep_until(Some(expires_at), now), now);
    }

    fn cache_revocation(
        &self,
        key: &RevocationKey,
        reason: RevocationReason,
        expires_at: Timestamp,
        now: Timestamp,
    ) {
        self.replica.apply(&JournalEntry::Revoked(Revocation {
            key: key.clone(),
            cutoff: None,
            reason,
            revoked_at: now,
            expires_at,
            token_expires_at: None,
            subject: None,
        }));
    }

    fn assurance(&self, from_replica: bool) -> ReadAssurance {
        ReadAssurance {
            term: self.lease_manager.store_term(),
            from_replica,
            lease_left: self.lease_manager.lease_left(),
        }
    }
}
