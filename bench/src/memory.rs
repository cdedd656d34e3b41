//! How much memory this process occupies, as the kernel counts it.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};

/// The resident set in bytes: `VmRSS` of `/proc/self/status`, which is what `/proc/self/statm` counts in pages.
///
/// # Errors
/// Where there is no `/proc`.
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

/// The nanoseconds of one read at a random place in 160 MB that must be over before the next can begin: what this
/// machine, as busy as it is, makes of anything that has to ask its main memory.
pub(crate) fn latency() -> f64 {
    const LINES: usize = 160 * 1_024 * 1_024 / 64;
    const READS: u32 = 1_000;
    // An odd stride modulo a power of two would be guessed by the processor; this sequence visits at random.
    let lines: Vec<[u64; 8]> = (0..LINES as u64)
        .map(|line| [line.wrapping_mul(0x9E37_79B9_7F4A_7C15); 8])
        .collect();
    let (mut place, mut batches) = (1_u64, Vec::new());
    for _ in 0..200 {
        let started = Instant::now();
        for _ in 0..READS {
            place = (place ^ lines[(place >> 20) as usize % LINES][0])
                .wrapping_mul(0xD134_2543_DE82_EF95)
                .wrapping_add(1);
        }
        batches.push(started.elapsed());
    }
    black_box(place);
    batches.sort_unstable();
    batches[batches.len() / 2].as_secs_f64() * 1e9 / f64::from(READS)
}
