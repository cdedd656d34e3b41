//! Revoking with 1, 3 and 10 instances on this machine: what one takes, and how many are acknowledged in a second.

mod door;
pub(crate) mod gate;
mod load;
mod place;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::percentiles::Percentiles;
use crate::report::Report;
use door::Tokens;
use load::Measured;
use place::Stores;

/// An undisturbed revoke with three instances takes no longer than this, in 99 of 100 cases.
const TARGET_P99_MS: f64 = 10.0;
/// So many are acknowledged in a second.
const TARGET_PER_SECOND: f64 = 5_000.0;
/// The instances that the target is about.
const TARGET_INSTANCES: usize = 3;

/// How much to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Scale {
    /// The gateway's binary; unless given, the one beside this program.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Rounds of each measurement, of which the best counts.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// How long a round with many callers lasts, in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    millis: u64,
    /// How many call at once.
    #[arg(long, default_value_t = 256)]
    callers: usize,
    /// Tokens for the HTTP door; when they are used up a round ends early.
    #[arg(long, default_value_t = 25_000)]
    tokens: usize,
    /// Measure below the HTTP door only.
    #[arg(long)]
    only_gate: bool,
}

/// What is done with each deployment.
#[derive(Debug)]
struct Plan {
    gateway: PathBuf,
    rounds: usize,
    span: Duration,
    callers: usize,
}

/// One line of the matrix.
struct Line {
    level: &'static str,
    stores: Stores,
    instances: usize,
    measured: Measured,
}

/// Measures every deployment, at the HTTP door and below.
///
/// # Errors
/// Where servers or gateways do not start, a revoke fails, or one that was acknowledged does not hold.
pub(crate) fn measure(scale: &Scale) -> Result<String> {
    let beside = std::env::current_exe()?.with_file_name("maxlab-auth");
    let plan = Plan {
        gateway: scale.gateway.clone().unwrap_or(beside),
        rounds: scale.rounds,
        span: Duration::from_millis(scale.millis),
        callers: scale.callers,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let tokens = if scale.only_gate {
        None
    } else {
        Some(runtime.block_on(Tokens::sign(scale.tokens))?)
    };
    let mut lines = Vec::new();
    for stores in [Stores::Embedded, Stores::RedisSqlite, Stores::RedisPostgres] {
        for instances in stores.instances() {
            let below = runtime.block_on(gate::run(stores, *instances, &plan));
            lines.push(line("gate", stores, *instances, below)?);
            if let Some(tokens) = &tokens {
                let at_door = runtime.block_on(door::run(stores, *instances, tokens, &plan));
                lines.push(line("HTTP", stores, *instances, at_door)?);
            }
        }
    }
    Ok(format!("{}\n{}", targets(&lines, &plan)?, matrix(&lines)?))
}

fn line(level: &'static str, stores: Stores, instances: usize, measured: Result<Measured>) -> Result<Line> {
    let measured = measured.with_context(|| format!("{level}, {stores}, {instances} instances"))?;
    let done = Line {
        level,
        stores,
        instances,
        measured,
    };
    eprintln!("{}", row(&done));
    Ok(done)
}

fn targets(lines: &[Line], plan: &Plan) -> Result<String> {
    let processors = std::thread::available_parallelism()?;
    let mut report = Report::titled(format!(
        "revoke: {processors} processors for everything, {} callers at once, best of {} rounds; tokens signed with ES256, \
         keys from a JWKS",
        plan.callers, plan.rounds,
    ));
    report.figure(
        "for comparison: one sync of the disk, median",
        sync_millis()?,
        "ms",
    );
    for line in lines.iter().filter(|line| line.instances == TARGET_INSTANCES) {
        let what = format!(
            "{}, {}: p99 of one, undisturbed, 3 instances",
            line.level, line.stores
        );
        report.at_most(&what, TARGET_P99_MS, line.measured.alone[1], "ms");
    }
    for line in lines {
        let what = format!(
            "{}, {}: acknowledged per second, {} instances",
            line.level, line.stores, line.instances
        );
        report.at_least(&what, TARGET_PER_SECOND, line.measured.per_second, "/s");
    }
    Ok(report.to_string())
}

fn matrix(lines: &[Line]) -> Result<String> {
    let mut text = String::from(
        "| level | stores             | instances | undisturbed p50 | p99 (ms) | acknowledged/s | meanwhile p50 | p99 (ms) |\n\
         |-------|--------------------|-----------|-----------------|----------|----------------|---------------|----------|\n",
    );
    for line in lines {
        writeln!(text, "{}", row(line))?;
    }
    Ok(text)
}

fn row(line: &Line) -> String {
    let Measured {
        alone,
        per_second,
        busy,
    } = &line.measured;
    format!(
        "| {:<5} | {:<18} | {:>9} | {:>15.2} | {:>8.2} | {:>14.0} | {:>13.2} | {:>8.2} |",
        line.level,
        line.stores.to_string(),
        line.instances,
        alone[0],
        alone[1],
        per_second,
        busy[0],
        busy[1]
    )
}

/// What it takes to write a page to the disk of the folders that are measured on, which no commit can be faster than.
fn sync_millis() -> Result<f64> {
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

/// Callers spread over instances.
trait Spread<T> {
    /// So many, each of the next instance in turn.
    fn spread<C>(&self, count: usize, make: impl FnMut(&T) -> C) -> Vec<C>;
}

impl<T> Spread<T> for Vec<T> {
    fn spread<C>(&self, count: usize, make: impl FnMut(&T) -> C) -> Vec<C> {
        self.iter().cycle().take(count).map(make).collect()
    }
}
