//! Revocation without HTTP: gates in this process, each with its own connections, on the same servers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use jiff::Timestamp;
use maxlab_auth_core::audit::{AuditEvent, AuditKind, AuditOrigin};
use maxlab_auth_core::clock::{self, Clock as _, SystemClock, SystemMonotonicClock};
use maxlab_auth_core::events::IgnoredEvents;
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::revocation::{
    GateDeps, Revocation, RevocationGate, RevocationLog, RevocationPolicy, RevocationReason, RevocationStore,
};
use maxlab_auth_core::verdict::{IssueTime, RevocationKey, TokenKey};
use maxlab_auth_store::{EmbeddedStore, RedisStore, SqlDatabase};
use maxlab_auth_testkit::wait;
use tokio::task::JoinSet;

use super::deployment::{Deployment, StoreKind};
use super::load::{NumberSupply, RevokeCaller, RevokeFigures, measure};
use super::{RevokePlan, Spread};

const LIFE: Duration = Duration::from_secs(3_600);
const POLICY: RevocationPolicy = RevocationPolicy {
    skew: Duration::from_secs(30),
    retention: LIFE,
    reads_replica: true,
    lease: Duration::from_secs(5),
};

/// Caller that revokes at a gate directly.
struct DirectRevokeCaller(Arc<RevocationGate>);

impl RevokeCaller for DirectRevokeCaller {
    // A gate needs no connection of its own for each caller.
    async fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    async fn revoke(&mut self, number: usize) -> Result<()> {
        let now = SystemClock.now();
        let revocation = revocation(number, now);
        // With an audit event, as `POST /oauth/revoke` writes it in the same transaction.
        let event = AuditEvent::new(AuditKind::Revoke, now, &AuditOrigin::default())
            .with_target(revocation.key.to_string());
        Ok(self.0.revoke(vec![revocation], &[event], now).await?)
    }
}

/// Returns the revocation of the token with this number, valid for an hour.
pub(crate) fn revocation(number: usize, now: Timestamp) -> Revocation {
    Revocation {
        key: RevocationKey::Token(TokenKey::from_jti(&jti(number))),
        cutoff: None,
        reason: RevocationReason::Revoked,
        revoked_at: now,
        expires_at: clock::after(now, LIFE),
        token_expires_at: Some(clock::after(now, LIFE)),
        // A thousand users, each with several tokens.
        subject: Some(Subject::of_default(format!("user-{}", number % 1_000))),
    }
}

fn jti(number: usize) -> String {
    format!("5f0d1f64-87a7-4c1e-9a56-{number:012}")
}

/// Measures `instances` gates on these stores.
pub(super) async fn run(stores: StoreKind, instances: usize, plan: &RevokePlan) -> Result<RevokeFigures> {
    let deployment = Deployment::start(stores).await?;
    let folder = tempfile::Builder::new().prefix("maxlab-bench-").tempdir()?;
    let (mut gates, mut followers) = (Vec::new(), JoinSet::new());
    for instance in 0..instances {
        let gate = Arc::new(
            open(
                deployment.redis().as_deref(),
                deployment.postgres(),
                folder.path(),
                instance,
            )
            .await?,
        );
        let following = Arc::clone(&gate);
        // Without its follower a gate would hold no lease, and no revoke would wait for it.
        followers.spawn(async move { following.run_follower(None).await });
        gates.push(gate);
    }
    deployment.await_leases(instances).await?;
    await_memory(gates.iter().map(AsRef::as_ref)).await?;
    let supply = Arc::new(NumberSupply::of(usize::MAX));
    let callers = gates.spread(plan.callers, |gate| DirectRevokeCaller(Arc::clone(gate)));
    let measured = measure(callers, &supply, plan.rounds, plan.span).await?;
    // The next number is the number of those that were revoked.
    refused_everywhere(&gates, supply.take().unwrap_or(0)).await?;
    Ok(measured)
}

/// Opens a gate on shared servers. What is not shared is in files of the folder.
pub(crate) async fn open(
    redis: Option<&str>,
    postgres: Option<&str>,
    folder: &Path,
    instance: usize,
) -> Result<RevocationGate> {
    let file = |name: &str| folder.join(format!("{instance}-{name}.db"));
    let journal = match postgres {
        Some(url) => SqlDatabase::connect_postgres(url).await?,
        None => SqlDatabase::connect_sqlite(&file("journal")).await?,
    };
    let (store, log): (Arc<dyn RevocationStore>, Arc<dyn RevocationLog>) = match redis {
        Some(url) => {
            let store = Arc::new(RedisStore::connect(url).await?);
            (Arc::clone(&store) as _, store as _)
        }
        None => {
            let store = Arc::new(EmbeddedStore::open(&file("store")).await?);
            (Arc::clone(&store) as _, store as _)
        }
    };
    let deps = GateDeps {
        journal: Arc::new(journal),
        store,
        log,
        clock: Arc::new(SystemClock),
        ticks: Arc::new(SystemMonotonicClock),
        events: Arc::new(IgnoredEvents),
    };
    Ok(RevocationGate::new(deps, POLICY)?)
}

/// Waits until every gate answers from memory.
pub(crate) async fn await_memory(gates: impl IntoIterator<Item = &RevocationGate>) -> Result<()> {
    for gate in gates {
        let leased = async || gate.status().lease_left > Duration::ZERO;
        ensure!(
            wait::holds_within(wait::PATIENCE, leased).await,
            "a gate took no lease"
        );
    }
    Ok(())
}

/// Checks that every gate refuses the revoked tokens. Otherwise the figures mean nothing.
async fn refused_everywhere(gates: &[Arc<RevocationGate>], end: usize) -> Result<()> {
    let now = SystemClock.now();
    // A sample: each check is one lookup on each gate.
    for number in (0..end).step_by(97) {
        let key = RevocationKey::Token(TokenKey::from_jti(&jti(number)));
        for gate in gates {
            let answer = gate
                .check(std::slice::from_ref(&key), &[], IssueTime::Unknown, now)
                .await;
            if answer.is_ok() {
                bail!("revocation {number} of {end} was acknowledged, but an instance accepts the token");
            }
        }
    }
    Ok(())
}
