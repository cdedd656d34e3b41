//! Instructions of the hot path, counted under callgrind and compared with those that are noted in the repository.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};

use crate::shell::Workspace;
use crate::tools;

/// What is noted.
const NOTED: &str = "bench/instructions.txt";
/// More than so many percent above what is noted is a regression. Keys and tokens are new in each run, which moves a count by less.
const TOLERANCE: u64 = 5;
/// Notes what was counted, in the place of what is.
const WRITE: &str = "--write";

const HEAD: &str = "\
# Instructions of the hot path, each done 64 times: `cargo xtask bench instructions` compares with these and fails where one has grown by
# more than 5 %; `cargo xtask bench instructions --write` notes new ones. Signatures depend on what the processor can do (AVX2, BMI2).
";

type Counts = BTreeMap<String, u64>;

/// Counts, and compares.
///
/// # Errors
/// A count has grown, one is not noted, or nothing could be counted.
pub(crate) fn run(workspace: &Workspace, options: &[&str]) -> Result<()> {
    let writes = match options {
        [] => false,
        [WRITE] => true,
        _ => bail!("`bench instructions` knows no option but {WRITE}"),
    };
    let counted = count(workspace)?;
    let noted = workspace.at(NOTED);
    if writes {
        fs::write(&noted, written(&counted)?).context("cannot note the counts")?;
        println!("{} counts are noted in {NOTED}", counted.len());
        return Ok(());
    }
    let noted = fs::read_to_string(noted).with_context(|| format!("cannot read {NOTED}"))?;
    let (table, grown) = compared(&read(&noted)?, &counted)?;
    println!("{table}");
    ensure!(
        grown.is_empty(),
        "more instructions than noted: {}",
        grown.join(", ")
    );
    Ok(())
}

fn count(workspace: &Workspace) -> Result<Counts> {
    let runner = tools::for_counting(workspace)?;
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
    command
        .env("GUNGRAUN_RUNNER", runner)
        .env("GUNGRAUN_COLOR", "never")
        .stderr(Stdio::inherit());
    println!("$ cargo {}", bench.join(" "));
    let output = command.output().context("cargo can't be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "the benchmark ended with {}:\n{text}",
        output.status
    );
    let counts = counts_in(&text);
    ensure!(!counts.is_empty(), "nothing was counted:\n{text}");
    Ok(counts)
}

/// What gungraun prints: the name of a benchmark, then its figures, further right.
fn counts_in(text: &str) -> Counts {
    let (mut counts, mut name) = (Counts::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("instructions::hot_path::") {
            // `cached hit:setup()`: of what follows the colon is the name of no use.
            name = rest.split(':').next().unwrap_or(rest).trim().to_owned();
        } else if let Some(figures) = line.trim_start().strip_prefix("Instructions:") {
            let count = figures.trim_start().split('|').next().map(str::parse);
            if let Some(Ok(count)) = count {
                counts.insert(name.clone(), count);
            }
        }
    }
    counts
}

fn written(counts: &Counts) -> Result<String> {
    let mut text = HEAD.to_owned();
    for (name, count) in counts {
        writeln!(text, "{name:<24} {count:>10}")?;
    }
    Ok(text)
}

fn read(noted: &str) -> Result<Counts> {
    let lines = noted
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let counts = lines.map(|line| {
        let (name, count) = line
            .trim()
            .rsplit_once(' ')
            .with_context(|| format!("{NOTED}: {line}"))?;
        let count = count.parse().with_context(|| format!("{NOTED}: {line}"))?;
        Ok((name.trim().to_owned(), count))
    });
    counts.collect()
}

/// A table, and what has grown.
fn compared(noted: &Counts, counted: &Counts) -> Result<(String, Vec<String>)> {
    let (mut table, mut grown) = (
        String::from("| what | noted | counted | change | |\n|---|---|---|---|---|\n"),
        Vec::new(),
    );
    for (name, count) in counted {
        let before = noted
            .get(name)
            .with_context(|| format!("{name} is not noted: {WRITE} notes it"))?;
        #[expect(clippy::cast_precision_loss, reason = "percents are shown with one digit")]
        let change = (*count as f64 / *before as f64 - 1.0) * 100.0;
        let has_grown = count * 100 > before * (100 + TOLERANCE);
        let verdict = if has_grown { "GROWN" } else { "ok" };
        if has_grown {
            grown.push(format!("{name} {change:+.1} %"));
        }
        writeln!(
            table,
            "| {name} | {before} | {count} | {change:+.1} % | {verdict} |"
        )?;
    }
    if let Some(name) = noted.keys().find(|name| !counted.contains_key(*name)) {
        bail!("{name} is noted and was not counted");
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
        let counts = counts_in(PRINTED);
        let wanted = [("cached hit", 150_000), ("uncached es256", 26_000_000)];
        assert_eq!(
            counts,
            wanted.map(|(name, count)| (name.to_owned(), count)).into()
        );
        assert_eq!(read(&written(&counts).unwrap()).unwrap(), counts);
    }

    #[test]
    fn only_what_grows_beyond_the_tolerance_is_a_regression() {
        let of = |count| Counts::from([("cached hit".to_owned(), count)]);
        let grown = |before, after| compared(&of(before), &of(after)).unwrap().1;
        assert!(grown(1_000, 1_050).is_empty());
        assert!(grown(1_000, 500).is_empty());
        assert_eq!(grown(1_000, 1_051), ["cached hit +5.1 %"]);
    }

    #[test]
    fn what_is_noted_or_counted_alone_is_an_error() {
        let one = Counts::from([("cached hit".to_owned(), 1)]);
        assert!(compared(&one, &Counts::new()).is_err());
        assert!(compared(&Counts::new(), &one).is_err());
    }
}
