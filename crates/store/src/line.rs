//! A journal entry as one line of text, for streams and snapshots: what a replica needs of it and nothing more.

use maxlab_auth_core::revocation::{JournalEntry, Reason, Revocation, RevocationKey, Spare};

use crate::moment::{ceil_ms, floor_ms, moment};

/// The line. The name stands last, so that nothing in it can pass for another field.
pub(crate) fn write(entry: &JournalEntry) -> String {
    match entry {
        JournalEntry::Revoked(order) => {
            let at = match (order.key.is_cutoff(), order.cutoff) {
                (false, _) => 0,
                (true, at) => ceil_ms(at.unwrap_or(order.revoked_at)),
            };
            format!(
                "r {at} {} {} {} {} {}",
                floor_ms(order.revoked_at),
                ceil_ms(order.expires_at),
                order.reason.as_str(),
                order.key.kind(),
                order.key.name()
            )
        }
        JournalEntry::Spared(spare) => format!(
            "s {} {} {} {}",
            floor_ms(spare.began_at),
            ceil_ms(spare.expires_at),
            spare.key.kind(),
            spare.key.name()
        ),
    }
}

/// The entry; `None` if this is no line of ours.
pub(crate) fn read(line: &str) -> Option<JournalEntry> {
    let (what, rest) = line.split_once(' ')?;
    match what {
        "r" => {
            let mut fields = rest.splitn(6, ' ');
            let at = fields.next()?.parse().ok()?;
            let revoked_at = moment(fields.next()?.parse().ok()?);
            let expires_at = moment(fields.next()?.parse().ok()?);
            let reason = Reason::parse(fields.next()?);
            let key = RevocationKey::from_parts(fields.next()?, fields.next()?)?;
            Some(JournalEntry::Revoked(Revocation {
                cutoff: key.is_cutoff().then(|| moment(at)),
                key,
                reason,
                revoked_at,
                expires_at,
                token_expires_at: None,
                user_id: None,
            }))
        }
        "s" => {
            let mut fields = rest.splitn(4, ' ');
            let began_at = moment(fields.next()?.parse().ok()?);
            let expires_at = moment(fields.next()?.parse().ok()?);
            let key = RevocationKey::from_parts(fields.next()?, fields.next()?)?;
            Some(JournalEntry::Spared(Spare {
                key,
                began_at,
                expires_at,
                user_id: String::new(),
            }))
        }
        _ => None,
    }
}

/// When the entry may be forgotten, in milliseconds.
pub(crate) fn expires_ms(entry: &JournalEntry) -> i64 {
    ceil_ms(entry.expires_at())
}

#[cfg(test)]
mod tests {
    use maxlab_auth_core::revocation::{Party, TokenKey};

    use super::*;

    #[test]
    fn a_line_says_what_the_entry_did() {
        let keys = [
            RevocationKey::Token(TokenKey::from_jti("a b|\n{x}")),
            RevocationKey::Token(TokenKey::from_stored("with a space")),
            RevocationKey::Session("s 1".into()),
            RevocationKey::user("김:1"),
            RevocationKey::Before(Party::Issuer("https://as.example".into())),
        ];
        for key in keys {
            let revoked = JournalEntry::Revoked(Revocation {
                cutoff: key.is_cutoff().then(|| moment(7)),
                key: key.clone(),
                reason: Reason::LogoutAll,
                revoked_at: moment(5),
                expires_at: moment(9),
                token_expires_at: None,
                user_id: None,
            });
            let spared = JournalEntry::Spared(Spare {
                key,
                began_at: moment(3),
                expires_at: moment(9),
                user_id: String::new(),
            });
            for entry in [revoked, spared] {
                assert_eq!(read(&write(&entry)), Some(entry));
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
            assert_eq!(read(line), None, "{line}");
        }
    }
}
