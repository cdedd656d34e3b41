//! Error of a revocation.

use crate::unavailable::Unavailable;

/// Error of a revocation that is not acknowledged. It may take effect later, or not at all.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RevokeFault {
    /// The revocation was not recorded, or it is not certain that it was.
    #[error("the revocation was not recorded: {0}")]
    NotRecorded(Unavailable),
    /// The revocation is in the journal, and the reconciler will finish it.
    #[error("the revocation was recorded and is not in force on every instance yet: {0}")]
    NotApplied(Unavailable),
}

impl RevokeFault {
    /// Returns the component that did not answer.
    pub fn into_unavailable(self) -> Unavailable {
        match self {
            Self::NotRecorded(fault) | Self::NotApplied(fault) => fault,
        }
    }
}
