//! One instance's membership: which data set of the store it believes, and until when it may answer from memory.
//!
//! It drives [`Member`] over the journal and the shared log, and keeps what every request needs where reading it costs
//! no lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use super::awaiting::at_most;
use super::log::{Instance, LogFault, Renewal, RevocationLog};
use super::member::{Member, Position, Tick};
use super::refill::Refill;
use super::store::Journal;
use super::term::{Epoch, Term};
use crate::clock::Ticks;
use crate::unavailable::Unavailable;

/// How often the store's data set may change while it is being adopted before that is given up for now.
const TRIES: usize = 5;

/// A term that was adopted, and from when on revocations may be acknowledged under it.
#[derive(Clone, Debug)]
pub(super) struct Adopted {
    pub(super) term: Term,
    /// The name under which this instance holds leases of the term.
    pub(super) holder: Instance,
    /// Leases of earlier terms have run out by then; `None` if they had when it was adopted.
    settles_at: Option<Tick>,
}

pub(super) struct Membership {
    id: String,
    journal: Arc<dyn Journal>,
    log: Arc<dyn RevocationLog>,
    ticks: Arc<dyn Ticks>,
    lease: Tick,
    member: Mutex<Member>,
    adopted: RwLock<Option<Arc<Adopted>>>,
    establishing: tokio::sync::Mutex<()>,
    /// A term whose data set was seen to have lost something, until a later one is adopted.
    rolled_back: Mutex<Option<Term>>,
    renewals: AtomicU64,
    lease_until: AtomicU64,
    confirmed_until: AtomicU64,
    /// The stream's last position, as the store last said.
    seen: AtomicU64,
}

impl Membership {
    pub(super) fn new(
        id: String,
        journal: Arc<dyn Journal>,
        log: Arc<dyn RevocationLog>,
        ticks: Arc<dyn Ticks>,
        lease: Duration,
    ) -> Self {
        let lease = Tick::try_from(lease.as_micros()).unwrap_or(Tick::MAX);
        Self {
            id,
            journal,
            log,
            ticks,
            lease,
            member: Mutex::new(Member::new(lease)),
            adopted: RwLock::default(),
            establishing: tokio::sync::Mutex::default(),
            rolled_back: Mutex::default(),
            renewals: AtomicU64::new(0),
            lease_until: AtomicU64::new(0),
            confirmed_until: AtomicU64::new(0),
            seen: AtomicU64::new(0),
        }
    }

    /// Whether the replica may answer now. It costs a look at the clock and nothing else.
    pub(super) fn may_answer(&self) -> bool {
        self.ticks.micros() < self.lease_until.load(Ordering::Acquire)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn now(&self) -> Tick {
        self.ticks.micros()
    }

    /// How long the lease still holds.
    pub(super) fn lease_left(&self) -> Duration {
        let until = self.lease_until.load(Ordering::Acquire);
        Duration::from_micros(until.saturating_sub(self.ticks.micros()))
    }

    pub(super) fn lease(&self) -> Duration {
        Duration::from_micros(self.lease)
    }

    /// Up to where the replica is complete, and the last position that the store told of.
    pub(super) fn positions(&self) -> (Option<Position>, Position) {
        let applied = self.with(|member| member.position());
        (
            applied,
            self.seen.load(Ordering::Relaxed).max(applied.unwrap_or(0)),
        )
    }

    /// The term that was adopted, if one is.
    pub(super) fn adopted(&self) -> Option<Arc<Adopted>> {
        self.adopted
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes the member's state, and shows what follows from it to every request.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Member) -> T) -> T {
        let mut member = self.member.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = change(&mut member);
        self.lease_until.store(member.lease_until(), Ordering::Release);
        self.confirmed_until
            .store(member.confirmed_until(), Ordering::Release);
        answer
    }

    /// The term under which the store may be asked directly: its data set was the journal's a lease ago at most.
    pub(super) async fn confirmed(&self, now: Timestamp) -> Result<Arc<Adopted>, Unavailable> {
        let is_confirmed = || self.ticks.micros() < self.confirmed_until.load(Ordering::Acquire);
        if is_confirmed()
            && let Some(adopted) = self.adopted()
        {
            return Ok(adopted);
        }
        let _one_at_a_time = self.establishing.lock().await;
        if is_confirmed()
            && let Some(adopted) = self.adopted()
        {
            return Ok(adopted);
        }
        self.renew_or_adopt(now).await
    }

    /// Renews the lease, or adopts the data set that is there now.
    pub(super) async fn renew(&self, now: Timestamp) -> Result<Arc<Adopted>, Unavailable> {
        let _one_at_a_time = self.establishing.lock().await;
        self.renew_or_adopt(now).await
    }

    /// What was believed of the store's data set is wrong: looks at it anew.
    pub(super) async fn adopt_anew(
        &self,
        disproved: &Term,
        now: Timestamp,
    ) -> Result<Arc<Adopted>, Unavailable> {
        let _one_at_a_time = self.establishing.lock().await;
        if let Some(adopted) = self.adopted()
            && adopted.term != *disproved
        {
            return Ok(adopted);
        }
        self.void();
        self.renew_or_adopt(now).await
    }

    fn void(&self) {
        self.with(Member::void);
        *self.adopted.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn renew_or_adopt(&self, now: Timestamp) -> Result<Arc<Adopted>, Unavailable> {
        for _ in 0..TRIES {
            let adopted = match self.adopted() {
                Some(adopted) => adopted,
                None => self.adopt(now).await?,
            };
            match self.renew_under(&adopted).await? {
                Standing::Renewed => return Ok(adopted),
                Standing::Over => self.void(),
                Standing::RolledBack => {
                    *self.rolled_back.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(adopted.term.clone());
                    self.void();
                }
            }
        }
        Err(Unavailable::store("its data set keeps changing"))
    }

    async fn renew_under(&self, adopted: &Adopted) -> Result<Standing, Unavailable> {
        let number = adopted.term.number;
        let position = self.with(|member| member.position().filter(|_| member.term() == Some(number)));
        // Before anything is sent: what the lease counts from (I1).
        let sent_at = self.ticks.micros();
        let (renewed, standing) = tokio::join!(self.ask(adopted, position), self.journal.term());
        let (at, as_holder) = match renewed {
            Ok(answer) => answer,
            Err(LogFault::AnotherEpoch) => return Ok(Standing::Over),
            Err(LogFault::Unavailable(fault)) => return Err(fault),
        };
        match standing {
            Ok(Some(term)) if term == adopted.term => {}
            Ok(_) => return Ok(Standing::Over),
            // The journal does not answer. Nothing is acknowledged without it, but another instance may reach it.
            Err(_) => self.log.confirm().await?,
        }
        self.seen.store(at, Ordering::Relaxed);
        let told = position.filter(|_| as_holder);
        let well = self.with(|member| member.renewed(adopted.term.number, sent_at, told, at));
        Ok(if well {
            Standing::Renewed
        } else {
            Standing::RolledBack
        })
    }

    /// Asks for a lease; where the store takes no writes (its disk or its memory is full), for nothing but the position,
    /// so that it can still be asked directly.
    async fn ask(&self, adopted: &Adopted, position: Option<Position>) -> Result<(Position, bool), LogFault> {
        let renewal = |holder| Renewal {
            epoch: &adopted.term.epoch,
            holder,
            lease: self.lease,
            number: self.renewals.fetch_add(1, Ordering::Relaxed),
        };
        if let Some(position) = position {
            match self.log.renew(renewal(Some((&adopted.holder, position)))).await {
                Ok(at) => return Ok((at, true)),
                Err(LogFault::AnotherEpoch) => return Err(LogFault::AnotherEpoch),
                Err(LogFault::Unavailable(fault)) => {
                    tracing::warn!(%fault, "no lease: requests ask the store");
                }
            }
        }
        Ok((self.log.renew(renewal(None)).await?, false))
    }

    /// Adopts the store's data set: registers it with the journal if it is another one than before, or one that was
    /// rolled back, and makes sure that it holds all that the journal does.
    async fn adopt(&self, now: Timestamp) -> Result<Arc<Adopted>, Unavailable> {
        let journal = self.journal.id().await?;
        for _ in 0..TRIES {
            let view = self.log.look(&journal).await?;
            let Some(term) = self.registered(&view.epoch).await? else {
                continue;
            };
            let mark = term.mark();
            if view.filled.as_deref() != Some(&mark) && !self.refill(&journal, &term).run(now).await? {
                continue;
            }
            let settled = view.settled.as_deref() == Some(&mark) || !term.has_predecessors();
            let adopted = Arc::new(Adopted {
                holder: Instance::new(format!("{}.{}", self.id, term.number)),
                settles_at: (!settled).then(|| self.ticks.micros().saturating_add(at_most(self.lease))),
                term,
            });
            self.with(|member| member.adopt(adopted.term.number));
            tracing::info!(term = %adopted.term, settled, "the store's data set is adopted");
            *self.adopted.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&adopted));
            *self.rolled_back.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return Ok(adopted);
        }
        Err(Unavailable::store(
            "it keeps losing its data while it is being filled",
        ))
    }

    /// The term of this data set in the journal's register; `None` if another instance was faster.
    async fn registered(&self, epoch: &Epoch) -> Result<Option<Term>, Unavailable> {
        let rolled_back = self
            .rolled_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match self.journal.term().await? {
            Some(term) if term.epoch == *epoch && rolled_back.as_ref() != Some(&term) => Ok(Some(term)),
            standing => {
                // Whoever moves the register on must know that its store is the one that counts.
                self.log.confirm().await?;
                self.journal.announce(standing.as_ref(), epoch).await
            }
        }
    }

    fn refill<'m>(&'m self, name: &'m str, term: &'m Term) -> Refill<'m> {
        Refill {
            journal: self.journal.as_ref(),
            log: self.log.as_ref(),
            me: Instance::new(self.id.clone()),
            name,
            term,
        }
    }

    /// Waits until every lease of an earlier term has run out. Whoever waited first leaves a mark for the others.
    pub(super) async fn settled(&self, adopted: &Adopted) -> Result<(), Unavailable> {
        let Some(settles_at) = adopted.settles_at else {
            return Ok(());
        };
        let left = settles_at.saturating_sub(self.ticks.micros());
        if left > 0 {
            sleep(Duration::from_micros(left)).await;
        }
        let journal = self.journal.id().await?;
        self.log
            .mark_settled(&journal, &adopted.term)
            .await
            .map_err(LogFault::into_unavailable)
    }

    /// Whether this is still the term in the journal's register. Asked after a line is committed there: if it is, then
    /// any later data set is filled with that line.
    pub(super) async fn is_current(&self, term: &Term) -> Result<bool, Unavailable> {
        Ok(self.journal.term().await?.as_ref() == Some(term))
    }

    /// Gives the lease back.
    pub(super) async fn release(&self) {
        let adopted = self.adopted();
        self.void();
        if let Some(adopted) = adopted
            && let Err(fault) = self.log.release(&adopted.holder).await
        {
            tracing::debug!(%fault, "the lease is not given back; it runs out by itself");
        }
    }
}

/// What a renewal came to.
enum Standing {
    Renewed,
    /// The data set is another one.
    Over,
    /// The same data set stands behind what was applied from it.
    RolledBack,
}
