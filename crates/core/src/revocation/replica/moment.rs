//! Expiries in whole seconds, rounded so that nothing is forgotten too early.

use jiff::Timestamp;

/// A second since 1970, in 32 bits (until 2106).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Second(u32);

impl Second {
    /// Later than every present: what expires then never does.
    pub(super) const NEVER: Self = Self(u32::MAX);

    /// The second at or after which something may be forgotten: rounded up, and what lies outside the range is
    /// remembered longer, never shorter.
    pub(super) fn of_expiry(moment: Timestamp) -> Self {
        let up = moment.as_second() + i64::from(moment.subsec_nanosecond() > 0);
        Self(u32::try_from(up.max(1)).unwrap_or(u32::MAX))
    }

    /// The second that the present lies in; always before [`NEVER`](Self::NEVER).
    pub(super) fn of_present(now: Timestamp) -> Self {
        let down = now.as_second() - i64::from(now.subsec_nanosecond() < 0);
        Self(u32::try_from(down.max(0)).map_or(u32::MAX - 1, |second| second.min(u32::MAX - 1)))
    }

    /// Whether what expires at this second has expired.
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
        Second::of_expiry(expiry).is_past(Second::of_present(now))
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
    fn what_lies_out_of_range_is_remembered_longer() {
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
