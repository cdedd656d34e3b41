//! Counts the instructions of the hot path under callgrind, and compares them with the baseline in the
//! repository.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};

use crate::shell::Workspace;
use crate::tools;

/// File of the baseline.
const BASELINE_FILE: &str = "bench/instructions.txt";
/// Increase in percent that is a regression. Keys and tokens are new in each run, which changes a count by
/// less.
const TOLERANCE_PERCENT: u64 = 5;
/// Option that writes the counts as the new baseline.
const WRITE_OPTION: &str = "--write";

const BASELINE_HEADER: &str = "\
# Instructions of the hot path, each operation 64 times. `cargo xtask bench instructions` compares with these, and fails if one has grown
# by more than 5 %. `cargo xtask bench instructions --write` writes new ones. Signatures depend on the processor (AVX2, BMI2).
";

type InstructionCounts = BTreeMap<String, u64>;

/// Counts instructions, and compares them with the baseline or writes a new one.
///
/// # Errors
/// A count has grown, a benchmark is not in the baseline, or nothing was counted.
pub(crate) fn run(workspace: &Workspace, options: &[&str]) -> Result<()> {
    let writes = match options {
        [] => false,
        [WRITE_OPTION] => true,
        _ => bail!("`bench instructions` has no other option than {WRITE_OPTION}"),
    };
    let counted = count(workspace)?;
    let baseline = workspace.at(BASELINE_FILE);
    if writes {
        fs::write(&baseline, render_baseline(&counted)?).context("cannot write the baseline")?;
        println!("{} counts are written to {BASELINE_FILE}", counted.len());
        return Ok(());
    }
    let baseline = fs::read_to_string(baseline).with_context(|| format!("cannot read {BASELINE_FILE}"))?;
    let (table, grown) = compare_with_baseline(&parse_baseline(&baseline)?, &counted)?;
    println!("{table}");
    ensure!(
        grown.is_empty(),
        "more instructions than in the baseline: {}",
        grown.join(", ")
    );
    Ok(())
}

/// Runs the benchmark, and returns its counts.
fn count(workspace: &Workspace) -> Result<InstructionCounts> {
    let runner = tools::install_for_counting(workspace)?;
    let bench = [
        "bench",
        "--quiet",
        "--locked",
        "--package",
        "maxlab-auth-bench",
        "--bench",
        "instructions",
    ];
    let mut command = workspace.cargo(&bench);
    // Color codes would be part of the names. Standard error stays visible: the build takes minutes.
    command
        .env("GUNGRAUN_RUNNER", runner)
        .env("GUNGRAUN_COLOR", "never")
        .stderr(Stdio::inherit());
    println!("$ cargo {}", bench.join(" "));
    let output = command.output().context("cannot start cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "the benchmark ended with {}:\n{text}",
        output.status
    );
    let counts = parse_gungraun_output(&text);
    ensure!(!counts.is_empty(), "nothing was counted:\n{text}");
    Ok(counts)
}

/// Parses the output of gungraun: the name of a benchmark on one line, then its figures, indented.
fn parse_gungraun_output(text: &str) -> InstructionCounts {
    let (mut counts, mut name) = (InstructionCounts::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("instructions::hot_path::") {
            // `cached hit:setup()`: the setup after the colon is not part of the name.
            name = rest.split(':').next().unwrap_or(rest).trim().to_owned();
        } else if let Some(figures) = line.trim_start().strip_prefix("Instructions:") {
            // `150000|N/A`: this run, and the last one, which is not the baseline of the repository.
            let count = figures.trim_start().split('|').next().map(str::parse);
            if let Some(Ok(count)) = count {
                counts.insert(name.clone(), count);
            }
        }
    }
    counts
}

/// Renders the baseline.
fn render_baseline(counts: &InstructionCounts) -> Result<String> {
    let mut text = BASELINE_HEADER.to_owned();
    for (name, count) in counts {
        writeln!(text, "{name:<24} {count:>10}")?;
    }
    Ok(text)
}

/// Parses the baseline.
fn parse_baseline(text: &str) -> Result<InstructionCounts> {
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let counts = lines.map(|line| {
        // From the right: the name contains a space.
        let (name, count) = line
            .trim()
            .rsplit_once(' ')
            .with_context(|| format!("{BASELINE_FILE}: {line}"))?;
        let count = count
            .parse()
            .with_context(|| format!("{BASELINE_FILE}: {line}"))?;
        Ok((name.trim().to_owned(), count))
    });
    counts.collect()
}

/// Compares counts with the baseline. Returns a Markdown table, and the counts that have grown.
fn compare_with_baseline(
    baseline: &InstructionCounts,
    counted: &InstructionCounts,
) -> Result<(String, Vec<String>)> {
    let (mut table, mut grown) = (
        String::from("| benchmark | baseline | counted | change | |\n|---|---|---|---|---|\n"),
        Vec::new(),
    );
    for (name, count) in counted {
        let before = baseline
            .get(name)
            .with_context(|| format!("{name} is not in the baseline, {WRITE_OPTION} adds it"))?;
        #[expect(clippy::cast_precision_loss, reason = "percents are shown with one digit")]
        let change = (*count as f64 / *before as f64 - 1.0) * 100.0;
        // In integers, so that the limit is exact.
        let has_grown = count * 100 > before * (100 + TOLERANCE_PERCENT);
        let verdict = if has_grown { "GROWN" } else { "ok" };
        if has_grown {
            grown.push(format!("{name} {change:+.1} %"));
        }
        writeln!(
            table,
            "| {name} | {before} | {count} | {change:+.1} % | {verdict} |"
        )?;
    }
    // A benchmark that was removed or renamed must not leave the baseline unnoticed.
    if let Some(name) = baseline.keys().find(|name| !counted.contains_key(*name)) {
        bail!("{name} is in the baseline but was not counted");
    }
    Ok((table, grown))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
instructions::hot_path::cached hit:remembering()
  Instructions:                      150000|N/A                  (*********)
  L1 Hits:                             7360|N/A                  (*********)
instructions::hot_path::uncached es256:forgetful(Algorithm :: Es256)
  Instructions:                    26000000|25000000             (+4.00000%) [+1.04000x]
";

    #[test]
    fn what_gungraun_prints_is_read_and_written_and_read_again() {
        let counts = parse_gungraun_output(PRINTED);
        let expected = [("cached hit", 150_000), ("uncached es256", 26_000_000)];
        assert_eq!(
            counts,
            expected.map(|(name, count)| (name.to_owned(), count)).into()
        );
        assert_eq!(
            parse_baseline(&render_baseline(&counts).unwrap()).unwrap(),
            counts
        );
    }

    #[test]
    fn only_what_grows_beyond_the_tolerance_is_a_regression() {
        let of = |count| InstructionCounts::from([("cached hit".to_owned(), count)]);
        let grown = |before, after| compare_with_baseline(&of(before), &of(after)).unwrap().1;
        assert!(grown(1_000, 1_050).is_empty());
        assert!(grown(1_000, 500).is_empty());
        assert_eq!(grown(1_000, 1_051), ["cached hit +5.1 %"]);
    }

    #[test]
    fn what_is_noted_or_counted_alone_is_an_error() {
        let one = InstructionCounts::from([("cached hit".to_owned(), 1)]);
        assert!(compare_with_baseline(&one, &InstructionCounts::new()).is_err());
        assert!(compare_with_baseline(&InstructionCounts::new(), &one).is_err());
    }
}
