//! Which data set the store holds: the epoch it shows, and the term under which the journal knows it.

use std::fmt;

/// What one data set of the store is recognised by: the generation written into it and the server that holds it. A
/// store that was flushed, restarted, rolled back or failed over shows another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(String);

impl Epoch {
    /// The epoch with this text, as a store or a journal gives it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One entry of the journal's register of data sets. Numbers only grow: a data set that comes back (an old master after
/// a second failover) comes back under a new number, and is filled again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term {
    /// 1 for the first data set that the journal ever had, then one more for each.
    pub number: u64,
    /// What it is recognised by.
    pub epoch: Epoch,
}

impl Term {
    /// How a store's marks name the term.
    pub fn mark(&self) -> String {
        format!("{}:{}", self.number, self.epoch)
    }

    /// Whether another gateway of this journal can hold a lease of an earlier term.
    pub fn has_predecessors(&self) -> bool {
        self.number > 1
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.epoch)
    }
}
