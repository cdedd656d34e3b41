//! Time is an argument: the one place of this crate that may ask the system what time it is.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// A source of the present moment; a test gives its own and moves it by hand.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that answers whatever `now` returns.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The system's wall clock.
    #[must_use]
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one clock of this crate")]
        Self::new(Timestamp::now)
    }

    /// Seconds since the epoch: what JWT claims and every lifetime of this server are measured in.
    pub(crate) fn seconds(&self) -> i64 {
        (self.0)().as_second()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
