//! What the caller presented, before anything is known about it.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::random;
use crate::unavailable::Unavailable;

/// The longest access token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Why a string is not even the form of a bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedCredential {
    /// There is nothing in it.
    #[error("the token is empty")]
    Empty,
    /// It is over [`MAX_TOKEN_BYTES`].
    #[error("the token is longer than 16 KiB")]
    TooLong,
    /// It holds a character that RFC 6750 §2.1 does not allow.
    #[error("the token holds a character that RFC 6750 does not allow")]
    Characters,
}

/// A token as it was presented; nothing about it is proven.
///
/// `Debug` shows its name only.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedToken(Zeroizing<String>);

impl PresentedToken {
    /// Takes a string that has the form `b64token` of RFC 6750 §2.1, at most 16 KiB long.
    ///
    /// # Errors
    /// Says what the string lacks; the string itself is not repeated.
    pub fn parse(text: &str) -> Result<Self, MalformedCredential> {
        if text.is_empty() {
            return Err(MalformedCredential::Empty);
        }
        if text.len() > MAX_TOKEN_BYTES {
            return Err(MalformedCredential::TooLong);
        }
        let body = text.trim_end_matches('=');
        if body.is_empty() || !are_allowed(body.as_bytes()) {
            return Err(MalformedCredential::Characters);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The token itself, to be verified or sent to the authorization server and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of its bytes: the identity of a token that says nothing about itself.
    pub fn digest(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

/// Whether all are of the characters of `b64token`. No byte decides alone, so that many are looked at together.
fn are_allowed(bytes: &[u8]) -> bool {
    let one = |b: u8| b.is_ascii_alphanumeric() | matches!(b, b'+' | b'-'..=b'/' | b'_' | b'~');
    bytes.iter().fold(true, |all, b| all & one(*b))
}

/// Why `Authorization` header fields are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BearerFault {
    /// There are several.
    #[error("There is more than one Authorization header")]
    Several,
    /// The token is over [`MAX_TOKEN_BYTES`].
    #[error("The token is longer than 16 KiB")]
    TooLong,
    /// It says `Bearer`, and is not written as RFC 6750 §2.1 has it.
    #[error("The Authorization header is malformed")]
    Malformed,
}

/// The token of `Authorization: Bearer …` (RFC 6750 §2.1), written just so: one field, one space. `None` where there is no
/// such field, or one of another scheme.
///
/// # Errors
/// It is there in a form that is not read.
pub fn bearer<'v>(fields: impl IntoIterator<Item = &'v [u8]>) -> Result<Option<PresentedToken>, BearerFault> {
    let mut fields = fields.into_iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(BearerFault::Several);
    }
    let visible = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    let text = std::str::from_utf8(field)
        .ok()
        .filter(|text| text.as_bytes().iter().all(visible))
        .ok_or(BearerFault::Malformed)?;
    let scheme = text.split([' ', '\t', ',']).next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = text.strip_prefix("Bearer ").ok_or(BearerFault::Malformed)?;
    match PresentedToken::parse(token) {
        Ok(token) => Ok(Some(token)),
        Err(MalformedCredential::TooLong) => Err(BearerFault::TooLong),
        Err(_) => Err(BearerFault::Malformed),
    }
}

impl fmt::Debug for PresentedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedToken(..)")
    }
}

/// The secret in a session cookie: 256 random bits.
///
/// `Debug` shows its name only. What lists, logs and URLs show is the [`SessionHandle`].
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(Zeroizing<[u8; 32]>);

impl SessionId {
    /// A new one, from the operating system's generator.
    ///
    /// # Errors
    /// The generator gave nothing.
    pub fn generate() -> Result<Self, Unavailable> {
        Ok(Self(Zeroizing::new(random::bytes()?)))
    }

    /// Reads the cookie's value: 43 characters of unpadded base64url.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// The cookie's value.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }

    /// Under what the store keeps the session: a hash, so that a reader of the store holds no cookie.
    pub fn store_key(&self) -> SessionKey {
        let mut input = Zeroizing::new(b"maxlab-auth/session/".to_vec());
        input.extend_from_slice(self.0.as_slice());
        SessionKey(hex(&sha256(&input)))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

/// Under what a session is stored: the hash of its [`SessionId`], 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionKey(String);

impl SessionKey {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key that a store gives back.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// The public name of a session, the same for its whole life: 32 hexadecimal digits. It opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct SessionHandle(String);

impl SessionHandle {
    /// A new one.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub fn generate() -> Result<Self, Unavailable> {
        Ok(Self(hex(&random::bytes::<16>()?)))
    }

    /// Reads a handle from outside; `None` if it has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let form = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        form.then(|| Self(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SessionHandle {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a session handle is 32 hexadecimal digits")
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a request carries to say who it is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// `Authorization: Bearer …`
    Token(PresentedToken),
    /// The session cookie.
    Session(SessionId),
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_form_of_rfc_6750() {
        assert_eq!(PresentedToken::parse(""), Err(MalformedCredential::Empty));
        assert_eq!(PresentedToken::parse("=="), Err(MalformedCredential::Characters));
        assert_eq!(PresentedToken::parse("a b"), Err(MalformedCredential::Characters));
        assert_eq!(PresentedToken::parse("a=b"), Err(MalformedCredential::Characters));
        assert_eq!(
            PresentedToken::parse(&"a".repeat(MAX_TOKEN_BYTES + 1)),
            Err(MalformedCredential::TooLong)
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
            let read = bearer(fields.iter().map(|field| field.as_bytes()));
            read.map(|token| token.map(|token| token.expose().to_owned()))
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["Basic dTpw"]), Ok(None));
        assert_eq!(read(&["Bearer a.b.c"]), Ok(Some("a.b.c".into())));
        assert_eq!(read(&["Bearer a", "Bearer a"]), Err(BearerFault::Several));
        for malformed in [
            "bearer a",
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
        let shown = format!(
            "{:?} {:?}",
            Credential::Token(token),
            Credential::Session(id.clone())
        );
        assert!(!shown.contains("canary") && !shown.contains(id.expose().as_str()));
    }

    #[test]
    fn a_handle_is_32_hexadecimal_digits() {
        let handle = SessionHandle::generate().unwrap();
        assert_eq!(SessionHandle::parse(handle.as_str()), Some(handle));
        assert!(SessionHandle::parse("../../etc").is_none());
        assert!(SessionHandle::parse(&"A".repeat(32)).is_none());
    }
}
