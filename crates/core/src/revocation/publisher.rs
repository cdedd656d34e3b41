//! Publisher of revocations: records them in groups, publishes them, and acknowledges them when no instance
//! can answer without them any longer (`docs/REVOCATION.md`, "Revoking").

mod acks;
mod propagations;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acks::PendingAcks;
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::ack_barrier::AckBarrier;
use super::applied_positions::AppliedPositions;
use super::journal_entry::{JournalEntry, JournalLine};
use super::lease_manager::{ActiveTerm, LeaseManager};
use super::lease_state::{MonotonicMicros, StreamPosition};
use super::propagation::PropagationRegistry;
use super::replica::Replica;
use super::revoke_fault::RevokeFault;
use super::shared_log::{InstanceId, LeaseHolder, LogFault, PublishReceipt, RevocationLog};
use super::storage::{Journal, JournalTransaction};
use crate::audit::AuditEvent;
use crate::outbox::UpstreamRevocation;
use crate::unavailable::Unavailable;

/// Largest number of batches in one journal transaction.
const MAX_GROUP_SIZE: usize = 512;
/// Number of attempts to publish a revocation if the store's data set changes meanwhile.
const MAX_PUBLISH_ATTEMPTS: usize = 4;
/// Interval of reading the lease holders while the stream delivers no report from them.
const HOLDER_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Entries and messages of one caller, which are recorded and brought into force together or not at all.
#[derive(Debug, Default)]
pub(super) struct RevocationBatch {
    /// Revocations and exemptions.
    pub(super) entries: Vec<JournalEntry>,
    /// Audit events.
    pub(super) audit: Vec<AuditEvent>,
    /// Messages to the authorization server, for the outbox.
    pub(super) upstream: Vec<UpstreamRevocation>,
}

/// A batch in the queue.
struct PendingBatch {
    batch: RevocationBatch,
    now: Timestamp,
    done: oneshot::Sender<Result<(), RevokeFault>>,
}

/// Queue of the group commit.
#[derive(Default)]
struct BatchQueue {
    pending: Vec<PendingBatch>,
    /// True while a task commits groups. It checks the queue under the same lock before it ends.
    is_leader_running: bool,
}

/// Publisher of this instance.
pub(super) struct Publisher {
    journal: Arc<dyn Journal>,
    log: Arc<dyn RevocationLog>,
    lease_manager: Arc<LeaseManager>,
    replica: Arc<Replica>,
    pub(super) applied_positions: AppliedPositions,
    queue: Mutex<BatchQueue>,
    pending_acks: Mutex<PendingAcks>,
    pub(super) propagations: Arc<PropagationRegistry>,
    pending_groups: AtomicUsize,
}

impl Publisher {
    pub(super) fn new(
        journal: Arc<dyn Journal>,
        log: Arc<dyn RevocationLog>,
        lease_manager: Arc<LeaseManager>,
        replica: Arc<Replica>,
    ) -> Self {
        Self {
            journal,
            log,
            lease_manager,
            replica,
            applied_positions: AppliedPositions::default(),
            queue: Mutex::default(),
            pending_acks: Mutex::default(),
            propagations: Arc::default(),
            pending_groups: AtomicUsize::new(0),
        }
    }

    /// Number of groups of revocations that wait for other instances.
    pub(super) fn pending_groups(&self) -> usize {
        self.pending_groups.load(Ordering::Relaxed)
    }

    /// Records and publishes a batch. Returns when its entries are in force on every instance. The work goes
    /// on even if the caller stops waiting.
    pub(super) async fn submit(
        self: &Arc<Self>,
        batch: RevocationBatch,
        now: Timestamp,
    ) -> Result<(), RevokeFault> {
        let (done, outcome) = oneshot::channel();
        let is_leader = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.pending.push(PendingBatch { batch, now, done });
            !std::mem::replace(&mut queue.is_leader_running, true)
        };
        if is_leader {
            // A task of its own: a caller that disconnects must not stop the batches of others.
            tokio::spawn(Arc::clone(self).run_group_commit());
        }
        // Not `NotRecorded`: the task may have ended after the commit.
        let lost = || RevokeFault::NotApplied(Unavailable::store("the revocation ended without a result"));
        outcome.await.unwrap_or_else(|_| Err(lost()))
    }

    /// Commits one group after the other, each with every batch that arrived during the commit before it
    /// (group commit). Published groups are waited for in tasks of their own.
    async fn run_group_commit(self: Arc<Self>) {
        loop {
            let group = {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                if queue.pending.is_empty() {
                    queue.is_leader_running = false;
                    return;
                }
                let size = queue.pending.len().min(MAX_GROUP_SIZE);
                queue.pending.drain(..size).collect::<Vec<_>>()
            };
            self.commit(group).await;
        }
    }

    async fn commit(self: &Arc<Self>, group: Vec<PendingBatch>) {
        // The latest of the group: the commit happens after all of them.
        let Some(now) = group.iter().map(|pending| pending.now).max() else {
            return;
        };
        let mut merged = RevocationBatch::default();
        for PendingBatch { batch, .. } in &group {
            merged.entries.extend_from_slice(&batch.entries);
            merged.audit.extend_from_slice(&batch.audit);
            merged.upstream.extend_from_slice(&batch.upstream);
        }
        let transaction = JournalTransaction {
            entries: &merged.entries,
            audit: &merged.audit,
            upstream: &merged.upstream,
        };
        match self.journal.append(transaction, now).await {
            Ok(lines) => {
                tokio::spawn(Arc::clone(self).propagate_group(group, lines, now));
            }
            // Each batch alone: one that the journal cannot record must not make the others fail.
            Err(_) if group.len() > 1 => {
                for pending in group {
                    Box::pin(self.commit(vec![pending])).await;
                }
            }
            Err(fault) => {
                for pending in group {
                    // An error means that the caller has stopped waiting.
                    let _ = pending.done.send(Err(RevokeFault::NotRecorded(fault.clone())));
                }
            }
        }
    }

    async fn propagate_group(
        self: Arc<Self>,
        group: Vec<PendingBatch>,
        lines: Vec<JournalLine>,
        now: Timestamp,
    ) {
        self.pending_groups.fetch_add(1, Ordering::Relaxed);
        let outcome = self.propagate(&lines, now).await.map_err(RevokeFault::NotApplied);
        self.pending_groups.fetch_sub(1, Ordering::Relaxed);
        for pending in group {
            // An error means that the caller has stopped waiting.
            let _ = pending.done.send(outcome.clone());
        }
    }

    /// Brings recorded lines into force on every instance.
    #[tracing::instrument(level = "debug", skip_all, fields(lines = lines.len()))]
    pub(super) async fn propagate(
        self: &Arc<Self>,
        lines: &[JournalLine],
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        // Registered, so that repeated requests join it.
        let propagation = self.propagations.begin(lines);
        let outcome = self.publish_and_await(lines, now).await;
        propagation.finish(outcome.clone());
        outcome
    }

    /// Publishes recorded lines and waits for the acknowledgement (steps 2 to 7 of the protocol).
    #[tracing::instrument(level = "debug", skip_all, fields(lines = lines.len()))]
    pub(super) async fn publish_and_await(
        self: &Arc<Self>,
        lines: &[JournalLine],
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let entries: Vec<_> = lines.iter().map(|line| line.entry.clone()).collect();
        let mut adopted = self.lease_manager.confirmed_term(now).await?;
        for _ in 0..MAX_PUBLISH_ATTEMPTS {
            let published = match self.log.publish(&adopted.term.epoch, &entries, now).await {
                Ok(published) => published,
                Err(LogFault::EpochChanged) => {
                    adopted = self.lease_manager.readopt(&adopted.term, now).await?;
                    continue;
                }
                Err(LogFault::Unavailable(fault)) => return Err(fault),
            };
            // After the store's answer: leases of the holders began before it, so each ends at most one lease
            // later.
            let answered_at = self.lease_manager.now();
            for entry in &entries {
                self.replica.apply(entry);
            }
            self.mark_own_published(&adopted, &published, entries.len());
            // The register is read after the lines were committed. If it still names this term, every later
            // data set is filled with the lines, and every instance that answers under this term is among the
            // holders.
            let register = self.lease_manager.is_current_term(&adopted.term);
            let (current, ()) = tokio::join!(register, self.await_acks(published, &adopted, answered_at));
            if current? {
                self.lease_manager.await_earlier_leases(&adopted).await?;
                // Not earlier: a repeated request takes the mark for the acknowledgement.
                self.enqueue_acks(lines);
                return self.acknowledge_cutoffs(lines).await;
            }
            adopted = self.lease_manager.readopt(&adopted.term, now).await?;
        }
        Err(self.lease_manager.changing_data_set())
    }

    /// Marks this instance's own entries as applied, so that the stream need not deliver them first.
    fn mark_own_published(&self, adopted: &ActiveTerm, published: &PublishReceipt, entries: usize) {
        let PublishReceipt { before, position, .. } = *published;
        // Published in several steps: entries of another instance may be between them, and these are not
        // applied.
        if position.saturating_sub(before) != entries as StreamPosition {
            return;
        }
        self.lease_manager.update_state(|state| {
            if state.is_following(adopted.term.number) {
                state.mark_published(before, position);
            }
        });
    }

    /// Waits until each holder of a lease has applied the entries, or its lease has ended.
    async fn await_acks(
        &self,
        published: PublishReceipt,
        adopted: &ActiveTerm,
        answered_at: MonotonicMicros,
    ) {
        let holders = published.holders.clone();
        let mut barrier = AckBarrier::new(
            published.position,
            published.holders,
            &adopted.holder,
            answered_at,
        );
        loop {
            // Before the copy, so that no report between the two is missed.
            let changed = self.applied_positions.changed();
            self.applied_positions.copy_into(&mut barrier);
            for expired in barrier.expire_leases(self.lease_manager.now()) {
                self.evict_lapsed(&holders, &expired);
            }
            if barrier.is_complete() {
                return;
            }
            let left = barrier.next_expiry().unwrap_or(0);
            let left = Duration::from_micros(left.saturating_sub(self.lease_manager.now()));
            // Without a report: this instance may not follow the stream now. The list of leases has the
            // positions too. An unanswered read changes nothing, because the wait ends with the leases.
            if timeout(left.min(HOLDER_POLL_INTERVAL), changed).await.is_err()
                && let Ok(Ok(present)) = timeout(left.max(HOLDER_POLL_INTERVAL), self.log.holders()).await
            {
                for holder in present {
                    barrier.record_applied(&holder.instance, holder.applied);
                }
            }
        }
    }

    /// Removes an instance whose lease has ended without a report, so that the next revocation does not wait
    /// for it.
    fn evict_lapsed(&self, holders: &[LeaseHolder], expired: &InstanceId) {
        tracing::warn!(instance = %expired, "lease expired before the instance confirmed a revocation");
        let Some(holder) = holders.iter().find(|holder| holder.instance == *expired).cloned() else {
            return;
        };
        let log = Arc::clone(&self.log);
        // In a task of its own: the revocation need not wait for it.
        tokio::spawn(async move {
            if let Err(fault) = log.evict_holder(&holder).await {
                tracing::debug!(%fault, "expired lease not removed");
            }
        });
    }
}
