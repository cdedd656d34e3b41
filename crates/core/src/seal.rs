//! Encryption at rest: Fernet (github.com/fernet/spec) with key rotation and with freshness that cannot be left out.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;
use jiff::Timestamp;
use zeroize::Zeroizing;

/// How far in the future a sealing time may lie, in seconds: clocks of several instances differ a little.
const MAX_FUTURE_SECONDS: u64 = 60;

/// The keys that seal what is stored: the first one seals, every one opens. Rotate by putting a new key in front.
#[derive(Clone)]
pub struct SealingKeys {
    first: Fernet,
    others: Vec<Fernet>,
}

/// Why a list of keys cannot be used; says how to mend it, and repeats nothing of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealingKeyFault {
    /// No key at all.
    #[error("there is no key; make one with `maxlab-auth keygen`")]
    Missing,
    /// One entry of the list is not a key.
    #[error(
        "key {position} of the comma-separated list is not a Fernet key: it must be 32 bytes in url-safe base64; make one with `maxlab-auth keygen`"
    )]
    NotAKey {
        /// Which entry, from 1.
        position: usize,
    },
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// It was changed, it is no sealed value, or the key that sealed it is not on the list.
    #[error("not sealed by any of the keys")]
    NotOurs,
    /// It was sealed longer ago than the reader accepts.
    #[error("sealed too long ago")]
    Stale,
    /// It claims to have been sealed more than a minute from now.
    #[error("sealed in the future")]
    Future,
}

/// A sealed value: a Fernet token, fit for storing as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(String);

impl Sealed {
    /// Takes text back from a store. Whether it is sealed at all shows when it is opened.
    #[must_use]
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealed(..)")
    }
}

impl SealingKeys {
    /// Reads comma-separated Fernet keys, each 32 bytes in url-safe base64. Spaces around a key are ignored.
    ///
    /// # Errors
    /// [`SealingKeyFault`] when there is none or one of them is not a key.
    pub fn parse(list: &str) -> Result<Self, SealingKeyFault> {
        if list.trim().is_empty() {
            return Err(SealingKeyFault::Missing);
        }
        let mut keys = Vec::new();
        for (index, text) in list.split(',').enumerate() {
            keys.push(Fernet::new(text.trim()).ok_or(SealingKeyFault::NotAKey { position: index + 1 })?);
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(SealingKeyFault::Missing)?;
        Ok(Self {
            first,
            others: keys.collect(),
        })
    }

    /// Makes a new random key in the form that [`SealingKeys::parse`] reads. It is a secret.
    #[must_use]
    pub fn generate() -> String {
        Fernet::generate_key()
    }

    /// Seals with the first key; `now` is what freshness will be measured from.
    #[must_use]
    pub fn seal(&self, plaintext: &[u8], now: Timestamp) -> Sealed {
        Sealed(self.first.encrypt_at_time(plaintext, epoch_seconds(now)))
    }

    /// Opens with whichever key sealed, if that was at most `max_age` ago.
    ///
    /// # Errors
    /// [`SealFault`] when no key opens it or the sealing time is too old or in the future.
    pub fn open(
        &self,
        sealed: &Sealed,
        max_age: Duration,
        now: Timestamp,
    ) -> Result<Zeroizing<Vec<u8>>, SealFault> {
        // The crate adds its arguments up unchecked and before it checks the MAC, so it gets a time at which nothing can
        // overflow or be refused. Freshness is judged here, of what is then known to be authentic.
        let end_of_time = u64::MAX - MAX_FUTURE_SECONDS;
        let plaintext = std::iter::once(&self.first)
            .chain(&self.others)
            .find_map(|key| key.decrypt_at_time(&sealed.0, None, end_of_time).ok())
            .map(Zeroizing::new)
            .ok_or(SealFault::NotOurs)?;
        let sealed_at = sealing_time(&sealed.0).ok_or(SealFault::NotOurs)?;
        let now = epoch_seconds(now);
        if sealed_at > now.saturating_add(MAX_FUTURE_SECONDS) {
            return Err(SealFault::Future);
        }
        if sealed_at.saturating_add(max_age.as_secs()) < now {
            return Err(SealFault::Stale);
        }
        Ok(plaintext)
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SealingKeys({} keys)", self.others.len() + 1)
    }
}

/// Reads the time out of a Fernet token: after one byte of version, eight bytes of seconds.
fn sealing_time(token: &str) -> Option<u64> {
    let head = URL_SAFE.decode(token.get(..12)?).ok()?;
    head.get(1..9)?.try_into().ok().map(u64::from_be_bytes)
}

fn epoch_seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn keys(list: &[&str]) -> SealingKeys {
        SealingKeys::parse(&list.join(",")).unwrap()
    }

    #[test]
    fn the_first_key_seals_and_every_key_opens() {
        let (old, new) = (SealingKeys::generate(), SealingKeys::generate());
        let before = keys(&[&old]).seal(b"session", at(1000));
        let rotated = keys(&[&new, &old]);
        assert_eq!(
            rotated.open(&before, HOUR, at(1000)).unwrap().as_slice(),
            b"session"
        );
        let after = rotated.seal(b"session", at(1000));
        assert!(keys(&[&new]).open(&after, HOUR, at(1000)).is_ok());
        assert_eq!(
            keys(&[&old]).open(&after, HOUR, at(1000)),
            Err(SealFault::NotOurs)
        );
    }

    #[test]
    fn sealing_twice_gives_different_text() {
        let keys = keys(&[&SealingKeys::generate()]);
        assert_ne!(keys.seal(b"same", at(1000)), keys.seal(b"same", at(1000)));
    }

    #[test]
    fn freshness_is_measured_from_the_sealing() {
        let keys = keys(&[&SealingKeys::generate()]);
        let sealed = keys.seal(b"x", at(10_000));
        assert!(keys.open(&sealed, HOUR, at(13_600)).is_ok());
        assert_eq!(keys.open(&sealed, HOUR, at(13_601)), Err(SealFault::Stale));
        assert!(keys.open(&sealed, HOUR, at(9_940)).is_ok());
        assert_eq!(keys.open(&sealed, HOUR, at(9_939)), Err(SealFault::Future));
        assert!(keys.open(&sealed, Duration::MAX, Timestamp::MAX).is_ok());
    }

    #[test]
    fn other_lists_are_refused_with_advice() {
        let good = SealingKeys::generate();
        for list in ["", "  ", "\n"] {
            assert_eq!(SealingKeys::parse(list).unwrap_err(), SealingKeyFault::Missing);
        }
        let faults = [
            ("your-fernet-encryption-key-here".to_owned(), 1),
            (good[..40].to_owned(), 1),
            (format!("{good}A"), 1),
            ("0123456789abcdef0123456789abcdef".to_owned(), 1),
            (format!("{good},"), 2),
            (format!("{good},,{good}"), 2),
            (format!("{good};{good}"), 1),
        ];
        for (list, position) in faults {
            let fault = SealingKeys::parse(&list).unwrap_err();
            assert_eq!(fault, SealingKeyFault::NotAKey { position }, "{list}");
            let advice = fault.to_string();
            assert!(
                advice.contains("keygen") && advice.contains("32 bytes") && !advice.contains(&list),
                "{advice}"
            );
        }
        assert!(SealingKeys::parse(&format!(" {good} , {good}\n")).is_ok());
    }

    #[test]
    fn debug_shows_no_key_and_no_content() {
        let key = SealingKeys::generate();
        let keys = keys(&[&key]);
        let sealed = keys.seal(b"x", at(1000));
        let shown = format!("{keys:?} {sealed:?}");
        assert!(
            !shown.contains(&key) && !shown.contains(sealed.as_str()),
            "{shown}"
        );
    }

    #[test]
    fn a_time_that_would_overflow_is_refused_without_a_panic() {
        let keys = keys(&[&SealingKeys::generate()]);
        for time in [u64::MAX, u64::MAX - 30, u64::MAX - 60, i64::MAX as u64] {
            let sealed = Sealed(keys.first.encrypt_at_time(b"x", time));
            assert_eq!(
                keys.open(&sealed, HOUR, at(1000)),
                Err(SealFault::Future),
                "{time}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(plaintext in prop::collection::vec(any::<u8>(), 0..200), second in 0_i64..4_000_000_000) {
            let keys = keys(&[&SealingKeys::generate()]);
            let sealed = Sealed::from_stored(keys.seal(&plaintext, at(second)).as_str().to_owned());
            let opened = keys.open(&sealed, Duration::ZERO, at(second)).unwrap();
            prop_assert_eq!(opened.as_slice(), plaintext.as_slice());
        }

        #[test]
        fn a_changed_byte_never_opens(index in 0_usize..100, replacement in any::<u8>()) {
            let keys = keys(&[&SealingKeys::generate()]);
            let sealed = keys.seal(b"forty bytes of session, more or less....", at(1000));
            let mut bytes = URL_SAFE.decode(sealed.as_str()).unwrap();
            let index = index % bytes.len();
            prop_assume!(bytes[index] != replacement);
            bytes[index] = replacement;
            let changed = Sealed::from_stored(URL_SAFE.encode(bytes));
            prop_assert_eq!(keys.open(&changed, Duration::MAX, at(1000)), Err(SealFault::NotOurs));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,120}") {
            let keys = keys(&[&SealingKeys::generate()]);
            prop_assert!(keys.open(&Sealed::from_stored(text), HOUR, at(1000)).is_err());
        }
    }
}
