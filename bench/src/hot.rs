//! The path of a request below every door, in this process: a token's verdict, the revocation check, a requirement.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::clock::{Clock as _, SystemClock, Ticks};
use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_core::guard::{Admin, Permit, Requirements};
use maxlab_auth_core::identity::ClaimPaths;
use maxlab_auth_core::revocation::{GateParts, RevocationPolicy, Revocations};
use maxlab_auth_core::token::{Algorithm, ClaimsPolicy, KeySet, TypRule};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::{
    ChainLimits, Fetched, JwtCheck, JwtVerifier, KeyPlace, KeySource, PublishedKeys, VerifyChain,
};
use maxlab_auth_store::{EmbeddedStore, SqlDatabase};
use maxlab_auth_testkit::{TokenForge, forge};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{crowd, tokens};

/// Longer than any measurement: a lease is renewed beside the requests, never by one.
const LEASE: Duration = Duration::from_secs(3_600);
/// How long the replica may take to be complete.
const PATIENCE: Duration = Duration::from_secs(120);
const SKEW: Duration = Duration::from_secs(10);
/// No verdict is forgotten for want of room.
const BYTES: u64 = 1 << 30;

/// Tokens, and everything that decides on them. The present stands still, so that no verdict grows old.
#[derive(Debug)]
pub struct Hot {
    tokens: Vec<String>,
    chain: VerifyChain,
    revocations: Revocations,
    requirements: Requirements,
    now: Timestamp,
    runtime: Runtime,
    _folder: TempDir,
}

/// What there is to decide on.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// What the tokens are signed with.
    pub algorithm: forge::Algorithm,
    /// Live tokens.
    pub tokens: usize,
    /// Other people's revocations in the replica.
    pub entries: u64,
    /// How long verdicts are remembered.
    pub keep: Duration,
}

impl Hot {
    /// Signs the tokens and fills the replica, which then answers from memory.
    ///
    /// # Errors
    /// There is no room for files, or the replica is not complete in time.
    pub fn prepare(crowd: Crowd) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let folder = tempfile::tempdir()?;
        let forge = TokenForge::new("https://issuer.example", crowd.algorithm);
        let revocations = runtime.block_on(replica(folder.path(), crowd.entries))?;
        let tokens = tokens::of(&forge, crowd.tokens);
        // After the last is signed, which takes long where instructions are counted.
        let now = SystemClock.now();
        let admin = Admin {
            roles: vec!["admin".to_owned()],
        };
        let required = [("role", "admin,editor"), ("group", "platform")];
        Ok(Self {
            tokens,
            chain: runtime.block_on(chain(&forge, crowd.keep, now))?,
            revocations,
            requirements: Requirements::parse(required, admin)?,
            now,
            runtime,
            _folder: folder,
        })
    }

    /// The tokens.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// The gate, whose replica answers.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Verifies every token once, so that its verdict is remembered.
    ///
    /// # Errors
    /// One is not good, or its bearer may not.
    pub fn remember(&self) -> Result<()> {
        for token in &self.tokens {
            ensure!(self.verify(&PresentedToken::parse(token)?), "a token is not good");
            ensure!(self.admits(token), "a verdict is not remembered, or not enough");
        }
        Ok(())
    }

    /// Whether the verdict on a token is remembered, nothing stands against it in the replica, and its bearer meets two
    /// requirements.
    pub fn admits(&self, token: &str) -> bool {
        self.chain
            .recall(token, self.now)
            .and_then(Result::ok)
            .and_then(|verified| self.revocations.admit_at_once(verified, self.now))
            .is_some_and(|live| Permit::check(live, &self.requirements).is_ok())
    }

    /// Whether a token of which nothing is remembered is good, and nothing stands against it in the replica.
    pub fn admits_unseen(&self, token: &str) -> bool {
        self.chain
            .verify_at_once(token, self.now)
            .and_then(|verified| self.revocations.admit_at_once(verified, self.now))
            .is_some()
    }

    /// Whether the layers, or what is remembered of them, say that a token is good.
    pub fn verify(&self, token: &PresentedToken) -> bool {
        self.runtime.block_on(self.chain.verify(token, self.now)).is_ok()
    }
}

/// A gate with a replica of so many revocations and a lease of its own.
async fn replica(folder: &Path, entries: u64) -> Result<Revocations> {
    let file = folder.join("store.db");
    drop(EmbeddedStore::open(&file).await?);
    crowd::revoke(&file, entries).await?;
    let store = Arc::new(EmbeddedStore::open(&file).await?);
    let parts = GateParts {
        journal: Arc::new(SqlDatabase::connect_sqlite(&folder.join("journal.db")).await?),
        store: Arc::clone(&store) as _,
        log: store,
        clock: Arc::new(SystemClock),
        ticks: Arc::new(SinceStart(Instant::now())),
        acknowledged: |_| (),
    };
    let policy = RevocationPolicy {
        skew: SKEW,
        retention: LEASE,
        from_memory: true,
        lease: LEASE,
    };
    let gate = Revocations::new(parts, policy)?;
    let leased = async {
        while gate.status().lease_left.is_zero() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let following = async {
        tokio::select! {
            () = gate.follow(None) => (),
            () = leased => (),
        }
    };
    tokio::time::timeout(PATIENCE, following)
        .await
        .context("the replica is not complete in time")?;
    let known = gate.status().replica.tokens;
    ensure!(
        u64::try_from(known)? == entries,
        "{known} of {entries} revocations are known"
    );
    Ok(gate)
}

/// The issuer's keys, at hand.
struct AtHand(TokenForge);

#[async_trait]
impl KeyPlace for AtHand {
    async fn fetch(&self) -> Result<Fetched, Unavailable> {
        KeySet::from_jwks(self.0.jwks().to_string().as_bytes())
            .map(Fetched::Keys)
            .map_err(Unavailable::upstream)
    }

    fn issuer(&self) -> Option<String> {
        Some(self.0.issuer().to_owned())
    }
}

async fn chain(forge: &TokenForge, keep: Duration, now: Timestamp) -> Result<VerifyChain> {
    let keys = PublishedKeys::at(AtHand(forge.clone()));
    keys.renew(now).await;
    let shared = match forge.secret() {
        Some(secret) => {
            let keys = KeySet::symmetric(secret.as_bytes(), Algorithm::HS256)?;
            Some((Algorithm::HS256, Arc::new(keys)))
        }
        None => None,
    };
    let asymmetric = Algorithm::ALL.into_iter().filter(|one| !one.is_symmetric());
    let check = Arc::new(JwtCheck {
        published: Some(Arc::new(keys) as Arc<dyn KeySource>),
        shared,
        allowed: asymmetric.collect(),
        policy: ClaimsPolicy {
            issuer: Some(forge.issuer().to_owned()),
            audiences: Vec::new(),
            token_types: TypRule::Any,
            leeway_seconds: SKEW.as_secs(),
            default_lifetime_seconds: 900,
            max_age_seconds: None,
        },
    });
    let limits = ChainLimits {
        keep,
        bytes: BYTES,
        patience: Duration::from_secs(5),
    };
    let layer = Arc::new(JwtVerifier::new(Arc::clone(&check)));
    Ok(VerifyChain::new(
        vec![layer],
        Some(check),
        ClaimPaths::default(),
        limits,
    ))
}

/// The clock of the standard library. The gateway's own reads the kernel's page for it, which is not there under valgrind.
#[derive(Debug)]
struct SinceStart(Instant);

impl Ticks for SinceStart {
    fn micros(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
