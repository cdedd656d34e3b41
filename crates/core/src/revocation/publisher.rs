//! How a revocation comes into force: journalled together with those that arrive at the same time, published, and
//! acknowledged when no instance can answer without it any longer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::awaiting::Awaiting;
use super::board::Board;
use super::gate::RevokeFault;
use super::log::{Holder, Instance, LogFault, Published, RevocationLog};
use super::member::{Position, Tick};
use super::membership::{Adopted, Membership};
use super::record::{JournalEntry, Journalled};
use super::replica::Replica;
use super::store::{Journal, Record};
use crate::audit::AuditEvent;
use crate::outbox::UpstreamRevocation;
use crate::unavailable::Unavailable;

/// So many orders are journalled in one transaction at most.
const GROUP: usize = 512;
/// How often a revocation is published anew because the store's data set changed under it.
const TRIES: usize = 4;
/// Marks are gathered for so long: each writing of them stands in the way of those who revoke.
const MARKING: Duration = Duration::from_millis(100);
/// How often it is looked who holds leases, where the stream brings no word of it.
const LOOK: Duration = Duration::from_millis(20);

/// What one caller wants recorded and brought into force, all of it or nothing.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// What is revoked and spared.
    pub(super) entries: Vec<JournalEntry>,
    /// What happened.
    pub(super) audit: Vec<AuditEvent>,
    /// What the authorization server has to be told of it.
    pub(super) upstream: Vec<UpstreamRevocation>,
}

struct Waiting {
    order: Order,
    now: Timestamp,
    done: oneshot::Sender<Result<(), RevokeFault>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    is_led: bool,
}

#[derive(Default)]
struct Marks {
    positions: Vec<i64>,
    is_led: bool,
}

pub(super) struct Publisher {
    journal: Arc<dyn Journal>,
    log: Arc<dyn RevocationLog>,
    membership: Arc<Membership>,
    replica: Arc<Replica>,
    pub(super) board: Board,
    queue: Mutex<Queue>,
    marks: Mutex<Marks>,
    waiting: AtomicUsize,
}

impl Publisher {
    pub(super) fn new(
        journal: Arc<dyn Journal>,
        log: Arc<dyn RevocationLog>,
        membership: Arc<Membership>,
        replica: Arc<Replica>,
    ) -> Self {
        Self {
            journal,
            log,
            membership,
            replica,
            board: Board::default(),
            queue: Mutex::default(),
            marks: Mutex::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// How many groups of revocations wait for other instances.
    pub(super) fn waiters(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Journals and publishes, and answers when every instance refuses (or spares) what the entries say. It runs to its
    /// end even if nobody waits for it any longer.
    pub(super) async fn submit(self: &Arc<Self>, order: Order, now: Timestamp) -> Result<(), RevokeFault> {
        let (done, outcome) = oneshot::channel();
        let leads = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.waiting.push(Waiting { order, now, done });
            !std::mem::replace(&mut queue.is_led, true)
        };
        if leads {
            tokio::spawn(Arc::clone(self).lead());
        }
        let given_up = || RevokeFault::NotApplied(Unavailable::store("the revocation was given up"));
        outcome.await.unwrap_or_else(|_| Err(given_up()))
    }

    /// One transaction after the other, each with all that arrived during the one before it (group commit). Publishing
    /// goes on beside it.
    async fn lead(self: Arc<Self>) {
        loop {
            let group = {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                if queue.waiting.is_empty() {
                    queue.is_led = false;
                    return;
                }
                let size = queue.waiting.len().min(GROUP);
                queue.waiting.drain(..size).collect::<Vec<_>>()
            };
            self.commit(group).await;
        }
    }

    async fn commit(self: &Arc<Self>, group: Vec<Waiting>) {
        let Some(now) = group.iter().map(|waiting| waiting.now).max() else {
            return;
        };
        let mut whole = Order::default();
        for Waiting { order, .. } in &group {
            whole.entries.extend_from_slice(&order.entries);
            whole.audit.extend_from_slice(&order.audit);
            whole.upstream.extend_from_slice(&order.upstream);
        }
        let record = Record {
            entries: &whole.entries,
            audit: &whole.audit,
            upstream: &whole.upstream,
        };
        match self.journal.append(record, now).await {
            Ok(lines) => {
                tokio::spawn(Arc::clone(self).enforce(group, lines, now));
            }
            // One order that the journal cannot take must not cost the others theirs.
            Err(_) if group.len() > 1 => {
                for waiting in group {
                    Box::pin(self.commit(vec![waiting])).await;
                }
            }
            Err(fault) => {
                for waiting in group {
                    let _ = waiting.done.send(Err(RevokeFault::NotRecorded(fault.clone())));
                }
            }
        }
    }

    async fn enforce(self: Arc<Self>, group: Vec<Waiting>, lines: Vec<Journalled>, now: Timestamp) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let outcome = self.carry(&lines, now).await.map_err(RevokeFault::NotApplied);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        for waiting in group {
            let _ = waiting.done.send(outcome.clone());
        }
    }

    /// Brings journalled lines into force on every instance.
    pub(super) async fn carry(
        self: &Arc<Self>,
        lines: &[Journalled],
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let entries: Vec<_> = lines.iter().map(|line| line.entry.clone()).collect();
        let mut adopted = self.membership.confirmed(now).await?;
        for _ in 0..TRIES {
            let published = match self.log.publish(&adopted.term.epoch, &entries, now).await {
                Ok(published) => published,
                Err(LogFault::AnotherEpoch) => {
                    adopted = self.membership.adopt_anew(&adopted.term, now).await?;
                    continue;
                }
                Err(LogFault::Unavailable(fault)) => return Err(fault),
            };
            let answered_at = self.membership.now();
            for entry in &entries {
                self.replica.apply(entry);
            }
            self.note_own(&adopted, &published, entries.len());
            // The register is read after the lines were committed: if the term stands, any later one is filled with
            // them, and whoever answers under this one is among the holders.
            let register = async {
                let current = self.membership.is_current(&adopted.term).await;
                if let Ok(true) = current {
                    self.mark(lines);
                }
                current
            };
            let (current, ()) = tokio::join!(register, self.wait(published, &adopted, answered_at));
            if current? {
                self.membership.settled(&adopted).await?;
                return self.close_cutoffs(lines).await;
            }
            adopted = self.membership.adopt_anew(&adopted.term, now).await?;
        }
        Err(Unavailable::store("its data set keeps changing"))
    }

    /// What this instance published right behind what it had applied need not come back to it over the stream.
    /// (In more steps than one, another instance's entries may lie between.)
    fn note_own(&self, adopted: &Adopted, published: &Published, entries: usize) {
        let Published { before, position, .. } = *published;
        if position.saturating_sub(before) != entries as Position {
            return;
        }
        self.membership.with(|member| {
            if member.follows(adopted.term.number) {
                member.published(before, position);
            }
        });
    }

    /// Waits until each instance that held a lease has applied the entries, or its lease has run out.
    async fn wait(&self, published: Published, adopted: &Adopted, answered_at: Tick) {
        let holders = published.holders.clone();
        let mut awaiting = Awaiting::new(
            published.position,
            published.holders,
            &adopted.holder,
            answered_at,
        );
        loop {
            let news = self.board.news();
            self.board.tell(&mut awaiting);
            for lapsed in awaiting.lapse(self.membership.now()) {
                self.evict(&holders, &lapsed);
            }
            if awaiting.is_over() {
                return;
            }
            let left = awaiting.next_lapse().unwrap_or(0);
            let left = Duration::from_micros(left.saturating_sub(self.membership.now()));
            if timeout(left.min(LOOK), news).await.is_err()
                && let Ok(Ok(now)) = timeout(left.max(LOOK), self.log.holders()).await
            {
                for holder in now {
                    awaiting.applied(&holder.instance, holder.applied);
                }
            }
        }
    }

    /// An instance that was lost is not waited for a second time.
    fn evict(&self, holders: &[Holder], lapsed: &Instance) {
        tracing::warn!(instance = %lapsed, "an instance did not confirm a revocation before its lease ran out");
        let Some(holder) = holders.iter().find(|holder| holder.instance == *lapsed).cloned() else {
            return;
        };
        let log = Arc::clone(&self.log);
        tokio::spawn(async move {
            if let Err(fault) = log.evict(&holder).await {
                tracing::debug!(%fault, "the lapsed lease stays on the list");
            }
        });
    }

    /// A cut-off that is ordered again after it was acknowledged is a new one, with a later moment: the journal must know
    /// by then that this one is done.
    async fn close_cutoffs(&self, lines: &[Journalled]) -> Result<(), Unavailable> {
        let cutoffs = lines.iter().filter(|line| is_cutoff(line));
        let cutoffs: Vec<_> = cutoffs.map(|line| line.position).collect();
        if cutoffs.is_empty() {
            return Ok(());
        }
        self.journal.applied(&cutoffs).await
    }

    /// Notes in the journal, a little later and many at a time, that what is revoked by name has reached the store. If
    /// that is lost they are published a second time, which changes nothing.
    fn mark(self: &Arc<Self>, lines: &[Journalled]) {
        let named = lines.iter().filter(|line| !is_cutoff(line));
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.positions.extend(named.map(|line| line.position));
        if marks.positions.is_empty() {
            return;
        }
        if !std::mem::replace(&mut marks.is_led, true) {
            tokio::spawn(Arc::clone(self).write_marks());
        }
    }

    async fn write_marks(self: Arc<Self>) {
        loop {
            sleep(MARKING).await;
            let positions = {
                let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
                if marks.positions.is_empty() {
                    marks.is_led = false;
                    return;
                }
                std::mem::take(&mut marks.positions)
            };
            if let Err(fault) = self.journal.applied(&positions).await {
                tracing::debug!(%fault, "the reconciler will publish these lines again");
            }
        }
    }
}

fn is_cutoff(line: &Journalled) -> bool {
    matches!(&line.entry, JournalEntry::Revoked(order) if order.key.is_cutoff())
}
