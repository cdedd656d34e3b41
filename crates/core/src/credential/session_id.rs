//! Names of a session: the secret in its cookie, the key in the store, the public handle.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::hex::{decode_hex, hex, sha256};
use crate::random;
use crate::unavailable::Unavailable;

/// Secret in a session cookie: 256 random bits.
///
/// `Debug` prints the type's name only. Lists, logs and URLs contain the [`SessionHandle`] instead.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(Zeroizing<[u8; 32]>);

impl SessionId {
    /// Generates a new id from the operating system's random bytes.
    ///
    /// # Errors
    /// [`Unavailable`] when there are no random bytes.
    pub fn generate() -> Result<Self, Unavailable> {
        Ok(Self(Zeroizing::new(random::bytes()?)))
    }

    /// Reads the value of a cookie: 43 characters of unpadded base64url.
    pub fn parse(text: &str) -> Option<Self> {
        // Longer than an id: the decoder asks for room for whole groups of four characters.
        let mut buffer = Zeroizing::new([0; 36]);
        let length = URL_SAFE_NO_PAD.decode_slice(text, buffer.as_mut_slice()).ok()?;
        let bytes = buffer.get(..length)?.try_into().ok()?;
        Some(Self(Zeroizing::new(bytes)))
    }

    /// Returns the value of the cookie.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }

    /// Computes the key of the session in the store: a hash, so that a reader of the store learns no cookie.
    pub fn store_key(&self) -> SessionKey {
        SessionKey(hex(&self.digest()))
    }

    /// Computes the hash that is the session's key, without an allocation.
    pub fn digest(&self) -> SessionKeyDigest {
        // The prefix keeps this hash different from every other use of SHA-256 on the same bytes.
        const PREFIX: &[u8; 20] = b"maxlab-auth/session/";
        let mut input = Zeroizing::new([0; PREFIX.len() + 32]);
        let (prefix, id) = input.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX);
        id.copy_from_slice(self.0.as_slice());
        sha256(input.as_slice())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

/// Bytes of a [`SessionKey`].
pub type SessionKeyDigest = [u8; 32];

/// Key of a stored session: the hash of its [`SessionId`], 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionKey(String);

impl SessionKey {
    /// Returns the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Wraps a key that was read from a store.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the bytes; `None` if a stored key is no hash.
    pub fn digest(&self) -> Option<SessionKeyDigest> {
        decode_hex(&self.0)
    }
}

/// Public name of a session, constant for its whole life: 32 hexadecimal digits. Not a credential.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct SessionHandle(String);

impl SessionHandle {
    /// Generates a new handle.
    ///
    /// # Errors
    /// [`Unavailable`] when there are no random bytes.
    pub fn generate() -> Result<Self, Unavailable> {
        Ok(Self(hex(&random::bytes::<16>()?)))
    }

    /// Reads a handle from outside. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        // Upper case is refused: two spellings of one handle would be two keys.
        let is_handle = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_handle.then(|| Self(text.to_owned()))
    }

    /// Returns the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SessionHandle {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a session handle is 32 lower-case hexadecimal digits")
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_survives_its_cookie_and_is_never_its_own_store_key() {
        let id = SessionId::generate().unwrap();
        let cookie = id.expose();
        assert_eq!(SessionId::parse(&cookie), Some(id.clone()));
        assert_ne!(id.store_key().as_str(), cookie.as_str());
        assert_eq!(SessionId::parse(&format!("{}=", cookie.as_str())), None);
        assert_eq!(SessionId::parse("short"), None);
    }

    #[test]
    fn a_handle_is_32_hexadecimal_digits() {
        let handle = SessionHandle::generate().unwrap();
        assert_eq!(SessionHandle::parse(handle.as_str()), Some(handle));
        assert!(SessionHandle::parse("../../etc").is_none());
        assert!(SessionHandle::parse(&"A".repeat(32)).is_none());
    }

    #[test]
    fn a_session_id_has_one_form_and_its_key_is_its_digest() {
        let id = SessionId::generate().unwrap();
        let text = id.expose();
        assert!(SessionId::parse(&text).is_some_and(|parsed| parsed == id));
        assert_eq!(id.store_key().digest(), Some(id.digest()));
        let longer = format!("{}A", text.as_str());
        for other in [
            "",
            "A",
            &text[..42],
            &longer,
            &format!("{}=", text.as_str()),
            &"+".repeat(43),
            &"A".repeat(99),
        ] {
            assert!(SessionId::parse(other).is_none(), "{other}");
        }
        for other in [
            "",
            "0",
            &"0".repeat(63),
            &"0".repeat(65),
            &"A".repeat(64),
            &"g".repeat(64),
        ] {
            assert_eq!(SessionKey::from_stored(other).digest(), None, "{other}");
        }
    }
}
