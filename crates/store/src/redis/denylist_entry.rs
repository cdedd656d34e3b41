//! Denylist entries (docs/GUIDE.md, "Denylist entries"). Other programs may write them too.

use std::borrow::Cow;

use jiff::Timestamp;
use maxlab_auth_core::clock;
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::revocation::{Revocation, RevocationReason};
use maxlab_auth_core::verdict::{RevocationKey, TokenKey};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

use crate::millis::{ceil_ms, floor_ms, ms_to_timestamp};

pub(super) const DENYLIST_PREFIX: &str = "blacklist:";

/// The entry of the guide, with its member names in its order.
#[derive(Serialize)]
struct DenylistEntry<'r> {
    reason: &'static str,
    blacklisted_at: String,
    /// At another issuer than the default one, the text of [`Subject::storage_name`].
    user_id: Option<Cow<'r, str>>,
    /// Seconds since 1970.
    exp: i64,
}

/// Encodes the value of a token's entry.
pub(super) fn encode(revocation: &Revocation) -> String {
    let entry = DenylistEntry {
        reason: revocation.reason.as_str(),
        blacklisted_at: ms_to_timestamp(floor_ms(revocation.revoked_at)).to_string(),
        user_id: revocation.subject.as_ref().map(Subject::storage_name),
        // Rounded up to whole seconds, so that no other program takes the entry for expired too early.
        exp: ceil_ms(revocation.token_expires_at.unwrap_or(revocation.expires_at))
            .saturating_add(999)
            .div_euclid(1_000),
    };
    // Strings and numbers always serialize. An empty value would count as a revocation too.
    serde_json::to_string(&entry).unwrap_or_default()
}

/// Returns the reason; [`RevocationReason::Other`] for a text that the gateway does not use, or for no JSON.
pub(super) fn decode_reason(value: &[u8]) -> RevocationReason {
    let entry: Value = serde_json::from_slice(value).unwrap_or_default();
    RevocationReason::parse(entry["reason"].as_str().unwrap_or_default())
}

/// Decodes an entry of any program; missing members get defaults. `left_ms` is the time to live in
/// milliseconds, negative if the key has none.
pub(super) fn decode(name: &str, value: &[u8], left_ms: i64, now: Timestamp) -> Revocation {
    let entry: Value = serde_json::from_slice(value).unwrap_or_default();
    // The guide's programs may write a number as the user id.
    let subject = match &entry["user_id"] {
        Value::String(text) => Some(Subject::from_storage_name(text)),
        Value::Number(number) => Some(Subject::of_default(number.to_string())),
        _ => None,
    };
    let token_expires_at = entry["exp"]
        .as_i64()
        .map(|seconds| ms_to_timestamp(seconds.saturating_mul(1_000)));
    // The token's own expiry comes first: the key lives longer only because clocks may differ.
    let expires_at = match (token_expires_at, u64::try_from(left_ms)) {
        (Some(expiry), _) => expiry,
        (None, Ok(remaining)) => clock::after(now, Duration::from_millis(remaining)),
        (None, Err(_)) => Timestamp::MAX,
    };
    Revocation {
        key: RevocationKey::Token(TokenKey::from_stored(name)),
        cutoff: None,
        reason: RevocationReason::parse(entry["reason"].as_str().unwrap_or_default()),
        revoked_at: entry["blacklisted_at"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or(now),
        expires_at,
        token_expires_at,
        subject,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_123;

    fn revocation() -> Revocation {
        Revocation {
            key: RevocationKey::Token(TokenKey::from_jti("j1")),
            cutoff: None,
            reason: RevocationReason::Logout,
            revoked_at: ms_to_timestamp(NOW),
            expires_at: ms_to_timestamp(1_790_000_081_000),
            token_expires_at: Some(ms_to_timestamp(1_790_000_060_000)),
            subject: Some(Subject::of_default("u1")),
        }
    }

    #[test]
    fn our_entry_has_the_guides_fields_and_reads_back() {
        let text = encode(&revocation());
        assert_eq!(
            text,
            r#"{"reason":"logout","blacklisted_at":"2026-09-21T14:13:20.123Z","user_id":"u1","exp":1790000060}"#
        );
        let read_back = decode("j1", text.as_bytes(), 60_000, ms_to_timestamp(NOW));
        let listed = Revocation {
            expires_at: ms_to_timestamp(1_790_000_060_000),
            ..revocation()
        };
        assert_eq!(read_back, listed);
        assert_eq!(decode_reason(text.as_bytes()), RevocationReason::Logout);
    }

    #[test]
    fn a_python_entry_and_any_bytes_read_as_far_as_they_go() {
        let python = br#"{"reason": "compromised", "blacklisted_at": "2026-09-21T14:13:20.123000+00:00", "user_id": 7}"#;
        let read_back = decode("j", python, 5_000, ms_to_timestamp(NOW));
        assert_eq!(read_back.reason, RevocationReason::Other);
        assert_eq!(read_back.revoked_at, ms_to_timestamp(NOW));
        assert_eq!(read_back.subject, Some(Subject::of_default("7")));
        assert_eq!(read_back.expires_at, ms_to_timestamp(NOW + 5_000));
        for bytes in [&b""[..], b"1", b"\xff\xfe", b"[]", b"null"] {
            assert_eq!(
                decode("j", bytes, -1, ms_to_timestamp(NOW)).expires_at,
                Timestamp::MAX
            );
            assert_eq!(decode_reason(bytes), RevocationReason::Other);
        }
    }
}
