//! Output of commands: tables for people, JSON for scripts.

use std::io::{self, Write as _};

use jiff::Timestamp;
use serde_json::Value;
use unicode_width::UnicodeWidthChar as _;

/// Least width of a truncated column, in terminal cells.
const MIN_COLUMN_WIDTH: usize = 8;

/// Space between two columns, in terminal cells.
const COLUMN_GAP: usize = 2;

/// Prints to standard output.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader has seen enough, as in `| head`. That is not a failure of the command.
        Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Prints a JSON document.
pub(super) fn print_json(value: &Value) -> io::Result<()> {
    print(&format!("{value:#}\n"))
}

/// Prints a table. On a terminal it is no wider than the terminal.
pub(super) fn print_table(table: &TextTable) -> io::Result<()> {
    // `None` for a file or a pipe: nothing is cut there.
    let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    print(&table.render(width))
}

/// Formats a time for people, in UTC.
pub(super) fn format_timestamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Makes text from outside safe for a terminal: characters that would move its cursor, colour it or change
/// its direction are escaped.
pub(super) fn escape_for_terminal(text: &str) -> String {
    // Control characters, and the marks of bidirectional text, with which a name could look like another one.
    let needs_escape = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .flat_map(|c| {
            // Two iterators of different types in one chain; one of them is empty.
            let (escaped, plain) = if needs_escape(c) {
                (Some(c.escape_default()), None)
            } else {
                (None, Some(c))
            };
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// Behaviour of a column on a narrow terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnFit {
    /// Never truncated, because people copy its values.
    Whole,
    /// Truncated if the terminal is too narrow.
    Truncatable,
}

/// Table with headings and aligned columns.
#[derive(Debug)]
pub(super) struct TextTable {
    columns: Vec<(&'static str, ColumnFit)>,
    rows: Vec<Vec<String>>,
}

impl TextTable {
    pub(super) fn new(columns: &[(&'static str, ColumnFit)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, with one cell for each column.
    pub(super) fn push_row<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(
            cells
                .into_iter()
                .map(|cell| escape_for_terminal(cell.as_ref()))
                .collect(),
        );
    }

    /// Renders the lines. None is wider than `width`, unless the columns that must stay whole are.
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
                    .map(|cell| display_width(cell))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        if let Some(width) = width {
            self.shrink_columns(&mut widths, width);
        }
        lines.iter().map(|line| render_line(line, &widths)).collect()
    }

    /// Narrows the widest truncatable column by one cell, until the row fits.
    fn shrink_columns(&self, widths: &mut [usize], limit: usize) {
        let gaps = COLUMN_GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > limit {
            let truncatable = widths
                .iter_mut()
                .zip(&self.columns)
                .filter(|(width, (_, fit))| **width > MIN_COLUMN_WIDTH && *fit == ColumnFit::Truncatable);
            // Nothing is left to narrow. The terminal wraps the line, which is better than to cut what people
            // copy.
            let Some((widest, _)) = truncatable.max_by_key(|(width, _)| **width) else {
                return;
            };
            *widest -= 1;
        }
    }
}

fn render_line(line: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, width) in line.iter().zip(widths) {
        let cell = truncate(cell, *width);
        let padding = width.saturating_sub(display_width(&cell)) + COLUMN_GAP;
        text.push_str(&cell);
        text.extend(std::iter::repeat_n(' ', padding));
    }
    // The padding of the last column would only make lines wrap.
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Returns the width of a text on a terminal, in cells.
fn display_width(text: &str) -> usize {
    // Not the number of characters: Korean letters take two cells, combining marks none.
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

fn truncate(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    // One cell is for the ellipsis.
    let mut left = width.saturating_sub(1);
    let start = text.chars().take_while(|c| {
        let cells = c.width().unwrap_or(0);
        let fits = cells <= left;
        left = left.saturating_sub(cells);
        fits
    });
    start.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TextTable {
        let mut table = TextTable::new(&[
            ("KEY", ColumnFit::Whole),
            ("WHAT", ColumnFit::Truncatable),
            ("END", ColumnFit::Truncatable),
        ]);
        table.push_row(["0123456789", "a long description of it", "x"]);
        table.push_row(["1", "김", "y"]);
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
        let narrow = table().render(Some(30));
        assert!(narrow.lines().all(|line| display_width(line) <= 30), "{narrow}");
        assert!(narrow.contains("0123456789  a long descr…  x"), "{narrow}");
        let tiny = table().render(Some(5));
        assert!(tiny.contains("0123456789  a long …  x"), "{tiny}");
    }

    #[test]
    fn nothing_in_a_cell_reaches_the_terminal_as_a_command() {
        let mut table = TextTable::new(&[("A", ColumnFit::Truncatable)]);
        table.push_row(["\u{1b}[2Jx\r\ny\u{202e}z"]);
        let rendered = table.render(None);
        assert_eq!(rendered, "A\n\\u{1b}[2Jx\\r\\ny\\u{202e}z\n");
    }
}
