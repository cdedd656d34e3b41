//! Adoption of the store's data set: registered in the journal, filled from it, and only then trusted
//! (decision 6).

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;

use super::{ActiveTerm, LeaseManager, MAX_ADOPTION_ATTEMPTS};
use crate::revocation::ack_barrier::with_clock_drift;
use crate::revocation::refill::StoreRefill;
use crate::revocation::shared_log::InstanceId;
use crate::unavailable::Unavailable;
use crate::verdict::{Epoch, Term};

/// Cause of data sets that are registered in turns.
const SECOND_STORE: &str = "a gateway with this DATABASE_URL uses another Redis: set the same REDIS_URL on all gateways, or give the other one a DATABASE_URL of its own";
/// Time for which a second store is named as the cause after it was seen, in microseconds.
const SECOND_STORE_MICROS: u64 = 120_000_000;

impl LeaseManager {
    /// Adopts the store's data set. Registers it with the journal if it is another one than before, or one
    /// that was rolled back, and makes sure that it holds everything that the journal holds.
    #[tracing::instrument(skip_all)]
    pub(super) async fn adopt_store(&self, now: Timestamp) -> Result<Arc<ActiveTerm>, Unavailable> {
        let journal = self.journal.id().await?;
        for _ in 0..MAX_ADOPTION_ATTEMPTS {
            let view = self.log.view(&journal).await?;
            let Some(term) = self.register_epoch(&view.epoch).await? else {
                continue;
            };
            let mark = term.mark();
            // `false` from the refill: the data set was lost meanwhile, and the next attempt sees another
            // one.
            if view.filled_mark.as_deref() != Some(&mark) && !self.refill(&journal, &term).run(now).await? {
                continue;
            }
            let settled = view.settled_mark.as_deref() == Some(&mark) || !term.has_predecessors();
            let adopted = Arc::new(ActiveTerm {
                // With the term's number: an acknowledgement of an earlier term never counts in this one
                // (decision 12).
                holder: InstanceId::new(format!("{}.{}", self.instance_id, term.number)),
                // From now, which is after the registration: renewals of an earlier term were sent before
                // that.
                earlier_leases_end_at: (!settled)
                    .then(|| self.ticks.micros().saturating_add(with_clock_drift(self.lease))),
                term: Arc::new(term),
            });
            self.update_state(|state| state.adopt_term(adopted.term.number));
            tracing::info!(term = %adopted.term, settled, "data set adopted");
            *self.adopted_epoch.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(adopted.term.epoch.clone());
            *self.active_term.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&adopted));
            *self.rolled_back.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return Ok(adopted);
        }
        Err(Unavailable::store(
            "its data set changed repeatedly while the journal was written to it",
        ))
    }

    /// Returns the term of this data set from the journal's register, and registers it first if necessary.
    /// `None` if another instance has changed the register meanwhile.
    async fn register_epoch(&self, epoch: &Epoch) -> Result<Option<Term>, Unavailable> {
        let rolled_back = self
            .rolled_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match self.journal.current_term().await? {
            Some(term) if term.epoch == *epoch && rolled_back.as_ref() != Some(&term) => Ok(Some(term)),
            registered => {
                // An old master must not take the register over from the new one.
                self.log.confirm_primary().await?;
                self.detect_second_store(registered.as_ref(), epoch);
                self.journal.register_term(registered.as_ref(), epoch).await
            }
        }
    }

    /// Notes and logs that another store was registered, although this store still has the data set that this
    /// instance registered before. A store that lost its data has another one, so this means two stores.
    fn detect_second_store(&self, registered: Option<&Term>, epoch: &Epoch) {
        let adopted = self.adopted_epoch.lock().unwrap_or_else(PoisonError::into_inner);
        let is_displaced =
            registered.is_some_and(|term| term.epoch != *epoch) && adopted.as_ref() == Some(epoch);
        if is_displaced {
            self.second_store_seen_at
                .store(self.ticks.micros().max(1), Ordering::Relaxed);
            tracing::warn!(own = %epoch, registered = ?registered, "{SECOND_STORE}");
        }
    }

    /// Returns the fault of a data set that changed at every attempt, with its cause if it is known.
    pub(in crate::revocation) fn changing_data_set(&self) -> Unavailable {
        let seen_at = self.second_store_seen_at.load(Ordering::Relaxed);
        let is_recent = seen_at > 0 && self.ticks.micros().saturating_sub(seen_at) < SECOND_STORE_MICROS;
        Unavailable::store(if is_recent {
            SECOND_STORE
        } else {
            "its data set keeps changing; check that all gateways with this DATABASE_URL have the same REDIS_URL"
        })
    }

    fn refill<'m>(&'m self, journal_id: &'m str, term: &'m Term) -> StoreRefill<'m> {
        StoreRefill {
            journal: self.journal.as_ref(),
            log: self.log.as_ref(),
            instance: InstanceId::new(self.instance_id.clone()),
            journal_id,
            term,
        }
    }
}
