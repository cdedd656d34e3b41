//! The one gate: every credential passes it on every request, and everything that ends a credential goes through it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::assurance::{Assurance, GateStatus};
use super::facts::Issued;
use super::follower::Follower;
use super::key::{Party, RevocationKey};
use super::live::{Known, Live};
use super::log::RevocationLog;
use super::marks::Standing;
use super::membership::{Adopted, Membership};
use super::publisher::{Order, Publisher};
use super::record::{JournalEntry, Reason, Revocation, Spare};
use super::replica::Replica;
use super::store::{Journal, RevocationStore};
use crate::audit::AuditEvent;
use crate::clock::{self, Clock, Ticks};
use crate::outbox::UpstreamRevocation;
use crate::random;
use crate::unavailable::Unavailable;
use crate::verify::Verified;

/// How many journal lines are carried to the store at a time.
const BATCH: u32 = 1_000;

/// How long revocations are kept and how far clocks may differ.
#[derive(Clone, Copy, Debug)]
pub struct RevocationPolicy {
    /// How far the authorization server's clock may be off (`CLOCK_SKEW_SECONDS`).
    pub skew: Duration,
    /// How long a cut-off, and the revocation of what names no expiry, is kept (`REVOCATION_RETENTION_DAYS`).
    pub retention: Duration,
    /// Whether checks are answered from memory under a lease (`REVOCATION_READS=replica`) or always by the store.
    pub from_memory: bool,
    /// How long a lease lasts (`REVOCATION_LEASE_SECONDS`).
    pub lease: Duration,
}

/// Why a verified credential is not let through.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// It is revoked.
    #[error("the token was revoked ({})", .0.as_str())]
    TokenRevoked(Reason),
    /// Its session is.
    #[error("the session was ended ({})", .0.as_str())]
    SessionRevoked(Reason),
    /// Nobody knows.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a revocation is not acknowledged. It may take effect later, or not at all.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RevokeFault {
    /// It was not recorded, or nobody can say that it was.
    #[error("the revocation was not recorded: {0}")]
    NotRecorded(Unavailable),
    /// It is in the journal, and the reconciler will finish it.
    #[error("the revocation was recorded and could not be applied yet: {0}")]
    NotApplied(Unavailable),
}

impl RevokeFault {
    /// What did not answer.
    pub fn into_unavailable(self) -> Unavailable {
        match self {
            Self::NotRecorded(fault) | Self::NotApplied(fault) => fault,
        }
    }
}

/// The parts that a gate is made of.
pub struct GateParts {
    /// The record that nothing acknowledged is lost from.
    pub journal: Arc<dyn Journal>,
    /// The shared store, as direct reads see it.
    pub store: Arc<dyn RevocationStore>,
    /// The same store, as what binds every instance.
    pub log: Arc<dyn RevocationLog>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// What leases are measured with.
    pub ticks: Arc<dyn Ticks>,
    /// Told of each acknowledged revocation, and how long it took.
    pub acknowledged: fn(Duration),
}

impl std::fmt::Debug for GateParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GateParts").finish_non_exhaustive()
    }
}

/// What is revoked: the check on every request, and the only way to revoke anything.
pub struct Revocations {
    journal: Arc<dyn Journal>,
    pub(super) store: Arc<dyn RevocationStore>,
    pub(super) policy: RevocationPolicy,
    pub(super) membership: Arc<Membership>,
    pub(super) replica: Arc<Replica>,
    publisher: Arc<Publisher>,
    follower: Follower,
    /// Lines that were found unfinished the last time. What is still there the next time was left by somebody.
    unfinished: Mutex<HashSet<i64>>,
    acknowledged: fn(Duration),
    pub(super) direct_reads: AtomicU64,
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revocations")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl Revocations {
    /// A gate over a journal and a store.
    ///
    /// # Errors
    /// The machine gives no random numbers.
    pub fn new(parts: GateParts, policy: RevocationPolicy) -> Result<Self, Unavailable> {
        let GateParts {
            journal,
            store,
            log,
            clock,
            ticks,
            acknowledged,
        } = parts;
        let id = Uuid::new_v4().simple().to_string();
        let membership = Arc::new(Membership::new(
            id,
            Arc::clone(&journal),
            Arc::clone(&log),
            ticks,
            policy.lease,
        ));
        let replica = Arc::new(Replica::new(random::bytes()?));
        let publisher = Arc::new(Publisher::new(
            Arc::clone(&journal),
            Arc::clone(&log),
            Arc::clone(&membership),
            Arc::clone(&replica),
        ));
        Ok(Self {
            follower: Follower {
                log,
                membership: Arc::clone(&membership),
                publisher: Arc::clone(&publisher),
                replica: Arc::clone(&replica),
                clock,
            },
            journal,
            store,
            policy,
            membership,
            replica,
            publisher,
            unfinished: Mutex::default(),
            acknowledged,
            direct_reads: AtomicU64::new(0),
        })
    }

    /// The store behind the gate, for listing and cleaning.
    pub fn store(&self) -> &dyn RevocationStore {
        self.store.as_ref()
    }

    /// The policy in force.
    pub fn policy(&self) -> RevocationPolicy {
        self.policy
    }

    /// The name of this instance.
    pub fn instance(&self) -> &str {
        self.membership.id()
    }

    /// Keeps a lease, and the replica complete, for as long as this is polled. Without it every check asks the store.
    /// `predecessor` names an instance that is dead for sure: nobody need wait for it.
    pub async fn follow(&self, predecessor: Option<&str>) {
        if let Some(dead) = predecessor {
            self.follower.bury(dead).await;
        }
        tokio::join!(self.follower.keep_lease(), self.follower.follow());
    }

    /// Gives the lease back, so that nobody waits for this instance when it is gone.
    pub async fn release(&self) {
        self.membership.release().await;
    }

    /// How this instance stands.
    pub fn status(&self) -> GateStatus {
        let (position, stream) = self.membership.positions();
        GateStatus {
            term: self.membership.adopted().map(|adopted| adopted.term.clone()),
            position,
            stream,
            lease_left: self.membership.lease_left(),
            waiters: self.publisher.waiters(),
            direct_reads: self.direct_reads.load(Ordering::Relaxed),
            replica: self.replica.stats(),
        }
    }

    /// Forgets in memory what has expired, some entries at a time; how many that were.
    pub fn sweep(&self, now: Timestamp, budget: usize) -> usize {
        self.replica.sweep(now, budget)
    }

    /// Lets a verified credential through unless it is revoked.
    ///
    /// # Errors
    /// It is revoked, or nobody knows whether it is.
    pub async fn admit(&self, verified: Verified, now: Timestamp) -> Result<Live, Refusal> {
        let known = verified.into_known();
        let facts = known.facts();
        match self.check(&facts.names, &facts.parties, facts.issued, now).await {
            Ok(assurance) => Ok(Live::new(Known::Whole(facts), assurance)),
            Err(refusal) => {
                self.keep_refusal(&refusal, &facts, now);
                Err(refusal)
            }
        }
    }

    /// The same question, of something that is not a verified credential: a refresh token, or the names that an
    /// unverified token gives itself (then only a refusal means anything). Answers on what grounds it is let through.
    ///
    /// # Errors
    /// It is revoked, or nobody knows whether it is.
    pub async fn check(
        &self,
        names: &[RevocationKey],
        parties: &[Party],
        issued: Issued,
        now: Timestamp,
    ) -> Result<Assurance, Refusal> {
        let mut asked = names.to_vec();
        asked.extend(parties.iter().cloned().map(RevocationKey::Before));
        let (findings, assurance) = self.find(&asked, names, now).await?;
        let spared_since = findings.spared.iter().flatten().max();
        for (key, found) in asked.iter().zip(&findings.revoked) {
            let Some(found) = found else { continue };
            let skew = self.policy.skew;
            if Standing::under(found.cutoff, issued, skew, || spared_since.copied()) == Standing::Revoked {
                return Err(refusal(key, found.reason));
            }
        }
        Ok(assurance)
    }

    /// How long the replica may go on answering; `None` if it may not.
    pub(super) fn lease_for_memory(&self) -> Option<Duration> {
        let left = self.membership.lease_left();
        (self.policy.from_memory && !left.is_zero()).then_some(left)
    }

    pub(super) fn replica(&self) -> &Replica {
        &self.replica
    }

    pub(super) fn adopted(&self) -> Option<Arc<Adopted>> {
        self.membership.adopted()
    }

    /// The present by the clock that all instances share, from a store that holds all that the journal does.
    ///
    /// # Errors
    /// Journal or store did not answer.
    pub async fn shared_time(&self, now: Timestamp) -> Result<Timestamp, Unavailable> {
        // It answers now, and not only did a lease ago: a login must not spend its code for nothing.
        self.find_directly(&[], &[], now).await?;
        self.store.shared_time(now).await
    }

    /// The latest cut-off of any of these parties, if there is one.
    ///
    /// # Errors
    /// Nobody knows.
    pub async fn latest_cutoff(
        &self,
        parties: &[Party],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Unavailable> {
        let keys: Vec<_> = parties.iter().cloned().map(RevocationKey::Before).collect();
        let (findings, _) = self.find(&keys, &[], now).await?;
        Ok(findings
            .revoked
            .into_iter()
            .flatten()
            .filter_map(|found| found.cutoff)
            .max())
    }

    /// Revokes, in the order that promises I1 and I2: journal and audit first, then the store, then every instance that
    /// answers from memory. When it returns `Ok` every instance refuses what the revocations cover.
    ///
    /// # Errors
    /// It is not acknowledged; see [`RevokeFault`].
    pub async fn revoke(
        &self,
        revocations: Vec<Revocation>,
        audit: &[AuditEvent],
        now: Timestamp,
    ) -> Result<(), RevokeFault> {
        self.revoke_and_tell(revocations, audit, Vec::new(), now).await
    }

    /// The same, and records with it what the authorization server has to be told: both or neither.
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke).
    pub async fn revoke_and_tell(
        &self,
        revocations: Vec<Revocation>,
        audit: &[AuditEvent],
        upstream: Vec<UpstreamRevocation>,
        now: Timestamp,
    ) -> Result<(), RevokeFault> {
        let order = Order {
            entries: revocations.into_iter().map(JournalEntry::Revoked).collect(),
            audit: audit.to_vec(),
            upstream,
        };
        let began = self.membership.now();
        self.publisher.submit(order, now).await?;
        (self.acknowledged)(Duration::from_micros(self.membership.now().saturating_sub(began)));
        Ok(())
    }

    /// Exempts logins from the cut-offs before them, durably and on every instance.
    ///
    /// # Errors
    /// It is not sure that they are exempt.
    pub async fn spare(&self, spares: Vec<Spare>, now: Timestamp) -> Result<(), Unavailable> {
        if spares.is_empty() {
            return Ok(());
        }
        let order = Order {
            entries: spares.into_iter().map(JournalEntry::Spared).collect(),
            ..Order::default()
        };
        let spared = self.publisher.submit(order, now).await;
        spared.map_err(RevokeFault::into_unavailable)
    }

    /// Finishes what was recorded and did not reach the store: lines that are found unfinished twice in a row, since
    /// whoever is at work on a line is done with it by then. How many lines that were.
    ///
    /// # Errors
    /// Journal or store did not answer; what is left is left for the next time.
    pub async fn reconcile(&self, now: Timestamp) -> Result<usize, Unavailable> {
        let lines = self.journal.unapplied(BATCH).await?;
        let left: Vec<_> = {
            let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
            let before =
                std::mem::replace(&mut *unfinished, lines.iter().map(|line| line.position).collect());
            lines
                .into_iter()
                .filter(|line| before.contains(&line.position))
                .collect()
        };
        if !left.is_empty() {
            self.publisher.carry(&left, now).await?;
        }
        Ok(left.len())
    }

    /// Makes sure that the store holds all that the journal does.
    ///
    /// # Errors
    /// Journal or store did not answer.
    pub async fn ensure_filled(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.membership.confirmed(now).await.map(drop)
    }

    /// Forgets what has expired, in journal and store; how many lines and entries that were.
    ///
    /// # Errors
    /// Journal or store did not answer.
    pub async fn purge(&self, now: Timestamp) -> Result<(u64, u64), Unavailable> {
        Ok((self.journal.purge(now).await?, self.store.purge(now).await?))
    }

    /// When the revocation of something that expires at `expires_at` may be forgotten.
    pub fn keep_until(&self, expires_at: Option<Timestamp>, now: Timestamp) -> Timestamp {
        match expires_at {
            // Whoever allows for a skew may accept it that much longer, on either side.
            Some(expiry) => clock::after(expiry, self.policy.skew * 2 + Duration::from_secs(1)),
            None => clock::after(now, self.policy.retention),
        }
    }
}

fn refusal(key: &RevocationKey, reason: Reason) -> Refusal {
    match key {
        RevocationKey::Session(_) => Refusal::SessionRevoked(reason),
        RevocationKey::Token(_) | RevocationKey::Before(_) => Refusal::TokenRevoked(reason),
    }
}
