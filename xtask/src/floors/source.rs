//! Sources and manifests of the repository.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Folders of the repository that have sources.
const SOURCE_FOLDERS: [&str; 4] = ["bench", "crates", "fuzz", "xtask"];
/// Folders without sources of this project.
const SKIPPED_FOLDERS: [&str; 4] = ["target", "node_modules", "corpus", "artifacts"];
/// Parts of a path that mark code for tests and measurements.
const TEST_FOLDERS: [&str; 10] = [
    "tests",
    "test",
    "benches",
    "examples",
    "fuzz",
    "testkit",
    "bench",
    "xtask",
    "store-contract",
    "contract",
];

/// File with its path relative to the repository.
pub(super) struct SourceFile {
    pub(super) path: String,
    text: String,
}

impl SourceFile {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Returns whether the file is for tests or measurements only.
    pub(super) fn is_test(&self) -> bool {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        stem.ends_with("_tests")
            || stem.ends_with("_test")
            || stem.split('/').any(|part| TEST_FOLDERS.contains(&part))
    }

    /// Returns all lines with their numbers.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// Returns the lines in front of the file's module of unit tests, with their numbers.
    pub(super) fn lines_without_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<_> = self.text.lines().collect();
        let tests_at = lines
            .windows(2)
            .position(|pair| pair[0].trim() == "#[cfg(test)]" && pair[1].trim().starts_with("mod "));
        self.lines().take(tests_at.unwrap_or(usize::MAX))
    }

    /// Returns the lines of code in front of the unit tests: those that are not comments.
    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines_without_tests()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// All sources and manifests.
pub(super) struct SourceTree {
    pub(super) sources: Vec<SourceFile>,
    pub(super) manifests: Vec<SourceFile>,
}

impl SourceTree {
    /// Reads the repository at `root`.
    ///
    /// # Errors
    /// A folder or file cannot be read.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self {
            sources: Vec::new(),
            manifests: Vec::new(),
        };
        for folder in SOURCE_FOLDERS {
            tree.read_folder(root, folder)?;
        }
        Ok(tree)
    }

    fn read_folder(&mut self, root: &Path, folder: &str) -> Result<()> {
        let listed = fs::read_dir(root.join(folder)).with_context(|| format!("{folder} cannot be read"))?;
        for entry in listed {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = format!("{folder}/{name}");
            if entry.file_type()?.is_dir() {
                if !SKIPPED_FOLDERS.contains(&name.as_str()) {
                    self.read_folder(root, &path)?;
                }
            } else if name == "Cargo.toml" || name.ends_with(".rs") {
                let text =
                    fs::read_to_string(entry.path()).with_context(|| format!("{path} cannot be read"))?;
                let list = if name.ends_with(".rs") {
                    &mut self.sources
                } else {
                    &mut self.manifests
                };
                list.push(SourceFile::new(&path, &text));
            }
        }
        Ok(())
    }
}

/// Returns whether `text` contains `word` between two characters that are not part of a name.
pub(super) fn contains_word(text: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(is_name)
            && !text[at + word.len()..].chars().next().is_some_and(is_name)
    })
}
