//! Grounds on which a credential was accepted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::term::Term;

/// Data set that was read to accept a credential, and the way in which it was read (invariant I3).
#[derive(Clone, Debug)]
pub struct ReadAssurance {
    pub(crate) term: Option<Arc<Term>>,
    pub(crate) from_replica: bool,
    pub(crate) lease_left: Duration,
}

impl ReadAssurance {
    /// Returns true if the replica answered under a lease, and false if the store was read.
    pub fn is_from_replica(&self) -> bool {
        self.from_replica
    }

    /// Returns the data set that was read, directly or through its replica.
    pub fn term(&self) -> Option<&Term> {
        self.term.as_deref()
    }
}

impl fmt::Display for ReadAssurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value of `X-Auth-Assurance` and of the log field `grounds`. Its word for the epoch is `generation`.
        let reads = if self.from_replica { "replica" } else { "direct" };
        write!(f, "reads={reads}")?;
        if let Some(term) = self.term() {
            write!(f, "; term={}; generation={}", term.number, term.epoch)?;
        }
        if self.from_replica {
            write!(f, "; lease_ms={}", self.lease_left.as_millis())?;
        }
        Ok(())
    }
}
