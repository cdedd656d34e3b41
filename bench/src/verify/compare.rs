//! Comparison of servers that take turns under the same load.

use std::time::Duration;

use anyhow::{Context, Result};

use super::load::LoadResult;
use super::servers::process::{cpu_seconds, resident_kibibytes};

/// Duration of the load before each run, which is not measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// Server to measure, and the function that loads it for a given time.
pub(super) struct Contender<'l> {
    name: String,
    pid: u32,
    load: Box<dyn Fn(Duration) -> Result<LoadResult> + 'l>,
}

impl<'l> Contender<'l> {
    pub(super) fn of(name: &str, pid: u32, load: impl Fn(Duration) -> Result<LoadResult> + 'l) -> Self {
        Self {
            name: name.to_owned(),
            pid,
            load: Box::new(load),
        }
    }

    /// Warms the server up, then measures one run. Returns its figures, and microseconds of CPU per request.
    fn run_once(&self, duration: Duration) -> Result<(LoadResult, f64)> {
        // While the other servers had their turns, cached verdicts expired.
        (self.load)(WARM_UP.min(duration))?;
        let before = cpu_seconds(self.pid)?;
        let result = (self.load)(duration)?;
        let cpu = (cpu_seconds(self.pid)? - before) * 1e6 / result.requests;
        Ok((result, cpu))
    }
}

/// Figures of one server: the median of its runs.
#[derive(Clone, Debug)]
pub(super) struct ServerFigures {
    pub(super) name: String,
    pub(super) per_second: f64,
    /// Microseconds of CPU per request.
    pub(super) cpu: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// MiB.
    pub(super) resident: f64,
}

/// Figures of servers that were compared.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) title: String,
    pub(super) rows: Vec<ServerFigures>,
}

/// Number and duration of the runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunPlan {
    pub(super) rounds: usize,
    pub(super) duration: Duration,
}

/// Measures the servers in turns, and prints their figures.
pub(super) fn compare(
    title: impl Into<String>,
    contenders: &[Contender<'_>],
    turns: RunPlan,
) -> Result<Comparison> {
    let mut runs = vec![Vec::new(); contenders.len()];
    // In turns, so that a change of the machine's speed meets all servers alike.
    for _ in 0..turns.rounds {
        for (contender, runs) in contenders.iter().zip(&mut runs) {
            runs.push(
                contender
                    .run_once(turns.duration)
                    .with_context(|| contender.name.clone())?,
            );
        }
    }
    let rows = contenders.iter().zip(&runs).map(|(contender, runs)| {
        Ok(ServerFigures {
            name: contender.name.clone(),
            per_second: median(runs.iter().map(|(result, _)| result.per_second)),
            cpu: median(runs.iter().map(|(_, cpu)| *cpu)),
            p50: median(runs.iter().map(|(result, _)| result.p50)),
            p99: median(runs.iter().map(|(result, _)| result.p99)),
            // After all runs, when every cache is filled.
            resident: resident_kibibytes(contender.pid)? / 1_024.0,
        })
    });
    let measured = Comparison {
        title: title.into(),
        rows: rows.collect::<Result<_>>()?,
    };
    measured.print();
    Ok(measured)
}

impl Comparison {
    /// Returns the figures of exactly `COUNT` servers.
    pub(super) fn rows<const COUNT: usize>(&self) -> Result<&[ServerFigures; COUNT]> {
        let rows = self.rows.as_slice();
        rows.try_into()
            .with_context(|| format!("the comparison does not have {COUNT} servers"))
    }

    /// Prints the figures as a Markdown table.
    fn print(&self) {
        println!("{}\n", self.title);
        println!("| server | requests/s | CPU µs/request | p50 µs | p99 µs | resident MiB |");
        println!("|---|---|---|---|---|---|");
        for row in &self.rows {
            let ServerFigures {
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

/// Returns the median, or NaN without values.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    // `f64` has no total order of its own, because of NaN.
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
