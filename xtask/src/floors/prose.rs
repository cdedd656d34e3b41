//! Words of comments and messages, the beginning of doc comments, fixed sleeps in tests.

use super::source::{SourceFile, contains_word};

/// Words that stop a reader whose first language is not English.
const DIALECT: [&str; 19] = [
    "whoever",
    "whatever it is",
    "nobody",
    "told",
    "tells of",
    "beside",
    "so many",
    "so long",
    "at the most",
    "all the same",
    "of which",
    "of whom",
    "herself",
    "himself",
    "thereby",
    "whence",
    "hence",
    "thereof",
    "what is to be",
];

/// Quotations, by the beginning of the path and the word.
const QUOTATIONS: [(&str, &str); 0] = [];

/// Words that begin a doc comment without saying what the thing is.
const VAGUE_BEGINNINGS: [&str; 21] = [
    "It", "Its", "They", "Their", "What", "Whatever", "Whether", "Who", "Whoever", "Whom", "That", "Nobody",
    "Somebody", "Anybody", "The same", "As", "So", "Then", "There", "Such", "Those",
];

/// Pauses of fixed length in tests. Lower it when some go; a new one waits for an event instead.
pub(super) const MAX_FIXED_SLEEPS: usize = 23;

/// Returns the words of the dialect, and doc comments without a subject.
pub(super) fn check(file: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    let mut follows_doc = false;
    for (number, line) in file.lines_without_tests() {
        let lower = line.to_lowercase();
        for word in DIALECT {
            let is_quoted = || {
                QUOTATIONS
                    .iter()
                    .any(|(path, quoted)| file.path.starts_with(path) && *quoted == word)
            };
            if contains_word(&lower, word) && !is_quoted() {
                found.push(format!(
                    "{}:{number}: {word:?} is a word of the dialect",
                    file.path
                ));
            }
        }
        let doc = line.trim_start().strip_prefix("/// ");
        if let Some(text) = doc.filter(|_| !follows_doc)
            && let Some(word) = VAGUE_BEGINNINGS.iter().find(|word| begins_with_word(text, word))
        {
            found.push(format!(
                "{}:{number}: a doc comment begins with {word:?}; begin with a noun or a verb (\"Returns\")",
                file.path
            ));
        }
        follows_doc = line.trim_start().starts_with("///");
    }
    found
}

/// Returns a violation if the tests have more pauses of fixed length than today.
pub(super) fn check_fixed_sleeps(sources: &[SourceFile]) -> Option<String> {
    let sleeps: usize = sources
        .iter()
        .filter(|file| file.is_test())
        .map(|file| {
            let is_sleep = |line: &str| {
                !line.trim_start().starts_with("//")
                    && line.match_indices("sleep").any(|(at, word)| {
                        line[at + word.len()..].starts_with('(') && !line[..at].ends_with('_')
                    })
            };
            file.lines().filter(|(_, line)| is_sleep(line)).count()
        })
        .sum();
    (sleeps > MAX_FIXED_SLEEPS).then(|| {
        format!("the tests sleep {sleeps} times, more than {MAX_FIXED_SLEEPS}; wait for an event instead")
    })
}

fn begins_with_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
}
