//! Idempotent revocation: a repeated request gets the same acknowledgement, and nothing is recorded twice.

use jiff::Timestamp;

use super::gate::RevocationGate;
use super::journal_entry::{JournalEntry, JournalLine, Revocation};
use super::revoke_fault::RevokeFault;
use super::storage::JournalLineStatus;
use crate::audit::AuditEvent;
use crate::clock;
use crate::outbox::UpstreamRevocation;
use crate::verdict::RevocationKey;

/// Result of an idempotent revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    /// Lines and audit events were written.
    New,
    /// The journal had all of it before. Nothing was written.
    AlreadyRecorded,
}

impl RevocationGate {
    /// Revokes what the journal does not have yet, and waits for the acknowledgement of what it has. A repeat
    /// writes no line, no audit event and no message for the authorization server. An acknowledged cut-off is
    /// recorded again with its new time; one that is not acknowledged keeps the time that was first written.
    ///
    /// # Errors
    /// [`RevokeFault`] if the revocation is not acknowledged.
    #[tracing::instrument(level = "debug", skip_all, fields(entries = revocations.len()))]
    pub async fn revoke_once(
        &self,
        revocations: Vec<Revocation>,
        audit: &[AuditEvent],
        upstream: Vec<UpstreamRevocation>,
        now: Timestamp,
    ) -> Result<RecordOutcome, RevokeFault> {
        let keys: Vec<_> = revocations
            .iter()
            .map(|revocation| revocation.key.clone())
            .collect();
        let lines = self.lines_for_keys(&keys, now).await?;
        let min_expiry = self.min_repeat_expiry(now);
        let is_recorded = |revocation: &Revocation| {
            let recorded = lines.iter().filter_map(as_revocation);
            recorded.into_iter().any(|(line, acknowledged)| {
                line.key == revocation.key && is_covered_by_line(line, acknowledged, revocation, min_expiry)
            })
        };
        let missing: Vec<_> = revocations.into_iter().filter(|one| !is_recorded(one)).collect();
        let is_new = !missing.is_empty();
        if is_new {
            // First, so that a fault while waiting for the existing lines does not lose what is new.
            self.revoke_with_upstream(missing, audit, upstream, now).await?;
        }
        self.await_lines(lines, now).await?;
        Ok(if is_new {
            RecordOutcome::New
        } else {
            RecordOutcome::AlreadyRecorded
        })
    }

    /// Waits until every recorded revocation of these keys is acknowledged, and returns them. Every answer
    /// that says "it is over" passes this barrier. If nothing is recorded, it returns an empty list at once;
    /// the caller must decide whether that is possible (an instance with a journal of its own does not have
    /// the others' lines).
    ///
    /// # Errors
    /// [`RevokeFault`] if one of them is not acknowledged.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn await_acknowledged(
        &self,
        keys: &[RevocationKey],
        now: Timestamp,
    ) -> Result<Vec<Revocation>, RevokeFault> {
        let lines = self.lines_for_keys(keys, now).await?;
        let recorded = lines.iter().filter_map(as_revocation);
        let recorded = recorded.map(|(line, _)| line.clone()).collect();
        self.await_lines(lines, now).await?;
        Ok(recorded)
    }

    /// Returns the recorded revocations of these keys, acknowledged or not.
    ///
    /// # Errors
    /// [`RevokeFault::NotRecorded`] if the journal did not answer.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn recorded_revocations(
        &self,
        keys: &[RevocationKey],
        now: Timestamp,
    ) -> Result<Vec<Revocation>, RevokeFault> {
        let lines = self.lines_for_keys(keys, now).await?;
        Ok(lines
            .iter()
            .filter_map(as_revocation)
            .map(|(line, _)| line.clone())
            .collect())
    }

    async fn lines_for_keys(
        &self,
        keys: &[RevocationKey],
        now: Timestamp,
    ) -> Result<Vec<JournalLineStatus>, RevokeFault> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let lines = self.journal.lines_for_keys(keys, now).await;
        lines.map_err(RevokeFault::NotRecorded)
    }

    async fn await_lines(&self, lines: Vec<JournalLineStatus>, now: Timestamp) -> Result<(), RevokeFault> {
        // An acknowledgement holds for good, so only the other lines are waited for.
        let pending = lines.into_iter().filter(|status| !status.is_acknowledged);
        let pending: Vec<JournalLine> = pending.map(|status| status.line).collect();
        if pending.is_empty() {
            return Ok(());
        }
        let joined = self.publisher.join_or_start(pending, now).await;
        joined.map_err(RevokeFault::NotApplied)
    }

    /// Expiry from which an existing line covers a repeat of a token without known expiry.
    fn min_repeat_expiry(&self, now: Timestamp) -> Timestamp {
        // Half of the retention: such a token is kept for the whole retention from now, so each repeat would
        // expire a little later than the line before it and would be written as a new one.
        clock::after(now, self.policy.retention / 2)
    }
}

fn as_revocation(status: &JournalLineStatus) -> Option<(&Revocation, bool)> {
    match &status.line.entry {
        JournalEntry::Revoked(revocation) => Some((revocation, status.is_acknowledged)),
        JournalEntry::Exempted(_) => None,
    }
}

/// Returns true if a line makes a revocation of the same key unnecessary.
fn is_covered_by_line(
    line: &Revocation,
    acknowledged: bool,
    requested: &Revocation,
    min_expiry: Timestamp,
) -> bool {
    // A cut-off that is ordered again after its acknowledgement must also cover what was issued since.
    if requested.key.is_cutoff() {
        return !acknowledged;
    }
    let needed = match requested.token_expires_at {
        Some(_) => requested.expires_at,
        None => requested.expires_at.min(min_expiry),
    };
    line.expires_at >= needed
}
