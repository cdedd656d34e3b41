//! Settings of the rate limits: how often one caller may cause a write or a request to the authorization
//! server.

use std::num::NonZeroU32;
use std::time::Duration;

use super::faults::InvalidValue;
use super::reader::SettingsReader;
use super::reference::DefaultValue::Value;
use super::reference::SettingDoc;

const RATE_FORMAT: &str = "N/s or N/min, with or without `burst N`, or off";

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "RATE_LIMIT_PER_ADDRESS",
        RATE_FORMAT,
        Value("50/s burst 1000"),
        "How often one client address (an IPv6 network of 64 bits) may cause a write or a request to the authorization server. Answers from memory are not limited.",
    ),
    SettingDoc::new(
        "RATE_LIMIT_PER_CLIENT",
        RATE_FORMAT,
        Value("200/s burst 4000"),
        "The same for an OAuth client that authenticated itself, in place of its address.",
    ),
    SettingDoc::new(
        "RATE_LIMIT_PER_PERSON",
        RATE_FORMAT,
        Value("5/s burst 100"),
        "The same for a person who is logged in: logouts, ended and rotated sessions, refused administration.",
    ),
];

/// Rate of a limit, and its burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Time after which one more is allowed.
    pub period: Duration,
    /// Number that is allowed at the same time.
    pub burst: NonZeroU32,
}

/// Settings of the rate limits. `None` is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct RateLimitSettings {
    /// `RATE_LIMIT_PER_ADDRESS`.
    pub per_address: Option<RateLimit>,
    /// `RATE_LIMIT_PER_CLIENT`.
    pub per_client: Option<RateLimit>,
    /// `RATE_LIMIT_PER_PERSON`.
    pub per_person: Option<RateLimit>,
}

/// Reads the section.
pub(super) fn read(reader: &mut SettingsReader<'_>) -> Option<RateLimitSettings> {
    let per_address = reader.required("RATE_LIMIT_PER_ADDRESS", parse_rate);
    let per_client = reader.required("RATE_LIMIT_PER_CLIENT", parse_rate);
    let per_person = reader.required("RATE_LIMIT_PER_PERSON", parse_rate);
    Some(RateLimitSettings {
        per_address: per_address?,
        per_client: per_client?,
        per_person: per_person?,
    })
}

/// Parses `20/s`, `600/min burst 100` or `off`. The default burst is the number that ten seconds allow.
fn parse_rate(text: &str) -> Result<Option<RateLimit>, InvalidValue> {
    let wrong = || {
        InvalidValue::new(
            "is not a rate",
            "write it like 50/s, 50/s burst 1000 or 600/min burst 100 (numbers from 1 to 1000000), or off",
        )
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    // `50 /s` has two words and is refused: one spelling is enough.
    let (rate, burst) = match words.as_slice() {
        [word] if word.eq_ignore_ascii_case("off") => return Ok(None),
        [rate] => (*rate, None),
        [rate, "burst", burst] => (*rate, Some(parse_count(burst).ok_or_else(wrong)?)),
        _ => return Err(wrong()),
    };
    let (number, unit) = rate.split_once('/').ok_or_else(wrong)?;
    let number = parse_count(number).ok_or_else(wrong)?;
    let span = match unit {
        "s" => Duration::from_secs(1),
        "min" => Duration::from_secs(60),
        _ => return Err(wrong()),
    };
    // At most 1,000,000 a second, so the period is never zero.
    let period = span / number.get();
    let in_ten_seconds = Duration::from_secs(10).as_nanos() / period.as_nanos();
    // None for a rate of less than one in ten seconds. The burst is 1 then.
    let default_burst = u32::try_from(in_ten_seconds).ok().and_then(NonZeroU32::new);
    Ok(Some(RateLimit {
        period,
        burst: burst.or(default_burst).unwrap_or(NonZeroU32::MIN),
    }))
}

/// Parses a number from 1 to 1,000,000 without a sign.
fn parse_count(text: &str) -> Option<NonZeroU32> {
    // `parse` alone would accept "+1".
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text
        .parse()
        .ok()
        .filter(|number: &NonZeroU32| number.get() <= 1_000_000);
    number.filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(period: Duration, burst: u32) -> Option<RateLimit> {
        NonZeroU32::new(burst).map(|burst| RateLimit { period, burst })
    }

    #[test]
    fn rates_are_written_as_people_say_them() {
        let (millis, secs) = (Duration::from_millis, Duration::from_secs);
        for (text, expected) in [
            ("50/s", limit(millis(20), 500)),
            ("50/s burst 3", limit(millis(20), 3)),
            ("  1/min ", limit(secs(60), 1)),
            ("600/min   burst 100", limit(millis(100), 100)),
            ("1000000/s", limit(Duration::from_micros(1), 10_000_000)),
            ("off", None),
            ("OFF", None),
        ] {
            assert_eq!(parse_rate(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "50",
            "0/s",
            "off/s",
            "-1/s",
            "+1/s",
            "1.5/s",
            "50/h",
            "50/s burst",
            "50/s burst 0",
            "50/s 100",
            "50/s burst 100 more",
            "1000001/s",
            "50 /s",
        ] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
