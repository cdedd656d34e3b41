//! The shared store for whoever only checks: a process that has no journal, and goes by what the gateways marked.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::revocation::{
    Epoch, Filling, Follow, Holder, Instance, Journal, JournalEntry, Journalled, LogFault, Position,
    Published, Record, Renewal, RevocationLog, StoreView, Term,
};
use maxlab_auth_core::unavailable::Unavailable;
use redis::Pipeline;

use super::RedisStore;
use super::log::{FILLED, GENERATION};

/// What a reader is called where a journal's name is asked for. No mark is ever written under it.
const NAME: &str = "reader";

/// The stream, the leases and the snapshot of a [`RedisStore`], and in place of the journal's register the store's own
/// marks: a data set counts when a gateway has marked it as filled for the epoch that it shows.
///
/// It holds a lease like any instance, so that every revocation waits for it. It founds no data set, announces none, fills
/// none, and revokes nothing: all of that is an error.
///
/// What is weaker than with a journal: an old master that goes on beside a new one shows its old mark. Sentinel and Cluster
/// are asked at every renewal which of the two counts; of one Redis alone there is no second.
pub struct RedisReader {
    store: RedisStore,
    /// The term whose data set was rolled back: it counts no longer, until a gateway has registered and filled it anew.
    disproved: Mutex<Option<Term>>,
}

impl fmt::Debug for RedisReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisReader(..)")
    }
}

impl RedisReader {
    /// A reader of this store.
    pub fn new(store: RedisStore) -> Self {
        Self {
            store,
            disproved: Mutex::default(),
        }
    }

    /// The data set that is there, under the number by which a gateway marked it; `None` while none has.
    async fn standing(&self) -> Result<Option<Term>, Unavailable> {
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.cmd("GET").arg(GENERATION);
        pipeline.cmd("HGETALL").arg(FILLED);
        type Answer = (Option<String>, Vec<(String, String)>);
        let ((generation, marks), server) = self.store.link.trip_with_identity::<Answer>(&pipeline).await?;
        let shown = generation.map(|generation| Epoch::new(format!("{generation}@{server}")));
        let disproved = self.disproved.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(shown.and_then(|epoch| marked(epoch, marks, disproved.as_ref())))
    }
}

/// The term of this epoch among the marks. Where gateways have a journal each there are several: the first by name, so that
/// every look finds the same.
fn marked(epoch: Epoch, mut marks: Vec<(String, String)>, disproved: Option<&Term>) -> Option<Term> {
    marks.sort();
    let mut numbers = marks.iter().filter_map(|(_, mark)| {
        let (number, of) = mark.split_once(':')?;
        let number = number.parse().ok()?;
        let disproved = disproved.is_some_and(|term| term.number == number && term.epoch == epoch);
        (of == epoch.as_str() && !disproved).then_some(number)
    });
    let number = numbers.next()?;
    Some(Term { number, epoch })
}

fn no_gateway() -> Unavailable {
    Unavailable::store("no gateway has filled it yet")
}

fn only_reads() -> Unavailable {
    Unavailable::database("there is no journal here: whoever only checks revokes nothing")
}

#[async_trait]
impl Journal for RedisReader {
    async fn append(&self, _: Record<'_>, _: Timestamp) -> Result<Vec<Journalled>, Unavailable> {
        Err(only_reads())
    }

    async fn applied(&self, _: &[i64]) -> Result<(), Unavailable> {
        Err(only_reads())
    }

    async fn unapplied(&self, _: u32) -> Result<Vec<Journalled>, Unavailable> {
        Err(only_reads())
    }

    async fn live_after(&self, _: i64, _: u32, _: Timestamp) -> Result<Vec<Journalled>, Unavailable> {
        Err(only_reads())
    }

    async fn id(&self) -> Result<String, Unavailable> {
        Ok(NAME.to_owned())
    }

    /// What is marked, in a store that counts by a view from outside of it. A gateway asks its journal here, and the outside
    /// view only where that does not answer.
    async fn term(&self) -> Result<Option<Term>, Unavailable> {
        RevocationLog::confirm(&self.store).await?;
        self.standing().await
    }

    /// Announces nothing. Who asks for it has found that the marked data set is not the one that counts: a mark of the same
    /// words does not count either.
    async fn announce(&self, current: Option<&Term>, epoch: &Epoch) -> Result<Option<Term>, Unavailable> {
        if let Some(term) = current.filter(|term| term.epoch == *epoch) {
            *self.disproved.lock().unwrap_or_else(PoisonError::into_inner) = Some(term.clone());
        }
        Err(no_gateway())
    }

    async fn purge(&self, _: Timestamp) -> Result<u64, Unavailable> {
        Err(only_reads())
    }
}

#[async_trait]
impl RevocationLog for RedisReader {
    async fn look(&self, _: &str) -> Result<StoreView, Unavailable> {
        let term = self.standing().await?.ok_or_else(no_gateway)?;
        // Who acknowledges nothing need not wait until the leases of earlier terms have run out.
        Ok(StoreView {
            filled: Some(term.mark()),
            settled: Some(term.mark()),
            epoch: term.epoch,
        })
    }

    async fn confirm(&self) -> Result<(), Unavailable> {
        RevocationLog::confirm(&self.store).await
    }

    async fn renew(&self, renewal: Renewal<'_>) -> Result<Position, LogFault> {
        self.store.renew(renewal).await
    }

    async fn release(&self, instance: &Instance) -> Result<(), Unavailable> {
        self.store.release(instance).await
    }

    async fn evict(&self, _: &Holder) -> Result<(), Unavailable> {
        Err(only_reads())
    }

    async fn publish(&self, _: &Epoch, _: &[JournalEntry], _: Timestamp) -> Result<Published, LogFault> {
        Err(only_reads().into())
    }

    async fn holders(&self) -> Result<Vec<Holder>, Unavailable> {
        self.store.holders().await
    }

    async fn applied(&self, instance: &Instance, position: Position) -> Result<(), Unavailable> {
        RevocationLog::applied(&self.store, instance, position).await
    }

    async fn begin_filling(&self, _: &str, _: &Instance) -> Result<Filling, Unavailable> {
        Err(no_gateway())
    }

    async fn mark_filled(&self, _: &str, _: &Term) -> Result<(), LogFault> {
        Err(only_reads().into())
    }

    async fn mark_settled(&self, _: &str, _: &Term) -> Result<(), LogFault> {
        Err(only_reads().into())
    }

    async fn snapshot(
        &self,
        epoch: &Epoch,
        now: Timestamp,
        sink: &mut (dyn FnMut(JournalEntry) + Send),
    ) -> Result<(), LogFault> {
        self.store.snapshot(epoch, now, sink).await
    }

    async fn follow(&self, epoch: &Epoch, behind: Position) -> Result<Box<dyn Follow>, LogFault> {
        self.store.follow(epoch, behind).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(marks: &[(&str, &str)], disproved: Option<u64>) -> Option<u64> {
        let epoch = Epoch::new("g@run:repl");
        let disproved = disproved.map(|number| Term {
            number,
            epoch: epoch.clone(),
        });
        let marks = marks
            .iter()
            .map(|(journal, mark)| ((*journal).to_owned(), (*mark).to_owned()));
        marked(epoch, marks.collect(), disproved.as_ref()).map(|term| term.number)
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
