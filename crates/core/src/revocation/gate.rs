//! The one gate: every credential passes it on every request, and everything that ends a credential goes through it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex, RwLock};
use uuid::Uuid;

use super::facts::{Issued, Live};
use super::key::{Party, RevocationKey};
use super::record::{JournalEntry, Journalled, Reason, Revocation, Spare};
use super::store::{Findings, Journal, RevocationStore};
use crate::audit::AuditEvent;
use crate::clock;
use crate::unavailable::Unavailable;
use crate::verify::Verified;

/// How many journal lines are carried to the store at a time.
const BATCH: u32 = 1_000;
/// How often the store is filled again when it loses its data meanwhile.
const FILLS: usize = 3;

/// How long revocations are kept and how far clocks may differ.
#[derive(Clone, Copy, Debug)]
pub struct RevocationPolicy {
    /// How far the authorization server's clock may be off (`CLOCK_SKEW_SECONDS`).
    pub skew: Duration,
    /// How long a cut-off, and the revocation of what names no expiry, is kept (`REVOCATION_RETENTION_DAYS`).
    pub retention: Duration,
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
    /// It was not recorded: nothing will happen.
    #[error("the revocation was not recorded: {0}")]
    NotRecorded(Unavailable),
    /// It is in the journal, and the reconciler will finish it.
    #[error("the revocation was recorded and could not be applied yet: {0}")]
    NotApplied(Unavailable),
}

/// What is revoked: the check on every request, and the only way to revoke anything.
pub struct Revocations {
    journal: Arc<dyn Journal>,
    store: Arc<dyn RevocationStore>,
    policy: RevocationPolicy,
    /// The generation of the store that is known to hold all that the journal does.
    filled: RwLock<Option<String>>,
    filling: Mutex<()>,
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
    pub fn new(journal: Arc<dyn Journal>, store: Arc<dyn RevocationStore>, policy: RevocationPolicy) -> Self {
        Self {
            journal,
            store,
            policy,
            filled: RwLock::new(None),
            filling: Mutex::new(()),
        }
    }

    /// The store behind the gate, for listing and cleaning.
    pub fn store(&self) -> &dyn RevocationStore {
        self.store.as_ref()
    }

    /// The policy in force.
    pub fn policy(&self) -> RevocationPolicy {
        self.policy
    }

    /// Lets a verified credential through unless it is revoked.
    ///
    /// # Errors
    /// It is revoked, or nobody knows whether it is.
    pub async fn admit(&self, verified: Verified, now: Timestamp) -> Result<Live, Refusal> {
        let facts = verified.into_facts();
        let generation = self
            .check(&facts.names, &facts.parties, facts.issued, now)
            .await?;
        Ok(Live::new(facts, generation))
    }

    /// The same question, of something that is not a verified credential: a refresh token, or the names that an
    /// unverified token gives itself (then only a refusal means anything). Answers the store's generation.
    ///
    /// # Errors
    /// It is revoked, or nobody knows whether it is.
    pub async fn check(
        &self,
        names: &[RevocationKey],
        parties: &[Party],
        issued: Issued,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let mut asked = names.to_vec();
        asked.extend(parties.iter().cloned().map(RevocationKey::Before));
        let findings = self.find(&asked, names, now).await?;
        let spared_since = findings.spared.iter().flatten().max();
        for (key, found) in asked.iter().zip(&findings.revoked) {
            let Some(found) = found else { continue };
            let covered = match found.cutoff {
                None => true,
                Some(cutoff) => {
                    let spared = spared_since.is_some_and(|began| *began >= cutoff);
                    !spared && issued.is_covered_by(cutoff, self.policy.skew)
                }
            };
            if covered {
                return Err(refusal(key, found.reason));
            }
        }
        Ok(findings.generation.unwrap_or_default())
    }

    /// The present by the clock that all instances share, from a store that holds all that the journal does.
    ///
    /// # Errors
    /// Journal or store did not answer.
    pub async fn shared_time(&self, now: Timestamp) -> Result<Timestamp, Unavailable> {
        self.ensure_filled(now).await?;
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
        let findings = self.find(&keys, &[], now).await?;
        Ok(findings
            .revoked
            .into_iter()
            .flatten()
            .filter_map(|found| found.cutoff)
            .max())
    }

    /// Revokes, in the order that promises I1 and I2: journal and audit first, then the store. When it returns `Ok`
    /// every instance refuses what the revocations cover.
    ///
    /// # Errors
    /// It is not acknowledged; see [`RevokeFault`].
    pub async fn revoke(
        &self,
        revocations: Vec<Revocation>,
        audit: &[AuditEvent],
        now: Timestamp,
    ) -> Result<(), RevokeFault> {
        let entries: Vec<_> = revocations.into_iter().map(JournalEntry::Revoked).collect();
        let lines = self
            .journal
            .append(&entries, audit, now)
            .await
            .map_err(RevokeFault::NotRecorded)?;
        self.carry(&lines, now).await.map_err(RevokeFault::NotApplied)
    }

    /// Exempts logins from the cut-offs before them, durably.
    ///
    /// # Errors
    /// It is not sure that they are exempt.
    pub async fn spare(&self, spares: Vec<Spare>, now: Timestamp) -> Result<(), Unavailable> {
        if spares.is_empty() {
            return Ok(());
        }
        let entries: Vec<_> = spares.into_iter().map(JournalEntry::Spared).collect();
        let lines = self.journal.append(&entries, &[], now).await?;
        self.carry(&lines, now).await
    }

    /// Finishes what was recorded and did not reach the store; how many lines that were.
    ///
    /// # Errors
    /// Journal or store did not answer; what is left is left for the next time.
    pub async fn reconcile(&self, now: Timestamp) -> Result<usize, Unavailable> {
        let mut carried = 0;
        loop {
            let lines = self.journal.unapplied(BATCH).await?;
            if lines.is_empty() {
                return Ok(carried);
            }
            carried += lines.len();
            self.carry(&lines, now).await?;
        }
    }

    /// Makes sure that the store holds all that the journal does.
    ///
    /// # Errors
    /// Journal or store did not answer.
    pub async fn ensure_filled(&self, now: Timestamp) -> Result<String, Unavailable> {
        let findings = self.find(&[], &[], now).await?;
        Ok(findings.generation.unwrap_or_default())
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

    async fn carry(&self, lines: &[Journalled], now: Timestamp) -> Result<(), Unavailable> {
        self.write(lines, now).await?;
        let positions: Vec<_> = lines.iter().map(|line| line.position).collect();
        self.journal.applied(&positions).await
    }

    async fn write(&self, lines: &[Journalled], now: Timestamp) -> Result<(), Unavailable> {
        let (mut revocations, mut spares) = (Vec::new(), Vec::new());
        for line in lines {
            match &line.entry {
                JournalEntry::Revoked(revocation) => revocations.push(revocation.clone()),
                JournalEntry::Spared(spare) => spares.push(spare.clone()),
            }
        }
        // Spares first: a cut-off that arrives before its exemptions would refuse a login for a moment (I6).
        if !spares.is_empty() {
            self.store.spare(&spares, now).await?;
        }
        if !revocations.is_empty() {
            self.store.apply(&revocations, now).await?;
        }
        Ok(())
    }

    /// Reads the store, and fills it from the journal first if it is not the store that was filled before.
    async fn find(
        &self,
        revoked: &[RevocationKey],
        spared: &[RevocationKey],
        now: Timestamp,
    ) -> Result<Findings, Unavailable> {
        let findings = self.store.find(revoked, spared, now).await?;
        if findings.generation.is_some() && findings.generation == *self.filled.read().await {
            return Ok(findings);
        }
        self.fill(now).await?;
        let findings = self.store.find(revoked, spared, now).await?;
        if findings.generation.is_some() && findings.generation == *self.filled.read().await {
            return Ok(findings);
        }
        Err(Unavailable::store(
            "it lost its data while it was being filled again",
        ))
    }

    async fn fill(&self, now: Timestamp) -> Result<(), Unavailable> {
        let _one_at_a_time = self.filling.lock().await;
        for _ in 0..FILLS {
            let stands = self.store.find(&[], &[], now).await?.generation;
            if stands.is_some() && stands == *self.filled.read().await {
                return Ok(());
            }
            if stands.is_none() || stands != self.journal.generation().await? {
                // The generation stands before the replay begins, so that a flush in its midst shows at its end.
                let generation = match stands {
                    Some(generation) => generation,
                    None => self.store.found_generation(&Uuid::now_v7().to_string()).await?,
                };
                self.replay(now).await?;
                if self.store.find(&[], &[], now).await?.generation.as_ref() != Some(&generation) {
                    continue;
                }
                self.journal.set_generation(&generation).await?;
                *self.filled.write().await = Some(generation);
            } else {
                *self.filled.write().await = stands;
            }
            return Ok(());
        }
        Err(Unavailable::store(
            "it keeps losing its data while it is being filled",
        ))
    }

    async fn replay(&self, now: Timestamp) -> Result<(), Unavailable> {
        let (mut position, mut count) = (i64::MIN, 0_usize);
        loop {
            let lines = self.journal.live_after(position, BATCH, now).await?;
            let Some(last) = lines.last() else { break };
            position = last.position;
            count += lines.len();
            self.write(&lines, now).await?;
            tracing::info!(lines = count, "filling the store from the journal");
        }
        Ok(())
    }
}

fn refusal(key: &RevocationKey, reason: Reason) -> Refusal {
    match key {
        RevocationKey::Session(_) => Refusal::SessionRevoked(reason),
        RevocationKey::Token(_) | RevocationKey::Before(_) => Refusal::TokenRevoked(reason),
    }
}
