//! Callers that revoke, one at a time and many at once, and what they waited.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;

use crate::percentiles::Percentiles;

/// Between two revokes of an undisturbed caller.
const PAUSE: Duration = Duration::from_millis(5);
/// So many revokes make an undisturbed round.
const ALONE: usize = 150;
/// So many callers take turns in it: as often one of each instance, for 1, 3 and 10 of them.
const ALONE_IN_TURN: usize = 30;
/// An undisturbed round takes no longer than this.
const LONGEST_ROUND: Duration = Duration::from_secs(4);

/// Somebody who can revoke what has a number; each number is given once.
pub(super) trait Caller: Send + 'static {
    /// Gets ready for a round, where it has waited since the last one.
    fn prepare(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// Revokes, and returns when that is acknowledged.
    fn revoke(&mut self, number: usize) -> impl Future<Output = Result<()>> + Send;
}

/// The numbers of what can still be revoked.
#[derive(Debug)]
pub(super) struct Supply {
    next: AtomicUsize,
    end: usize,
}

impl Supply {
    pub(super) fn of(count: usize) -> Self {
        Self {
            next: AtomicUsize::new(0),
            end: count,
        }
    }

    pub(super) fn take(&self) -> Option<usize> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.end).then_some(number)
    }
}

/// What was measured of one deployment: of several rounds the best, since other programs run here too.
#[derive(Debug)]
pub(super) struct Measured {
    /// What one revoke takes while nothing else goes on, in milliseconds: median and 99th percentile.
    pub(super) alone: [f64; 2],
    /// Acknowledged per second while many are under way.
    pub(super) per_second: f64,
    /// What one takes meanwhile.
    pub(super) busy: [f64; 2],
}

/// Measures these callers, a few undisturbed rounds and a few with all of them at once.
pub(super) async fn measure<C: Caller>(
    mut callers: Vec<C>,
    supply: &Arc<Supply>,
    rounds: usize,
    span: Duration,
) -> Result<Measured> {
    let mut alone: Option<[f64; 2]> = None;
    for _ in 0..rounds {
        let round = undisturbed(&mut callers, supply).await?;
        alone = Some(alone.filter(|best| best[1] <= round[1]).unwrap_or(round));
    }
    let mut best: Option<(f64, [f64; 2])> = None;
    for _ in 0..rounds {
        let round;
        (callers, round) = at_once(callers, supply, span).await?;
        best = Some(best.filter(|best| best.0 >= round.0).unwrap_or(round));
    }
    let (per_second, busy) = best.context("no round was asked for")?;
    Ok(Measured {
        alone: alone.context("no round was asked for")?,
        per_second,
        busy,
    })
}

async fn undisturbed<C: Caller>(callers: &mut [C], supply: &Supply) -> Result<[f64; 2]> {
    let count = callers.len().min(ALONE_IN_TURN);
    for caller in callers.iter_mut().take(count) {
        caller.prepare().await?;
    }
    let started = Instant::now();
    let mut nanos = Vec::with_capacity(ALONE);
    for turn in 0..ALONE {
        if started.elapsed() > LONGEST_ROUND {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        let number = supply.take().context("there is nothing left to revoke")?;
        let caller = callers.get_mut(turn % count).context("nobody calls")?;
        nanos.push(timed(caller, number).await?);
    }
    Ok(summary(&Percentiles::of(nanos)))
}

/// All of them as fast as they are answered.
async fn at_once<C: Caller>(
    mut callers: Vec<C>,
    supply: &Arc<Supply>,
    span: Duration,
) -> Result<(Vec<C>, (f64, [f64; 2]))> {
    for caller in &mut callers {
        caller.prepare().await?;
    }
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for mut caller in callers {
        let supply = Arc::clone(supply);
        tasks.spawn(async move {
            let mut nanos = Vec::new();
            while started.elapsed() < span {
                let Some(number) = supply.take() else { break };
                nanos.push(timed(&mut caller, number).await?);
            }
            Ok::<_, anyhow::Error>((caller, nanos))
        });
    }
    let (mut callers, mut nanos) = (Vec::new(), Vec::new());
    for done in tasks.join_all().await {
        let (caller, waited) = done?;
        callers.push(caller);
        nanos.extend(waited);
    }
    let took = started.elapsed().as_secs_f64();
    let waited = Percentiles::of(nanos);
    Ok((callers, (figure(waited.len()) / took, summary(&waited))))
}

async fn timed<C: Caller>(caller: &mut C, number: usize) -> Result<u32> {
    let started = Instant::now();
    caller.revoke(number).await?;
    Ok(u32::try_from(started.elapsed().as_nanos()).unwrap_or(u32::MAX))
}

fn summary(waited: &Percentiles) -> [f64; 2] {
    [500, 990].map(|per_mille| waited.at(per_mille).as_secs_f64() * 1_000.0)
}

#[expect(clippy::cast_precision_loss, reason = "figures are shown with a few digits")]
fn figure(number: usize) -> f64 {
    number as f64
}
