//! Below the HTTP door: gates in this process, each with connections of its own, over the same servers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use jiff::Timestamp;
use maxlab_auth_core::audit::{AuditEvent, AuditKind, Origin};
use maxlab_auth_core::clock::{self, Clock as _, SystemClock, SystemTicks};
use maxlab_auth_core::revocation::{
    GateParts, Issued, Reason, Revocation, RevocationKey, RevocationLog, RevocationPolicy, RevocationStore,
    Revocations, TokenKey,
};
use maxlab_auth_store::{EmbeddedStore, RedisStore, SqlDatabase};
use tokio::task::JoinSet;

use super::load::{Caller, Measured, Supply, measure};
use super::place::{Place, Stores};
use super::{Plan, Spread};

const LIFE: Duration = Duration::from_secs(3_600);
const POLICY: RevocationPolicy = RevocationPolicy {
    skew: Duration::from_secs(30),
    retention: LIFE,
    from_memory: true,
    lease: Duration::from_secs(5),
};

struct GateCaller(Arc<Revocations>);

impl Caller for GateCaller {
    async fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    async fn revoke(&mut self, number: usize) -> Result<()> {
        let now = SystemClock.now();
        let own = revocation(number, now);
        let event = AuditEvent::new(AuditKind::Revoke, now, &Origin::default()).on(own.key.to_string());
        Ok(self.0.revoke(vec![own], &[event], now).await?)
    }
}

/// The revocation of the token with this number, for an hour.
pub(crate) fn revocation(number: usize, now: Timestamp) -> Revocation {
    Revocation {
        key: RevocationKey::Token(TokenKey::from_jti(&jti(number))),
        cutoff: None,
        reason: Reason::Revoked,
        revoked_at: now,
        expires_at: clock::after(now, LIFE),
        token_expires_at: Some(clock::after(now, LIFE)),
        user_id: Some(format!("user-{}", number % 1_000)),
    }
}

fn jti(number: usize) -> String {
    format!("5f0d1f64-87a7-4c1e-9a56-{number:012}")
}

/// Measures so many gates on these stores.
pub(super) async fn run(stores: Stores, instances: usize, plan: &Plan) -> Result<Measured> {
    let place = Place::start(stores).await?;
    let folder = tempfile::Builder::new().prefix("maxlab-bench-").tempdir()?;
    let (mut gates, mut followers) = (Vec::new(), JoinSet::new());
    for instance in 0..instances {
        let gate = Arc::new(
            open(
                place.redis().as_deref(),
                place.postgres(),
                folder.path(),
                instance,
            )
            .await?,
        );
        let following = Arc::clone(&gate);
        followers.spawn(async move { following.follow(None).await });
        gates.push(gate);
    }
    place.await_leases(instances).await?;
    await_memory(gates.iter().map(AsRef::as_ref)).await?;
    let supply = Arc::new(Supply::of(usize::MAX));
    let callers = gates.spread(plan.callers, |gate| GateCaller(Arc::clone(gate)));
    let measured = measure(callers, &supply, plan.rounds, plan.span).await?;
    refused_everywhere(&gates, supply.take().unwrap_or(0)).await?;
    Ok(measured)
}

/// Opens a gate on shared servers, and on files in a folder for what is not shared.
pub(crate) async fn open(
    redis: Option<&str>,
    postgres: Option<&str>,
    folder: &Path,
    instance: usize,
) -> Result<Revocations> {
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
    let parts = GateParts {
        journal: Arc::new(journal),
        store,
        log,
        clock: Arc::new(SystemClock),
        ticks: Arc::new(SystemTicks),
        acknowledged: |_| (),
    };
    Ok(Revocations::new(parts, POLICY)?)
}

/// Waits until every gate answers from memory.
pub(crate) async fn await_memory(gates: impl IntoIterator<Item = &Revocations>) -> Result<()> {
    for gate in gates {
        for _ in 0..600 {
            if gate.status().lease_left > Duration::ZERO {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ensure!(gate.status().lease_left > Duration::ZERO, "a gate took no lease");
    }
    Ok(())
}

/// What was revoked is refused by every gate, or the figures mean nothing.
async fn refused_everywhere(gates: &[Arc<Revocations>], end: usize) -> Result<()> {
    let now = SystemClock.now();
    for number in (0..end).step_by(97) {
        let key = RevocationKey::Token(TokenKey::from_jti(&jti(number)));
        for gate in gates {
            let answer = gate
                .check(std::slice::from_ref(&key), &[], Issued::Unknown, now)
                .await;
            if answer.is_ok() {
                bail!("revocation {number} of {end} was acknowledged, and an instance accepts the token");
            }
        }
    }
    Ok(())
}
