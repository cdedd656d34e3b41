//! Moments as the stores keep them: whole milliseconds since 1970.

#[cfg(feature = "sql")]
use std::time::Duration;

use jiff::Timestamp;

const NANOS: i128 = 1_000_000;

/// The millisecond in which `time` lies.
pub(crate) fn floor_ms(time: Timestamp) -> i64 {
    clamped(time.as_nanosecond().div_euclid(NANOS))
}

/// The first millisecond that is not before `time`: for what must not end, or reach, any earlier than was asked.
pub(crate) fn ceil_ms(time: Timestamp) -> i64 {
    clamped(-(-time.as_nanosecond()).div_euclid(NANOS))
}

/// The moment that was kept as `ms`.
pub(crate) fn moment(ms: i64) -> Timestamp {
    let nearest = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(ms).unwrap_or(nearest)
}

/// Whole milliseconds of a span.
#[cfg(feature = "sql")]
pub(crate) fn span_ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn clamped(ms: i128) -> i64 {
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
            assert_eq!((floor_ms(moment(ms)), ceil_ms(moment(ms))), (ms, ms));
        }
        assert_eq!(floor_ms(Timestamp::from_nanosecond(-1).unwrap()), -1);
        assert_eq!(moment(i64::MAX), Timestamp::MAX);
        assert_eq!(moment(ceil_ms(Timestamp::MAX)), Timestamp::MAX);
    }
}
