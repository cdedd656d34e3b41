//! The replica with ten million entries: its memory, and the time of a lookup.

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
use crate::report::BenchReport;
use names::START;

const MILLION: u64 = 1_000_000;
/// Number of different names that are looked up.
const LOOKED_UP_NAMES: u64 = 2 * MILLION;
/// Number of lookups that are timed together.
const BATCH: usize = 1_000;
/// Number of names that a request looks up: a token, its session, and the cut-offs that may cover it.
const REQUEST: usize = 5;

/// Amount of data that is measured. The targets are for the defaults.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplicaScale {
    /// Number of revoked tokens.
    #[arg(long, default_value_t = 10 * MILLION)]
    tokens: u64,
    /// Seconds of lookups while entries are added and expire.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Fills a replica, and measures it.
///
/// # Errors
/// The system does not report its memory, gives no random bytes, or has no Redis.
pub(crate) fn measure(scale: &ReplicaScale) -> Result<BenchReport> {
    let mut report = BenchReport::new(format!(
        "replica: {} revoked tokens, {} processors",
        scale.tokens,
        std::thread::available_parallelism()?
    ));
    let replica = load::measure(scale.tokens, &mut report)?;
    let started = Instant::now();
    let absent: Vec<_> = (0..LOOKED_UP_NAMES)
        .map(|number| replica.fingerprint(&names::token("absent", number)))
        .collect();
    report.figure(
        "building a name and its fingerprint",
        per(started.elapsed(), absent.len()),
        "ns",
    );
    // In a shuffled order: neighbours in memory would share cache lines.
    let present: Vec<_> = (0..LOOKED_UP_NAMES)
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
    // Freed before Redis and a second replica take memory of their own.
    drop(replica);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(joining::measure(&mut report))?;
    Ok(report)
}

/// Measures lookups of absent and of revoked names.
fn lookups(replica: &Replica, absent: &[Fingerprint], present: &[Fingerprint], report: &mut BenchReport) {
    // As a request does it: the memory accesses of five names overlap.
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
        "lookup of an absent name, 5 names together",
        150.0,
        took.median,
        "ns",
    );
    report.figure("… mean, including other load of the machine", took.mean, "ns");
    let took = timed(absent, alone);
    report.at_most("lookup of an absent name, one by one", 150.0, took.median, "ns");
    report.figure("… mean, including other load of the machine", took.mean, "ns");
    // The index is exact: a false positive would refuse a good token.
    report.at_most("… absent names that were found", 0.0, figure(took.found), "");
    let took = timed(present, alone);
    report.figure("lookup of a revoked name, one by one", took.median, "ns");
    report.figure("… mean, including other load of the machine", took.mean, "ns");
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

/// Number of names that were found, and nanoseconds of a lookup.
#[derive(Debug)]
struct LookupTimes {
    found: usize,
    /// Median of batches: the time without interruptions.
    median: f64,
    mean: f64,
}

/// Measures lookups in batches.
fn timed(names: &[Fingerprint], look_up: impl Fn(&[Fingerprint]) -> usize) -> LookupTimes {
    let all_started = Instant::now();
    let (mut found, mut batches) = (0, Vec::new());
    for batch in names.chunks_exact(BATCH) {
        let started = Instant::now();
        // The result is used, so that the compiler cannot remove the lookup.
        found += black_box(look_up(batch));
        batches.push(nanoseconds(started));
    }
    LookupTimes {
        found,
        median: per(Percentiles::of(batches).at(500), BATCH),
        mean: per(all_started.elapsed(), names.len()),
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
