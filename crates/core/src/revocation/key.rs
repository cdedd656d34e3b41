//! The names under which things are revoked, in forms that no untrusted text can bend.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::credential::{PresentedToken, SessionHandle, hex, sha256};

/// What stays as it is inside a key. `:` stays so that a `jti` like `urn:uuid:…` gives the key that the guide's
/// deployments write too.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':');

/// A longer `jti` is keyed by its hash, so that no key grows without a bound.
const LONGEST_PLAIN_JTI: usize = 200;

/// What the hash of a signing input begins with.
const SIGNED: &str = "@jws-";
/// What the hash of a token's bytes begins with.
const OPAQUE: &str = "@opaque-";

/// The canonical identity of a token.
///
/// In the order of preference: its `jti`, percent-escaped; `@jws-…`, the hash of its signing input (header and
/// payload, never the signature, whose encodings are malleable); `@opaque-…`, the hash of its bytes. `@` is escaped
/// in a `jti`, so that none can pass for a hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TokenKey(String);

impl TokenKey {
    /// The key of a token with this `jti` (RFC 7519 §4.1.7).
    pub fn from_jti(jti: &str) -> Self {
        if jti.len() > LONGEST_PLAIN_JTI {
            return Self(format!("@jti-{}", hex(&sha256(jti.as_bytes()))));
        }
        Self(escaped(jti))
    }

    /// The key of a signed token without `jti`: SHA-256 of its signing input.
    pub fn from_signing_input(digest: &[u8; 32]) -> Self {
        Self(format!("{SIGNED}{}", hex(digest)))
    }

    /// The key of a token by its very bytes: of an opaque token, or of one of which nothing else is proven.
    pub fn from_bytes_of(token: &PresentedToken) -> Self {
        Self::from_token_bytes(&token.digest())
    }

    /// The same, by the SHA-256 of these bytes.
    pub(super) fn from_token_bytes(digest: &[u8; 32]) -> Self {
        Self(format!("{OPAQUE}{}", hex(digest)))
    }

    /// The hash that it is, if it is one [of a signing input](Self::from_signing_input).
    pub(super) fn signing_input(&self) -> Option<[u8; 32]> {
        unhex(self.0.strip_prefix(SIGNED)?)
    }

    /// The hash that it is, if it is one [of a token's bytes](Self::from_bytes_of).
    pub(super) fn token_bytes(&self) -> Option<[u8; 32]> {
        unhex(self.0.strip_prefix(OPAQUE)?)
    }

    /// The key that a store or an operator gives back.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, safe inside a store's key: `[A-Za-z0-9._~:%@-]`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Someone of whom everything can be revoked that was issued before a moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Party {
    /// A user, by user id.
    User(String),
    /// An OAuth client, by `client_id`.
    Client(String),
    /// An issuer, by its identifier.
    Issuer(String),
}

/// What a revocation is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RevocationKey {
    /// One token.
    Token(TokenKey),
    /// A session, with the refresh-token family that hangs on it; also an authorization server's `sid`.
    Session(String),
    /// Everything that a party was issued before a moment (a cut-off).
    Before(Party),
}

impl RevocationKey {
    /// The session with this public handle.
    pub fn session(handle: &SessionHandle) -> Self {
        Self::Session(handle.as_str().to_owned())
    }

    /// Everything of this user.
    pub fn user(user_id: impl Into<String>) -> Self {
        Self::Before(Party::User(user_id.into()))
    }

    /// Whether it is a cut-off, and so needs a moment.
    pub fn is_cutoff(&self) -> bool {
        matches!(self, Self::Before(_))
    }

    /// The stable word for what kind it is: `token`, `session`, `user`, `client` or `issuer`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Session(_) => "session",
            Self::Before(Party::User(_)) => "user",
            Self::Before(Party::Client(_)) => "client",
            Self::Before(Party::Issuer(_)) => "issuer",
        }
    }

    /// Whom or what it names, escaped so that it is safe inside a store's key.
    pub fn name(&self) -> String {
        match self {
            Self::Token(key) => key.as_str().to_owned(),
            Self::Session(id) | Self::Before(Party::User(id) | Party::Client(id) | Party::Issuer(id)) => {
                escaped(id)
            }
        }
    }

    /// The key that has this [`kind`](Self::kind) and this [`name`](Self::name).
    pub fn from_parts(kind: &str, name: &str) -> Option<Self> {
        let plain = || {
            percent_decode_str(name)
                .decode_utf8()
                .ok()
                .map(|text| text.into_owned())
        };
        Some(match kind {
            "token" => Self::Token(TokenKey::from_stored(name)),
            "session" => Self::Session(plain()?),
            "user" => Self::Before(Party::User(plain()?)),
            "client" => Self::Before(Party::Client(plain()?)),
            "issuer" => Self::Before(Party::Issuer(plain()?)),
            _ => return None,
        })
    }
}

impl fmt::Display for RevocationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.name())
    }
}

/// What [`hex`] makes of 32 bytes, and nothing else, turned back.
fn unhex(digits: &str) -> Option<[u8; 32]> {
    let digit = |digit: &u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(high)? << 4 | digit(low)?));
    bytes.collect::<Option<Vec<_>>>()?.try_into().ok()
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_jti_passes_for_a_hash_or_breaks_out_of_its_key() {
        let hash = TokenKey::from_signing_input(&[7; 32]);
        assert_ne!(TokenKey::from_jti(hash.as_str()), hash);
        assert_eq!(
            TokenKey::from_jti("a b\r\n{x}*").as_str(),
            "a%20b%0D%0A%7Bx%7D%2A"
        );
        assert_eq!(TokenKey::from_jti("urn:uuid:1-2").as_str(), "urn:uuid:1-2");
        assert_ne!(TokenKey::from_jti("%41"), TokenKey::from_jti("A"));
    }

    #[test]
    fn a_hash_is_known_by_its_form_and_comes_back() {
        let digest = std::array::from_fn(|at| u8::try_from(at * 8).unwrap());
        let (signed, opaque) = (
            TokenKey::from_signing_input(&digest),
            TokenKey::from_token_bytes(&digest),
        );
        assert_eq!(
            (signed.signing_input(), signed.token_bytes()),
            (Some(digest), None)
        );
        assert_eq!(
            (opaque.signing_input(), opaque.token_bytes()),
            (None, Some(digest))
        );
        let shout = TokenKey::from_stored(opaque.as_str().to_uppercase().replace("@OPAQUE", "@opaque"));
        for other in [
            shout,
            TokenKey::from_jti(signed.as_str()),
            TokenKey::from_stored("@jws-00"),
            TokenKey::from_stored(format!("{opaque}00")),
        ] {
            assert_eq!(
                (other.signing_input(), other.token_bytes()),
                (None, None),
                "{other}"
            );
        }
    }

    #[test]
    fn a_long_jti_has_a_short_key_of_its_own() {
        let (one, two) = (format!("{}1", "x".repeat(300)), format!("{}2", "x".repeat(300)));
        assert!(TokenKey::from_jti(&one).as_str().len() < 80);
        assert_ne!(TokenKey::from_jti(&one), TokenKey::from_jti(&two));
    }

    #[test]
    fn a_key_survives_its_parts() {
        let keys = [
            RevocationKey::Token(TokenKey::from_jti("j/1")),
            RevocationKey::Session("s 1".into()),
            RevocationKey::user("김:1"),
            RevocationKey::Before(Party::Client("c".into())),
            RevocationKey::Before(Party::Issuer("https://as.example".into())),
        ];
        for key in keys {
            assert_eq!(RevocationKey::from_parts(key.kind(), &key.name()), Some(key));
        }
    }
}
