//! Length of files and functions.

use super::source::SourceFile;

/// Most lines of a file, its unit tests aside.
const MAX_FILE_LINES: usize = 350;
/// Most lines of a function, from its first line to the closing brace.
const MAX_FUNCTION_LINES: usize = 80;

/// Returns the file's length and those of its functions if they are too long.
pub(super) fn check(file: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    let lines: Vec<_> = file.lines_without_tests().collect();
    if lines.len() > MAX_FILE_LINES {
        found.push(format!(
            "{}: {} lines, more than {MAX_FILE_LINES}",
            file.path,
            lines.len()
        ));
    }
    let mut open: Option<(usize, &str, &str)> = None;
    for (number, line) in lines {
        match open {
            None => open = function_start(line).map(|(indent, name)| (number, indent, name)),
            Some((start, indent, name)) => {
                // rustfmt puts the closing brace at the function's own indentation.
                if line.strip_prefix(indent) == Some("}") {
                    let length = number - start + 1;
                    if length > MAX_FUNCTION_LINES {
                        found.push(format!(
                            "{}:{start}: function {name} has {length} lines, more than {MAX_FUNCTION_LINES}",
                            file.path
                        ));
                    }
                    open = None;
                }
            }
        }
    }
    found
}

/// Returns indentation and name if a function with a body of several lines begins on this line.
fn function_start(line: &str) -> Option<(&str, &str)> {
    if line.ends_with([';', '}']) {
        return None;
    }
    let trimmed = line.trim_start();
    let indent = &line[..line.len() - trimmed.len()];
    let (qualifiers, rest) = trimmed.split_once("fn ")?;
    let is_qualifier =
        |word: &str| matches!(word, "pub" | "const" | "async" | "unsafe") || word.starts_with("pub(");
    if !qualifiers
        .split_whitespace()
        .all(|word| is_qualifier(word) || word.ends_with(')'))
    {
        return None;
    }
    let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (!name.is_empty()).then_some((indent, name))
}
