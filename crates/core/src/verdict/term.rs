//! Identification of the store's data set: the epoch that the store shows, and the term under which the
//! journal has registered it.

use std::fmt;

/// Epoch of one data set of the store: the generation written into it, and the server that has it. A store
/// that was flushed, restarted, rolled back or failed over shows another epoch (decision 6).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(String);

impl Epoch {
    /// The epoch with this text, as a store or a journal gives it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One entry of the journal's register of data sets. Numbers only grow: a data set that comes back (an old
/// master after a second failover) gets a new number and is filled again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term {
    /// Number of the term: 1 for the journal's first data set, then one more for each.
    pub number: u64,
    /// Epoch of the data set.
    pub epoch: Epoch,
}

impl Term {
    /// Returns the text by which a store's marks name the term.
    pub fn mark(&self) -> String {
        format!("{}:{}", self.number, self.epoch)
    }

    /// Returns true if a gateway with this journal may hold a lease of an earlier term.
    pub fn has_predecessors(&self) -> bool {
        // Before the first term no lease existed, so its revocations wait for none (decision 12).
        self.number > 1
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.epoch)
    }
}
