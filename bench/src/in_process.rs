//! Cost of a cached verdict inside the process of an application, without HTTP.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use criterion::{BatchSize, BenchmarkId, Criterion};
use maxlab_auth_bench::hot_path::{HotPath, HotPathScale};
use maxlab_auth_testkit::forge::ForgeAlgorithm;
use serde_json::Value;

use crate::memory;
use crate::replica::names::scattered;
use crate::report::BenchReport;

/// Target of the median, in nanoseconds.
const TARGET: f64 = 600.0;
/// Number of requests in a row. Their tokens fit into the processor's second-level cache.
const BATCH_SIZE: u64 = 32;
const GROUP: &str = "in_process";
const RECEIVED: &str = "received";
const IN_MEMORY: &str = "in_memory";

/// Amount of data that is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct InProcessScale {
    /// Number of valid tokens.
    #[arg(long, default_value_t = 100_000)]
    tokens: usize,
    /// Number of revocations in the replica.
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// Measures a cached verdict, the revocation check and a requirement together.
///
/// Tokens come in an order that has nothing to do with their order in memory, and is the same in every run.
/// So next to nothing of a verdict is in the processor's caches.
///
/// # Errors
/// The replica cannot be filled, or criterion has no estimates.
pub(crate) fn measure(scale: &InProcessScale) -> Result<BenchReport> {
    let hot = HotPath::prepare(HotPathScale {
        // The algorithm makes no difference to a cached verdict. HS256 is the fastest to sign.
        algorithm: ForgeAlgorithm::Hs256,
        tokens: scale.tokens,
        entries: scale.entries,
        keep: Duration::from_secs(3_600),
    })?;
    hot.fill_cache()?;
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(scale.seconds))
        .without_plots();
    let mut group = criterion.benchmark_group(GROUP);
    let mut order = ShuffledTokens::of(hot.tokens());
    group.bench_function(BenchmarkId::from_parameter(RECEIVED), |bencher| {
        // A token from a socket was copied a moment before, so it is in the processor's caches.
        let receive = || order.next().to_owned();
        bencher.iter_batched_ref(
            receive,
            |token| hot.admits(token),
            BatchSize::NumIterations(BATCH_SIZE),
        );
    });
    group.bench_function(BenchmarkId::from_parameter(IN_MEMORY), |bencher| {
        bencher.iter(|| hot.admits(order.next()));
    });
    // Writes the estimates that `report` reads.
    group.finish();
    report(scale)
}

/// Builds the report from criterion's estimates.
fn report(scale: &InProcessScale) -> Result<BenchReport> {
    let mut report = BenchReport::new(format!(
        "in process: cached verify + revocation check + guard; {} live tokens in random order, {} revocations",
        scale.tokens, scale.entries
    ));
    report.at_most("a token just received, median", TARGET, median(RECEIVED)?, "ns");
    report.figure(
        "… and one that is not in the processor's caches",
        median(IN_MEMORY)?,
        "ns",
    );
    report.figure(
        "for comparison: one read of main memory on this machine",
        memory::latency(),
        "ns",
    );
    Ok(report)
}

/// Reads the median that criterion has written, in nanoseconds.
fn median(name: &str) -> Result<f64> {
    // criterion returns nothing. It writes its estimates below cargo's target folder.
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let path = Path::new(&target)
        .join("criterion")
        .join(GROUP)
        .join(name)
        .join("new/estimates.json");
    let text = std::fs::read(&path).with_context(|| format!("criterion wrote no {}", path.display()))?;
    let estimates: Value = serde_json::from_slice(&text)?;
    estimates["median"]["point_estimate"]
        .as_f64()
        .context("criterion wrote no median")
}

/// Tokens in a shuffled order, one after another without end.
struct ShuffledTokens<'t> {
    tokens: &'t [String],
    places: Vec<usize>,
    turn: usize,
}

impl<'t> ShuffledTokens<'t> {
    fn of(tokens: &'t [String]) -> Self {
        // A fixed pseudo-random order: two runs must be comparable.
        let mut places: Vec<_> = (0..tokens.len()).collect();
        places.sort_unstable_by_key(|place| scattered(*place as u64));
        Self {
            tokens,
            places,
            turn: 0,
        }
    }

    fn next(&mut self) -> &'t str {
        self.turn = (self.turn + 1) % self.places.len();
        &self.tokens[self.places[self.turn]]
    }
}
