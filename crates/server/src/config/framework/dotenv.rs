//! Parser for `.env` files with the rules of python-dotenv (decision 8). docs/GUIDE.md has unquoted spaces
//! and JSON in its file.
//!
//! `NAME=value`, with an optional `export`. A value without quotes ends at the end of the line or at ` #`. A
//! value in single or double quotes may span lines. `${NAME}` is not expanded, because a password may contain
//! it.

/// Contents of one `.env` file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct DotEnv {
    /// Names and values in the order of the file.
    pub(crate) entries: Vec<(String, String)>,
    /// Numbers of lines that cannot be parsed, counted from 1. Only the number: a bad line may contain a
    /// secret.
    pub(crate) bad_lines: Vec<usize>,
}

/// Parses the whole text. A bad line does not hide the lines after it.
pub(crate) fn parse(text: &str) -> DotEnv {
    // Editors on Windows put a byte order mark at the beginning.
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    let mut found = DotEnv::default();
    while !rest.is_empty() {
        let (first, after_first) = rest.split_once('\n').unwrap_or((rest, ""));
        // A bad entry takes one line, even if it began with an open quote. The next line may be good.
        let mut next = after_first;
        let blank = first.trim().is_empty() || first.trim_start().starts_with('#');
        if !blank {
            match entry(rest) {
                Some((name, value, after)) => {
                    found.entries.push((name, value));
                    next = after;
                }
                None => found.bad_lines.push(line),
            }
        }
        // An entry may span lines, so the line breaks of all that was read are counted.
        line += rest[..rest.len() - next.len()].matches('\n').count();
        rest = next;
    }
    found
}

/// Parses the entry at the start of `text`. Returns its name, its value, and the text from the next line on.
fn entry(text: &str) -> Option<(String, String, &str)> {
    let text = text.trim_start_matches([' ', '\t']);
    let text = match text.strip_prefix("export") {
        // A name may begin with the word: `exported=1`.
        Some(after) if after.starts_with([' ', '\t']) => after.trim_start_matches([' ', '\t']),
        _ => text,
    };
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
    let (name, after) = text.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let after = after
        .trim_start_matches([' ', '\t'])
        .strip_prefix('=')?
        .trim_start_matches([' ', '\t']);
    let (value, rest) = match after.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(&after[1..], quote)?,
        _ => unquoted(after),
    };
    Some((name.to_owned(), value, rest))
}

/// Parses a value without quotes. Returns it and the text from the next line on.
fn unquoted(text: &str) -> (String, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    // A # begins a comment only after a space: `a#b` is a value. At the start of the value it counts as after
    // a space.
    let mut before = ' ';
    let comment = line.char_indices().find(|&(_, c)| {
        let starts = c == '#' && before.is_whitespace();
        before = c;
        starts
    });
    let value = comment.map_or(line, |(at, _)| &line[..at]);
    (value.trim().to_owned(), rest)
}

/// Parses a quoted value. Only a comment may follow its closing quote.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    let close = loop {
        match chars.next()? {
            (at, c) if c == quote => break at,
            (_, '\\') => unescape(chars.next()?.1, quote, &mut value),
            (_, c) => value.push(c),
        }
    };
    let (tail, rest) = text[close + 1..]
        .split_once('\n')
        .unwrap_or((&text[close + 1..], ""));
    let tail = tail.trim();
    (tail.is_empty() || tail.starts_with('#')).then_some((value, rest))
}

/// Appends the character that an escape means. Single quotes know `\\` and `\'`, double quotes also control
/// characters.
fn unescape(escaped: char, quote: char, value: &mut String) {
    match escaped {
        '\\' => value.push('\\'),
        c if c == quote => value.push(c),
        'n' if quote == '"' => value.push('\n'),
        'r' if quote == '"' => value.push('\r'),
        't' if quote == '"' => value.push('\t'),
        // An unknown escape keeps its backslash, as in python-dotenv.
        c => value.extend(['\\', c]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (String, String) {
        let found = parse(text);
        assert_eq!(found.bad_lines, Vec::<usize>::new(), "{text}");
        assert_eq!(found.entries.len(), 1, "{text}");
        found.entries[0].clone()
    }

    #[test]
    fn values_are_read_as_python_dotenv_reads_them() {
        for (text, value) in [
            ("A=b", "b"),
            ("A=", ""),
            ("A= # nothing", ""),
            ("  export A = b \r\n", "b"),
            ("\u{feff}A=b\n", "b"),
            ("A=MaxLab Platform\n", "MaxLab Platform"),
            (
                r#"A=["http://localhost:3000", "https://b"]"#,
                r#"["http://localhost:3000", "https://b"]"#,
            ),
            ("A=a#b # c", "a#b"),
            ("A='a # b' # c", "a # b"),
            (r#"A="a\nb\"c""#, "a\nb\"c"),
            (r"A='a\nb'", r"a\nb"),
            ("A=\"two\nlines\"\n", "two\nlines"),
            ("A=pa$$word${X}", "pa$$word${X}"),
            ("A=k=v==", "k=v=="),
        ] {
            assert_eq!(one(text), ("A".to_owned(), value.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_bad_line_is_counted_and_hides_nothing_after_it() {
        let found = parse("A=1\nnonsense\n# fine\nB=\"x\ny\"\n=3\n1C=2\nD=\"open\nE=5\nF='x' y\nG=7");
        let names: Vec<&str> = found.entries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["A", "B", "E", "G"]);
        assert_eq!(found.bad_lines, [2, 6, 7, 8, 10]);
    }
}
