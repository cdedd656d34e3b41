//! Faults of sessions.

use crate::unavailable::Unavailable;

/// Reason for which a session is not loaded or not changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SessionFault {
    /// Session that does not exist, or that has reached its idle or absolute limit.
    #[error("the session does not exist or has expired")]
    Missing,
    /// Session that was ended.
    #[error("the session was ended")]
    Ended,
    /// Store that did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
