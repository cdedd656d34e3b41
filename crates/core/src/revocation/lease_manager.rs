//! Lease and term of this instance: which data set of the store it has adopted, and until when it may answer
//! from memory.
//!
//! [`LeaseManager`] drives [`LeaseState`] over the journal and the shared log. It copies the times that every
//! request needs into atomics, so that a request takes no lock.

mod adoption;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use super::lease_state::{LeaseState, MonotonicMicros, StreamPosition};
use super::shared_log::{InstanceId, LeaseRenewal, LogFault, RevocationLog};
use super::storage::Journal;
use crate::clock::MonotonicClock;
use crate::unavailable::Unavailable;
use crate::verdict::{Epoch, Term};

/// Number of attempts to adopt the store's data set if it changes meanwhile.
const MAX_ADOPTION_ATTEMPTS: usize = 5;

/// An adopted term, and the time from which revocations may be acknowledged under it.
#[derive(Clone, Debug)]
pub(super) struct ActiveTerm {
    pub(super) term: Arc<Term>,
    /// Name under which this instance holds leases of the term.
    pub(super) holder: InstanceId,
    /// Time at which all leases of earlier terms have ended; `None` if they had ended at the adoption.
    earlier_leases_end_at: Option<MonotonicMicros>,
}

/// Manager of this instance's lease and term.
pub(super) struct LeaseManager {
    instance_id: String,
    journal: Arc<dyn Journal>,
    log: Arc<dyn RevocationLog>,
    ticks: Arc<dyn MonotonicClock>,
    lease: MonotonicMicros,
    state: Mutex<LeaseState>,
    active_term: RwLock<Option<Arc<ActiveTerm>>>,
    // Tokio's mutex: it is held across requests to the store and the journal.
    adoption_lock: tokio::sync::Mutex<()>,
    /// Term whose data set was rolled back, until another term is adopted.
    rolled_back: Mutex<Option<Term>>,
    /// Epoch of the data set that this instance adopted last.
    adopted_epoch: Mutex<Option<Epoch>>,
    /// Time at which another store was found registered although the own one has not changed; 0 for never.
    second_store_seen_at: AtomicU64,
    renewals: AtomicU64,
    // Copies of the times in `state`, for requests.
    lease_until: AtomicU64,
    confirmed_until: AtomicU64,
    /// Last position of the stream in the store's latest answer.
    last_seen_position: AtomicU64,
}

impl LeaseManager {
    pub(super) fn new(
        id: String,
        journal: Arc<dyn Journal>,
        log: Arc<dyn RevocationLog>,
        ticks: Arc<dyn MonotonicClock>,
        lease: Duration,
    ) -> Self {
        // `Duration` counts in 128 bits. A lease beyond 64 bits of microseconds means "for ever".
        let lease = MonotonicMicros::try_from(lease.as_micros()).unwrap_or(MonotonicMicros::MAX);
        Self {
            instance_id: id,
            journal,
            log,
            ticks,
            lease,
            state: Mutex::new(LeaseState::new(lease)),
            active_term: RwLock::default(),
            adoption_lock: tokio::sync::Mutex::default(),
            rolled_back: Mutex::default(),
            adopted_epoch: Mutex::default(),
            second_store_seen_at: AtomicU64::new(0),
            renewals: AtomicU64::new(0),
            lease_until: AtomicU64::new(0),
            confirmed_until: AtomicU64::new(0),
            last_seen_position: AtomicU64::new(0),
        }
    }

    /// Returns true if the replica may answer now. Takes no lock.
    pub(super) fn may_answer(&self) -> bool {
        // Acquire: with the lease, the entries that it requires are visible (`mark_applied` follows
        // `Replica::apply`).
        self.ticks.micros() < self.lease_until.load(Ordering::Acquire)
    }

    pub(super) fn instance_id(&self) -> &str {
        &self.instance_id
    }

    pub(super) fn now(&self) -> MonotonicMicros {
        self.ticks.micros()
    }

    /// Time for which the lease is still valid; zero if it is not.
    pub(super) fn lease_left(&self) -> Duration {
        let until = self.lease_until.load(Ordering::Acquire);
        Duration::from_micros(until.saturating_sub(self.ticks.micros()))
    }

    pub(super) fn lease_duration(&self) -> Duration {
        Duration::from_micros(self.lease)
    }

    /// Returns the position up to which the replica is complete, and the last position of the stream that is
    /// known.
    pub(super) fn positions(&self) -> (Option<StreamPosition>, StreamPosition) {
        let applied = self.update_state(|state| state.complete_position());
        // The maximum: between two renewals, the stream delivers entries that the store's last answer did not
        // count.
        (
            applied,
            self.last_seen_position
                .load(Ordering::Relaxed)
                .max(applied.unwrap_or(0)),
        )
    }

    /// Returns the data set of the adopted term.
    pub(super) fn store_term(&self) -> Option<Arc<Term>> {
        let active = self.active_term.read().unwrap_or_else(PoisonError::into_inner);
        active.as_ref().map(|active| Arc::clone(&active.term))
    }

    /// Returns the adopted term, if there is one.
    pub(super) fn active_term(&self) -> Option<Arc<ActiveTerm>> {
        self.active_term
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes the state of the lease, and publishes the resulting times to all requests.
    pub(super) fn update_state<T>(&self, change: impl FnOnce(&mut LeaseState) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut state);
        // Under the lock, so that an older time never overwrites a newer one.
        self.lease_until.store(state.lease_until(), Ordering::Release);
        self.confirmed_until
            .store(state.confirmed_until(), Ordering::Release);
        result
    }

    /// Returns the term under which direct reads of the store count. The register named it at most one lease
    /// ago.
    pub(super) async fn confirmed_term(&self, now: Timestamp) -> Result<Arc<ActiveTerm>, Unavailable> {
        let is_confirmed = || self.ticks.micros() < self.confirmed_until.load(Ordering::Acquire);
        if is_confirmed()
            && let Some(adopted) = self.active_term()
        {
            return Ok(adopted);
        }
        let _one_at_a_time = self.adoption_lock.lock().await;
        // Again under the lock: another caller may have renewed meanwhile.
        if is_confirmed()
            && let Some(adopted) = self.active_term()
        {
            return Ok(adopted);
        }
        self.renew_or_adopt(now).await
    }

    /// Renews the lease, or adopts the store's present data set.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn renew_lease(&self, now: Timestamp) -> Result<Arc<ActiveTerm>, Unavailable> {
        let _one_at_a_time = self.adoption_lock.lock().await;
        self.renew_or_adopt(now).await
    }

    /// Adopts the store's data set again, after the store has shown another epoch than that of `disproved`.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn readopt(
        &self,
        disproved: &Term,
        now: Timestamp,
    ) -> Result<Arc<ActiveTerm>, Unavailable> {
        let _one_at_a_time = self.adoption_lock.lock().await;
        // Another caller has adopted a term since: many requests see the change at the same time.
        if let Some(adopted) = self.active_term()
            && *adopted.term != *disproved
        {
            return Ok(adopted);
        }
        self.invalidate();
        self.renew_or_adopt(now).await
    }

    fn invalidate(&self) {
        self.update_state(LeaseState::invalidate);
        *self.active_term.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn renew_or_adopt(&self, now: Timestamp) -> Result<Arc<ActiveTerm>, Unavailable> {
        for _ in 0..MAX_ADOPTION_ATTEMPTS {
            let adopted = match self.active_term() {
                Some(adopted) => adopted,
                None => self.adopt_store(now).await?,
            };
            match self.renew_under_term(&adopted).await? {
                RenewalResult::Renewed => return Ok(adopted),
                RenewalResult::TermOver => self.invalidate(),
                RenewalResult::RolledBack => {
                    *self.rolled_back.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some((*adopted.term).clone());
                    self.invalidate();
                }
            }
        }
        Err(self.changing_data_set())
    }

    async fn renew_under_term(&self, adopted: &ActiveTerm) -> Result<RenewalResult, Unavailable> {
        let number = adopted.term.number;
        let position =
            self.update_state(|state| state.complete_position().filter(|_| state.term() == Some(number)));
        // Before anything is sent: the lease counts from here (I1).
        let sent_at = self.ticks.micros();
        // Both are sent after `sent_at`, so the register is read after it too.
        let (renewed, registered) =
            tokio::join!(self.request_lease(adopted, position), self.journal.current_term());
        let (last, is_holder) = match renewed {
            Ok(answer) => answer,
            Err(LogFault::EpochChanged) => return Ok(RenewalResult::TermOver),
            Err(LogFault::Unavailable(fault)) => return Err(fault),
        };
        match registered {
            Ok(Some(term)) if term == *adopted.term => {}
            Ok(_) => return Ok(RenewalResult::TermOver),
            // The journal did not answer. This instance acknowledges nothing without it, but another instance
            // may reach it. So the store must be confirmed from outside.
            Err(_) => self.log.confirm_primary().await?,
        }
        self.last_seen_position.store(last, Ordering::Relaxed);
        // Without an entry in the list of leases no revoker waits for this instance: the renewal gives no
        // lease then.
        let reported = position.filter(|_| is_holder);
        let is_intact =
            self.update_state(|state| state.record_renewal(adopted.term.number, sent_at, reported, last));
        Ok(if is_intact {
            RenewalResult::Renewed
        } else {
            RenewalResult::RolledBack
        })
    }

    /// Requests a lease, and returns the stream's last position and true if the lease was recorded. If the
    /// store accepts no writes (disk or memory full), requests the position alone, so that direct reads go
    /// on.
    async fn request_lease(
        &self,
        adopted: &ActiveTerm,
        position: Option<StreamPosition>,
    ) -> Result<(StreamPosition, bool), LogFault> {
        let renewal = |holder| LeaseRenewal {
            epoch: &adopted.term.epoch,
            holder,
            lease: self.lease,
            number: self.renewals.fetch_add(1, Ordering::Relaxed),
        };
        if let Some(position) = position {
            match self
                .log
                .renew_lease(renewal(Some((&adopted.holder, position))))
                .await
            {
                Ok(at) => return Ok((at, true)),
                Err(LogFault::EpochChanged) => return Err(LogFault::EpochChanged),
                Err(LogFault::Unavailable(fault)) => {
                    tracing::warn!(%fault, "lease not granted, requests read the store directly");
                }
            }
        }
        Ok((self.log.renew_lease(renewal(None)).await?, false))
    }

    /// Waits until every lease of an earlier term has ended, and marks the term as settled.
    pub(super) async fn await_earlier_leases(&self, adopted: &ActiveTerm) -> Result<(), Unavailable> {
        let Some(ends_at) = adopted.earlier_leases_end_at else {
            return Ok(());
        };
        let left = ends_at.saturating_sub(self.ticks.micros());
        if left > 0 {
            sleep(Duration::from_micros(left)).await;
        }
        // For the other instances: one that adopts the term later need not wait.
        let journal = self.journal.id().await?;
        self.log
            .mark_settled(&journal, &adopted.term)
            .await
            .map_err(LogFault::into_unavailable)
    }

    /// Returns true if the journal's register names this term. Called after a line is committed: if it does,
    /// every later data set is filled with that line.
    pub(super) async fn is_current_term(&self, term: &Term) -> Result<bool, Unavailable> {
        Ok(self.journal.current_term().await?.as_ref() == Some(term))
    }

    /// Releases the lease, so that no revoker waits for this instance.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn release_lease(&self) {
        let adopted = self.active_term();
        // Before the release: afterwards no revoker waits, so the replica must not answer any more.
        self.invalidate();
        if let Some(adopted) = adopted
            && let Err(fault) = self.log.release_lease(&adopted.holder).await
        {
            tracing::debug!(%fault, "lease not released, it expires by itself");
        }
    }
}

/// Result of a renewal.
enum RenewalResult {
    Renewed,
    /// The store or the register has another data set.
    TermOver,
    /// The data set has lost entries that this instance has applied.
    RolledBack,
}
