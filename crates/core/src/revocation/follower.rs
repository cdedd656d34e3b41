//! Background tasks that renew the lease and apply the stream to the replica.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::lease_manager::{ActiveTerm, LeaseManager};
use super::lease_state::{LeaseState, StreamEntryAction, StreamPosition};
use super::publisher::Publisher;
use super::replica::Replica;
use super::shared_log::{LeaseRenewal, LogFault, RevocationLog, StreamBatch, StreamSubscription};
use crate::clock::Clock;
use crate::unavailable::Unavailable;

/// Longest wait for the stream. After it, an empty read checks whether the term is still the same.
const QUIET_TIMEOUT: Duration = Duration::from_millis(200);
/// Number of empty reads in a row, while the store reports a higher position, after which the snapshot is
/// loaded again.
const MAX_QUIET_READS_BEHIND: u32 = 5;
/// Delay before the first retry after a broken stream. It doubles with each retry.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(20);
/// Longest delay before a retry.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);
/// Renewals during one lease, so that a few may fail before the lease ends.
const RENEWALS_PER_LEASE: u32 = 4;

/// Follower of the stream, which keeps the replica complete.
pub(super) struct StreamFollower {
    pub(super) log: Arc<dyn RevocationLog>,
    pub(super) lease_manager: Arc<LeaseManager>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) replica: Arc<Replica>,
    pub(super) clock: Arc<dyn Clock>,
}

impl StreamFollower {
    /// Removes the leases of an instance that is certainly dead, so that no revoker waits for them.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn evict_predecessor(&self, predecessor: &str) {
        // A holder's name is the instance, a dot and the number of the term (`adoption`).
        let prefix = format!("{predecessor}.");
        let evicted = async {
            let holders = self.log.holders().await?;
            for holder in holders {
                if holder.instance.as_str().starts_with(&prefix) {
                    self.log.release_lease(&holder.instance).await?;
                }
            }
            Ok::<_, Unavailable>(())
        };
        // Only a saving of time: without it, a revoker waits for that lease once.
        if let Err(fault) = evicted.await {
            tracing::debug!(%fault, "predecessor's lease not released, it expires by itself");
        }
    }

    /// Renews the lease repeatedly. Never returns.
    pub(super) async fn run_lease_renewal(&self) {
        // A bound from below: a lease of a few milliseconds must not turn this into a busy loop.
        let pause = (self.lease_manager.lease_duration() / RENEWALS_PER_LEASE).max(MIN_RETRY_DELAY);
        loop {
            if let Err(fault) = self.lease_manager.renew_lease(self.clock.now()).await {
                tracing::warn!(%fault, "lease not renewed, retrying");
            }
            sleep(pause).await;
        }
    }

    /// Follows the stream, and joins again when it ends. Never returns.
    pub(super) async fn run_stream(&self) {
        let mut pause = MIN_RETRY_DELAY;
        loop {
            let confirmed = self.lease_manager.confirmed_term(self.clock.now()).await;
            let end = match confirmed {
                Ok(adopted) => self.join_and_follow(&adopted, &mut pause).await,
                Err(fault) => StreamEnd::Fault(fault),
            };
            // Before the pause: the replica falls behind from now on, and no later renewal may extend the
            // lease.
            self.lease_manager.update_state(LeaseState::leave_stream);
            match end {
                // No failure, so the next attempt does not wait long.
                StreamEnd::TermOver => pause = MIN_RETRY_DELAY,
                StreamEnd::Gap => tracing::warn!("stream gap found, reloading the replica"),
                StreamEnd::Fault(fault) => tracing::warn!(%fault, "revocation stream interrupted, rejoining"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_RETRY_DELAY);
        }
    }

    /// Joins the stream and follows it until it ends. Reads a position first, then loads the snapshot while
    /// following the stream from that position.
    async fn join_and_follow(&self, adopted: &ActiveTerm, pause: &mut Duration) -> StreamEnd {
        let (position, stream) = match self.open_stream(adopted).await {
            Ok(opened) => opened,
            Err(fault) => return self.classify_fault(fault, adopted).await,
        };
        self.publisher.applied_positions.clear();
        let number = adopted.term.number;
        self.lease_manager
            .update_state(|state| state.begin_join(number, position));
        // At once: entries published while the snapshot loads may be missing from it, and the stream has
        // them.
        match tokio::try_join!(
            self.load_snapshot(adopted),
            self.tail_stream(stream, adopted, pause)
        ) {
            Ok(((), never)) => match never {},
            Err(end) => end,
        }
    }

    /// Reads the stream's position and subscribes from it.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn open_stream(
        &self,
        adopted: &ActiveTerm,
    ) -> Result<(StreamPosition, Box<dyn StreamSubscription>), LogFault> {
        // Without a holder: it reads the position and takes no lease, so `lease` and `number` mean nothing.
        let renewal = LeaseRenewal {
            epoch: &adopted.term.epoch,
            holder: None,
            lease: 0,
            number: 0,
        };
        let position = self.log.renew_lease(renewal).await?;
        let stream = self.log.subscribe(&adopted.term.epoch, position).await?;
        Ok((position, stream))
    }

    /// Loads the snapshot into the replica, reports the position, and renews the lease.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn load_snapshot(&self, adopted: &ActiveTerm) -> Result<(), StreamEnd> {
        let mut sink = |entry| self.replica.apply(&entry);
        let loaded = self
            .log
            .snapshot(&adopted.term.epoch, self.clock.now(), &mut sink);
        if let Err(fault) = loaded.await {
            return Err(self.classify_fault(fault, adopted).await);
        }
        if !self.mark_loaded(adopted.term.number) {
            return Err(StreamEnd::TermOver);
        }
        self.report_applied(adopted).await?;
        // At once, because the renewals before it gave no lease: the replica was not complete.
        let renewed = self.lease_manager.renew_lease(self.clock.now()).await;
        renewed.map(drop).map_err(StreamEnd::Fault)
    }

    async fn tail_stream(
        &self,
        mut stream: Box<dyn StreamSubscription>,
        adopted: &ActiveTerm,
        pause: &mut Duration,
    ) -> Result<Infallible, StreamEnd> {
        let mut quiet_reads_behind = 0;
        loop {
            let batch = match stream.next(QUIET_TIMEOUT).await {
                Ok(batch) => batch,
                Err(fault) => return Err(self.classify_fault(fault, adopted).await),
            };
            *pause = MIN_RETRY_DELAY;
            // The last entries may have been trimmed before they were read, and then no later entry shows the
            // gap.
            let (position, last_seen) = self.lease_manager.positions();
            quiet_reads_behind = match position {
                Some(position) if batch.entries.is_empty() && position < last_seen => quiet_reads_behind + 1,
                _ => 0,
            };
            if quiet_reads_behind > MAX_QUIET_READS_BEHIND {
                return Err(StreamEnd::Gap);
            }
            self.apply_batch(batch, adopted).await?;
        }
    }

    fn mark_loaded(&self, number: u64) -> bool {
        self.lease_manager.update_state(|state| {
            // The snapshot of an earlier term proves nothing about the present one.
            let is_same_term = state.term() == Some(number);
            if is_same_term {
                state.mark_loaded();
            }
            is_same_term
        })
    }

    async fn apply_batch(&self, batch: StreamBatch, adopted: &ActiveTerm) -> Result<(), StreamEnd> {
        let number = adopted.term.number;
        let mut has_applied = false;
        for delivered in batch.entries {
            let action = self.lease_manager.update_state(|state| {
                state
                    .is_following(number)
                    .then(|| state.classify_entry(delivered.before, delivered.position))
            });
            match action {
                None => return Err(StreamEnd::TermOver),
                Some(StreamEntryAction::AlreadyApplied) => {}
                Some(StreamEntryAction::Gap) => return Err(StreamEnd::Gap),
                Some(StreamEntryAction::Apply) => {
                    // First the replica, then the position, which is reported to the others (I1).
                    self.replica.apply(&delivered.entry);
                    self.lease_manager
                        .update_state(|state| state.mark_applied(delivered.position));
                    has_applied = true;
                }
            }
        }
        // One report for the whole batch.
        if has_applied {
            self.report_applied(adopted).await?;
        }
        self.publisher.applied_positions.record(batch.applied);
        // An empty batch notices a change of the term here.
        if self
            .lease_manager
            .update_state(|state| state.is_following(number))
        {
            Ok(())
        } else {
            Err(StreamEnd::TermOver)
        }
    }

    /// Reports to all instances the position up to which the replica is complete.
    async fn report_applied(&self, adopted: &ActiveTerm) -> Result<(), StreamEnd> {
        // `None` while the snapshot loads: to report then would end the others' wait too early (I1).
        let Some(position) = self.lease_manager.update_state(|state| state.complete_position()) else {
            return Ok(());
        };
        let reported = self.log.report_applied(&adopted.holder, position).await;
        reported.map_err(StreamEnd::Fault)
    }

    async fn classify_fault(&self, fault: LogFault, adopted: &ActiveTerm) -> StreamEnd {
        match fault {
            LogFault::EpochChanged => {
                let readopted = self.lease_manager.readopt(&adopted.term, self.clock.now()).await;
                readopted.map_or_else(StreamEnd::Fault, |_| StreamEnd::TermOver)
            }
            LogFault::Unavailable(fault) => StreamEnd::Fault(fault),
        }
    }
}

/// Reason for leaving the stream.
enum StreamEnd {
    /// The instance has a new lease term, or needs one.
    TermOver,
    /// Entries of the stream are missing: the replica must be loaded again.
    Gap,
    /// Store or journal did not answer.
    Fault(Unavailable),
}
