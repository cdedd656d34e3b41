//! What goes on beside the requests: finishing revocations, telling the authorization server, renewing keys and verdicts, cleaning.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use maxlab_auth_core::engine::Engine;
use maxlab_auth_core::session::SessionStore;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::DueRenewals;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::app::instance::Claim;
use crate::observed;
use crate::policy::PolicyFile;
use crate::tls::CertificateFiles;
use crate::upstream::{OutboxWorker, PublishedKeys};

/// The outbox is looked at so often.
const OUTBOX: Duration = Duration::from_millis(500);
/// Unfinished revocations are looked for so often.
const RECONCILE: Duration = Duration::from_secs(1);
/// Keys that grow old are looked for so often.
const KEYS: Duration = Duration::from_secs(5);
/// The policy and the certificate are looked at so often; a change counts at the second look that finds it.
const FILES: Duration = Duration::from_millis(500);
/// What has expired is cleaned away so often.
const PURGE: Duration = Duration::from_secs(300);
/// What has expired is forgotten in memory so often, so many entries at a time.
const SWEEP: Duration = Duration::from_millis(100);
const SWEPT_AT_ONCE: usize = 4_096;
/// So many verdicts are asked for ahead of their end at once.
const RENEWED_AT_ONCE: usize = 16;
/// After a failure nothing is tried for so long, doubled up to this many times.
const LONGEST_PAUSE: u32 = 5;

/// The work beside the requests.
#[derive(Clone)]
pub struct Background {
    /// The engine.
    pub engine: Engine,
    /// The issuer's keys, if it publishes any.
    pub keys: Option<Arc<PublishedKeys>>,
    /// What empties the outbox.
    pub worker: Arc<OutboxWorker>,
    /// The sessions' store, for cleaning.
    pub sessions: Arc<dyn SessionStore>,
    /// `DATA_DIR`.
    pub data_dir: PathBuf,
    /// The policy, to be looked at again.
    pub policy: Option<Arc<PolicyFile>>,
    /// The certificate, to be looked at again.
    pub certificate: Option<Arc<CertificateFiles>>,
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

impl Background {
    /// Begins all of it, until `stop`.
    pub fn spawn(&self, stop: &CancellationToken) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let (this, halt) = (self.clone(), stop.clone());
        tasks.spawn(every(OUTBOX, "outbox", stop.clone(), move || {
            let (this, halt) = (this.clone(), halt.clone());
            async move { this.worker.deliver_due(&halt).await.map(drop) }
        }));
        let this = self.clone();
        tasks.spawn(every(RECONCILE, "reconciler", stop.clone(), move || {
            let this = this.clone();
            async move { this.reconcile().await }
        }));
        let this = self.clone();
        tasks.spawn(every(PURGE, "cleaner", stop.clone(), move || {
            let this = this.clone();
            async move { this.purge().await }
        }));
        if self.engine.parts().revocations.policy().from_memory {
            self.spawn_replica(stop, &mut tasks);
        }
        if let Some(policy) = self.policy.clone() {
            let look = move || policy.look_again();
            tasks.spawn(every(FILES, "policy", stop.clone(), looking(look)));
        }
        if let Some(certificate) = self.certificate.clone() {
            let look = move || certificate.look_again();
            tasks.spawn(every(FILES, "certificate", stop.clone(), looking(look)));
        }
        if let Some(keys) = &self.keys {
            let (keys, engine) = (Arc::clone(keys), self.engine.clone());
            tasks.spawn(every(KEYS, "keys", stop.clone(), move || {
                let (keys, engine) = (Arc::clone(&keys), engine.clone());
                async move {
                    keys.renew(engine.now()).await;
                    Ok(())
                }
            }));
        }
        if let Some(due) = self.engine.parts().chain.due_renewals() {
            tasks.spawn(renew_verdicts(self.engine.clone(), due, stop.clone()));
        }
        tasks
    }

    /// Keeps the replica complete until `stop`, and gives the lease back then.
    fn spawn_replica(&self, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
        let gate = Arc::clone(&self.engine.parts().revocations);
        let halt = stop.clone();
        let claim = Claim::take(&self.data_dir, gate.instance()).unwrap_or_else(|fault| {
            tracing::warn!(%fault, "DATA_DIR cannot be claimed");
            None
        });
        tasks.spawn(async move {
            let predecessor = claim.as_ref().and_then(Claim::predecessor);
            tokio::select! {
                () = gate.follow(predecessor) => {}
                () = halt.cancelled() => {}
            }
            gate.release().await;
        });
        let this = self.clone();
        tasks.spawn(every(SWEEP, "sweeper", stop.clone(), move || {
            let this = this.clone();
            async move {
                let gate = &this.engine.parts().revocations;
                gate.sweep(this.engine.now(), SWEPT_AT_ONCE);
                Ok(())
            }
        }));
    }

    async fn reconcile(&self) -> Result<(), Unavailable> {
        let gate = &self.engine.parts().revocations;
        gate.ensure_filled(self.engine.now()).await?;
        let carried = gate.reconcile(self.engine.now()).await?;
        if carried > 0 {
            tracing::info!(
                lines = carried,
                "finished revocations that had not reached the store"
            );
        }
        Ok(())
    }

    async fn purge(&self) -> Result<(), Unavailable> {
        let (parts, now) = (self.engine.parts(), self.engine.now());
        let (lines, entries) = parts.revocations.purge(now).await?;
        let tokens = parts.issued.purge(now).await?;
        let sessions = self.sessions.purge(now).await?;
        tracing::debug!(lines, entries, tokens, sessions, "cleaned away what has expired");
        Ok(())
    }
}

/// Asks again about tokens in use whose verdicts run out, some at a time; those under way are given up when it stops.
async fn renew_verdicts(engine: Engine, mut due: DueRenewals, stop: CancellationToken) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = under_way.join_next() => {}
            next = due.next(), if under_way.len() < RENEWED_AT_ONCE => {
                let Some(token) = next else { break };
                let engine = engine.clone();
                under_way.spawn(async move { observed::renewed(engine.renew(&token).await) });
            }
            () = stop.cancelled() => break,
        }
    }
}

/// Looks at files, which blocks.
fn looking<L>(look: L) -> impl FnMut() -> BoxFuture<'static, Result<(), Unavailable>>
where
    L: Fn() + Clone + Send + 'static,
{
    move || {
        let look = look.clone();
        Box::pin(async move {
            let looked = spawn_blocking(look).await;
            looked.map_err(|fault| Unavailable::store(format!("a file was not looked at: {fault}")))
        })
    }
}

/// Does something again and again; a failure is logged, and waited out a little longer each time.
async fn every<F, W>(period: Duration, name: &'static str, stop: CancellationToken, mut work: F)
where
    F: FnMut() -> W,
    W: Future<Output = Result<(), Unavailable>>,
{
    let mut failures: u32 = 0;
    while !stop.is_cancelled() {
        let started = Instant::now();
        match work().await {
            Ok(()) => failures = 0,
            Err(fault) => {
                failures = (failures + 1).min(LONGEST_PAUSE);
                tracing::warn!(work = name, %fault, "will be tried again");
            }
        }
        let pause = (period * (1 << failures.min(3))).saturating_sub(started.elapsed().min(period));
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}
