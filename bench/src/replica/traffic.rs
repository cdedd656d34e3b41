//! Single lookups, while another thread adds entries and removes expired ones.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use maxlab_auth_core::clock;
use maxlab_auth_core::revocation::{Fingerprint, Replica};

use super::names::{self, START};
use super::{figure, nanoseconds};
use crate::percentiles::Percentiles;
use crate::report::BenchReport;

/// Number of entries that are added each second.
const RATE: u64 = 50_000;
/// Time between two additions, each with one step of the sweep.
const TICK: Duration = Duration::from_millis(1);
/// Entries that one step of the sweep visits. The whole replica is visited every few seconds.
const STEP: usize = 2_000;
/// Lifetime of an added entry in seconds, longer than the measurement.
const LIFE: u64 = 3_600;

/// Work of the writing thread.
#[derive(Debug, Default)]
struct WriterStats {
    added: usize,
    forgotten: usize,
}

/// Measures single lookups, alternately of absent and of revoked names, for `time`.
pub(super) fn measure(
    replica: &Replica,
    absent: &[Fingerprint],
    present: &[Fingerprint],
    time: Duration,
    report: &mut BenchReport,
) {
    let names: Vec<_> = absent.iter().zip(present).flat_map(|(a, p)| [*a, *p]).collect();
    // First without the writer, to show what the writer changes.
    let undisturbed = Percentiles::of(timed(replica, &names, time / 5));
    let done = AtomicBool::new(false);
    let (written, single) = thread::scope(|scope| {
        let writer = scope.spawn(|| write(replica, &done));
        let single = timed(replica, &names, time);
        done.store(true, Ordering::Relaxed);
        (writer.join(), Percentiles::of(single))
    });
    // A panic of the writer counts as no work: the figures below show that.
    let written = written.unwrap_or_default();
    let seconds = time.as_secs_f64();
    report.figure("entries added meanwhile", figure(written.added) / seconds, "/s");
    report.figure(
        "entries forgotten meanwhile",
        figure(written.forgotten) / seconds,
        "/s",
    );
    report.figure("single lookups measured", figure(single.len()) / 1e6, "million");
    report.figure(
        "reading the clock, p50",
        micros(Percentiles::of(idle()).at(500)),
        "µs",
    );
    report.figure("single lookup meanwhile, p50", micros(single.at(500)), "µs");
    report.figure("… p99", micros(single.at(990)), "µs");
    report.at_most("… p99.9", 5.0, micros(single.at(999)), "µs");
    report.figure(
        "… p99.9 without additions and expiry",
        micros(undisturbed.at(999)),
        "µs",
    );
}

/// Returns the nanoseconds of each lookup, cycling through `names` until the time is over.
fn timed(replica: &Replica, names: &[Fingerprint], time: Duration) -> Vec<u32> {
    let first_started = Instant::now();
    let mut nanos = Vec::new();
    for name in names.iter().cycle() {
        let started = Instant::now();
        // The clock advances, as it does for real requests: entries expire meanwhile.
        black_box(replica.revoked(*name, clock::after(START, first_started.elapsed())));
        nanos.push(nanoseconds(started));
        if started.duration_since(first_started) >= time {
            break;
        }
    }
    nanos
}

/// Returns the nanoseconds that reading the clock takes.
fn idle() -> Vec<u32> {
    (0..100_000)
        .map(|_| nanoseconds(black_box(Instant::now())))
        .collect()
}

/// Adds entries at [`RATE`] and sweeps expired ones until `done`.
fn write(replica: &Replica, done: &AtomicBool) -> WriterStats {
    let started = Instant::now();
    let (mut number, mut written) = (0, WriterStats::default());
    while !done.load(Ordering::Relaxed) {
        let elapsed = started.elapsed();
        // Paced by the elapsed time, so that a late tick loses no entries.
        while number < u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX) * RATE / 1_000_000 {
            replica.apply(&names::revocation(
                names::token("added", number),
                LIFE + number % LIFE,
            ));
            number += 1;
            written.added += 1;
        }
        written.forgotten += replica.sweep(clock::after(START, elapsed), STEP);
        thread::sleep(TICK);
    }
    written
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
