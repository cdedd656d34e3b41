//! A remembered verdict while revocations arrive: an instance that shares the gateway's Redis publishes about a thousand in a
//! second, of other tokens, and the gateway takes each into its replica and says so before it is acknowledged.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use maxlab_auth_core::clock::{Clock as _, SystemClock};
use maxlab_auth_core::revocation::Revocations;
use maxlab_auth_testkit::{Algorithm, LyingAuthServer, RedisOptions, RedisServer, TokenForge};
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::revoke::gate;
use crate::verify::compare::{Contender, compare};
use crate::verify::load::wrk::Wrk;
use crate::verify::servers::gateway::Gateway;
use crate::verify::servers::nginx;
use crate::verify::{ISSUER, Outcome, Scale};

/// So many are published together,
const GROUP: usize = 10;
/// so often: a thousand in a second.
const PAUSE: Duration = Duration::from_millis(10);
/// Groups under way at once.
const MOST_GROUPS: usize = 64;
/// So many are recorded together before anything is measured.
const FILLED_TOGETHER: usize = 500;
/// What is measured with fewer in a second says nothing.
const FEWEST: f64 = 500.0;

pub(in crate::verify) async fn measure(scale: &Scale, outcome: &mut Outcome) -> Result<()> {
    let forge = TokenForge::new(ISSUER, Algorithm::Es256);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let redis = RedisServer::start_with(RedisOptions::plain()).await?;
    let folder = tempfile::tempdir()?;
    let publisher = Publisher::start(&redis.url(), folder.path(), scale.entries).await?;
    let gateway = Gateway::join(&scale.gateway, &auth, scale.entries, &redis.url()).await?;
    let nginx = nginx::start(false)?;
    let wrk = &Wrk::of(&scale.tokens_of(&forge))?;
    let (pid, port) = (gateway.pid()?, gateway.port());
    let contenders = [
        Contender::of("nginx return 200", nginx.pid(), |lasts| {
            wrk.run(nginx.port(), lasts)
        }),
        Contender::of("maxlab-auth, no revocations", pid, |lasts| wrk.run(port, lasts)),
        Contender::of("maxlab-auth, revocations arrive", pid, |lasts| {
            publisher.meanwhile(|| wrk.run(port, lasts))
        }),
    ];
    let before = gateway.entries().await?;
    let title = "cached, while revocations arrive through Redis";
    let measured = compare(title, &contenders, scale.turns())?;
    let (acknowledged, rate) = publisher.account();
    ensure!(
        rate >= FEWEST,
        "only {rate:.0} revocations a second were acknowledged"
    );
    let arrived = gateway.entries().await? - before;
    ensure!(
        arrived >= acknowledged,
        "{acknowledged} were acknowledged, and {arrived} arrived"
    );
    let [nginx, quiet, arriving] = measured.rows()?;
    let report = &mut outcome.report;
    report.figure("revocations that arrive meanwhile", rate, "/s");
    let what = "… CPU of a cached answer then, of nginx's";
    report.at_most(what, 1.0, arriving.cpu / nginx.cpu, "×");
    report.figure("… of the same without them", arriving.cpu / quiet.cpu, "×");
    outcome.measured.push(measured);
    Ok(())
}

/// Another instance, as far as revoking goes.
struct Publisher {
    shared: Arc<Shared>,
    /// How long it has published.
    published: Cell<Duration>,
    _background: JoinSet<()>,
}

struct Shared {
    gate: Revocations,
    publishes: AtomicBool,
    next: AtomicUsize,
    acknowledged: AtomicUsize,
}

impl Publisher {
    /// Joins this Redis, and records so many revocations.
    async fn start(redis: &str, folder: &Path, entries: u64) -> Result<Self> {
        let shared = Arc::new(Shared {
            gate: gate::open(Some(redis), None, folder, 0).await?,
            publishes: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            acknowledged: AtomicUsize::new(0),
        });
        let mut background = JoinSet::new();
        let following = Arc::clone(&shared);
        background.spawn(async move { following.gate.follow(None).await });
        gate::await_memory([&shared.gate]).await?;
        let entries = usize::try_from(entries)?;
        while shared.next.load(Ordering::Relaxed) < entries {
            shared.revoke(FILLED_TOGETHER).await?;
        }
        let publishing = Arc::clone(&shared);
        background.spawn(async move { publishing.publish().await });
        Ok(Self {
            shared,
            published: Cell::default(),
            _background: background,
        })
    }

    /// Publishes for as long as this takes.
    fn meanwhile<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        self.shared.publishes.store(true, Ordering::Relaxed);
        let done = work();
        self.shared.publishes.store(false, Ordering::Relaxed);
        self.published.set(self.published.get() + began.elapsed());
        done
    }

    /// How many were acknowledged, and how many in a second.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn account(&self) -> (f64, f64) {
        let acknowledged = self.shared.acknowledged.load(Ordering::Relaxed) as f64;
        (acknowledged, acknowledged / self.published.get().as_secs_f64())
    }
}

impl Shared {
    async fn publish(self: Arc<Self>) {
        let mut beat = interval(PAUSE);
        let mut under_way = JoinSet::new();
        loop {
            beat.tick().await;
            while under_way.try_join_next().is_some() {}
            if self.publishes.load(Ordering::Relaxed) && under_way.len() < MOST_GROUPS {
                let this = Arc::clone(&self);
                under_way.spawn(async move {
                    // What fails is not counted, and too few that count end the measurement.
                    if this.revoke(GROUP).await.is_ok() {
                        this.acknowledged.fetch_add(GROUP, Ordering::Relaxed);
                    }
                });
            }
        }
    }

    async fn revoke(&self, count: usize) -> Result<()> {
        let now = SystemClock.now();
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        let group = (first..first + count).map(|number| gate::revocation(number, now));
        Ok(self.gate.revoke(group.collect(), &[], now).await?)
    }
}
