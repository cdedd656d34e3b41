//! Memory of this process, as the kernel counts it.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};

/// Returns the resident set in bytes: `VmRSS` of `/proc/self/status`.
///
/// # Errors
/// The machine has no `/proc`.
pub(crate) fn resident() -> Result<usize> {
    let status =
        fs::read_to_string("/proc/self/status").context("resident memory is measured on Linux only")?;
    let kib: usize = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .context("/proc/self/status has no VmRSS")?
        .trim()
        .parse()?;
    Ok(kib * 1024)
}

/// Returns the nanoseconds of one random read in 160 MB that must end before the next can begin.
///
/// That is the least time of anything that reads main memory, on this machine under its present load.
pub(crate) fn latency() -> f64 {
    const LINES: usize = 160 * 1_024 * 1_024 / 64;
    const READS: u32 = 1_000;
    // The processor would predict an odd stride modulo a power of two. This sequence looks random to it.
    let lines: Vec<[u64; 8]> = (0..LINES as u64)
        .map(|line| [line.wrapping_mul(0x9E37_79B9_7F4A_7C15); 8])
        .collect();
    // `place` is the state of the sequence. A line of memory is part of each step.
    let (mut place, mut batches) = (1_u64, Vec::new());
    for _ in 0..200 {
        let started = Instant::now();
        // Each place depends on what was read before, so reads cannot overlap.
        for _ in 0..READS {
            place = (place ^ lines[(place >> 20) as usize % LINES][0])
                .wrapping_mul(0xD134_2543_DE82_EF95)
                .wrapping_add(1);
        }
        batches.push(started.elapsed());
    }
    // Used, so that the compiler keeps the loop.
    black_box(place);
    // The median of batches: an interrupt lengthens only some of them.
    batches.sort_unstable();
    batches[batches.len() / 2].as_secs_f64() * 1e9 / f64::from(READS)
}
