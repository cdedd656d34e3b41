//! The shared store for a process without a journal, which only checks credentials.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::revocation::{
    InstanceId, Journal, JournalEntry, JournalLine, JournalLineStatus, JournalTransaction, LeaseHolder,
    LeaseRenewal, LogFault, PublishReceipt, RefillLock, RevocationLog, StoreView, StreamPosition,
    StreamSubscription,
};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{Epoch, RevocationKey, Term};
use redis::Pipeline;

use super::RedisStore;
use super::log_keys::{FILLED, GENERATION};

/// Name that a reader reports as the id of its journal. No mark is ever written under it.
const READER_JOURNAL_ID: &str = "reader";

/// Stream, leases and snapshot of a [`RedisStore`] for an instance without a journal.
///
/// In place of the journal's register it uses the store's own marks: a data set counts if a gateway has
/// marked it as filled for its current epoch.
///
/// The reader holds a lease like any other instance, so every revocation waits for it. It cannot start,
/// register or fill a data set, and it cannot revoke: these operations return an error.
///
/// The guarantee is weaker than with a journal: an old master that runs next to a new one still has its old
/// mark. Therefore a majority of the Sentinels or of the Cluster's masters is asked at each renewal. A single
/// Redis has no second master (docs/REVOCATION.md, "What each topology promises").
pub struct RedisReader {
    store: RedisStore,
    /// Term whose data set was rolled back. It counts again when a gateway registers it with a new number.
    rolled_back_term: Mutex<Option<Term>>,
}

impl fmt::Debug for RedisReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisReader(..)")
    }
}

impl RedisReader {
    /// Creates a reader of this store.
    pub fn new(store: RedisStore) -> Self {
        Self {
            store,
            rolled_back_term: Mutex::default(),
        }
    }

    /// Returns the data set with the number under which a gateway marked it; `None` if none has yet.
    async fn load_marked_term(&self) -> Result<Option<Term>, Unavailable> {
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.cmd("GET").arg(GENERATION);
        pipeline.cmd("HGETALL").arg(FILLED);
        type MarksReply = (Option<String>, Vec<(String, String)>);
        let ((generation, marks), server) = self
            .store
            .client
            .pipeline_ordered_with_identity::<MarksReply>(&pipeline)
            .await?;
        let epoch = generation.map(|generation| Epoch::new(format!("{generation}@{server}")));
        // A poisoned lock is used on: the term in it is a plain value that no panic leaves half written.
        let rolled_back = self
            .rolled_back_term
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(epoch.and_then(|epoch| find_marked_term(epoch, marks, rolled_back.as_ref())))
    }
}

/// Finds the term of this epoch among the marks.
///
/// If each gateway has its own journal, the first one by name is used, so that every call finds the same.
fn find_marked_term(
    epoch: Epoch,
    mut marks: Vec<(String, String)>,
    rolled_back: Option<&Term>,
) -> Option<Term> {
    marks.sort();
    let mut numbers = marks.iter().filter_map(|(_, mark)| {
        // The form of `Term::mark`. Other texts are skipped.
        let (number, marked_epoch) = mark.split_once(':')?;
        let number = number.parse().ok()?;
        let rolled_back = rolled_back.is_some_and(|term| term.number == number && term.epoch == epoch);
        (marked_epoch == epoch.as_str() && !rolled_back).then_some(number)
    });
    let number = numbers.next()?;
    Some(Term { number, epoch })
}

fn not_filled_error() -> Unavailable {
    Unavailable::store("no gateway has filled Redis yet")
}

fn read_only_error() -> Unavailable {
    Unavailable::database("this process only checks credentials: it has no journal and cannot revoke")
}

// The revocation gate needs a journal. Operations that only a real one can do return an error.
#[async_trait]
impl Journal for RedisReader {
    async fn append(&self, _: JournalTransaction<'_>, _: Timestamp) -> Result<Vec<JournalLine>, Unavailable> {
        Err(read_only_error())
    }

    async fn mark_acknowledged(&self, _: &[i64]) -> Result<(), Unavailable> {
        Err(read_only_error())
    }

    async fn lines_for_keys(
        &self,
        _: &[RevocationKey],
        _: Timestamp,
    ) -> Result<Vec<JournalLineStatus>, Unavailable> {
        Err(read_only_error())
    }

    async fn unacknowledged(&self, _: u32) -> Result<Vec<JournalLine>, Unavailable> {
        Err(read_only_error())
    }

    async fn unexpired_after(&self, _: i64, _: u32, _: Timestamp) -> Result<Vec<JournalLine>, Unavailable> {
        Err(read_only_error())
    }

    async fn id(&self) -> Result<String, Unavailable> {
        // No error: the gate passes the id to `view`, which ignores it here.
        Ok(READER_JOURNAL_ID.to_owned())
    }

    /// Confirms the store from outside and returns the marked term. A gateway reads its journal instead.
    async fn current_term(&self) -> Result<Option<Term>, Unavailable> {
        RevocationLog::confirm_primary(&self.store).await?;
        self.load_marked_term().await
    }

    /// Registers nothing and always fails. The caller has found that the marked data set was rolled back, so
    /// its present mark is ignored from now on.
    async fn register_term(
        &self,
        current: Option<&Term>,
        epoch: &Epoch,
    ) -> Result<Option<Term>, Unavailable> {
        if let Some(term) = current.filter(|term| term.epoch == *epoch) {
            *self
                .rolled_back_term
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(term.clone());
        }
        Err(not_filled_error())
    }

    async fn purge(&self, _: Timestamp) -> Result<u64, Unavailable> {
        Err(read_only_error())
    }
}

#[async_trait]
impl RevocationLog for RedisReader {
    async fn view(&self, _: &str) -> Result<StoreView, Unavailable> {
        let term = self.load_marked_term().await?.ok_or_else(not_filled_error)?;
        // Only an acknowledgement has to wait for the leases of earlier terms, and a reader gives none.
        Ok(StoreView {
            filled_mark: Some(term.mark()),
            settled_mark: Some(term.mark()),
            epoch: term.epoch,
        })
    }

    async fn confirm_primary(&self) -> Result<(), Unavailable> {
        RevocationLog::confirm_primary(&self.store).await
    }

    async fn renew_lease(&self, renewal: LeaseRenewal<'_>) -> Result<StreamPosition, LogFault> {
        self.store.renew_lease(renewal).await
    }

    async fn release_lease(&self, instance: &InstanceId) -> Result<(), Unavailable> {
        self.store.release_lease(instance).await
    }

    async fn evict_holder(&self, _: &LeaseHolder) -> Result<(), Unavailable> {
        Err(read_only_error())
    }

    async fn publish(&self, _: &Epoch, _: &[JournalEntry], _: Timestamp) -> Result<PublishReceipt, LogFault> {
        Err(read_only_error().into())
    }

    async fn holders(&self) -> Result<Vec<LeaseHolder>, Unavailable> {
        self.store.holders().await
    }

    async fn report_applied(
        &self,
        instance: &InstanceId,
        position: StreamPosition,
    ) -> Result<(), Unavailable> {
        RevocationLog::report_applied(&self.store, instance, position).await
    }

    async fn acquire_refill_lock(&self, _: &str, _: &InstanceId) -> Result<RefillLock, Unavailable> {
        Err(not_filled_error())
    }

    async fn mark_filled(&self, _: &str, _: &Term) -> Result<(), LogFault> {
        Err(read_only_error().into())
    }

    async fn mark_settled(&self, _: &str, _: &Term) -> Result<(), LogFault> {
        Err(read_only_error().into())
    }

    async fn snapshot(
        &self,
        epoch: &Epoch,
        now: Timestamp,
        sink: &mut (dyn FnMut(JournalEntry) + Send),
    ) -> Result<(), LogFault> {
        self.store.snapshot(epoch, now, sink).await
    }

    async fn subscribe(
        &self,
        epoch: &Epoch,
        behind: StreamPosition,
    ) -> Result<Box<dyn StreamSubscription>, LogFault> {
        self.store.subscribe(epoch, behind).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(marks: &[(&str, &str)], rolled_back: Option<u64>) -> Option<u64> {
        let epoch = Epoch::new("g@run:repl");
        let rolled_back = rolled_back.map(|number| Term {
            number,
            epoch: epoch.clone(),
        });
        let marks = marks
            .iter()
            .map(|(journal, mark)| ((*journal).to_owned(), (*mark).to_owned()));
        find_marked_term(epoch, marks.collect(), rolled_back.as_ref()).map(|term| term.number)
    }

    #[test]
    fn a_data_set_counts_when_it_is_marked_for_the_epoch_that_it_shows() {
        assert_eq!(found(&[], None), None);
        assert_eq!(found(&[("j", "3:g@run:repl")], None), Some(3));
        // It was restarted, restored or failed over since.
        assert_eq!(found(&[("j", "3:g@other:repl")], None), None);
        for junk in ["", "3", "x:g@run:repl", "3:", "3:g@run"] {
            assert_eq!(found(&[("j", junk)], None), None, "{junk:?}");
        }
    }

    #[test]
    fn of_several_journals_every_look_finds_the_same() {
        let two = [("b", "7:g@run:repl"), ("a", "2:g@run:repl")];
        assert_eq!(found(&two, None), Some(2));
    }

    #[test]
    fn what_was_rolled_back_counts_when_it_was_registered_anew() {
        assert_eq!(found(&[("j", "3:g@run:repl")], Some(3)), None);
        assert_eq!(found(&[("j", "4:g@run:repl")], Some(3)), Some(4));
    }
}
