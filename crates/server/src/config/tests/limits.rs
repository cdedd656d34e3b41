//! Rate limits, and the retention of audit events.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{development, faults, names, settings};
use crate::config::RateLimit;

#[test]
fn w4_there_are_limits_by_default_and_each_can_be_changed_or_switched_off() {
    let limit = |millis, burst| {
        NonZeroU32::new(burst).map(|burst| RateLimit {
            period: Duration::from_millis(millis),
            burst,
        })
    };
    let limits = settings(&[]).rate_limit;
    assert_eq!(limits.per_address, limit(20, 1_000));
    assert_eq!(limits.per_client, limit(5, 4_000));
    assert_eq!(limits.per_person, limit(200, 100));
    let limits = settings(&[
        ("RATE_LIMIT_PER_ADDRESS", "off"),
        ("RATE_LIMIT_PER_CLIENT", "600/min"),
        ("RATE_LIMIT_PER_PERSON", "1/s burst 2"),
    ])
    .rate_limit;
    assert_eq!(limits.per_address, None);
    assert_eq!(limits.per_client, limit(100, 100));
    assert_eq!(limits.per_person, limit(1_000, 2));
    for name in [
        "RATE_LIMIT_PER_ADDRESS",
        "RATE_LIMIT_PER_CLIENT",
        "RATE_LIMIT_PER_PERSON",
    ] {
        for wrong in ["none", "0/s", "10", "10/h"] {
            assert_eq!(names(&faults(&development(&[(name, wrong)]))), [name], "{wrong}");
        }
    }
}

#[test]
fn w12_the_audit_is_kept_for_400_days_or_as_long_as_is_set() {
    let retention = |pairs: &[(&str, &str)]| settings(pairs).stores.audit_retention;
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    assert_eq!(retention(&[]), days(400));
    assert_eq!(retention(&[("AUDIT_RETENTION_DAYS", "1")]), days(1));
    assert_eq!(retention(&[("AUDIT_RETENTION_DAYS", "0")]), None);
    for wrong in ["-1", "1.5", "never", "36501"] {
        let faults = faults(&development(&[("AUDIT_RETENTION_DAYS", wrong)]));
        assert_eq!(names(&faults), ["AUDIT_RETENTION_DAYS"], "{wrong}");
    }
}
