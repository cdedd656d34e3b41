//! Filling of a replica: its speed, and the memory that it takes on the way.

use std::time::{Duration, Instant};

use anyhow::Result;
use maxlab_auth_core::random;
use maxlab_auth_core::revocation::{JournalEntry, Replica};

use super::names::{self, SPREAD};
use super::{MILLION, figure, nanoseconds, per};
use crate::memory;
use crate::percentiles::Percentiles;
use crate::report::BenchReport;

/// Number of entries that are built before they are applied. Building them is not measured.
const BATCH: u64 = 10_000;
/// Number of entries that are timed together.
const FEW: usize = 100;
/// Number of tokens from which on the worst case is recorded. Before, the memory of an empty replica
/// outweighs them.
const WORST_FROM: usize = 2_000_000;

/// Memory for each token, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct BytesPerToken {
    /// By the replica's own count.
    counted: f64,
    /// By the growth of the process.
    resident: f64,
}

impl BytesPerToken {
    fn of(replica: &Replica, baseline: usize) -> Result<Self> {
        let stats = replica.stats();
        Ok(Self {
            counted: figure(stats.bytes) / figure(stats.tokens),
            resident: figure(memory::resident()?.saturating_sub(baseline)) / figure(stats.tokens),
        })
    }

    /// Returns the larger of both, each figure by itself.
    fn or_more(self, other: Self) -> Self {
        Self {
            counted: self.counted.max(other.counted),
            resident: self.resident.max(other.resident),
        }
    }
}

/// Applies the revocations of `tokens` tokens one by one, and reports speed and memory.
pub(super) fn measure(tokens: u64, report: &mut BenchReport) -> Result<Replica> {
    // The buffer of a batch is allocated first, so that it belongs to the baseline.
    let mut entries = Vec::new();
    fill(&mut entries, 0, tokens);
    let baseline = memory::resident()?;
    let replica = Replica::new(random::bytes()?);
    let empty = replica.stats().bytes;
    let (mut took, mut singles, mut worst) = (Duration::ZERO, Vec::new(), BytesPerToken::default());
    let (mut million, mut applied) = (None, 0);
    for first in (0..tokens).step_by(usize::try_from(BATCH)?) {
        fill(&mut entries, first, tokens);
        // Only the last batch counts: it was applied to the full replica.
        singles.clear();
        let started = Instant::now();
        for few in entries.chunks(FEW) {
            let started = Instant::now();
            few.iter().for_each(|entry| replica.apply(entry));
            singles.push(nanoseconds(started));
        }
        took += started.elapsed();
        applied += entries.len();
        // The first time that the count reaches a million.
        if applied >= usize::try_from(MILLION)? {
            million.get_or_insert(took);
        }
        if applied >= WORST_FROM {
            worst = worst.or_more(BytesPerToken::of(&replica, baseline)?);
        }
    }
    // The growth of the process includes what the allocator keeps.
    let full = BytesPerToken::of(&replica, baseline)?;
    report.at_most("resident bytes per revoked token", 24.0, full.resident, "B");
    report.at_most("… by the replica's own count", 24.0, full.counted, "B");
    report.at_most("worst from 2 million on, resident", 24.0, worst.resident, "B");
    report.at_most("… by the replica's own count", 24.0, worst.counted, "B");
    report.figure("an empty replica", figure(empty) / 1e6, "MB");
    if let Some(million) = million {
        report.at_most(
            "applying the first million entries",
            3.0,
            million.as_secs_f64(),
            "s",
        );
    }
    report.figure(
        "applying one entry, mean, including other load of the machine",
        per(took, applied),
        "ns",
    );
    let median = per(Percentiles::of(singles).at(500), FEW);
    report.at_most("applying one entry to the full replica", 1_000.0, median, "ns");
    Ok(replica)
}

/// Fills the buffer with the entries of one batch.
fn fill(entries: &mut Vec<JournalEntry>, first: u64, tokens: u64) {
    entries.clear();
    entries.extend(
        (first..tokens.min(first + BATCH))
            .map(|number| names::revocation(names::revoked(number), 1 + number % SPREAD)),
    );
}
