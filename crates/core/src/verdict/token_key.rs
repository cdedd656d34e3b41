//! Names of tokens, in a form that untrusted text cannot alter.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::credential::{PresentedToken, decode_hex, hex, sha256};
use crate::identity::Issuer;

/// Characters that are escaped inside a key. `:` is not, so that a `jti` like `urn:uuid:…` gives the same key
/// that other programs write (`docs/GUIDE.md#denylist-entries`).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':');

/// Characters that are escaped in the name of an issuer inside a key, which ends at the first `:`.
const ESCAPED_IN_ISSUER: &AsciiSet = &ESCAPED.add(b':');

/// Longest `jti` in bytes that is used as it is. A longer one is replaced by its hash, so that keys stay
/// short.
const MAX_PLAIN_JTI_LEN: usize = 200;

/// Prefix of the hash of a signing input.
const SIGNING_INPUT_PREFIX: &str = "@jws-";
/// Prefix of the hash of a token's bytes.
const TOKEN_DIGEST_PREFIX: &str = "@opaque-";

/// The canonical name of a token (decision 2).
///
/// The first of these that exists: the `jti`, percent-escaped; `@jws-…`, the hash of the signing input
/// (header and payload, never the signature, because one signature has several encodings); `@opaque-…`, the
/// hash of the token's bytes. `@` is escaped inside a `jti`, so a `jti` never looks like a hash.
///
/// A `jti` is unique at its issuer only. If that is not the default issuer, the key is `@{issuer}:{jti}`, with both
/// parts escaped. A hash has no `:`, and belongs to one token of any issuer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TokenKey(String);

impl TokenKey {
    /// Key of a token with this `jti` (RFC 7519 §4.1.7) from this issuer.
    pub fn from_issuer_and_jti(issuer: &Issuer, jti: &str) -> Self {
        let Self(key) = Self::from_jti(jti);
        match issuer.name() {
            None => Self(key),
            Some(name) => Self(format!("@{}:{key}", utf8_percent_encode(name, ESCAPED_IN_ISSUER))),
        }
    }

    /// Key of a token with this `jti` from the default issuer.
    pub fn from_jti(jti: &str) -> Self {
        if jti.len() > MAX_PLAIN_JTI_LEN {
            // Its own prefix: no other kind of key has it, so the hash of a `jti` matches only that `jti`.
            return Self(format!("@jti-{}", hex(&sha256(jti.as_bytes()))));
        }
        Self(percent_escape(jti))
    }

    /// Key of a signed token without `jti`: the SHA-256 of its signing input (RFC 7515 §2).
    pub fn from_signing_input_digest(digest: &[u8; 32]) -> Self {
        Self(format!("{SIGNING_INPUT_PREFIX}{}", hex(digest)))
    }

    /// Key of a token by the hash of its bytes: for an opaque token, or if nothing else is proven.
    pub fn from_presented(token: &PresentedToken) -> Self {
        Self::from_token_digest(&token.digest())
    }

    /// Key of a token by the SHA-256 of its bytes.
    pub(crate) fn from_token_digest(digest: &[u8; 32]) -> Self {
        Self(format!("{TOKEN_DIGEST_PREFIX}{}", hex(digest)))
    }

    /// Returns the hash, if the key is that [of a signing input](Self::from_signing_input_digest).
    pub(crate) fn signing_input_digest(&self) -> Option<[u8; 32]> {
        decode_hex(self.0.strip_prefix(SIGNING_INPUT_PREFIX)?)
    }

    /// Returns the hash, if the key is that [of a token's bytes](Self::from_presented).
    pub(crate) fn token_digest(&self) -> Option<[u8; 32]> {
        decode_hex(self.0.strip_prefix(TOKEN_DIGEST_PREFIX)?)
    }

    /// Key from the text that a store or an operator returned. The text is not checked.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text. It is safe inside a store's key: `[A-Za-z0-9._~:%@-]`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Escapes a text so that it is safe inside a store's key.
pub(super) fn percent_escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_jti_passes_for_a_hash_or_breaks_out_of_its_key() {
        let hash = TokenKey::from_signing_input_digest(&[7; 32]);
        assert_ne!(TokenKey::from_jti(hash.as_str()), hash);
        assert_eq!(
            TokenKey::from_jti("a b\r\n{x}*").as_str(),
            "a%20b%0D%0A%7Bx%7D%2A"
        );
        assert_eq!(TokenKey::from_jti("urn:uuid:1-2").as_str(), "urn:uuid:1-2");
        assert_ne!(TokenKey::from_jti("%41"), TokenKey::from_jti("A"));
    }

    #[test]
    fn a_hash_is_recognised_by_its_form_and_decoded() {
        let digest = std::array::from_fn(|at| u8::try_from(at * 8).unwrap());
        let (signed, opaque) = (
            TokenKey::from_signing_input_digest(&digest),
            TokenKey::from_token_digest(&digest),
        );
        assert_eq!(
            (signed.signing_input_digest(), signed.token_digest()),
            (Some(digest), None)
        );
        assert_eq!(
            (opaque.signing_input_digest(), opaque.token_digest()),
            (None, Some(digest))
        );
        let upper_case = TokenKey::from_stored(opaque.as_str().to_uppercase().replace("@OPAQUE", "@opaque"));
        for other in [
            upper_case,
            TokenKey::from_jti(signed.as_str()),
            TokenKey::from_stored("@jws-00"),
            TokenKey::from_stored(format!("{opaque}00")),
        ] {
            assert_eq!(
                (other.signing_input_digest(), other.token_digest()),
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
    fn i12_a_jti_of_one_issuer_is_no_key_of_another() {
        let keys = |issuer: &str| {
            let issuer = Issuer::of(None, issuer);
            ["j1", "x:j1", "@jws-00", &"x".repeat(300)].map(|jti| TokenKey::from_issuer_and_jti(&issuer, jti))
        };
        let names = [
            "",
            "https://a.example",
            "https://a.example:x",
            "jws-00",
            "opaque-00",
        ];
        let all: Vec<_> = names.into_iter().flat_map(keys).collect();
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        // At the default issuer the key is the one that other programs write (`docs/GUIDE.md#denylist-entries`).
        assert_eq!(all[0].as_str(), "j1");
        assert_eq!(all[4].as_str(), "@https%3A%2F%2Fa.example:j1");
        let safe = |key: &TokenKey| {
            key.as_str()
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._~:%@-".contains(c))
        };
        assert!(all.iter().all(safe), "{all:?}");
        assert!(
            all.iter()
                .all(|key| key.signing_input_digest().is_none() && key.token_digest().is_none())
        );
    }
}
