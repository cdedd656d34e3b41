//! Budget for requests to the authorization server about tokens without a cached verdict.

use crate::unavailable::Unavailable;

/// Budget for requests to the authorization server. The caller that causes a request pays for it.
///
/// A cached verdict costs nothing.
pub trait UpstreamBudget: Send + Sync {
    /// Pays for one request.
    ///
    /// # Errors
    /// Fails if the budget is spent. [`Unavailable::retry_after`] is the time
    /// until the next request is possible.
    fn try_spend(&self) -> Result<(), Unavailable>;
}

/// Unlimited budget, for the gateway itself, for operators and for background work.
#[derive(Clone, Copy, Debug)]
pub struct UnlimitedBudget;

impl UpstreamBudget for UnlimitedBudget {
    fn try_spend(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}
