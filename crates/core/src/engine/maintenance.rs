//! Maintenance: the work of the background tasks, and the state that they report.

use std::time::Duration;

use jiff::Timestamp;

use super::Engine;
use crate::clock;
use crate::revocation::GateStatus;
use crate::unavailable::Unavailable;
use crate::verify::DueRefreshes;

/// Number of expired items that a purge deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PurgeSummary {
    /// Journal lines.
    pub lines: u64,
    /// Entries of the store.
    pub entries: u64,
    /// Registered and unproven tokens.
    pub tokens: u64,
    /// Used authorization codes.
    pub codes: u64,
    /// Audit events.
    pub events: u64,
}

impl Engine {
    /// Returns the state of the revocation gate.
    pub fn gate_status(&self) -> GateStatus {
        self.deps.revocations.status()
    }

    /// Returns `true` if checks read the replica under a lease, so that it must be followed.
    pub fn reads_replica(&self) -> bool {
        self.deps.revocations.policy().reads_replica
    }

    /// Returns the random name of this instance.
    pub fn instance(&self) -> &str {
        self.deps.revocations.instance()
    }

    /// Keeps a lease and a complete replica while it is polled. See
    /// [`RevocationGate::run_follower`](crate::revocation::RevocationGate::run_follower).
    pub async fn follow_revocations(&self, predecessor: Option<&str>) {
        self.deps.revocations.run_follower(predecessor).await;
    }

    /// Releases the lease, so that no revoker waits for this instance.
    pub async fn release_lease(&self) {
        self.deps.revocations.release_lease().await;
    }

    /// Removes expired entries from the replica, about `budget` entries at a time.
    pub fn sweep_replica(&self, now: Timestamp, budget: usize) {
        self.deps.revocations.sweep(now, budget);
    }

    /// Fills a store that lost its data, and finishes recorded revocations that are not acknowledged.
    ///
    /// # Errors
    /// Fails if journal or store do not answer. The next run continues.
    pub async fn reconcile_revocations(&self, now: Timestamp) -> Result<(), Unavailable> {
        let gate = &self.deps.revocations;
        // First: only a store that is filled from the journal can take the unfinished lines.
        gate.ensure_store_filled(now).await?;
        gate.reconcile(now).await?;
        Ok(())
    }

    /// Returns the queue of cached verdicts that are due for a refresh. `None` from the second call on.
    pub fn due_refreshes(&self) -> Option<DueRefreshes> {
        self.deps.chain.due_refreshes()
    }

    /// Returns `true` if workspaces are looked up in the database, so that they cannot be known at once.
    pub fn looks_up_workspaces(&self) -> bool {
        self.deps.workspaces.is_some()
    }

    /// Stores the uses of sessions that requests have recorded.
    ///
    /// # Errors
    /// Fails if the session store does not answer. The next call continues.
    pub async fn flush_touches(&self) -> Result<(), Unavailable> {
        self.deps.sessions.flush_touches().await
    }

    /// Returns the time between two calls of [`flush_touches`](Self::flush_touches).
    pub fn touch_flush_interval(&self) -> Duration {
        self.deps.sessions.touch_flush_interval()
    }

    /// Deletes what expired before `now`, and audit events that are older than `audit_retention`.
    ///
    /// # Errors
    /// Fails if journal, store or database do not answer. The next run continues.
    pub async fn purge_expired(
        &self,
        audit_retention: Option<Duration>,
        now: Timestamp,
    ) -> Result<PurgeSummary, Unavailable> {
        let deps = &self.deps;
        let (lines, entries) = self.purge_revocations(now).await?;
        let tokens = deps.issued_tokens.purge(now).await? + deps.unproven_tokens.purge(now).await?;
        let codes = deps.used_codes.purge_codes(now).await?;
        let events = match audit_retention {
            Some(retention) => self.purge_audit(clock::before(now, retention)).await?,
            None => 0,
        };
        Ok(PurgeSummary {
            lines,
            entries,
            tokens,
            codes,
            events,
        })
    }

    /// Deletes expired journal lines and store entries, and returns their numbers.
    ///
    /// # Errors
    /// Fails if journal or store do not answer.
    pub async fn purge_revocations(&self, now: Timestamp) -> Result<(u64, u64), Unavailable> {
        self.deps.revocations.purge(now).await
    }

    /// Deletes audit events that are older than `before`, and returns their number.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    pub async fn purge_audit(&self, before: Timestamp) -> Result<u64, Unavailable> {
        self.deps.audit.delete_before(before).await
    }
}
