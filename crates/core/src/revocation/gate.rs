//! The gate: it checks every credential on every request, and every revocation goes through it.

mod revoke;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::follower::StreamFollower;
use super::gate_status::GateStatus;
use super::lease_manager::LeaseManager;
use super::publisher::Publisher;
use super::replica::Replica;
use super::shared_log::RevocationLog;
use super::status::RevocationStatus;
use super::storage::{Journal, RevocationStore};
use crate::clock::{Clock, MonotonicClock};
use crate::events::GatewayEvents;
use crate::random;
use crate::unavailable::Unavailable;
use crate::verdict::{
    ActiveCredential, CredentialRepr, CutoffScope, IssueTime, ReadAssurance, RevocationKey, RevocationReason,
    Term, Verified,
};

/// Retention of revocations, clock tolerance and leases.
#[derive(Clone, Copy, Debug)]
pub struct RevocationPolicy {
    /// Largest error of the authorization server's clock (`CLOCK_SKEW_SECONDS`).
    pub skew: Duration,
    /// Time for which a cut-off, and a revocation without a known expiry, is kept
    /// (`REVOCATION_RETENTION_DAYS`).
    pub retention: Duration,
    /// True if checks read the replica under a lease (`REVOCATION_READS=replica`), false if they always read
    /// the store.
    pub reads_replica: bool,
    /// Duration of a lease (`REVOCATION_LEASE_SECONDS`).
    pub lease: Duration,
}

/// Reason for refusing a verified credential.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GateRefusal {
    /// The token is revoked.
    #[error("the token was revoked ({})", .0.as_str())]
    TokenRevoked(RevocationReason),
    /// The session is revoked.
    #[error("the session was ended ({})", .0.as_str())]
    SessionRevoked(RevocationReason),
    /// The state is unknown, because store or journal did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Dependencies of a gate.
pub struct GateDeps {
    /// Durable record of all revocations.
    pub journal: Arc<dyn Journal>,
    /// The shared store, for direct reads.
    pub store: Arc<dyn RevocationStore>,
    /// Interface of the store for stream, leases and marks.
    pub log: Arc<dyn RevocationLog>,
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
    /// Clock for leases.
    pub ticks: Arc<dyn MonotonicClock>,
    /// Receiver of the gate's events.
    pub events: Arc<dyn GatewayEvents>,
}

impl std::fmt::Debug for GateDeps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GateDeps").finish_non_exhaustive()
    }
}

/// The gate: the check on every request, and the only way to revoke anything.
pub struct RevocationGate {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) store: Arc<dyn RevocationStore>,
    pub(super) policy: RevocationPolicy,
    pub(super) lease_manager: Arc<LeaseManager>,
    pub(super) replica: Arc<Replica>,
    pub(super) publisher: Arc<Publisher>,
    follower: StreamFollower,
    /// Lines that the previous run of the reconciler found without an acknowledgement.
    unfinished: Mutex<HashSet<i64>>,
    events: Arc<dyn GatewayEvents>,
    pub(super) direct_reads: AtomicU64,
}

impl std::fmt::Debug for RevocationGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RevocationGate")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl RevocationGate {
    /// A gate over a journal and a store.
    ///
    /// # Errors
    /// [`Unavailable`] if the operating system returns no random bytes.
    pub fn new(deps: GateDeps, policy: RevocationPolicy) -> Result<Self, Unavailable> {
        let GateDeps {
            journal,
            store,
            log,
            clock,
            ticks,
            events,
        } = deps;
        // A new name for each process: a restarted instance has an empty replica and none of its
        // predecessor's leases.
        let id = Uuid::new_v4().simple().to_string();
        let lease_manager = Arc::new(LeaseManager::new(
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
            Arc::clone(&lease_manager),
            Arc::clone(&replica),
        ));
        Ok(Self {
            follower: StreamFollower {
                log,
                lease_manager: Arc::clone(&lease_manager),
                publisher: Arc::clone(&publisher),
                replica: Arc::clone(&replica),
                clock,
            },
            journal,
            store,
            policy,
            lease_manager,
            replica,
            publisher,
            unfinished: Mutex::default(),
            events,
            direct_reads: AtomicU64::new(0),
        })
    }

    /// The store behind the gate, for lists and deletions.
    pub fn store(&self) -> &dyn RevocationStore {
        self.store.as_ref()
    }

    /// The policy in force.
    pub fn policy(&self) -> RevocationPolicy {
        self.policy
    }

    /// Random name of this instance.
    pub fn instance(&self) -> &str {
        self.lease_manager.instance_id()
    }

    /// Keeps a lease and a complete replica while it is polled. Without it, every check reads the store.
    /// `predecessor` names an instance that is certainly dead; its leases are removed, so that no revoker
    /// waits for them.
    pub async fn run_follower(&self, predecessor: Option<&str>) {
        if let Some(predecessor) = predecessor {
            self.follower.evict_predecessor(predecessor).await;
        }
        // Two loops: a slow snapshot or a broken stream must not delay a renewal.
        tokio::join!(self.follower.run_lease_renewal(), self.follower.run_stream());
    }

    /// Releases the lease, so that no revoker waits for this instance after it has stopped.
    pub async fn release_lease(&self) {
        self.lease_manager.release_lease().await;
    }

    /// State of this instance's gate.
    pub fn status(&self) -> GateStatus {
        let (position, stream_position) = self.lease_manager.positions();
        GateStatus {
            term: self.store_term().map(Arc::unwrap_or_clone),
            position,
            stream_position,
            lease_left: self.lease_manager.lease_left(),
            pending_groups: self.publisher.pending_groups(),
            direct_reads: self.direct_reads.load(Ordering::Relaxed),
            replica: self.replica.stats(),
        }
    }

    /// Removes expired entries from the replica, about `budget` entries at a time, and returns how many were
    /// removed.
    pub fn sweep(&self, now: Timestamp, budget: usize) -> usize {
        self.replica.sweep(now, budget)
    }

    /// Lets a verified credential through unless it is revoked.
    ///
    /// # Errors
    /// [`GateRefusal`] if it is revoked, or if its state is unknown.
    pub async fn admit(&self, verified: Verified, now: Timestamp) -> Result<ActiveCredential, GateRefusal> {
        let repr = verified.into_repr();
        let info = repr.info();
        match self
            .check(&info.revocation_keys, &info.cutoff_scopes, info.issue_time, now)
            .await
        {
            Ok(assurance) => Ok(ActiveCredential::new(CredentialRepr::Full(info), assurance)),
            Err(refusal) => {
                self.cache_refusal(&refusal, &info, now);
                Err(refusal)
            }
        }
    }

    /// Checks something that is not a verified credential: a refresh token, or the names that an unverified
    /// token contains (then only a refusal counts). Returns the grounds of the acceptance.
    ///
    /// # Errors
    /// [`GateRefusal`] if it is revoked, or if its state is unknown.
    pub async fn check(
        &self,
        keys: &[RevocationKey],
        scopes: &[CutoffScope],
        issue_time: IssueTime,
        now: Timestamp,
    ) -> Result<ReadAssurance, GateRefusal> {
        let mut lookup_keys = keys.to_vec();
        lookup_keys.extend(scopes.iter().cloned().map(RevocationKey::Cutoff));
        // One lookup for both, so that no cut-off is seen without the exemptions from it (I5).
        let (findings, assurance) = self.find(&lookup_keys, keys, now).await?;
        let exempt_since = findings.exempt_since.iter().flatten().max();
        for (key, found) in lookup_keys.iter().zip(&findings.revoked) {
            let Some(found) = found else { continue };
            let skew = self.policy.skew;
            if RevocationStatus::from_record(found.cutoff, issue_time, skew, || exempt_since.copied())
                == RevocationStatus::Revoked
            {
                return Err(refusal(key, found.reason));
            }
        }
        Ok(assurance)
    }

    /// Time for which the replica may still answer; `None` if it may not.
    pub(super) fn replica_lease_left(&self) -> Option<Duration> {
        let left = self.lease_manager.lease_left();
        (self.policy.reads_replica && !left.is_zero()).then_some(left)
    }

    pub(super) fn replica(&self) -> &Replica {
        &self.replica
    }

    pub(super) fn store_term(&self) -> Option<Arc<Term>> {
        self.lease_manager.store_term()
    }

    /// Returns the present by the clock that all instances share, from a store that holds everything that the
    /// journal holds.
    ///
    /// # Errors
    /// [`Unavailable`] if journal or store did not answer.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn shared_time(&self, now: Timestamp) -> Result<Timestamp, Unavailable> {
        // A read without keys: the store must answer now. A login that cannot be recorded must not use up its
        // code.
        self.find_in_store(&[], &[], now).await?;
        self.store.shared_time(now).await
    }

    /// Returns the latest cut-off of any of these scopes, if there is one.
    ///
    /// # Errors
    /// [`Unavailable`] if the replica may not answer and the store did not.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn latest_cutoff(
        &self,
        scopes: &[CutoffScope],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Unavailable> {
        let keys: Vec<_> = scopes.iter().cloned().map(RevocationKey::Cutoff).collect();
        let (findings, _) = self.find(&keys, &[], now).await?;
        Ok(findings
            .revoked
            .into_iter()
            .flatten()
            .filter_map(|found| found.cutoff)
            .max())
    }

    /// Makes sure that the store holds everything that the journal holds.
    ///
    /// # Errors
    /// [`Unavailable`] if journal or store did not answer.
    pub async fn ensure_store_filled(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.lease_manager.confirmed_term(now).await.map(drop)
    }

    /// Deletes expired lines of the journal and expired entries of the store, and returns how many of each.
    ///
    /// # Errors
    /// [`Unavailable`] if journal or store did not answer.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn purge(&self, now: Timestamp) -> Result<(u64, u64), Unavailable> {
        Ok((self.journal.purge(now).await?, self.store.purge(now).await?))
    }
}

fn refusal(key: &RevocationKey, reason: RevocationReason) -> GateRefusal {
    match key {
        RevocationKey::Session(_) | RevocationKey::Cutoff(CutoffScope::UpstreamSession(_)) => {
            GateRefusal::SessionRevoked(reason)
        }
        RevocationKey::Token(_) | RevocationKey::Cutoff(_) => GateRefusal::TokenRevoked(reason),
    }
}
