//! What the gate reads: from memory under a live lease, else from the store, and never less than it knew before.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;

use super::assurance::Assurance;
use super::facts::Facts;
use super::gate::{Refusal, Revocations};
use super::key::RevocationKey;
use super::record::{JournalEntry, Reason, Revocation};
use super::store::{Findings, Found};
use crate::clock;
use crate::unavailable::Unavailable;

/// How often the store is asked again when its data set changes meanwhile.
const TRIES: usize = 3;
/// The refusal of a credential that tells no expiry is kept in memory for so long: what it was refused for is there by then.
const KEPT_REFUSAL: Duration = Duration::from_secs(24 * 60 * 60);

impl Revocations {
    /// Reads what stands recorded: from memory under a live lease, else from the store if its data set is the one that
    /// the journal knows.
    pub(super) async fn find(
        &self,
        revoked: &[RevocationKey],
        spared: &[RevocationKey],
        now: Timestamp,
    ) -> Result<(Findings, Assurance), Unavailable> {
        if self.policy.from_memory && self.membership.may_answer() {
            return Ok((self.remembered(revoked, spared, now), self.assurance(true)));
        }
        self.direct_reads.fetch_add(1, Ordering::Relaxed);
        let findings = self.find_directly(revoked, spared, now).await?;
        Ok((findings, self.assurance(false)))
    }

    pub(super) async fn find_directly(
        &self,
        revoked: &[RevocationKey],
        spared: &[RevocationKey],
        now: Timestamp,
    ) -> Result<Findings, Unavailable> {
        let mut adopted = self.membership.confirmed(now).await?;
        for _ in 0..TRIES {
            let findings = self.store.find(revoked, spared, now).await?;
            if findings.epoch.as_ref() == Some(&adopted.term.epoch) {
                self.keep_found(revoked, &findings, now);
                return Ok(self.with_remembered(findings, revoked, spared, now));
            }
            adopted = self.membership.adopt_anew(&adopted.term, now).await?;
        }
        Err(Unavailable::store("it keeps losing its data"))
    }

    fn remembered(&self, revoked: &[RevocationKey], spared: &[RevocationKey], now: Timestamp) -> Findings {
        let replica = &self.replica;
        let names: Vec<_> = revoked.iter().map(|key| replica.fingerprint(key)).collect();
        Findings {
            revoked: replica.revoked_all(&names, now).collect(),
            spared: spared
                .iter()
                .map(|key| replica.spared(replica.fingerprint(key), now))
                .collect(),
            epoch: None,
        }
    }

    /// What the store says, and what this instance knows beside it: it has seen entries that a store behind a failover
    /// has lost, and what it refused once it refuses for good (I6).
    fn with_remembered(
        &self,
        mut findings: Findings,
        revoked: &[RevocationKey],
        spared: &[RevocationKey],
        now: Timestamp,
    ) -> Findings {
        if !self.policy.from_memory {
            return findings;
        }
        let known = self.remembered(revoked, spared, now);
        for (found, known) in findings.revoked.iter_mut().zip(known.revoked) {
            let later = |known: &Found| found.as_ref().is_none_or(|found| known.cutoff > found.cutoff);
            if known.as_ref().is_some_and(later) {
                *found = known;
            }
        }
        for (found, known) in findings.spared.iter_mut().zip(known.spared) {
            *found = known.max(*found);
        }
        findings
    }

    /// A name that the store has revoked is refused from memory too, even where the stream brings it only later (I6).
    fn keep_found(&self, revoked: &[RevocationKey], findings: &Findings, now: Timestamp) {
        if !self.policy.from_memory {
            return;
        }
        for (key, found) in revoked.iter().zip(&findings.revoked) {
            if let Some(found) = found.as_ref().filter(|found| found.cutoff.is_none()) {
                self.keep(key, found.reason, clock::after(now, KEPT_REFUSAL), now);
            }
        }
    }

    /// A credential that was refused for a cut-off is refused from memory too, under its own name: the cut-off itself may
    /// come before what is exempt from it, so that it is not kept (I5).
    pub(super) fn keep_refusal(&self, refusal: &Refusal, facts: &Facts, now: Timestamp) {
        let (Refusal::TokenRevoked(reason) | Refusal::SessionRevoked(reason)) = refusal else {
            return;
        };
        let (true, Some(own)) = (self.policy.from_memory, facts.names.first()) else {
            return;
        };
        let expires_at = facts.expires_at.unwrap_or(clock::after(now, KEPT_REFUSAL));
        self.keep(own, *reason, self.keep_until(Some(expires_at), now), now);
    }

    fn keep(&self, key: &RevocationKey, reason: Reason, expires_at: Timestamp, now: Timestamp) {
        self.replica.apply(&JournalEntry::Revoked(Revocation {
            key: key.clone(),
            cutoff: None,
            reason,
            revoked_at: now,
            expires_at,
            token_expires_at: None,
            user_id: None,
        }));
    }

    fn assurance(&self, from_memory: bool) -> Assurance {
        Assurance {
            term: self.membership.adopted(),
            from_memory,
            lease_left: self.membership.lease_left(),
        }
    }
}
