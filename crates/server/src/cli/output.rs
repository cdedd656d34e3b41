//! What commands print: tables for people, JSON for scripts.

use std::io::{self, Write as _};

use jiff::Timestamp;
use serde_json::Value;
use unicode_width::UnicodeWidthChar as _;

/// A column that gives way is not cut below this many places.
const NARROWEST: usize = 8;

/// Between two columns.
const GAP: usize = 2;

/// Prints to standard output. A reader that has seen enough (`| head`) is no failure.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Prints a JSON document.
pub(super) fn print_json(value: &Value) -> io::Result<()> {
    print(&format!("{value:#}\n"))
}

/// Prints a table, no wider than the terminal if it goes to one.
pub(super) fn print_table(table: &Table) -> io::Result<()> {
    let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    print(&table.render(width))
}

/// A moment as people read it, in UTC.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Text from elsewhere, safe for a terminal: what would move its cursor, colour it or turn its direction is shown.
pub(super) fn harmless(text: &str) -> String {
    let shown = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .flat_map(|c| {
            let (escaped, plain) = if shown(c) {
                (Some(c.escape_default()), None)
            } else {
                (None, Some(c))
            };
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// What a column may do when the terminal is narrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is what people copy, so it stays whole.
    Whole,
    /// It may be cut.
    Cut,
}

/// Rows under headings, in columns that line up.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<(&'static str, Fit)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[(&'static str, Fit)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row of as many cells as there are columns.
    pub(super) fn row<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows
            .push(cells.into_iter().map(|cell| harmless(cell.as_ref())).collect());
    }

    /// The lines, none wider than `width` unless whole columns alone are.
    pub(super) fn render(&self, width: Option<usize>) -> String {
        let headings: Vec<String> = self
            .columns
            .iter()
            .map(|(title, _)| (*title).to_owned())
            .collect();
        let lines: Vec<&[String]> = std::iter::once(headings.as_slice())
            .chain(self.rows.iter().map(Vec::as_slice))
            .collect();
        let mut widths: Vec<usize> = (0..self.columns.len())
            .map(|at| {
                lines
                    .iter()
                    .filter_map(|line| line.get(at))
                    .map(|cell| places(cell))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        if let Some(width) = width {
            self.narrow(&mut widths, width);
        }
        lines.iter().map(|line| rendered(line, &widths)).collect()
    }

    /// Takes from the widest column that may be cut until the row fits.
    fn narrow(&self, widths: &mut [usize], limit: usize) {
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > limit {
            let cuttable = widths
                .iter_mut()
                .zip(&self.columns)
                .filter(|(wide, (_, fit))| **wide > NARROWEST && *fit == Fit::Cut);
            let Some((widest, _)) = cuttable.max_by_key(|(wide, _)| **wide) else {
                return;
            };
            *widest -= 1;
        }
    }
}

fn rendered(line: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, width) in line.iter().zip(widths) {
        let cell = cut(cell, *width);
        let padding = width.saturating_sub(places(&cell)) + GAP;
        text.push_str(&cell);
        text.extend(std::iter::repeat_n(' ', padding));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// How many places the text takes on a terminal.
fn places(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

fn cut(text: &str, width: usize) -> String {
    if places(text) <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let kept = text.chars().take_while(|c| {
        let wide = c.width().unwrap_or(0);
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    });
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[("KEY", Fit::Whole), ("WHAT", Fit::Cut), ("END", Fit::Cut)]);
        table.row(["0123456789", "a long description of it", "x"]);
        table.row(["1", "김", "y"]);
        table
    }

    #[test]
    fn columns_line_up_whatever_the_width_of_their_letters() {
        assert_eq!(
            table().render(None),
            "KEY         WHAT                      END\n\
             0123456789  a long description of it  x\n\
             1           김                        y\n"
        );
    }

    #[test]
    fn a_narrow_terminal_cuts_what_may_be_cut_and_nothing_else() {
        let shown = table().render(Some(30));
        assert!(shown.lines().all(|line| places(line) <= 30), "{shown}");
        assert!(shown.contains("0123456789  a long descr…  x"), "{shown}");
        let tiny = table().render(Some(5));
        assert!(tiny.contains("0123456789  a long …  x"), "{tiny}");
    }

    #[test]
    fn nothing_in_a_cell_reaches_the_terminal_as_a_command() {
        let mut table = Table::new(&[("A", Fit::Cut)]);
        table.row(["\u{1b}[2Jx\r\ny\u{202e}z"]);
        let shown = table.render(None);
        assert_eq!(shown, "A\n\\u{1b}[2Jx\\r\\ny\\u{202e}z\n");
    }
}
