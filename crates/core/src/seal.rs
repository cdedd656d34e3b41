//! Encryption at rest: Fernet (github.com/fernet/spec) with key rotation and a mandatory check of the age.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;
use jiff::Timestamp;
use zeroize::Zeroizing;

/// Maximum lead of a sealing time over the reader's clock, in seconds: clocks of instances differ a little.
const MAX_FUTURE_SECONDS: u64 = 60;

/// Keys of `SESSION_ENCRYPTION_KEY`: the first one seals, every one opens. To rotate, put a new key in front.
#[derive(Clone)]
pub struct SealingKeys {
    sealing_key: Fernet,
    older_keys: Vec<Fernet>,
}

/// Reason why a list of keys cannot be used. The text says how to fix it, and contains nothing of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealingKeyFault {
    /// The list contains no key.
    #[error("there is no key; make one with `maxlab-auth keygen`")]
    Missing,
    /// Entry that is not a key.
    #[error(
        "key {position} of the comma-separated list is not a Fernet key: it must be 32 bytes in url-safe base64; make one with `maxlab-auth keygen`"
    )]
    NotAKey {
        /// Number of the entry, from 1.
        position: usize,
    },
}

/// Reason why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// Altered, not a sealed value, or sealed by a key that is not on the list.
    #[error("not sealed by any of the keys")]
    NotAuthentic,
    /// Sealed longer ago than the caller accepts.
    #[error("sealed too long ago")]
    Stale,
    /// Sealed more than a minute in the future, by its own time stamp.
    #[error("sealed in the future")]
    SealedInFuture,
}

/// Sealed value: a Fernet token, which can be stored as text.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedValue(String);

impl SealedValue {
    /// Wraps a text from a store. Only opening it shows whether it is a sealed value.
    #[must_use]
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SealedValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SealedValue(..)")
    }
}

impl SealingKeys {
    /// Reads comma-separated Fernet keys, each 32 bytes in url-safe base64. Spaces around a key are ignored.
    ///
    /// # Errors
    /// [`SealingKeyFault`] when the list is empty or an entry is not a key.
    pub fn parse(list: &str) -> Result<Self, SealingKeyFault> {
        if list.trim().is_empty() {
            return Err(SealingKeyFault::Missing);
        }
        let mut keys = Vec::new();
        // An empty entry is a fault too: a comma too many may be what is left of a lost key.
        for (index, text) in list.split(',').enumerate() {
            keys.push(Fernet::new(text.trim()).ok_or(SealingKeyFault::NotAKey { position: index + 1 })?);
        }
        let mut keys = keys.into_iter();
        let sealing_key = keys.next().ok_or(SealingKeyFault::Missing)?;
        Ok(Self {
            sealing_key,
            older_keys: keys.collect(),
        })
    }

    /// Generates a random key in the form that [`SealingKeys::parse`] reads. The result is a secret.
    #[must_use]
    pub fn generate() -> String {
        Fernet::generate_key()
    }

    /// Seals with the first key. The age is measured from `now`, in whole seconds.
    #[must_use]
    pub fn seal(&self, plaintext: &[u8], now: Timestamp) -> SealedValue {
        SealedValue(self.sealing_key.encrypt_at_time(plaintext, epoch_seconds(now)))
    }

    /// Opens a value with the key that sealed it, if its age is at most `max_age`.
    ///
    /// # Errors
    /// [`SealFault`] when no key opens the value, or its time stamp is too old or in the future.
    pub fn open(
        &self,
        sealed: &SealedValue,
        max_age: Duration,
        now: Timestamp,
    ) -> Result<Zeroizing<Vec<u8>>, SealFault> {
        let (plaintext, sealed_at) = self.decrypt(sealed)?;
        let now = epoch_seconds(now);
        if sealed_at > now.saturating_add(MAX_FUTURE_SECONDS) {
            return Err(SealFault::SealedInFuture);
        }
        if sealed_at.saturating_add(max_age.as_secs()) < now {
            return Err(SealFault::Stale);
        }
        Ok(plaintext)
    }

    /// Opens a value like [`open`](Self::open), but accepts a time stamp in the future: the clock may have
    /// been set back since. Only for contents that contain their own time.
    ///
    /// # Errors
    /// [`SealFault`] when no key opens the value, or its time stamp is too old.
    pub fn open_ignoring_future(
        &self,
        sealed: &SealedValue,
        max_age: Duration,
        now: Timestamp,
    ) -> Result<Zeroizing<Vec<u8>>, SealFault> {
        match self.open(sealed, max_age, now) {
            Err(SealFault::SealedInFuture) => Ok(self.decrypt(sealed)?.0),
            other => other,
        }
    }

    /// Returns the contents and their time stamp in seconds since the epoch, both
    /// authenticated by one of the keys.
    fn decrypt(&self, sealed: &SealedValue) -> Result<(Zeroizing<Vec<u8>>, u64), SealFault> {
        // The fernet crate adds its arguments without an overflow check, and before it checks the MAC. This
        // time neither overflows nor refuses anything. The callers check the age, once the time stamp is
        // known to be authentic.
        let end_of_time = u64::MAX - MAX_FUTURE_SECONDS;
        let plaintext = std::iter::once(&self.sealing_key)
            .chain(&self.older_keys)
            .find_map(|key| key.decrypt_at_time(&sealed.0, None, end_of_time).ok())
            .map(Zeroizing::new)
            .ok_or(SealFault::NotAuthentic)?;
        let sealed_at = sealing_time(&sealed.0).ok_or(SealFault::NotAuthentic)?;
        Ok((plaintext, sealed_at))
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The number alone: a key is a secret.
        write!(formatter, "SealingKeys({} keys)", self.older_keys.len() + 1)
    }
}

/// Reads the time stamp of a Fernet token in seconds: eight bytes, big-endian, after one byte of version.
fn sealing_time(token: &str) -> Option<u64> {
    // Twelve base64 characters are exactly nine bytes, so a prefix of that length decodes by itself.
    let head = URL_SAFE.decode(token.get(..12)?).ok()?;
    head.get(1..9)?.try_into().ok().map(u64::from_be_bytes)
}

fn epoch_seconds(time: Timestamp) -> u64 {
    // Fernet's time stamp is unsigned. Times before 1970 occur in tests only.
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
            Err(SealFault::NotAuthentic)
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
        assert_eq!(
            keys.open(&sealed, HOUR, at(9_939)),
            Err(SealFault::SealedInFuture)
        );
        assert!(keys.open_ignoring_future(&sealed, HOUR, at(9_939)).is_ok());
        assert_eq!(
            keys.open_ignoring_future(&sealed, HOUR, at(13_601)),
            Err(SealFault::Stale)
        );
        assert!(keys.open(&sealed, Duration::MAX, Timestamp::MAX).is_ok());
    }

    #[test]
    fn other_lists_are_refused_with_advice() {
        let valid = SealingKeys::generate();
        for list in ["", "  ", "\n"] {
            assert_eq!(SealingKeys::parse(list).unwrap_err(), SealingKeyFault::Missing);
        }
        let faults = [
            ("your-fernet-encryption-key-here".to_owned(), 1),
            (valid[..40].to_owned(), 1),
            (format!("{valid}A"), 1),
            ("0123456789abcdef0123456789abcdef".to_owned(), 1),
            (format!("{valid},"), 2),
            (format!("{valid},,{valid}"), 2),
            (format!("{valid};{valid}"), 1),
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
        assert!(SealingKeys::parse(&format!(" {valid} , {valid}\n")).is_ok());
    }

    #[test]
    fn debug_shows_no_key_and_no_content() {
        let key = SealingKeys::generate();
        let keys = keys(&[&key]);
        let sealed = keys.seal(b"x", at(1000));
        let debug = format!("{keys:?} {sealed:?}");
        assert!(
            !debug.contains(&key) && !debug.contains(sealed.as_str()),
            "{debug}"
        );
    }

    #[test]
    fn a_time_that_would_overflow_is_refused_without_a_panic() {
        let keys = keys(&[&SealingKeys::generate()]);
        for time in [u64::MAX, u64::MAX - 30, u64::MAX - 60, i64::MAX as u64] {
            let sealed = SealedValue(keys.sealing_key.encrypt_at_time(b"x", time));
            assert_eq!(
                keys.open(&sealed, HOUR, at(1000)),
                Err(SealFault::SealedInFuture),
                "{time}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(plaintext in prop::collection::vec(any::<u8>(), 0..200), second in 0_i64..4_000_000_000) {
            let keys = keys(&[&SealingKeys::generate()]);
            let sealed = SealedValue::from_stored(keys.seal(&plaintext, at(second)).as_str().to_owned());
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
            let changed = SealedValue::from_stored(URL_SAFE.encode(bytes));
            prop_assert_eq!(keys.open(&changed, Duration::MAX, at(1000)), Err(SealFault::NotAuthentic));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,120}") {
            let keys = keys(&[&SealingKeys::generate()]);
            prop_assert!(keys.open(&SealedValue::from_stored(text), HOUR, at(1000)).is_err());
        }
    }
}
