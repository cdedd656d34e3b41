//! What is left of a run: a table, a plot, and the history of every violation.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use crate::check::show;
use crate::figures::{Operation, Row, operations, rows};
use crate::plan::out;
use crate::plot::plot;
use crate::run::Verdict;
use crate::table::{heading, table, table_of_operations};

/// So many violations are printed with their history.
const PRINTED: usize = 8;
/// So many are written to the file.
const WRITTEN: usize = 500;

/// A finished run, as the report shows it.
struct Finished {
    name: &'static str,
    heading: String,
    rows: Vec<Row>,
    operations: Vec<Operation>,
}

impl Finished {
    fn tables(&self) -> String {
        let (faults, operations) = (table(&self.rows), table_of_operations(&self.operations));
        format!("{}\n\n{faults}\n{operations}", self.heading)
    }
}

/// The runs of this process that have ended, in the order in which they are shown.
static FINISHED: Mutex<Vec<Finished>> = Mutex::new(Vec::new());

/// Prints the table and what is wrong; writes the files; fails on a violation.
///
/// # Panics
/// When there is a violation, or a file can't be written.
pub(crate) fn conclude(verdict: &Verdict) {
    let rows = rows(verdict);
    let finished = Finished {
        name: verdict.arrangement.name(),
        heading: heading(verdict),
        rows: rows.clone(),
        operations: operations(verdict),
    };
    println!("\n{}", finished.tables());
    let folder = out();
    std::fs::create_dir_all(&folder).unwrap();
    if verdict.plan.is_long() {
        write_report(finished, &folder);
    }
    let count = verdict.violations.len();
    if count == 0 {
        return assert_not_empty(&rows);
    }
    let file = folder.join(format!("violations-{}.txt", verdict.arrangement.name()));
    let written = verdict.violations.iter().take(WRITTEN);
    let shown: Vec<_> = written.map(|one| show(&verdict.history, one)).collect();
    std::fs::write(&file, shown.join("\n\n")).unwrap();
    let most = shown[..count.min(PRINTED)].join("\n\n");
    panic!(
        "{count} violations with seed {}; more in {}\n{}\n{most}",
        verdict.plan.seed,
        file.display(),
        summary(verdict),
    );
}

/// How often each thing went wrong under each fault.
fn summary(verdict: &Verdict) -> String {
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for one in &verdict.violations {
        let under = verdict.history.fault_at(one.at).name();
        let way = one.way.map_or("nothing asked for", |way| way.name());
        *counts.entry((one.wrong.name(), way, under)).or_default() += 1;
    }
    let lines = counts.iter();
    lines
        .map(|((wrong, way, under), count)| format!("{count:>6} × {wrong}, {way}, under {under}\n"))
        .collect()
}

/// A run in which hardly anything was revoked or accepted proves nothing.
fn assert_not_empty(rows: &[Row]) {
    let acknowledged: usize = rows.iter().map(|row| row.acknowledged).sum();
    let accepts: usize = rows.iter().map(|row| row.accepts).sum();
    assert!(
        acknowledged >= 10 && accepts >= 100,
        "only {acknowledged} revocations were acknowledged and {accepts} accepts checked: this shows nothing"
    );
}

/// `report.md` and `latency.svg`, written anew whenever one more arrangement has finished.
fn write_report(run: Finished, folder: &Path) {
    let mut finished = FINISHED.lock().unwrap();
    finished.push(run);
    finished.sort_by_key(|one| one.name);
    let mut report = String::from("# Torture\n");
    for one in finished.iter() {
        let _ = write!(report, "\n## {}\n", one.tables());
    }
    report.push_str("\n![How long a revoke takes under each fault](latency.svg)\n");
    std::fs::write(folder.join("report.md"), report).unwrap();
    let panels: Vec<_> = finished.iter().map(|one| (one.name, one.rows.clone())).collect();
    std::fs::write(folder.join("latency.svg"), plot(&panels)).unwrap();
}
