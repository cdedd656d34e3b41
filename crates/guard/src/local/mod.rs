//! Verifying in the application's own process: signatures by the issuer's keys, revocations from an own replica under an
//! own lease.

mod keys;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use maxlab_auth_core::clock::{Clock, SystemClock, SystemTicks};
use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_core::engine::AuthFault;
use maxlab_auth_core::identity::ClaimPaths;
use maxlab_auth_core::revocation::{GateParts, RevocationPolicy, Revocations};
use maxlab_auth_core::token::{Algorithm, ClaimsPolicy, TypRule};
use maxlab_auth_core::verify::{ChainLimits, JwtCheck, JwtVerifier, KeySource, PublishedKeys, VerifyChain};
use maxlab_auth_store::{RedisReader, RedisStore};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::sleep;
use url::Url;

use self::keys::KeySetUrl;
use crate::answer;
use crate::caller::Caller;
use crate::guard::SetupFault;

/// Keys that grow old are looked for so often.
const KEYS: Duration = Duration::from_secs(5);
/// What has expired is forgotten in memory so often, so many entries at a time.
const SWEEP: Duration = Duration::from_millis(100);
const SWEPT_AT_ONCE: usize = 4_096;
/// How much memory remembered verdicts take at most.
const VERDICT_BYTES: u64 = 64 * 1024 * 1024;
/// The key set has one address.
const IDLE_CONNECTIONS: usize = 1;

/// How tokens are verified in this process. What the gateways have a setting for must be set here as there.
///
/// Tokens only: a session cookie is opened by the gateways, which hold the keys that seal sessions.
#[derive(Clone, Debug)]
pub struct VerifyLocally {
    /// The Redis that the gateways share.
    pub store: RedisStore,
    /// Where the issuer publishes its keys (`JWKS_URL`).
    pub jwks_url: String,
    /// The issuer, compared exactly (`JWT_ISSUER`).
    pub issuer: String,
    /// Of these `aud` must name one; none accepts any (`JWT_AUDIENCE`).
    pub audiences: Vec<String>,
    /// The signature algorithms that are accepted, every asymmetric one unless set (`JWT_ALGORITHM`).
    pub algorithms: Vec<Algorithm>,
    /// The `typ` that is asked for (`JWT_TYPE`).
    pub token_types: TypRule,
    /// Where each part of an identity is read from (`CLAIM_*`).
    pub claims: ClaimPaths,
    /// How far the issuer's clock may be off: 10 s, at most 60 s (`CLOCK_SKEW_SECONDS`).
    pub skew: Duration,
    /// How long a checked signature is remembered: 5 s. Revocations are looked for on every request (`VERIFY_CACHE_SECONDS`).
    pub cache: Duration,
    /// How long a token without `exp` is good after its `iat`: 15 minutes (`JWT_EXPIRE_MINUTES`).
    pub lifetime_without_exp: Duration,
    /// How long this process goes on answering when it is cut off from Redis: 5 s. Never longer than the gateways'
    /// (`REVOCATION_LEASE_SECONDS`): after a flush they wait for theirs before they acknowledge.
    pub lease: Duration,
    /// How long the key set is waited for: 5 s (`UPSTREAM_TIMEOUT_SECONDS`).
    pub timeout: Duration,
}

impl VerifyLocally {
    /// With everything else as the gateways have it by default.
    pub fn new(store: RedisStore, jwks_url: impl Into<String>, issuer: impl Into<String>) -> Self {
        let asymmetric = Algorithm::ALL
            .into_iter()
            .filter(|algorithm| !algorithm.is_symmetric());
        Self {
            store,
            jwks_url: jwks_url.into(),
            issuer: issuer.into(),
            audiences: Vec::new(),
            algorithms: asymmetric.collect(),
            token_types: TypRule::Any,
            claims: ClaimPaths::default(),
            skew: Duration::from_secs(10),
            cache: Duration::from_secs(5),
            lifetime_without_exp: Duration::from_secs(15 * 60),
            lease: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
        }
    }
}

pub(crate) struct Local {
    chain: VerifyChain,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    /// They end when this is dropped.
    tasks: Mutex<JoinSet<()>>,
}

impl Local {
    pub(crate) fn start(settings: VerifyLocally) -> Result<Self, SetupFault> {
        let runtime = Handle::try_current().map_err(|_| SetupFault::NoRuntime)?;
        if settings.lease.is_zero() || settings.algorithms.iter().any(|one| one.is_symmetric()) {
            return Err(SetupFault::Settings(
                "the lease is zero, or a symmetric algorithm is among those of a key set",
            ));
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let place = KeySetUrl {
            http: answer::client(settings.timeout, IDLE_CONNECTIONS)?,
            url: Url::parse(&settings.jwks_url).map_err(|_| SetupFault::Url)?,
            issuer: settings.issuer.clone(),
        };
        let keys = Arc::new(PublishedKeys::at(place));
        let revocations = Arc::new(gate(&settings, &clock)?);
        let mut tasks = JoinSet::new();
        follow(&mut tasks, &runtime, Arc::clone(&revocations), Arc::clone(&clock));
        let (renewed, time) = (Arc::clone(&keys), Arc::clone(&clock));
        let renewing = async move {
            loop {
                renewed.renew(time.now()).await;
                sleep(KEYS).await;
            }
        };
        tasks.spawn_on(renewing, &runtime);
        Ok(Self {
            chain: chain(settings, keys),
            revocations,
            clock,
            tasks: Mutex::new(tasks),
        })
    }

    pub(crate) async fn admit(&self, token: &PresentedToken) -> Result<Caller, AuthFault> {
        let verified = self.chain.verify(token, self.clock.now()).await?;
        let live = self.revocations.admit(verified, self.clock.now()).await?;
        Ok(Caller::verified(live))
    }

    pub(crate) fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    pub(crate) async fn release(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
        self.revocations.release().await;
    }
}

fn gate(settings: &VerifyLocally, clock: &Arc<dyn Clock>) -> Result<Revocations, SetupFault> {
    let reader = Arc::new(RedisReader::new(settings.store.clone()));
    let parts = GateParts {
        journal: Arc::clone(&reader) as _,
        store: Arc::new(settings.store.clone()),
        log: reader,
        clock: Arc::clone(clock),
        ticks: Arc::new(SystemTicks),
        acknowledged: |_| {},
    };
    let policy = RevocationPolicy {
        skew: settings.skew,
        // Nothing is revoked here.
        retention: Duration::ZERO,
        from_memory: true,
        lease: settings.lease,
    };
    Ok(Revocations::new(parts, policy)?)
}

fn chain(settings: VerifyLocally, keys: Arc<PublishedKeys<KeySetUrl>>) -> VerifyChain {
    let check = Arc::new(JwtCheck {
        published: Some(keys as Arc<dyn KeySource>),
        shared: None,
        allowed: settings.algorithms,
        policy: ClaimsPolicy {
            issuer: Some(settings.issuer),
            audiences: settings.audiences,
            token_types: settings.token_types,
            leeway_seconds: settings.skew.as_secs(),
            default_lifetime_seconds: settings.lifetime_without_exp.as_secs(),
            max_age_seconds: None,
        },
    });
    let limits = ChainLimits {
        keep: settings.cache,
        bytes: VERDICT_BYTES,
        patience: settings.timeout,
    };
    let layer = Arc::new(JwtVerifier::new(Arc::clone(&check)));
    VerifyChain::new(vec![layer], Some(check), settings.claims, limits)
}

fn follow(tasks: &mut JoinSet<()>, runtime: &Handle, gate: Arc<Revocations>, clock: Arc<dyn Clock>) {
    let followed = Arc::clone(&gate);
    tasks.spawn_on(async move { followed.follow(None).await }, runtime);
    let sweeping = async move {
        loop {
            gate.sweep(clock.now(), SWEPT_AT_ONCE);
            sleep(SWEEP).await;
        }
    };
    tasks.spawn_on(sweeping, runtime);
}
