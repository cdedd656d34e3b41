//! The guide's denylist entries: what we write, and what anybody may have written.

use jiff::Timestamp;
use maxlab_auth_core::clock;
use maxlab_auth_core::revocation::{Reason, Revocation, RevocationKey, TokenKey};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

use crate::moment::{ceil_ms, floor_ms, moment};

pub(super) const PREFIX: &str = "blacklist:";

/// The entry as the guide has it, with its names and in its order.
#[derive(Serialize)]
struct Entry<'r> {
    reason: &'static str,
    blacklisted_at: String,
    user_id: Option<&'r str>,
    /// Seconds since 1970.
    exp: i64,
}

/// The value for a token's entry.
pub(super) fn write(order: &Revocation) -> String {
    let entry = Entry {
        reason: order.reason.as_str(),
        blacklisted_at: moment(floor_ms(order.revoked_at)).to_string(),
        user_id: order.user_id.as_deref(),
        exp: ceil_ms(order.token_expires_at.unwrap_or(order.expires_at))
            .saturating_add(999)
            .div_euclid(1_000),
    };
    serde_json::to_string(&entry).unwrap_or_default()
}

/// Why, as far as the entry says it in our words.
pub(super) fn reason(value: &[u8]) -> Reason {
    let entry: Value = serde_json::from_slice(value).unwrap_or_default();
    Reason::parse(entry["reason"].as_str().unwrap_or_default())
}

/// The revocation that an entry stands for, whoever wrote it. `left_ms` is its time to live, if it has one.
pub(super) fn read(name: &str, value: &[u8], left_ms: i64, now: Timestamp) -> Revocation {
    let entry: Value = serde_json::from_slice(value).unwrap_or_default();
    let user_id = match &entry["user_id"] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let token_expires_at = entry["exp"]
        .as_i64()
        .map(|seconds| moment(seconds.saturating_mul(1_000)));
    // Beyond the token's own expiry an entry is only kept, for clocks that differ.
    let expires_at = match (token_expires_at, u64::try_from(left_ms)) {
        (Some(own), _) => own,
        (None, Ok(left)) => clock::after(now, Duration::from_millis(left)),
        (None, Err(_)) => Timestamp::MAX,
    };
    Revocation {
        key: RevocationKey::Token(TokenKey::from_stored(name)),
        cutoff: None,
        reason: Reason::parse(entry["reason"].as_str().unwrap_or_default()),
        revoked_at: entry["blacklisted_at"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or(now),
        expires_at,
        token_expires_at,
        user_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_123;

    fn order() -> Revocation {
        Revocation {
            key: RevocationKey::Token(TokenKey::from_jti("j1")),
            cutoff: None,
            reason: Reason::Logout,
            revoked_at: moment(NOW),
            expires_at: moment(1_790_000_081_000),
            token_expires_at: Some(moment(1_790_000_060_000)),
            user_id: Some("u1".into()),
        }
    }

    #[test]
    fn our_entry_has_the_guides_fields_and_reads_back() {
        let text = write(&order());
        assert_eq!(
            text,
            r#"{"reason":"logout","blacklisted_at":"2026-09-21T14:13:20.123Z","user_id":"u1","exp":1790000060}"#
        );
        let read_back = read("j1", text.as_bytes(), 60_000, moment(NOW));
        let listed = Revocation {
            expires_at: moment(1_790_000_060_000),
            ..order()
        };
        assert_eq!(read_back, listed);
        assert_eq!(reason(text.as_bytes()), Reason::Logout);
    }

    #[test]
    fn a_python_entry_and_any_bytes_read_as_far_as_they_go() {
        let python = br#"{"reason": "compromised", "blacklisted_at": "2026-09-21T14:13:20.123000+00:00", "user_id": 7}"#;
        let read_back = read("j", python, 5_000, moment(NOW));
        assert_eq!(read_back.reason, Reason::Other);
        assert_eq!(read_back.revoked_at, moment(NOW));
        assert_eq!(read_back.user_id.as_deref(), Some("7"));
        assert_eq!(read_back.expires_at, moment(NOW + 5_000));
        for bytes in [&b""[..], b"1", b"\xff\xfe", b"[]", b"null"] {
            assert_eq!(read("j", bytes, -1, moment(NOW)).expires_at, Timestamp::MAX);
            assert_eq!(reason(bytes), Reason::Other);
        }
    }
}
