//! The replica with ten million entries: what it occupies, and what a look-up takes.

mod joining;
mod load;
pub(crate) mod names;
mod traffic;

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use maxlab_auth_core::revocation::{Fingerprint, Replica};

use crate::memory;
use crate::percentiles::Percentiles;
use crate::report::Report;
use names::START;

const MILLION: u64 = 1_000_000;
/// Different names that are looked up.
const ASKED: u64 = 2 * MILLION;
/// Look-ups that are timed together.
const BATCH: usize = 1_000;
/// Names that a request asks about: a token, its session, and whose cut-offs may cover it.
const REQUEST: usize = 5;

/// How much to measure. The defaults are what the targets are about.
#[derive(Debug, clap::Args)]
pub(crate) struct Scale {
    /// Revoked tokens.
    #[arg(long, default_value_t = 10 * MILLION)]
    tokens: u64,
    /// Seconds of look-ups while entries are added and expire.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Fills a replica and measures it.
///
/// # Errors
/// Where the system does not tell how much memory is occupied, or gives no random secret, or has no Redis.
pub(crate) fn measure(scale: &Scale) -> Result<Report> {
    let mut report = Report::titled(format!(
        "replica: {} revoked tokens, {} processors",
        scale.tokens,
        std::thread::available_parallelism()?
    ));
    let replica = load::measure(scale.tokens, &mut report)?;
    let started = Instant::now();
    let absent: Vec<_> = (0..ASKED)
        .map(|number| replica.fingerprint(&names::token("absent", number)))
        .collect();
    report.figure(
        "making a name and its fingerprint",
        per(started.elapsed(), absent.len()),
        "ns",
    );
    let present: Vec<_> = (0..ASKED)
        .map(|number| names::revoked(names::scattered(number) % scale.tokens))
        .map(|key| replica.fingerprint(&key))
        .collect();
    lookups(&replica, &absent, &present, &mut report);
    traffic::measure(
        &replica,
        &absent,
        &present,
        Duration::from_secs(scale.seconds),
        &mut report,
    );
    drop(replica);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(joining::measure(&mut report))?;
    Ok(report)
}

fn lookups(replica: &Replica, absent: &[Fingerprint], present: &[Fingerprint], report: &mut Report) {
    let together = |names: &[Fingerprint]| {
        let found = |request: &[Fingerprint]| replica.revoked_all(request, START).flatten().count();
        names.chunks(REQUEST).map(found).sum()
    };
    let alone = |names: &[Fingerprint]| {
        let is_found = |name: &&Fingerprint| replica.revoked(**name, START).is_some();
        names.iter().filter(is_found).count()
    };
    let took = timed(absent, together);
    report.at_most(
        "look-up of an absent name, of 5 asked together",
        150.0,
        took.median,
        "ns",
    );
    report.figure("… mean, with whatever else ran here", took.mean, "ns");
    let took = timed(absent, alone);
    report.at_most("look-up of an absent name, one by one", 150.0, took.median, "ns");
    report.figure("… mean, with whatever else ran here", took.mean, "ns");
    report.at_most("… absent names that were found", 0.0, figure(took.found), "");
    let took = timed(present, alone);
    report.figure("look-up of a revoked name, one by one", took.median, "ns");
    report.figure("… mean, with whatever else ran here", took.mean, "ns");
    report.at_most(
        "… revoked names that were not found",
        0.0,
        figure(present.len() - took.found),
        "",
    );
    report.figure(
        "for comparison: one random read of 160 MB",
        memory::latency(),
        "ns",
    );
}

/// How many names were found, and the nanoseconds of a look-up.
#[derive(Debug)]
struct Took {
    found: usize,
    /// By the median of batches, which tells what it takes while nothing interrupts.
    median: f64,
    mean: f64,
}

fn timed(names: &[Fingerprint], look_up: impl Fn(&[Fingerprint]) -> usize) -> Took {
    let begun = Instant::now();
    let (mut found, mut batches) = (0, Vec::new());
    for batch in names.chunks_exact(BATCH) {
        let started = Instant::now();
        found += black_box(look_up(batch));
        batches.push(nanoseconds(started));
    }
    Took {
        found,
        median: per(Percentiles::of(batches).at(500), BATCH),
        mean: per(begun.elapsed(), names.len()),
    }
}

fn nanoseconds(started: Instant) -> u32 {
    u32::try_from(started.elapsed().as_nanos()).unwrap_or(u32::MAX)
}

fn per(time: Duration, operations: usize) -> f64 {
    time.as_secs_f64() * 1e9 / figure(operations)
}

#[expect(clippy::cast_precision_loss, reason = "figures are shown with a few digits")]
fn figure(number: usize) -> f64 {
    number as f64
}
