//! Revocation with 1, 3 and 10 instances on this machine: time of one, and number acknowledged per second.

mod deployment;
pub(crate) mod gate;
mod http_endpoint;
mod load;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::percentiles::Percentiles;
use crate::report::BenchReport;
use deployment::StoreKind;
use http_endpoint::SignedTokens;
use load::RevokeFigures;

/// Target: 99th percentile of an undisturbed revoke with three instances, in milliseconds.
const TARGET_P99_MS: f64 = 10.0;
/// Target: acknowledged revocations per second.
const TARGET_PER_SECOND: f64 = 5_000.0;
/// Number of instances for which the target of the time holds.
const TARGET_INSTANCES: usize = 3;

/// Amount of work that is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct RevokeScale {
    /// The gateway's binary. Default: `maxlab-auth` in the folder of this program.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Rounds of each measurement. The best counts.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Duration of a round with many callers, in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    millis: u64,
    /// Number of callers at the same time.
    #[arg(long, default_value_t = 256)]
    callers: usize,
    /// Number of tokens for HTTP. A round ends early when they are used up.
    #[arg(long, default_value_t = 25_000)]
    tokens: usize,
    /// Measure the gate only, without HTTP.
    #[arg(long)]
    only_gate: bool,
}

/// Work that is done with each deployment.
#[derive(Debug)]
struct RevokePlan {
    gateway: PathBuf,
    rounds: usize,
    span: Duration,
    callers: usize,
}

/// Row of the table: one deployment at one level.
struct MatrixRow {
    level: &'static str,
    stores: StoreKind,
    instances: usize,
    measured: RevokeFigures,
}

/// Measures every deployment, over HTTP and without it.
///
/// # Errors
/// A server or gateway does not start, a revoke fails, or an acknowledged one has no effect.
pub(crate) fn measure(scale: &RevokeScale) -> Result<String> {
    let neighbour = std::env::current_exe()?.with_file_name("maxlab-auth");
    let plan = RevokePlan {
        gateway: scale.gateway.clone().unwrap_or(neighbour),
        rounds: scale.rounds,
        span: Duration::from_millis(scale.millis),
        callers: scale.callers,
    };
    // As many threads as processors, like the gateways, which share the machine.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Signing takes seconds, so it is done once for all deployments.
    let tokens = if scale.only_gate {
        None
    } else {
        Some(runtime.block_on(SignedTokens::sign(scale.tokens))?)
    };
    let mut rows = Vec::new();
    // From the simplest deployment to the largest.
    for stores in [
        StoreKind::Embedded,
        StoreKind::RedisSqlite,
        StoreKind::RedisPostgres,
    ] {
        for instances in stores.instances() {
            let at_gate = runtime.block_on(gate::run(stores, *instances, &plan));
            rows.push(finish_row("gate", stores, *instances, at_gate)?);
            if let Some(tokens) = &tokens {
                let over_http = runtime.block_on(http_endpoint::run(stores, *instances, tokens, &plan));
                rows.push(finish_row("HTTP", stores, *instances, over_http)?);
            }
        }
    }
    Ok(format!("{}\n{}", targets(&rows, &plan)?, matrix(&rows)?))
}

/// Builds a row, and prints it at once: a whole run takes many minutes.
fn finish_row(
    level: &'static str,
    stores: StoreKind,
    instances: usize,
    measured: Result<RevokeFigures>,
) -> Result<MatrixRow> {
    let measured = measured.with_context(|| format!("{level}, {stores}, {instances} instances"))?;
    let finished = MatrixRow {
        level,
        stores,
        instances,
        measured,
    };
    eprintln!("{}", row(&finished));
    Ok(finished)
}

/// Compares the rows with the targets.
fn targets(rows: &[MatrixRow], plan: &RevokePlan) -> Result<String> {
    let processors = std::thread::available_parallelism()?;
    let mut report = BenchReport::new(format!(
        "revoke: {processors} processors for everything, {} callers at once, best of {} rounds; tokens signed with ES256, \
         keys from a JWKS",
        plan.callers, plan.rounds,
    ));
    report.figure(
        "for comparison: one sync of the disk, median",
        sync_millis()?,
        "ms",
    );
    for line in rows.iter().filter(|line| line.instances == TARGET_INSTANCES) {
        let what = format!(
            "{}, {}: p99 of one, undisturbed, 3 instances",
            line.level, line.stores
        );
        report.at_most(&what, TARGET_P99_MS, line.measured.undisturbed[1], "ms");
    }
    for line in rows {
        let what = format!(
            "{}, {}: acknowledged per second, {} instances",
            line.level, line.stores, line.instances
        );
        report.at_least(&what, TARGET_PER_SECOND, line.measured.per_second, "/s");
    }
    Ok(report.to_string())
}

/// Renders all rows as a Markdown table.
fn matrix(rows: &[MatrixRow]) -> Result<String> {
    let mut text = String::from(
        "| level | stores             | instances | undisturbed p50 | p99 (ms) | acknowledged/s | meanwhile p50 | p99 (ms) |\n\
         |-------|--------------------|-----------|-----------------|----------|----------------|---------------|----------|\n",
    );
    for line in rows {
        writeln!(text, "{}", row(line))?;
    }
    Ok(text)
}

/// Renders one row of the Markdown table.
fn row(line: &MatrixRow) -> String {
    let RevokeFigures {
        undisturbed,
        per_second,
        busy,
    } = &line.measured;
    format!(
        "| {:<5} | {:<18} | {:>9} | {:>15.2} | {:>8.2} | {:>14.0} | {:>13.2} | {:>8.2} |",
        line.level,
        line.stores.to_string(),
        line.instances,
        undisturbed[0],
        undisturbed[1],
        per_second,
        busy[0],
        busy[1]
    )
}

/// Measures the sync of one page to the disk of the temporary folders, in milliseconds. No commit can be
/// faster.
fn sync_millis() -> Result<f64> {
    // In the same file system as the SQLite journals.
    let mut file = tempfile::tempfile()?;
    let mut nanos = Vec::new();
    for _ in 0..50 {
        let started = Instant::now();
        file.write_all(&[7; 4_096])?;
        file.sync_data()?;
        nanos.push(u32::try_from(started.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }
    Ok(Percentiles::of(nanos).at(500).as_secs_f64() * 1_000.0)
}

/// Distribution of callers over instances.
trait Spread<T> {
    /// Creates `count` callers, each for the next instance in turn.
    fn spread<C>(&self, count: usize, make: impl FnMut(&T) -> C) -> Vec<C>;
}

impl<T> Spread<T> for Vec<T> {
    fn spread<C>(&self, count: usize, make: impl FnMut(&T) -> C) -> Vec<C> {
        self.iter().cycle().take(count).map(make).collect()
    }
}
