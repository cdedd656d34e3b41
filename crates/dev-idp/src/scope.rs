//! The scope of a grant: what the holder of a token was allowed to ask for (RFC 6749 §3.3).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A set of scope names, in the order first asked for; written space-separated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(crate) struct ScopeSet(Vec<String>);

impl ScopeSet {
    /// Splits at spaces and drops repetitions.
    pub(crate) fn parse(text: &str) -> Self {
        let mut names: Vec<String> = Vec::new();
        for name in text.split(' ').filter(|name| !name.is_empty()) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        Self(names)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `true` if `wider` contains every name of `self`.
    pub(crate) fn is_within(&self, wider: &Self) -> bool {
        self.0.iter().all(|name| wider.contains(name))
    }

    /// The names that `keep` accepts.
    pub(crate) fn retain(mut self, keep: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|name| keep(name));
        self
    }
}

impl From<String> for ScopeSet {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<ScopeSet> for String {
    fn from(scope: ScopeSet) -> Self {
        scope.to_string()
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}
