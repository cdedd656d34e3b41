//! Background tasks: finishing revocations, emptying the outbox, refreshing keys and verdicts, deleting
//! expired data.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use maxlab_auth_core::clock::ExpiryClock;
use maxlab_auth_core::engine::Engine;
use maxlab_auth_core::session::SessionStore;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::DueRefreshes;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::app::data_dir_lock::DataDirLock;
use crate::policy::PolicyFile;
use crate::providers::ProvidersFile;
use crate::tls::CertificateFiles;
use crate::upstream::{AuthServerJwks, OutboxWorker};

/// Time between two deliveries of due outbox messages.
const OUTBOX_INTERVAL: Duration = Duration::from_millis(500);
/// Time between two checks of unproven tokens that are due.
const SETTLE_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two searches for unfinished revocations.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two checks whether the key set needs a refresh.
const KEY_REFRESH_INTERVAL: Duration = Duration::from_secs(5);
/// Time between two polls of the policy and the certificate. A change counts at the second poll that finds
/// it.
const FILE_POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Time between two deletions of expired data in the stores.
const PURGE_INTERVAL: Duration = Duration::from_secs(300);
/// Time between two sweeps of the replica in memory.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);
/// Entries that one sweep visits. Small, because a sweep locks a part of the replica.
const SWEEP_BATCH: usize = 4_096;
/// Maximum number of verdicts that are refreshed at the same time.
const MAX_CONCURRENT_REFRESHES: usize = 16;
/// The pause after a failure is doubled at most this many times: it is at most eight periods.
const MAX_PAUSE_DOUBLINGS: u32 = 3;

/// All work that no request waits for.
#[derive(Clone)]
pub struct BackgroundTasks {
    /// Engine of the gateway.
    pub engine: Engine,
    /// Clock that decides what has expired. A jump of the wall clock does not move it.
    pub expiry_clock: Arc<ExpiryClock>,
    /// Key set of the issuer, if it publishes one.
    pub keys: Option<Arc<AuthServerJwks>>,
    /// Worker that empties the outbox.
    pub outbox_worker: Arc<OutboxWorker>,
    /// Store of the sessions, for deleting expired ones.
    pub sessions: Arc<dyn SessionStore>,
    /// How long audit events are kept. `None` keeps them forever.
    pub audit_retention: Option<Duration>,
    /// `DATA_DIR`, which is locked for this process.
    pub data_dir: PathBuf,
    /// Policy file to poll.
    pub policy: Option<Arc<PolicyFile>>,
    /// Providers file to poll.
    pub providers: Option<Arc<ProvidersFile>>,
    /// Certificate files to poll.
    pub certificate: Option<Arc<CertificateFiles>>,
}

impl std::fmt::Debug for BackgroundTasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackgroundTasks").finish_non_exhaustive()
    }
}

impl BackgroundTasks {
    /// Starts all tasks. They end when `stop` is cancelled.
    pub fn spawn(&self, stop: &CancellationToken) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        self.spawn_store_tasks(stop, &mut tasks);
        tasks.spawn(store_touches(self.engine.clone(), stop.clone()));
        // With REVOCATION_READS=direct no replica is read, so none is kept.
        if self.engine.reads_replica() {
            self.spawn_replica(stop, &mut tasks);
        }
        self.spawn_file_polls(stop, &mut tasks);
        self.spawn_refreshes(stop, &mut tasks);
        tasks
    }

    /// Starts the tasks that work on the journal, the store and the outbox.
    fn spawn_store_tasks(&self, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
        let (this, halt) = (self.clone(), stop.clone());
        tasks.spawn(run_periodically(
            OUTBOX_INTERVAL,
            "outbox",
            stop.clone(),
            move || {
                let (this, halt) = (this.clone(), halt.clone());
                async move { this.outbox_worker.deliver_due(&halt).await.map(drop) }
            },
        ));
        let this = self.clone();
        tasks.spawn(run_periodically(
            RECONCILE_INTERVAL,
            "reconciler",
            stop.clone(),
            move || {
                let this = this.clone();
                async move { this.reconcile_revocations().await }
            },
        ));
        let (this, halt) = (self.clone(), stop.clone());
        tasks.spawn(run_periodically(
            SETTLE_INTERVAL,
            "settler",
            stop.clone(),
            move || {
                let (this, halt) = (this.clone(), halt.clone());
                async move { this.settle_unproven_tokens(&halt).await }
            },
        ));
        let this = self.clone();
        tasks.spawn(run_periodically(
            PURGE_INTERVAL,
            "cleaner",
            stop.clone(),
            move || {
                let this = this.clone();
                async move { this.purge_expired().await }
            },
        ));
    }

    /// Starts the polls of the policy file and the certificate.
    fn spawn_file_polls(&self, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
        if let Some(policy) = self.policy.clone() {
            let reload = move || policy.reload_if_changed();
            tasks.spawn(run_periodically(
                FILE_POLL_INTERVAL,
                "policy",
                stop.clone(),
                blocking_file_task(reload),
            ));
        }
        if let Some(providers) = self.providers.clone() {
            let engine = self.engine.clone();
            let reload = move || providers.reload_if_changed(&engine);
            tasks.spawn(run_periodically(
                FILE_POLL_INTERVAL,
                "providers",
                stop.clone(),
                blocking_file_task(reload),
            ));
        }
        if let Some(certificate) = self.certificate.clone() {
            let reload = move || certificate.reload_if_changed();
            tasks.spawn(run_periodically(
                FILE_POLL_INTERVAL,
                "certificate",
                stop.clone(),
                blocking_file_task(reload),
            ));
        }
    }

    /// Starts the refreshes of the key set and of cached verdicts.
    fn spawn_refreshes(&self, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
        if let Some(keys) = &self.keys {
            let (keys, engine) = (Arc::clone(keys), self.engine.clone());
            tasks.spawn(run_periodically(
                KEY_REFRESH_INTERVAL,
                "keys",
                stop.clone(),
                move || {
                    let (keys, engine) = (Arc::clone(&keys), engine.clone());
                    async move {
                        // Never an error here: the cache logs a failure and has a pause of its own.
                        keys.renew(engine.now()).await;
                        Ok(())
                    }
                },
            ));
        }
        if let Some(providers) = &self.providers {
            let (providers, engine) = (Arc::clone(providers), self.engine.clone());
            let renew = move || Arc::clone(&providers).renew_keys(engine.now());
            let tasks_end = stop.clone();
            tasks.spawn(run_periodically(
                KEY_REFRESH_INTERVAL,
                "provider keys",
                tasks_end,
                renew,
            ));
        }
        if let Some(due) = self.engine.due_refreshes() {
            tasks.spawn(refresh_verdicts(self.engine.clone(), due, stop.clone()));
        }
    }

    /// Keeps the replica up to date until `stop`, then releases the lease.
    fn spawn_replica(&self, stop: &CancellationToken, tasks: &mut JoinSet<()>) {
        let (engine, halt) = (self.engine.clone(), stop.clone());
        // Without the lock the gateway works too: it only waits longer for the lease of a crashed
        // predecessor.
        let lock = DataDirLock::try_acquire(&self.data_dir, engine.instance()).unwrap_or_else(|fault| {
            tracing::warn!(%fault, "DATA_DIR lock not acquired");
            None
        });
        tasks.spawn(async move {
            // The lock is moved into the task, so that it is held for as long as the replica is followed.
            let predecessor = lock.as_ref().and_then(DataDirLock::predecessor);
            tokio::select! {
                () = engine.follow_revocations(predecessor) => {}
                () = halt.cancelled() => {}
            }
            // A released lease spares the other instances the wait for its end.
            engine.release_lease().await;
        });
        let this = self.clone();
        tasks.spawn(run_periodically(
            SWEEP_INTERVAL,
            "sweeper",
            stop.clone(),
            move || {
                let this = this.clone();
                async move {
                    this.engine
                        .sweep_replica(this.expiry_clock.expiry_time(this.engine.now()), SWEEP_BATCH);
                    Ok(())
                }
            },
        ));
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn reconcile_revocations(&self) -> Result<(), Unavailable> {
        // Entries that only look expired, because the wall clock jumped, are filled in as well.
        let now = self.expiry_clock.expiry_time(self.engine.now());
        self.engine.reconcile_revocations(now).await
    }

    /// Checks due unproven tokens again, until none is due or the authorization server does not answer.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn settle_unproven_tokens(&self, stop: &CancellationToken) -> Result<(), Unavailable> {
        loop {
            let settled = self.engine.settle_unproven().await?;
            if stop.is_cancelled() || !settled.may_have_more() {
                break;
            }
        }
        self.engine.count_unproven_places().await?;
        Ok(())
    }

    /// Deletes expired data in all stores.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn purge_expired(&self) -> Result<(), Unavailable> {
        // The expiry clock, not the wall clock: a jump ahead must not delete revocations.
        let now = self.expiry_clock.expiry_time(self.engine.now());
        let purged = self.engine.purge_expired(self.audit_retention, now).await?;
        let sessions = self.sessions.purge(now).await?;
        tracing::debug!(
            lines = purged.lines,
            entries = purged.entries,
            tokens = purged.tokens,
            codes = purged.codes,
            events = purged.events,
            sessions,
            "expired data deleted"
        );
        Ok(())
    }
}

/// Stores recorded uses of sessions in batches, and the last ones at the stop.
async fn store_touches(engine: Engine, stop: CancellationToken) {
    let flushing = engine.clone();
    let flush = move || {
        let engine = flushing.clone();
        async move { engine.flush_touches().await }
    };
    run_periodically(engine.touch_flush_interval(), "touches", stop, flush).await;
    if let Err(fault) = engine.flush_touches().await {
        // The sessions go on; only their last use is forgotten.
        tracing::debug!(%fault, "last uses of sessions not stored");
    }
}

/// Refreshes verdicts of tokens in use before they expire. Refreshes in progress are dropped at the stop.
async fn refresh_verdicts(engine: Engine, mut due: DueRefreshes, stop: CancellationToken) {
    let mut in_progress = JoinSet::new();
    loop {
        tokio::select! {
            // `join_next` of an empty set returns `None`, which disables this branch for the round.
            Some(_) = in_progress.join_next() => {}
            // At the limit no more is taken: what stays in the queue expires and is verified on demand.
            next = due.next(), if in_progress.len() < MAX_CONCURRENT_REFRESHES => {
                let Some(token) = next else { break };
                let engine = engine.clone();
                in_progress.spawn(async move { engine.refresh_verdict(&token).await });
            }
            () = stop.cancelled() => break,
        }
    }
}

/// Wraps a file check, which blocks, so that it runs on a thread for blocking work.
fn blocking_file_task<L>(check: L) -> impl FnMut() -> BoxFuture<'static, Result<(), Unavailable>>
where
    L: Fn() + Clone + Send + 'static,
{
    move || {
        let check = check.clone();
        Box::pin(async move {
            let checked = spawn_blocking(check).await;
            // Only a panic or the end of the runtime gets here. Faults of the file itself are logged by the
            // check.
            checked.map_err(|fault| Unavailable::process(format!("the file check was aborted: {fault}")))
        })
    }
}

/// Repeats `work` until `stop`. A failure is logged, and each one in a row makes the pause longer.
async fn run_periodically<F, W>(period: Duration, name: &'static str, stop: CancellationToken, mut work: F)
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
                failures = (failures + 1).min(MAX_PAUSE_DOUBLINGS);
                tracing::warn!(work = name, %fault, "background task failed, retrying");
            }
        }
        // The time that the work took counts towards the pause, so that the period is kept.
        let pause = (period * (1 << failures)).saturating_sub(started.elapsed().min(period));
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}
