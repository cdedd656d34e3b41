//! Conversion of timestamps to whole milliseconds since 1970, the form that the stores keep.

#[cfg(feature = "sql")]
use std::time::Duration;

use jiff::Timestamp;

const NANOS_PER_MS: i128 = 1_000_000;

/// Returns the last millisecond that is not after `time`.
pub(crate) fn floor_ms(time: Timestamp) -> i64 {
    saturate_ms(time.as_nanosecond().div_euclid(NANOS_PER_MS))
}

/// Returns the first millisecond that is not before `time`.
///
/// Expiries and cut-offs use it: an expiry must not come too early, and a cut-off must not cover too little.
pub(crate) fn ceil_ms(time: Timestamp) -> i64 {
    // `div_euclid` rounds down, so the negation of a negated value rounds up.
    saturate_ms(-(-time.as_nanosecond()).div_euclid(NANOS_PER_MS))
}

/// Returns the timestamp of a stored `ms`, clamped to the range of [`Timestamp`].
pub(crate) fn ms_to_timestamp(ms: i64) -> Timestamp {
    // A denylist entry of another program may hold any number. The nearest valid time keeps its meaning.
    let nearest = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(ms).unwrap_or(nearest)
}

/// Returns the whole milliseconds of a duration.
#[cfg(feature = "sql")]
pub(crate) fn duration_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn saturate_ms(ms: i128) -> i64 {
    // A time beyond the range means "for ever" to the callers, so it is clamped and not an error.
    i64::try_from(ms).unwrap_or(if ms < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_to_the_millisecond_and_rounds_to_the_safe_side() {
        let time = Timestamp::from_nanosecond(1_790_000_000_123_456_789).unwrap();
        assert_eq!(floor_ms(time), 1_790_000_000_123);
        assert_eq!(ceil_ms(time), 1_790_000_000_124);
        for ms in [-1_500, 0, 1_790_000_000_123] {
            assert_eq!(
                (floor_ms(ms_to_timestamp(ms)), ceil_ms(ms_to_timestamp(ms))),
                (ms, ms)
            );
        }
        assert_eq!(floor_ms(Timestamp::from_nanosecond(-1).unwrap()), -1);
        assert_eq!(ms_to_timestamp(i64::MAX), Timestamp::MAX);
        assert_eq!(ms_to_timestamp(ceil_ms(Timestamp::MAX)), Timestamp::MAX);
    }
}
