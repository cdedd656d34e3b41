//! Servers in turns under the same load.

use anyhow::{Context, Result};

use super::load::Load;
use super::process::{cpu_seconds, kibibytes};

/// A server that is measured.
#[derive(Debug)]
pub(super) struct Contender {
    name: &'static str,
    pid: u32,
    port: u16,
}

impl Contender {
    pub(super) fn of(name: &'static str, pid: u32, port: u16) -> Self {
        Self { name, pid, port }
    }
}

/// What was measured of one server: the middle of its runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) per_second: f64,
    /// Microseconds of CPU for each request.
    pub(super) cpu: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// MiB.
    pub(super) resident: f64,
}

/// What was measured of all.
#[derive(Debug)]
pub(super) struct Measured(Vec<Row>);

/// Loads them in turns, each after a run that does not count: while the others had their turns, verdicts grew old.
pub(super) fn compare(contenders: &[Contender], load: &Load, rounds: usize) -> Result<Measured> {
    let mut runs = vec![Vec::new(); contenders.len()];
    for _ in 0..rounds {
        for (contender, runs) in contenders.iter().zip(&mut runs) {
            load.run(contender.port).context(contender.name)?;
            let before = cpu_seconds(contender.pid)?;
            let seen = load.run(contender.port).context(contender.name)?;
            let cpu = (cpu_seconds(contender.pid)? - before) * 1e6 / seen.requests;
            runs.push((seen, cpu));
        }
    }
    let rows = contenders.iter().zip(&runs).map(|(contender, runs)| {
        Ok(Row {
            name: contender.name,
            per_second: middle(runs.iter().map(|(seen, _)| seen.per_second)),
            cpu: middle(runs.iter().map(|(_, cpu)| *cpu)),
            p50: middle(runs.iter().map(|(seen, _)| seen.p50)),
            p99: middle(runs.iter().map(|(seen, _)| seen.p99)),
            resident: kibibytes(contender.pid)? / 1_024.0,
        })
    });
    Ok(Measured(rows.collect::<Result<_>>()?))
}

impl Measured {
    pub(super) fn rows(&self) -> &[Row] {
        &self.0
    }

    pub(super) fn six(&self) -> Result<[Row; 6]> {
        self.0.clone().try_into().ok().context("six servers are compared")
    }

    /// A table of markdown.
    pub(super) fn print(&self) {
        println!("| server | requests/s | CPU µs/request | p50 µs | p99 µs | resident MiB |");
        println!("|---|---|---|---|---|---|");
        for row in &self.0 {
            let Row {
                name,
                per_second,
                cpu,
                p50,
                p99,
                resident,
            } = row;
            println!("| {name} | {per_second:.0} | {cpu:.2} | {p50:.0} | {p99:.0} | {resident:.1} |");
        }
        println!();
    }
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
