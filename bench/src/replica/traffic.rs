//! Look-ups one by one, while another thread adds entries and lets others expire.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use maxlab_auth_core::clock;
use maxlab_auth_core::revocation::{Fingerprint, Replica};

use super::names::{self, START};
use super::{figure, nanoseconds};
use crate::percentiles::Percentiles;
use crate::report::Report;

/// Entries that are added each second.
const RATE: u64 = 50_000;
/// How often some are added, and a step is swept.
const TICK: Duration = Duration::from_millis(1);
/// The budget of a step of sweeping: everything is passed every few seconds.
const STEP: usize = 2_000;
/// The seconds that an added entry lives: beyond the measurement.
const LIFE: u64 = 3_600;

/// What the writing thread did.
#[derive(Debug, Default)]
struct Written {
    added: usize,
    forgotten: usize,
}

/// Times single look-ups, of absent and of revoked names in turn, for `time`.
pub(super) fn measure(
    replica: &Replica,
    absent: &[Fingerprint],
    present: &[Fingerprint],
    time: Duration,
    report: &mut Report,
) {
    let names: Vec<_> = absent.iter().zip(present).flat_map(|(a, p)| [*a, *p]).collect();
    let undisturbed = Percentiles::of(timed(replica, &names, time / 5));
    let done = AtomicBool::new(false);
    let (written, single) = thread::scope(|scope| {
        let writer = scope.spawn(|| write(replica, &done));
        let single = timed(replica, &names, time);
        done.store(true, Ordering::Relaxed);
        (writer.join(), Percentiles::of(single))
    });
    let written = written.unwrap_or_default();
    let seconds = time.as_secs_f64();
    report.figure("entries added meanwhile", figure(written.added) / seconds, "/s");
    report.figure(
        "entries forgotten meanwhile",
        figure(written.forgotten) / seconds,
        "/s",
    );
    report.figure("single look-ups timed", figure(single.len()) / 1e6, "million");
    report.figure(
        "reading the clock, p50",
        micros(Percentiles::of(idle()).at(500)),
        "µs",
    );
    report.figure("single look-up meanwhile, p50", micros(single.at(500)), "µs");
    report.figure("… p99", micros(single.at(990)), "µs");
    report.at_most("… p99.9", 5.0, micros(single.at(999)), "µs");
    report.figure(
        "… p99.9 without additions and expiry",
        micros(undisturbed.at(999)),
        "µs",
    );
}

/// The nanoseconds of each look-up, over and over through `names` until the time is over.
fn timed(replica: &Replica, names: &[Fingerprint], time: Duration) -> Vec<u32> {
    let begun = Instant::now();
    let mut nanos = Vec::new();
    for name in names.iter().cycle() {
        let started = Instant::now();
        black_box(replica.revoked(*name, clock::after(START, begun.elapsed())));
        nanos.push(nanoseconds(started));
        if started.duration_since(begun) >= time {
            break;
        }
    }
    nanos
}

/// What timing itself takes.
fn idle() -> Vec<u32> {
    (0..100_000)
        .map(|_| nanoseconds(black_box(Instant::now())))
        .collect()
}

fn write(replica: &Replica, done: &AtomicBool) -> Written {
    let begun = Instant::now();
    let (mut number, mut written) = (0, Written::default());
    while !done.load(Ordering::Relaxed) {
        let elapsed = begun.elapsed();
        // Paced by what is due, so that a late tick loses none.
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
