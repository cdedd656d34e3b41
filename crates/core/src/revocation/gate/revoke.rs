//! Revocations through the gate: recorded, brought into force on every instance, and finished by the
//! reconciler.

use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;

use super::RevocationGate;
use crate::audit::AuditEvent;
use crate::clock;
use crate::events::GatewayEvent;
use crate::outbox::UpstreamRevocation;
use crate::revocation::journal_entry::{CutoffExemption, JournalEntry, Revocation};
use crate::revocation::publisher::RevocationBatch;
use crate::revocation::revoke_fault::RevokeFault;
use crate::unavailable::Unavailable;
use crate::verdict::{RevocationKey, RevocationReason};

/// Journal lines that the reconciler reads at a time.
const RECONCILE_BATCH_SIZE: u32 = 1_000;

impl RevocationGate {
    /// Revokes, in the order that I1 and I2 require: journal and audit first, then the store, then every
    /// instance that answers from memory. After `Ok`, every instance refuses what the revocations cover.
    ///
    /// # Errors
    /// [`RevokeFault`] if it is not acknowledged.
    pub async fn revoke(
        &self,
        revocations: Vec<Revocation>,
        audit: &[AuditEvent],
        now: Timestamp,
    ) -> Result<(), RevokeFault> {
        self.revoke_with_upstream(revocations, audit, Vec::new(), now)
            .await
    }

    /// Revokes like [`revoke`](Self::revoke), and records messages to the authorization server in the same
    /// transaction.
    ///
    /// # Errors
    /// [`RevokeFault`] if it is not acknowledged.
    #[tracing::instrument(level = "debug", skip_all, fields(entries = revocations.len()))]
    pub async fn revoke_with_upstream(
        &self,
        revocations: Vec<Revocation>,
        audit: &[AuditEvent],
        upstream: Vec<UpstreamRevocation>,
        now: Timestamp,
    ) -> Result<(), RevokeFault> {
        let batch = RevocationBatch {
            entries: revocations.into_iter().map(JournalEntry::Revoked).collect(),
            audit: audit.to_vec(),
            upstream,
        };
        let began = self.lease_manager.now();
        self.publisher.submit(batch, now).await?;
        let took = Duration::from_micros(self.lease_manager.now().saturating_sub(began));
        self.events.record(GatewayEvent::WriteAcknowledged { took });
        Ok(())
    }

    /// Exempts logins from earlier cut-offs, durably and on every instance.
    ///
    /// # Errors
    /// [`Unavailable`] if it is not certain that they are exempt.
    #[tracing::instrument(level = "debug", skip_all, fields(entries = exemptions.len()))]
    pub async fn exempt(&self, exemptions: Vec<CutoffExemption>, now: Timestamp) -> Result<(), Unavailable> {
        if exemptions.is_empty() {
            return Ok(());
        }
        let batch = RevocationBatch {
            entries: exemptions.into_iter().map(JournalEntry::Exempted).collect(),
            ..RevocationBatch::default()
        };
        let submitted = self.publisher.submit(batch, now).await;
        submitted.map_err(RevokeFault::into_unavailable)
    }

    /// Finishes recorded revocations that are not acknowledged, and returns the number of their lines. Takes
    /// only lines that two runs in a row have found and that this instance is not propagating.
    ///
    /// # Errors
    /// [`Unavailable`] if journal or store did not answer. The next run continues.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn reconcile(&self, now: Timestamp) -> Result<usize, Unavailable> {
        let lines = self.journal.unacknowledged(RECONCILE_BATCH_SIZE).await?;
        // Found twice in a row, so that it does not compete with a request in progress. Another instance may
        // be propagating the line nevertheless. It is published twice then, which changes nothing.
        let abandoned: Vec<_> = {
            let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
            let previous =
                std::mem::replace(&mut *unfinished, lines.iter().map(|line| line.position).collect());
            lines
                .into_iter()
                .filter(|line| previous.contains(&line.position) && !self.publisher.is_propagating(line))
                .collect()
        };
        if !abandoned.is_empty() {
            self.publisher.propagate(&abandoned, now).await?;
            self.events
                .record(GatewayEvent::RevocationsReconciled(abandoned.len()));
        }
        Ok(abandoned.len())
    }

    /// Returns a revocation by name, kept as long as something that expires at `token_expires_at` can be accepted.
    /// It names no user; callers that know one add it.
    pub fn revocation_by_name(
        &self,
        key: RevocationKey,
        reason: RevocationReason,
        token_expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Revocation {
        Revocation {
            key,
            cutoff: None,
            reason,
            revoked_at: now,
            expires_at: self.keep_until(token_expires_at, now),
            token_expires_at,
            subject: None,
        }
    }

    /// Returns the time until which the revocation of something that expires at `expires_at` must be kept.
    pub fn keep_until(&self, expires_at: Option<Timestamp>, now: Timestamp) -> Timestamp {
        match expires_at {
            // An instance that tolerates a skew may accept the credential that much longer, and its clock may
            // be off to either side. One second for rounding.
            Some(expiry) => clock::after(expiry, self.policy.skew * 2 + Duration::from_secs(1)),
            None => clock::after(now, self.policy.retention),
        }
    }
}
