//! What a remembered verdict costs inside an application's own process, where no HTTP is in the way.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use criterion::{BatchSize, BenchmarkId, Criterion};
use maxlab_auth_bench::hot::{Crowd, Hot};
use maxlab_auth_testkit::forge::Algorithm;
use serde_json::Value;

use crate::memory;
use crate::replica::names::scattered;
use crate::report::Report;

/// Nanoseconds.
const TARGET: f64 = 600.0;
/// So many requests come one after another; their tokens fit into the processor's second cache.
const TOGETHER: u64 = 32;
const GROUP: &str = "in_process";
const RECEIVED: &str = "received";
const IN_MEMORY: &str = "in_memory";

/// How much there is.
#[derive(Debug, clap::Args)]
pub(crate) struct Scale {
    /// Live tokens.
    #[arg(long, default_value_t = 100_000)]
    tokens: usize,
    /// Revocations in the replica.
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// Measures a verdict, the revocation check and a requirement together. Tokens come in an order that has nothing to do with
/// that in which they lie in memory, the same in every run: next to nothing of a verdict is in the processor's caches.
///
/// # Errors
/// The replica can't be filled, or criterion keeps no estimates.
pub(crate) fn measure(scale: &Scale) -> Result<Report> {
    let hot = Hot::prepare(Crowd {
        // How it is signed makes no difference to a token whose verdict is remembered, and this is signed the quickest.
        algorithm: Algorithm::Hs256,
        tokens: scale.tokens,
        entries: scale.entries,
        keep: Duration::from_secs(3_600),
    })?;
    hot.remember()?;
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(scale.seconds))
        .without_plots();
    let mut group = criterion.benchmark_group(GROUP);
    let mut order = Order::of(hot.tokens());
    group.bench_function(BenchmarkId::from_parameter(RECEIVED), |bencher| {
        // A token that came over a socket was copied a moment ago.
        let receive = || order.next().to_owned();
        bencher.iter_batched_ref(
            receive,
            |token| hot.admits(token),
            BatchSize::NumIterations(TOGETHER),
        );
    });
    group.bench_function(BenchmarkId::from_parameter(IN_MEMORY), |bencher| {
        bencher.iter(|| hot.admits(order.next()));
    });
    group.finish();
    report(scale)
}

fn report(scale: &Scale) -> Result<Report> {
    let mut report = Report::titled(format!(
        "in process: cached verify + revocation check + guard; {} live tokens in random order, {} revocations",
        scale.tokens, scale.entries
    ));
    report.at_most("a token just received, median", TARGET, median(RECEIVED)?, "ns");
    report.figure(
        "… and one that is not in the processor's caches either",
        median(IN_MEMORY)?,
        "ns",
    );
    report.figure(
        "for comparison: one read of main memory here and now",
        memory::latency(),
        "ns",
    );
    Ok(report)
}

/// The median that criterion keeps.
fn median(name: &str) -> Result<f64> {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let path = Path::new(&target)
        .join("criterion")
        .join(GROUP)
        .join(name)
        .join("new/estimates.json");
    let text = std::fs::read(&path).with_context(|| format!("criterion kept no {}", path.display()))?;
    let estimates: Value = serde_json::from_slice(&text)?;
    estimates["median"]["point_estimate"]
        .as_f64()
        .context("criterion kept no median")
}

/// Tokens, each at its turn, in an order that looks like none.
struct Order<'t> {
    tokens: &'t [String],
    places: Vec<usize>,
    turn: usize,
}

impl<'t> Order<'t> {
    fn of(tokens: &'t [String]) -> Self {
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
