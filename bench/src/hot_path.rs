//! The hot path without any transport, in this process: the verdict of a token or of a session cookie, the
//! revocation check, a requirement.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::clock::{Clock as _, MonotonicClock, SystemClock};
use maxlab_auth_core::credential::{PresentedToken, SessionId};
use maxlab_auth_core::events::IgnoredEvents;
use maxlab_auth_core::guard::{Admin, Permit, RequirementSet};
use maxlab_auth_core::identity::ClaimPaths;
use maxlab_auth_core::revocation::{GateDeps, RevocationGate, RevocationPolicy};
use maxlab_auth_core::seal::SealingKeys;
use maxlab_auth_core::session::{SessionCacheLimits, SessionManager};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::{
    ChainLimits, FetchedJwks, JwksCache, JwksSource, JwtCheck, JwtVerifier, KeySetProvider, VerifyChain,
};
use maxlab_auth_jose::{Algorithm, ClaimsPolicy, KeySet, TypRule};
use maxlab_auth_store::{EmbeddedStore, SqlDatabase};
use maxlab_auth_testkit::{TokenForge, forge, wait};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{bulk_revocations, sessions, tokens};

/// Lease time. Longer than any measurement, so that no measured request meets the end of a lease.
const LEASE: Duration = Duration::from_secs(3_600);
/// Maximum time until the replica is complete.
const PATIENCE: Duration = Duration::from_secs(120);
/// Clock skew that the claims policy and the gate accept.
const SKEW: Duration = Duration::from_secs(10);
/// Size of the verdict cache in bytes. Large enough that no verdict is evicted.
const VERDICT_CACHE_BYTES: u64 = 1 << 30;

/// Maximum number of sessions. Each is a transaction of its own.
const MAX_SESSIONS: usize = 1_000;

/// Tokens, and everything that decides on them. The clock stands still, so that no verdict expires.
#[derive(Debug)]
pub struct HotPath {
    tokens: Vec<String>,
    /// Session cookies, as many as tokens and at most [`MAX_SESSIONS`].
    cookies: Vec<String>,
    chain: VerifyChain,
    sessions: SessionManager,
    revocations: RevocationGate,
    requirements: RequirementSet,
    now: Timestamp,
    // A lookup never waits. The runtime is needed only to set up, and to fill the cache.
    runtime: Runtime,
    // Deleted on drop, with the databases of the gate.
    _folder: TempDir,
}

/// Amount of data that is measured.
#[derive(Clone, Copy, Debug)]
pub struct HotPathScale {
    /// Algorithm that signs the tokens.
    pub algorithm: forge::ForgeAlgorithm,
    /// Number of valid tokens.
    pub tokens: usize,
    /// Number of revocations of other tokens in the replica.
    pub entries: u64,
    /// Lifetime of a cached verdict.
    pub keep: Duration,
}

impl HotPath {
    /// Signs the tokens, and fills the replica until it answers from memory.
    ///
    /// # Errors
    /// The files cannot be written, or the replica is not complete in time.
    pub fn prepare(scale: HotPathScale) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let folder = tempfile::tempdir()?;
        let forge = TokenForge::new("https://issuer.example", scale.algorithm);
        let revocations = runtime.block_on(replica(folder.path(), scale.entries))?;
        let tokens = tokens::sign_tokens(&forge, scale.tokens);
        // Taken after the last token is signed, or tokens could lie in the future: signing takes long under
        // callgrind.
        let now = SystemClock.now();
        let admin = Admin {
            roles: vec!["admin".to_owned()],
        };
        // The tokens have the role `editor` and the group.
        let (sessions, cookies) = runtime.block_on(live_sessions(folder.path(), scale, now))?;
        let required = [("role", "admin,editor"), ("group", "platform")];
        Ok(Self {
            tokens,
            cookies,
            sessions,
            chain: runtime.block_on(chain(&forge, scale.keep, now))?,
            revocations,
            requirements: RequirementSet::parse(required, admin)?,
            now,
            runtime,
            _folder: folder,
        })
    }

    /// Returns the tokens.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// Returns the session cookies. Their sessions were loaded once.
    pub fn cookies(&self) -> &[String] {
        &self.cookies
    }

    /// Returns whether the session of the cookie is cached, is not revoked, and meets two requirements.
    pub fn admits_cookie(&self, cookie: &str) -> bool {
        SessionId::parse(cookie)
            .and_then(|id| self.sessions.lookup_cached(&id, self.now))
            .and_then(|verified| self.revocations.try_admit(verified, self.now))
            .is_some_and(|live| Permit::check(live, &self.requirements).is_ok())
    }

    /// Returns the gate. Its replica is complete.
    pub fn revocations(&self) -> &RevocationGate {
        &self.revocations
    }

    /// Verifies every token once, so that its verdict is cached.
    ///
    /// # Errors
    /// A token is not valid, or does not meet the requirements.
    pub fn fill_cache(&self) -> Result<()> {
        for token in &self.tokens {
            ensure!(
                self.verify(&PresentedToken::parse(token)?),
                "a token is not valid"
            );
            ensure!(
                self.admits(token),
                "a verdict is not cached, or does not meet the requirements"
            );
        }
        for cookie in &self.cookies {
            ensure!(
                self.admits_cookie(cookie),
                "a session is not cached, or does not meet the requirements"
            );
        }
        Ok(())
    }

    /// Returns whether the token's verdict is cached, is not revoked, and meets two requirements.
    pub fn admits(&self, token: &str) -> bool {
        self.chain
            .lookup_cached(token, self.now)
            .and_then(Result::ok)
            .and_then(|verified| self.revocations.try_admit(verified, self.now))
            .is_some_and(|live| Permit::check(live, &self.requirements).is_ok())
    }

    /// Returns whether an uncached token is valid and not revoked.
    pub fn admits_uncached(&self, token: &str) -> bool {
        self.chain
            .try_verify(token, self.now)
            .and_then(|verified| self.revocations.try_admit(verified, self.now))
            .is_some()
    }

    /// Returns whether the chain verifies the token, from its cache or by its layers.
    pub fn verify(&self, token: &PresentedToken) -> bool {
        self.runtime.block_on(self.chain.verify(token, self.now)).is_ok()
    }
}

/// Creates sessions, and loads each once if verdicts are cached. Returns their cookies too.
async fn live_sessions(
    folder: &Path,
    scale: HotPathScale,
    now: Timestamp,
) -> Result<(SessionManager, Vec<String>)> {
    let store = SqlDatabase::connect_sqlite(&folder.join("sessions.db")).await?;
    let keys = SealingKeys::parse(&SealingKeys::generate())?;
    let limits = SessionCacheLimits {
        verdict_ttl: scale.keep,
        cache_bytes: VERDICT_CACHE_BYTES,
    };
    let manager = SessionManager::new(Arc::new(store), Arc::new(keys), sessions::POLICY).with_cache(limits);
    let mut cookies = Vec::new();
    for number in 0..scale.tokens.min(MAX_SESSIONS) {
        let created = manager.create(sessions::login(number, now)?, now).await?;
        let loaded = manager.load(&created.id, now).await?;
        manager.record_use(&loaded, loaded.to_verified(manager.policy()), now);
        cookies.push(created.id.expose().as_str().to_owned());
    }
    Ok((manager, cookies))
}

/// Creates a gate with a replica of `entries` revocations and its own lease.
async fn replica(folder: &Path, entries: u64) -> Result<RevocationGate> {
    let file = folder.join("store.db");
    // Opened once for its tables. It must be closed while another connection fills it.
    drop(EmbeddedStore::open(&file).await?);
    bulk_revocations::insert_revocations(&file, entries).await?;
    let store = Arc::new(EmbeddedStore::open(&file).await?);
    let deps = GateDeps {
        journal: Arc::new(SqlDatabase::connect_sqlite(&folder.join("journal.db")).await?),
        store: Arc::clone(&store) as _,
        log: store,
        clock: Arc::new(SystemClock),
        ticks: Arc::new(InstantTicks(Instant::now())),
        events: Arc::new(IgnoredEvents),
    };
    let policy = RevocationPolicy {
        skew: SKEW,
        retention: LEASE,
        reads_replica: true,
        lease: LEASE,
    };
    let gate = RevocationGate::new(deps, policy)?;
    let leased = wait::holds_within(PATIENCE, async || !gate.status().lease_left.is_zero());
    // Stops the follower with the first lease: nothing must run in the background during a measurement.
    let following = async {
        tokio::select! {
            () = gate.run_follower(None) => (),
            _ = leased => (),
        }
    };
    tokio::time::timeout(PATIENCE, following)
        .await
        .context("the replica is not complete in time")?;
    // A replica without entries would make the lookups cheaper than they are.
    let known = gate.status().replica.tokens;
    ensure!(
        u64::try_from(known)? == entries,
        "the replica has {known} of {entries} revocations"
    );
    Ok(gate)
}

/// Key set of the issuer, in memory.
struct StaticJwks(TokenForge);

#[async_trait]
impl JwksSource for StaticJwks {
    async fn fetch(&self) -> Result<FetchedJwks, Unavailable> {
        KeySet::from_jwks(self.0.jwks().to_string().as_bytes())
            .map(FetchedJwks::Keys)
            .map_err(Unavailable::upstream)
    }

    fn issuer(&self) -> Option<String> {
        Some(self.0.issuer().to_owned())
    }
}

/// Creates a verification chain with `local_jwt` as its only layer.
async fn chain(forge: &TokenForge, keep: Duration, now: Timestamp) -> Result<VerifyChain> {
    let keys = JwksCache::new(StaticJwks(forge.clone()));
    // Fetched now: the hot path never waits for keys.
    keys.renew(now).await;
    let shared = match forge.secret() {
        Some(secret) => {
            let keys = KeySet::from_secret(secret.as_bytes(), Algorithm::HS256)?;
            Some((Algorithm::HS256, Arc::new(keys)))
        }
        None => None,
    };
    let asymmetric = Algorithm::ALL
        .into_iter()
        .filter(|algorithm| !algorithm.is_symmetric());
    let check = Arc::new(JwtCheck {
        published_keys: Some(Arc::new(keys) as Arc<dyn KeySetProvider>),
        shared_secret: shared,
        allowed_algorithms: asymmetric.collect(),
        claims_policy: ClaimsPolicy {
            issuer: Some(forge.issuer().to_owned()),
            // Any audience, as without JWT_AUDIENCE.
            audiences: Vec::new(),
            audience_claim: None,
            token_types: TypRule::Any,
            leeway_seconds: SKEW.as_secs(),
            default_lifetime_seconds: 900,
            max_age_seconds: None,
        },
    });
    let limits = ChainLimits {
        verdict_ttl: keep,
        cache_bytes: VERDICT_CACHE_BYTES,
        layer_timeout: Duration::from_secs(5),
    };
    let layer = Arc::new(JwtVerifier::new(Arc::clone(&check)));
    Ok(VerifyChain::new(
        vec![layer],
        Some(check),
        ClaimPaths::default(),
        limits,
    ))
}

/// Clock of the standard library. The gateway's own clock reads the kernel's page for it, which valgrind
/// hides.
#[derive(Debug)]
struct InstantTicks(Instant);

impl MonotonicClock for InstantTicks {
    fn micros(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
