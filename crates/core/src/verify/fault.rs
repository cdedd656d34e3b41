//! Fault of a verification.

use super::layer::TokenRejection;
use crate::unavailable::Unavailable;

/// Reason for which a token is not verified.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VerifyFault {
    /// Token that is not valid.
    #[error("{0}")]
    Rejected(TokenRejection),
    /// Component that did not answer, so that the validity is unknown.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
