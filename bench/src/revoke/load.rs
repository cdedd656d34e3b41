//! Callers that revoke, one at a time or many at once, and the times that they wait.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;

use crate::percentiles::Percentiles;

/// Pause between two revokes of an undisturbed round.
const UNDISTURBED_PAUSE: Duration = Duration::from_millis(5);
/// Number of revokes in an undisturbed round.
const UNDISTURBED_REVOKES: usize = 150;
/// Maximum number of callers that take turns in it. A multiple of 1, 3 and 10 instances, so that each has as
/// many.
const UNDISTURBED_CALLERS: usize = 30;
/// Maximum time of an undisturbed round.
const LONGEST_ROUND: Duration = Duration::from_secs(4);

/// Caller that revokes tokens by number. Each number is used once.
pub(super) trait RevokeCaller: Send + 'static {
    /// Prepares for a round, after a pause since the last one.
    fn prepare(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// Revokes a token, and returns once that is acknowledged.
    fn revoke(&mut self, number: usize) -> impl Future<Output = Result<()>> + Send;
}

/// Numbers of the tokens that are not revoked yet.
#[derive(Debug)]
pub(super) struct NumberSupply {
    next: AtomicUsize,
    end: usize,
}

impl NumberSupply {
    pub(super) fn of(count: usize) -> Self {
        Self {
            next: AtomicUsize::new(0),
            end: count,
        }
    }

    pub(super) fn take(&self) -> Option<usize> {
        // Relaxed: only the number counts, and no other memory depends on it.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.end).then_some(number)
    }
}

/// Figures of one deployment: the best of several rounds, because other programs run on the machine, too.
#[derive(Debug)]
pub(super) struct RevokeFigures {
    /// Time of one revoke without other load, in milliseconds: median and 99th percentile.
    pub(super) undisturbed: [f64; 2],
    /// Acknowledged revokes per second under load.
    pub(super) per_second: f64,
    /// Time of one revoke under load, in milliseconds: median and 99th percentile.
    pub(super) busy: [f64; 2],
}

/// Measures some undisturbed rounds, then some with all callers at once.
pub(super) async fn measure<C: RevokeCaller>(
    mut callers: Vec<C>,
    supply: &Arc<NumberSupply>,
    rounds: usize,
    span: Duration,
) -> Result<RevokeFigures> {
    let mut alone: Option<[f64; 2]> = None;
    for _ in 0..rounds {
        let round = undisturbed(&mut callers, supply).await?;
        // Best by the 99th percentile, which other programs disturb the most.
        alone = Some(alone.filter(|best| best[1] <= round[1]).unwrap_or(round));
    }
    let mut best: Option<(f64, [f64; 2])> = None;
    for _ in 0..rounds {
        let round;
        (callers, round) = concurrent(callers, supply, span).await?;
        best = Some(best.filter(|best| best.0 >= round.0).unwrap_or(round));
    }
    let (per_second, busy) = best.context("--rounds is 0")?;
    Ok(RevokeFigures {
        undisturbed: alone.context("--rounds is 0")?,
        per_second,
        busy,
    })
}

/// Revokes one token at a time. Returns median and 99th percentile in milliseconds.
async fn undisturbed<C: RevokeCaller>(callers: &mut [C], supply: &NumberSupply) -> Result<[f64; 2]> {
    let count = callers.len().min(UNDISTURBED_CALLERS);
    for caller in callers.iter_mut().take(count) {
        caller.prepare().await?;
    }
    let started = Instant::now();
    let mut nanos = Vec::with_capacity(UNDISTURBED_REVOKES);
    for turn in 0..UNDISTURBED_REVOKES {
        if started.elapsed() > LONGEST_ROUND {
            break;
        }
        // A pause, so that background work after the last acknowledgement is over.
        tokio::time::sleep(UNDISTURBED_PAUSE).await;
        let number = supply.take().context("all tokens are revoked, raise --tokens")?;
        let caller = callers.get_mut(turn % count).context("--callers is 0")?;
        nanos.push(timed(caller, number).await?);
    }
    Ok(summary(&Percentiles::of(nanos)))
}

/// Lets all callers revoke as fast as they get answers. Returns the callers with revokes per second and
/// times.
async fn concurrent<C: RevokeCaller>(
    mut callers: Vec<C>,
    supply: &Arc<NumberSupply>,
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
                // No tokens left: the round ends early, and its rate is still right.
                let Some(number) = supply.take() else { break };
                nanos.push(timed(&mut caller, number).await?);
            }
            Ok::<_, anyhow::Error>((caller, nanos))
        });
    }
    let (mut callers, mut nanos) = (Vec::new(), Vec::new());
    for finished in tasks.join_all().await {
        let (caller, times) = finished?;
        callers.push(caller);
        nanos.extend(times);
    }
    let took = started.elapsed().as_secs_f64();
    let times = Percentiles::of(nanos);
    Ok((callers, (figure(times.len()) / took, summary(&times))))
}

/// Returns the nanoseconds of one revoke.
async fn timed<C: RevokeCaller>(caller: &mut C, number: usize) -> Result<u32> {
    let started = Instant::now();
    caller.revoke(number).await?;
    Ok(u32::try_from(started.elapsed().as_nanos()).unwrap_or(u32::MAX))
}

/// Returns median and 99th percentile in milliseconds.
fn summary(times: &Percentiles) -> [f64; 2] {
    [500, 990].map(|per_mille| times.at(per_mille).as_secs_f64() * 1_000.0)
}

#[expect(clippy::cast_precision_loss, reason = "figures are shown with a few digits")]
fn figure(number: usize) -> f64 {
    number as f64
}
