//! Presented credentials, before anything about them is proven: bearer tokens and session ids.

mod alphabets;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::random;
use crate::unavailable::Unavailable;

/// Maximum length of an access token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Reason why a text is not a token (RFC 6750 §2.1, RFC 6749 appendix A).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedBearerToken {
    /// Empty text.
    #[error("the token is empty")]
    Empty,
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is longer than 16 KiB")]
    TooLong,
    /// A character that a token cannot have in this place.
    #[error("the token contains a character that is not allowed")]
    Characters,
}

/// Token as presented. Nothing about it is proven.
///
/// `Debug` prints the type's name only, and the text is erased from memory on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedToken(Zeroizing<String>);

impl PresentedToken {
    /// Accepts a text of the form `b64token` (RFC 6750 §2.1) with at most 16 KiB.
    ///
    /// # Errors
    /// [`MalformedBearerToken`] with the reason. Contains nothing of the text.
    pub fn parse(text: &str) -> Result<Self, MalformedBearerToken> {
        if text.is_empty() {
            return Err(MalformedBearerToken::Empty);
        }
        if text.len() > MAX_TOKEN_BYTES {
            return Err(MalformedBearerToken::TooLong);
        }
        // RFC 6750 allows `=` at the end only.
        let body = text.trim_end_matches('=');
        if body.is_empty() || !are_b64token_chars(body.as_bytes()) {
            return Err(MalformedBearerToken::Characters);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Returns the token itself. Only for verifying it and for sending it to the authorization server.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Computes the SHA-256 of the token's bytes: the identity of an opaque token.
    pub fn digest(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

/// Checks that all bytes are characters of `b64token`.
fn are_b64token_chars(bytes: &[u8]) -> bool {
    // `|` and `&` instead of `||` and `&&`: without early exits the compiler checks many bytes at a time.
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() | matches!(b, b'+' | b'-'..=b'/' | b'_' | b'~');
    bytes.iter().fold(true, |all, b| all & is_allowed(*b))
}

/// Reason why the `Authorization` fields of a request are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BearerFault {
    /// More than one field.
    #[error("There is more than one Authorization header")]
    Several,
    /// Token longer than [`MAX_TOKEN_BYTES`].
    #[error("The token is longer than 16 KiB")]
    TooLong,
    /// Scheme `Bearer`, but not in the form of RFC 6750 §2.1.
    #[error("The Authorization header is malformed")]
    Malformed,
}

/// Reads the token of `Authorization: Bearer …` (RFC 6750 §2.1) in its one accepted form: one field, and one
/// space (`docs/decisions/0007-one-strict-form-of-a-request.md`). The scheme may be in upper or lower case
/// (RFC 9110 §11.1). Returns `None` without a field, or for another scheme.
///
/// # Errors
/// [`BearerFault`] when there are several fields, or when the scheme is `Bearer` in another form.
pub fn parse_bearer<'v>(
    fields: impl IntoIterator<Item = &'v [u8]>,
) -> Result<Option<PresentedToken>, BearerFault> {
    let mut fields = fields.into_iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(BearerFault::Several);
    }
    // Bytes outside ASCII are refused before the scheme is read, so that no lenient decoder
    // changes its meaning.
    let visible = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    let text = std::str::from_utf8(field)
        .ok()
        .filter(|text| text.as_bytes().iter().all(visible))
        .ok_or(BearerFault::Malformed)?;
    // The scheme is recognised leniently and accepted strictly: `Bearer,x` is a malformed Bearer,
    // not another scheme.
    let (scheme, rest) = text.split_at(text.find([' ', '\t', ',']).unwrap_or(text.len()));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = rest.strip_prefix(' ').ok_or(BearerFault::Malformed)?;
    match PresentedToken::parse(token) {
        Ok(token) => Ok(Some(token)),
        Err(MalformedBearerToken::TooLong) => Err(BearerFault::TooLong),
        Err(_) => Err(BearerFault::Malformed),
    }
}

impl fmt::Debug for PresentedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedToken(..)")
    }
}

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
        let mut digest = [0; 32];
        let (pairs, []) = self.0.as_bytes().as_chunks::<2>() else {
            return None;
        };
        if pairs.len() != digest.len() {
            return None;
        }
        for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
            *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
        }
        Some(digest)
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

/// Credential of a request.
#[derive(Clone, Debug)]
pub enum PresentedCredential {
    /// Bearer token of `Authorization: Bearer …`.
    Token(PresentedToken),
    /// Session id of the cookie.
    Session(SessionId),
}

/// Computes SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Encodes bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Returns the value of a lower-case hexadecimal digit.
fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_form_of_rfc_6750() {
        assert_eq!(PresentedToken::parse(""), Err(MalformedBearerToken::Empty));
        assert_eq!(PresentedToken::parse("=="), Err(MalformedBearerToken::Characters));
        assert_eq!(
            PresentedToken::parse("a b"),
            Err(MalformedBearerToken::Characters)
        );
        assert_eq!(
            PresentedToken::parse("a=b"),
            Err(MalformedBearerToken::Characters)
        );
        assert_eq!(
            PresentedToken::parse(&"a".repeat(MAX_TOKEN_BYTES + 1)),
            Err(MalformedBearerToken::TooLong)
        );
        assert!(PresentedToken::parse(&"a".repeat(MAX_TOKEN_BYTES)).is_ok());
        assert!(PresentedToken::parse("a-._~+/Z0==").is_ok());
        for byte in 0..=127_u8 {
            let allowed = byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
            let text = format!("a{}", char::from(byte));
            assert_eq!(PresentedToken::parse(&text).is_ok(), allowed, "{byte}");
        }
        assert!(PresentedToken::parse("é").is_err());
    }

    #[test]
    fn a_bearer_token_is_written_just_so() {
        let read = |fields: &[&str]| {
            let read = parse_bearer(fields.iter().map(|field| field.as_bytes()));
            read.map(|token| token.map(|token| token.expose().to_owned()))
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["Basic dTpw"]), Ok(None));
        assert_eq!(read(&["Bearer a.b.c"]), Ok(Some("a.b.c".into())));
        for f17 in ["bearer a", "BEARER a", "bEARER a"] {
            assert_eq!(read(&[f17]), Ok(Some("a".into())), "{f17}");
        }
        assert_eq!(read(&["Bearer a", "Bearer a"]), Err(BearerFault::Several));
        for malformed in [
            "bearer",
            "bearer  a",
            "Bearer",
            "Bearer  a",
            "Bearer a b",
            "Bearer\ta",
            "Bearer,a",
            "Bearer a\u{e9}",
        ] {
            assert_eq!(read(&[malformed]), Err(BearerFault::Malformed), "{malformed:?}");
        }
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1));
        assert_eq!(read(&[&long]), Err(BearerFault::TooLong));
    }

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
    fn debug_shows_no_secret() {
        let token = PresentedToken::parse("canary-token").unwrap();
        let id = SessionId::generate().unwrap();
        let debug = format!(
            "{:?} {:?}",
            PresentedCredential::Token(token),
            PresentedCredential::Session(id.clone())
        );
        assert!(!debug.contains("canary") && !debug.contains(id.expose().as_str()));
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
