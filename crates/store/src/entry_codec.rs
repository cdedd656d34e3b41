//! Text form of a journal entry: one line, for streams and snapshots.
//!
//! The line holds what a replica needs and nothing more. The user and the token's own expiry are left out.

use maxlab_auth_core::revocation::{CutoffExemption, JournalEntry, Revocation, RevocationReason};
use maxlab_auth_core::verdict::RevocationKey;

use crate::millis::{ceil_ms, floor_ms, ms_to_timestamp};

/// Encodes an entry. The name comes last, so that no character in it can be read as another field.
pub(crate) fn encode(entry: &JournalEntry) -> String {
    match entry {
        JournalEntry::Revoked(revocation) => {
            // A cut-off rounds up: it must not cover less than was asked. A name has no moment of its own.
            let at = match (revocation.key.is_cutoff(), revocation.cutoff) {
                (false, _) => 0,
                (true, at) => ceil_ms(at.unwrap_or(revocation.revoked_at)),
            };
            format!(
                "r {at} {} {} {} {} {}",
                floor_ms(revocation.revoked_at),
                ceil_ms(revocation.expires_at),
                revocation.reason.as_str(),
                revocation.key.kind(),
                revocation.key.name()
            )
        }
        // `s` is stored data: it comes from "spared", the older word for exempt.
        JournalEntry::Exempted(exemption) => format!(
            "s {} {} {} {}",
            floor_ms(exemption.began_at),
            ceil_ms(exemption.expires_at),
            exemption.key.kind(),
            exemption.key.name()
        ),
    }
}

/// Decodes a line; `None` if [`encode`] did not write it.
pub(crate) fn decode(line: &str) -> Option<JournalEntry> {
    let (what, rest) = line.split_once(' ')?;
    match what {
        "r" => {
            // At most six parts: a name may contain spaces.
            let mut fields = rest.splitn(6, ' ');
            let at = fields.next()?.parse().ok()?;
            let revoked_at = ms_to_timestamp(fields.next()?.parse().ok()?);
            let expires_at = ms_to_timestamp(fields.next()?.parse().ok()?);
            let reason = RevocationReason::parse(fields.next()?);
            let key = RevocationKey::from_parts(fields.next()?, fields.next()?)?;
            Some(JournalEntry::Revoked(Revocation {
                cutoff: key.is_cutoff().then(|| ms_to_timestamp(at)),
                key,
                reason,
                revoked_at,
                expires_at,
                token_expires_at: None,
                subject: None,
            }))
        }
        "s" => {
            let mut fields = rest.splitn(4, ' ');
            let began_at = ms_to_timestamp(fields.next()?.parse().ok()?);
            let expires_at = ms_to_timestamp(fields.next()?.parse().ok()?);
            let key = RevocationKey::from_parts(fields.next()?, fields.next()?)?;
            Some(JournalEntry::Exempted(CutoffExemption {
                key,
                began_at,
                expires_at,
                subject: None,
            }))
        }
        _ => None,
    }
}

/// Returns the time after which the entry may be forgotten, in milliseconds since 1970.
pub(crate) fn expires_ms(entry: &JournalEntry) -> i64 {
    ceil_ms(entry.expires_at())
}

#[cfg(test)]
mod tests {
    use maxlab_auth_core::identity::{Issuer, Subject, UpstreamSession};
    use maxlab_auth_core::verdict::{CutoffScope, TokenKey};

    use super::*;

    #[test]
    fn a_line_says_what_the_entry_did() {
        let other = Issuer::of(None, "https://as.example/a b");
        let keys = [
            RevocationKey::Token(TokenKey::from_jti("a b|\n{x}")),
            RevocationKey::Token(TokenKey::from_stored("with a space")),
            RevocationKey::Session("s 1".into()),
            RevocationKey::user(&Subject::of_default("김:1")),
            RevocationKey::user(&Subject::new(other.clone(), "a b|c")),
            RevocationKey::Cutoff(CutoffScope::UpstreamSession(UpstreamSession::new(other, "s 1"))),
            RevocationKey::Cutoff(CutoffScope::Issuer("https://as.example".into())),
        ];
        for key in keys {
            let revoked = JournalEntry::Revoked(Revocation {
                cutoff: key.is_cutoff().then(|| ms_to_timestamp(7)),
                key: key.clone(),
                reason: RevocationReason::LogoutAll,
                revoked_at: ms_to_timestamp(5),
                expires_at: ms_to_timestamp(9),
                token_expires_at: None,
                subject: None,
            });
            let exempted = JournalEntry::Exempted(CutoffExemption {
                key,
                began_at: ms_to_timestamp(3),
                expires_at: ms_to_timestamp(9),
                subject: None,
            });
            for entry in [revoked, exempted] {
                assert_eq!(decode(&encode(&entry)), Some(entry));
            }
        }
    }

    #[test]
    fn what_is_no_line_is_none() {
        for line in [
            "",
            "r",
            "r 1 2 3",
            "s x 1 token a",
            "r 1 2 3 logout nothing a",
            "q 1",
        ] {
            assert_eq!(decode(line), None, "{line}");
        }
    }
}
