//! Verification in the application's own process: signatures by the issuer's keys, revocations from a replica
//! under this process's own lease.

mod settings;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use maxlab_auth_core::access::{
    AccessDecision, AccessOutcome, AccessRequest, CredentialFault, CredentialState, IoStep, LoginPrompt,
};
use maxlab_auth_core::clock::{Clock, ExpiryClock, SystemClock, SystemMonotonicClock};
use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_core::engine::AuthFault;
use maxlab_auth_core::events::IgnoredEvents;
use maxlab_auth_core::revocation::{GateDeps, RevocationGate, RevocationPolicy};
use maxlab_auth_core::verdict::ActiveCredential;
use maxlab_auth_core::verify::{ChainLimits, JwtCheck, JwtVerifier, KeySetProvider, VerifyChain};
use maxlab_auth_jose::ClaimsPolicy;
use maxlab_auth_store::RedisReader;
use maxlab_auth_upstream::{AuthServerJwks, JwksEndpoint};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::sleep;
use url::Url;

pub use self::settings::LocalVerifierSettings;
pub(crate) use self::settings::default_admin_roles;
use crate::caller::Caller;
use crate::failure::GuardFailure;
use crate::http_client;
use crate::setup_fault::SetupFault;

/// Interval at which the age of the keys is checked. The cache decides whether a fetch is due.
const KEY_RENEWAL_INTERVAL: Duration = Duration::from_secs(5);
/// Interval at which expired entries are removed from the replica.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);
/// Number of entries that one sweep may examine, so that it occupies a thread of the runtime briefly.
const SWEEP_BATCH: usize = 4_096;
/// Most memory for cached verdicts, in bytes.
const VERDICT_BYTES: u64 = 64 * 1024 * 1024;

/// Bearer token of a request, or why it cannot be read.
type PresentedBearer = Result<Option<PresentedToken>, CredentialFault>;

/// The gateway's engine without journal, sessions and upstream: a chain of one layer, and a gate that revokes
/// nothing.
pub(crate) struct LocalVerifier {
    chain: VerifyChain,
    revocations: Arc<RevocationGate>,
    clock: Arc<dyn Clock>,
    /// Background tasks. Dropping the set aborts them, so they end with the guard.
    // A mutex because `release` takes `&self`; it is locked for the duration of a `take` only.
    tasks: Mutex<JoinSet<()>>,
}

impl LocalVerifier {
    /// Starts the background tasks, and returns a verifier at once. Until it holds a lease, each token is
    /// checked in Redis.
    pub(crate) fn start(settings: LocalVerifierSettings) -> Result<Self, SetupFault> {
        // Found first: `JoinSet::spawn` would panic without a runtime.
        let runtime = Handle::try_current().map_err(|_| SetupFault::NoRuntime)?;
        settings.check()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let url = Url::parse(&settings.jwks_url).map_err(|_| SetupFault::Url)?;
        let source = JwksEndpoint::at_url(
            url,
            settings.issuer.clone(),
            settings.timeout,
            http_client::USER_AGENT,
        )?;
        let keys = Arc::new(AuthServerJwks::new(source));
        let revocations = Arc::new(build_gate(&settings, &clock)?);
        let mut tasks = JoinSet::new();
        spawn_follower(&mut tasks, &runtime, Arc::clone(&revocations), Arc::clone(&clock));
        let (task_keys, task_clock) = (Arc::clone(&keys), Arc::clone(&clock));
        let key_renewal = async move {
            loop {
                // Fetches only if the keys are old or missing. A failure is logged there and tried again next
                // time.
                task_keys.renew(task_clock.now()).await;
                sleep(KEY_RENEWAL_INTERVAL).await;
            }
        };
        tasks.spawn_on(key_renewal, &runtime);
        Ok(Self {
            chain: build_chain(settings, keys),
            revocations,
            clock,
            tasks: Mutex::new(tasks),
        })
    }

    /// Verifies a token and checks it against the revocations.
    pub(crate) async fn admit(&self, presented: PresentedBearer) -> Result<Caller, GuardFailure> {
        match self.resolve(presented).await {
            AccessDecision::Allow(credential) => Ok(Caller::from_credential(credential)),
            // Only a policy makes a path public, and a guard has none.
            AccessDecision::AllowPublic(fault) => Err(GuardFailure::of_credential(fault)),
            AccessDecision::Refuse(refusal) => Err(GuardFailure::of_refusal(refusal)),
        }
    }

    /// Takes the steps of the gateway's access decision. The route's requirement is checked afterwards, with
    /// the same `Permit::check`: it is a type here, and the permit names it.
    async fn resolve(&self, presented: PresentedBearer) -> AccessDecision {
        let request = AccessRequest {
            policy: None,
            original: Ok(None),
            requirements: None,
            credential: match &presented {
                Ok(None) => CredentialState::Absent,
                Ok(Some(_)) => CredentialState::Presented,
                Err(fault) => CredentialState::Unusable(fault.clone()),
            },
            has_workspace_store: false,
            // The application asks the caller itself.
            names_workspaces: false,
            login_prompt: LoginPrompt::Challenge,
        };
        let mut outcome = request.decide();
        loop {
            outcome = match outcome {
                AccessOutcome::Decided(decision) => return decision,
                AccessOutcome::NeedsIo(IoStep::Authenticate(pending)) => {
                    pending.resume(self.authenticate(&presented).await)
                }
                // Workspaces are in the gateway's database only: here those in the claims count.
                AccessOutcome::NeedsIo(IoStep::LoadWorkspaces(credential, pending)) => {
                    pending.resume(Ok(credential))
                }
            };
        }
    }

    async fn authenticate(&self, presented: &PresentedBearer) -> Result<ActiveCredential, CredentialFault> {
        let token = presented.as_ref().map_err(CredentialFault::clone)?;
        let token = token.as_ref().ok_or(CredentialFault::Missing)?;
        let verified = self.chain.verify(token, self.clock.now()).await;
        let verified = verified.map_err(AuthFault::from)?;
        // The clock is read again: the chain may have waited for a fetch of the keys, and the lease ran
        // meanwhile.
        let credential = self.revocations.admit(verified, self.clock.now()).await;
        Ok(credential.map_err(AuthFault::from)?)
    }

    pub(crate) fn revocations(&self) -> &RevocationGate {
        &self.revocations
    }

    /// Ends the background tasks and gives the lease back.
    pub(crate) async fn release(&self) {
        // Taken out in one statement, so that the lock is not held across the await.
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // The follower first: it would take the lease again.
        tasks.shutdown().await;
        self.revocations.release_lease().await;
    }
}

fn build_gate(
    settings: &LocalVerifierSettings,
    clock: &Arc<dyn Clock>,
) -> Result<RevocationGate, SetupFault> {
    // One reader stands in for the journal and the stream: the gateways' marks in Redis replace the register.
    let reader = Arc::new(RedisReader::new(settings.store.clone()));
    let deps = GateDeps {
        journal: Arc::clone(&reader) as _,
        store: Arc::new(settings.store.clone()),
        log: reader,
        clock: Arc::clone(clock),
        ticks: Arc::new(SystemMonotonicClock),
        // This process acknowledges nothing.
        events: Arc::new(IgnoredEvents),
    };
    let policy = RevocationPolicy {
        skew: settings.skew,
        // Revocations are recorded by gateways only, which keep them for as long as they are set to.
        retention: Duration::ZERO,
        reads_replica: true,
        lease: settings.lease,
    };
    Ok(RevocationGate::new(deps, policy)?)
}

fn build_chain(settings: LocalVerifierSettings, keys: Arc<AuthServerJwks>) -> VerifyChain {
    let check = Arc::new(JwtCheck {
        published_keys: Some(keys as Arc<dyn KeySetProvider>),
        shared_secret: None,
        allowed_algorithms: settings.algorithms,
        claims_policy: ClaimsPolicy {
            issuer: Some(settings.issuer),
            audiences: settings.audiences,
            token_types: settings.token_types,
            leeway_seconds: settings.skew.as_secs(),
            default_lifetime_seconds: settings.lifetime_without_exp.as_secs(),
            // Unset, as at the gateway: `exp` alone bounds a token's age.
            max_age_seconds: None,
        },
    });
    let limits = ChainLimits {
        verdict_ttl: settings.cache_ttl,
        cache_bytes: VERDICT_BYTES,
        layer_timeout: settings.timeout,
    };
    // The same check twice: as the only layer, and as the precheck that refuses a forged token before the
    // layer is asked.
    let layer = Arc::new(JwtVerifier::new(Arc::clone(&check)));
    VerifyChain::new(vec![layer], Some(check), settings.claim_paths, limits)
}

fn spawn_follower(
    tasks: &mut JoinSet<()>,
    runtime: &Handle,
    gate: Arc<RevocationGate>,
    clock: Arc<dyn Clock>,
) {
    let follower_gate = Arc::clone(&gate);
    // Not the wall clock alone: set forward by mistake, it would drop revocations that are still needed.
    let expiry_clock = ExpiryClock::starting_at(clock.now(), Arc::new(SystemMonotonicClock));
    // Without a predecessor: the process locks no data directory, so it cannot know that an earlier one is
    // dead.
    tasks.spawn_on(async move { follower_gate.run_follower(None).await }, runtime);
    let sweep = async move {
        loop {
            gate.sweep(expiry_clock.expiry_time(clock.now()), SWEEP_BATCH);
            sleep(SWEEP_INTERVAL).await;
        }
    };
    tasks.spawn_on(sweep, runtime);
}
