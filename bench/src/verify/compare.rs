//! Servers in turns under the same load.

use std::time::Duration;

use anyhow::{Context, Result};

use super::load::Seen;
use super::servers::process::{cpu_seconds, kibibytes};

/// Each turn begins with so much of the load that does not count.
const WARM_UP: Duration = Duration::from_secs(1);

/// A server that is measured, and what loads it for a while.
pub(super) struct Contender<'l> {
    name: String,
    pid: u32,
    load: Box<dyn Fn(Duration) -> Result<Seen> + 'l>,
}

impl<'l> Contender<'l> {
    pub(super) fn of(name: &str, pid: u32, load: impl Fn(Duration) -> Result<Seen> + 'l) -> Self {
        Self {
            name: name.to_owned(),
            pid,
            load: Box::new(load),
        }
    }

    fn turn(&self, lasts: Duration) -> Result<(Seen, f64)> {
        (self.load)(WARM_UP.min(lasts))?;
        let before = cpu_seconds(self.pid)?;
        let seen = (self.load)(lasts)?;
        let cpu = (cpu_seconds(self.pid)? - before) * 1e6 / seen.requests;
        Ok((seen, cpu))
    }
}

/// What was measured of one server: the middle of its runs.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) per_second: f64,
    /// Microseconds of CPU for each request.
    pub(super) cpu: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// MiB.
    pub(super) resident: f64,
}

/// What was measured side by side.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
}

/// How often and how long each is loaded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns {
    pub(super) rounds: usize,
    pub(super) lasts: Duration,
}

/// Loads them in turns, each after a run that does not count: while the others had their turns, verdicts grew old. Prints what
/// was seen.
pub(super) fn compare(
    title: impl Into<String>,
    contenders: &[Contender<'_>],
    turns: Turns,
) -> Result<Measured> {
    let mut runs = vec![Vec::new(); contenders.len()];
    for _ in 0..turns.rounds {
        for (contender, runs) in contenders.iter().zip(&mut runs) {
            runs.push(
                contender
                    .turn(turns.lasts)
                    .with_context(|| contender.name.clone())?,
            );
        }
    }
    let rows = contenders.iter().zip(&runs).map(|(contender, runs)| {
        Ok(Row {
            name: contender.name.clone(),
            per_second: middle(runs.iter().map(|(seen, _)| seen.per_second)),
            cpu: middle(runs.iter().map(|(_, cpu)| *cpu)),
            p50: middle(runs.iter().map(|(seen, _)| seen.p50)),
            p99: middle(runs.iter().map(|(seen, _)| seen.p99)),
            resident: kibibytes(contender.pid)? / 1_024.0,
        })
    });
    let measured = Measured {
        title: title.into(),
        rows: rows.collect::<Result<_>>()?,
    };
    measured.print();
    Ok(measured)
}

impl Measured {
    /// The servers, of which there are so many.
    pub(super) fn rows<const COUNT: usize>(&self) -> Result<&[Row; COUNT]> {
        let rows = self.rows.as_slice();
        rows.try_into()
            .with_context(|| format!("{COUNT} servers are compared"))
    }

    /// A table of markdown.
    fn print(&self) {
        println!("{}\n", self.title);
        println!("| server | requests/s | CPU µs/request | p50 µs | p99 µs | resident MiB |");
        println!("|---|---|---|---|---|---|");
        for row in &self.rows {
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
