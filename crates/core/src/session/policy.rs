//! Limits of sessions.

use std::time::Duration;

/// Lifetime and number of sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionPolicy {
    /// Time after which an unused session expires (`SESSION_IDLE_SECONDS`).
    pub idle_timeout: Duration,
    /// Time after which every session expires (`SESSION_MAX_SECONDS`).
    pub max_lifetime: Duration,
    /// Maximum number of sessions per user. The oldest are ended (`SESSION_MAX_PER_USER`).
    pub max_per_user: usize,
}

impl SessionPolicy {
    /// Returns the time within which several touches are one write.
    pub(super) fn touch_interval(&self) -> Duration {
        // A tenth of a short idle time-out: a session in use must not expire
        // because its touches were coalesced.
        Duration::from_secs(60).min(self.idle_timeout / 10)
    }
}
