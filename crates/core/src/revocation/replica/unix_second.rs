//! Expiries in whole seconds, rounded so that no entry is removed too early.

use jiff::Timestamp;

/// Seconds since 1970 in 32 bits (until 2106).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UnixSecond(u32);

impl UnixSecond {
    /// Expiry that is later than every present.
    pub(super) const NEVER: Self = Self(u32::MAX);

    /// Expiry, rounded up. A time outside the range is replaced by a later one, never by an earlier one.
    pub(super) fn from_expiry(time: Timestamp) -> Self {
        let up = time.as_second() + i64::from(time.subsec_nanosecond() > 0);
        // At least 1, because a present before 1970 counts as 0: an expiry before 1970 has not passed then.
        Self(u32::try_from(up.max(1)).unwrap_or(u32::MAX))
    }

    /// The present, rounded down. Always before [`NEVER`](Self::NEVER).
    pub(super) fn from_present(now: Timestamp) -> Self {
        // jiff's nanoseconds have the sign of the time, so that a time before 1970 is rounded down by hand.
        let down = now.as_second() - i64::from(now.subsec_nanosecond() < 0);
        Self(u32::try_from(down.max(0)).map_or(u32::MAX - 1, |second| second.min(u32::MAX - 1)))
    }

    /// Returns true if this expiry has passed at `now`.
    pub(super) fn is_past(self, now: Self) -> bool {
        self <= now
    }

    pub(super) fn from_u32(second: u32) -> Self {
        Self(second)
    }

    pub(super) fn as_u32(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    fn expired(expiry: Timestamp, now: Timestamp) -> bool {
        UnixSecond::from_expiry(expiry).is_past(UnixSecond::from_present(now))
    }

    #[test]
    fn an_expiry_is_rounded_up_and_the_present_down() {
        let whole = Timestamp::from_second(1_000).unwrap();
        let nano = Duration::from_nanos(1);
        assert!(expired(whole, whole));
        assert!(!expired(whole, clock::before(whole, nano)));
        assert!(!expired(clock::after(whole, nano), whole));
        assert!(!expired(clock::after(whole, nano), clock::after(whole, nano * 2)));
        assert!(expired(
            clock::after(whole, nano),
            clock::after(whole, Duration::from_secs(1))
        ));
    }

    #[test]
    fn an_expiry_out_of_range_is_kept_longer() {
        assert!(!expired(Timestamp::MAX, Timestamp::MAX));
        assert!(!expired(
            Timestamp::from_second(5_000_000_000).unwrap(),
            Timestamp::MAX
        ));
        let early = Timestamp::from_second(-50).unwrap();
        assert!(!expired(early, clock::before(early, Duration::from_secs(9))));
        assert!(expired(early, Timestamp::from_second(1).unwrap()));
        assert!(!expired(Timestamp::from_second(7).unwrap(), Timestamp::MIN));
    }
}
