//! Conversion of replies and of expiries.

use jiff::Timestamp;
use maxlab_auth_core::unavailable::Unavailable;
use redis::{FromRedisValue, Value};

use crate::millis::{ceil_ms, floor_ms};

/// Returns the time to live in milliseconds; `None` if `expires_at` has passed.
pub(super) fn ttl_ms(expires_at: Timestamp, now: Timestamp) -> Option<i64> {
    let remaining = ceil_ms(expires_at).saturating_sub(floor_ms(now));
    (remaining > 0).then_some(remaining)
}

pub(super) fn convert_reply<T: FromRedisValue>(value: Value) -> Result<T, Unavailable> {
    T::from_redis_value(value).map_err(|_| unexpected_reply())
}

pub(super) fn unexpected_reply() -> Unavailable {
    Unavailable::store("unexpected reply from Redis")
}
