//! Cached verdict while revocations arrive.
//!
//! An instance on the gateway's Redis publishes about a thousand a second, of other tokens. The gateway
//! applies each to its replica and confirms it before it is acknowledged.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use maxlab_auth_core::clock::{Clock as _, SystemClock};
use maxlab_auth_core::revocation::RevocationGate;
use maxlab_auth_testkit::{ForgeAlgorithm, LyingAuthServer, RedisOptions, RedisServer, TokenForge};
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::revoke::gate;
use crate::verify::compare::{Contender, compare};
use crate::verify::load::wrk::Wrk;
use crate::verify::servers::gateway::BenchGateway;
use crate::verify::servers::nginx;
use crate::verify::{ISSUER, VerifyOutcome, VerifyScale};

/// Number of revocations that are published together.
const GROUP_SIZE: usize = 10;
/// Time between two groups: a thousand revocations a second.
const PAUSE: Duration = Duration::from_millis(10);
/// Maximum number of groups in progress.
const MAX_CONCURRENT_GROUPS: usize = 64;
/// Number of revocations that are recorded together before the measurement.
const FILL_BATCH: usize = 500;
/// Rate below which the measurement is invalid, in revocations per second.
const MIN_RATE: f64 = 500.0;

pub(in crate::verify) async fn measure(scale: &VerifyScale, outcome: &mut VerifyOutcome) -> Result<()> {
    let forge = TokenForge::new(ISSUER, ForgeAlgorithm::Es256);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let redis = RedisServer::start_with(RedisOptions::plain()).await?;
    let folder = tempfile::tempdir()?;
    // Before the gateway starts, so that it loads the revocations when it joins.
    let publisher = RevocationPublisher::start(&redis.url(), folder.path(), scale.entries).await?;
    let gateway = BenchGateway::join(&scale.gateway, &auth, scale.entries, &redis.url()).await?;
    let nginx = nginx::start(false)?;
    let wrk = &Wrk::of(&scale.tokens_of(&forge))?;
    let (pid, port) = (gateway.pid()?, gateway.port());
    let contenders = [
        Contender::of("nginx return 200", nginx.pid(), |duration| {
            wrk.run(nginx.port(), duration)
        }),
        Contender::of("maxlab-auth, no revocations", pid, |duration| {
            wrk.run(port, duration)
        }),
        Contender::of("maxlab-auth, revocations arrive", pid, |duration| {
            publisher.meanwhile(|| wrk.run(port, duration))
        }),
    ];
    let before = gateway.entries().await?;
    let title = "cached, while revocations arrive through Redis";
    let measured = compare(title, &contenders, scale.turns())?;
    let (acknowledged, rate) = publisher.acknowledged_and_rate();
    ensure!(
        rate >= MIN_RATE,
        "only {rate:.0} revocations a second were acknowledged"
    );
    // What was acknowledged must have arrived, or the gateway was not disturbed at all.
    let arrived = gateway.entries().await? - before;
    ensure!(
        arrived >= acknowledged,
        "{acknowledged} revocations were acknowledged, but {arrived} arrived"
    );
    let [nginx, quiet, arriving] = measured.rows()?;
    let report = &mut outcome.report;
    report.figure("revocations that arrive meanwhile", rate, "/s");
    let what = "… CPU of a cached answer meanwhile, divided by nginx's";
    report.at_most(what, 1.0, arriving.cpu / nginx.cpu, "×");
    report.figure(
        "… divided by the same without them",
        arriving.cpu / quiet.cpu,
        "×",
    );
    outcome.comparisons.push(measured);
    Ok(())
}

/// Another instance that only revokes.
struct RevocationPublisher {
    shared: Arc<PublisherState>,
    /// Time that it has published so far.
    published: Cell<Duration>,
    _background: JoinSet<()>,
}

struct PublisherState {
    gate: RevocationGate,
    publishes: AtomicBool,
    next: AtomicUsize,
    acknowledged: AtomicUsize,
}

impl RevocationPublisher {
    /// Joins this Redis, and records `entries` revocations.
    async fn start(redis: &str, folder: &Path, entries: u64) -> Result<Self> {
        let shared = Arc::new(PublisherState {
            gate: gate::open(Some(redis), None, folder, 0).await?,
            publishes: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            acknowledged: AtomicUsize::new(0),
        });
        let mut background = JoinSet::new();
        let following = Arc::clone(&shared);
        background.spawn(async move { following.gate.run_follower(None).await });
        gate::await_memory([&shared.gate]).await?;
        let entries = usize::try_from(entries)?;
        while shared.next.load(Ordering::Relaxed) < entries {
            shared.revoke(FILL_BATCH).await?;
        }
        let publishing = Arc::clone(&shared);
        background.spawn(async move { publishing.publish().await });
        Ok(Self {
            shared,
            published: Cell::default(),
            _background: background,
        })
    }

    /// Publishes while `work` runs.
    fn meanwhile<T>(&self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        self.shared.publishes.store(true, Ordering::Relaxed);
        let result = work();
        self.shared.publishes.store(false, Ordering::Relaxed);
        self.published.set(self.published.get() + started.elapsed());
        result
    }

    /// Returns the number of acknowledged revocations, and their rate per second.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn acknowledged_and_rate(&self) -> (f64, f64) {
        let acknowledged = self.shared.acknowledged.load(Ordering::Relaxed) as f64;
        (acknowledged, acknowledged / self.published.get().as_secs_f64())
    }
}

impl PublisherState {
    /// Publishes a group at each tick, while it is switched on.
    async fn publish(self: Arc<Self>) {
        let mut ticks = interval(PAUSE);
        let mut in_progress = JoinSet::new();
        loop {
            ticks.tick().await;
            // Takes finished tasks out of the set, which would grow otherwise.
            while in_progress.try_join_next().is_some() {}
            if self.publishes.load(Ordering::Relaxed) && in_progress.len() < MAX_CONCURRENT_GROUPS {
                let this = Arc::clone(&self);
                in_progress.spawn(async move {
                    // A failure is not counted. If too few succeed, the measurement is refused.
                    if this.revoke(GROUP_SIZE).await.is_ok() {
                        this.acknowledged.fetch_add(GROUP_SIZE, Ordering::Relaxed);
                    }
                });
            }
        }
    }

    /// Revokes `count` new tokens in one group.
    async fn revoke(&self, count: usize) -> Result<()> {
        let now = SystemClock.now();
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        let group = (first..first + count).map(|number| gate::revocation(number, now));
        Ok(self.gate.revoke(group.collect(), &[], now).await?)
    }
}
