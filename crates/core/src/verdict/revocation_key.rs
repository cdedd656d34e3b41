//! Names under which tokens, sessions and cut-offs are recorded, in a form that untrusted text cannot alter.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::credential::{PresentedToken, SessionHandle, SessionKey, hex, sha256};
use crate::identity::{Issuer, Subject, UpstreamSession};

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

/// Scope of a cut-off: everything that was issued to a user or a client, by an issuer, or in an upstream session,
/// up to a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CutoffScope {
    /// A user.
    User(Subject),
    /// An OAuth client, by `client_id`.
    Client(String),
    /// An issuer, by its identifier.
    Issuer(String),
    /// A session at an authorization server, with every credential that came out of it.
    UpstreamSession(UpstreamSession),
    /// Every credential that the gateway may see, also one that names neither client nor issuer.
    Everything,
}

impl CutoffScope {
    /// Returns the name, not escaped. `None` for [`CutoffScope::Everything`].
    pub fn name(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::User(subject) => Some(subject.storage_name()),
            Self::Client(id) | Self::Issuer(id) => Some(Cow::Borrowed(id)),
            Self::UpstreamSession(session) => Some(session.storage_name()),
            Self::Everything => None,
        }
    }
}

/// Prefix of the name of a single session id. No handle contains `@`.
const COOKIE_PREFIX: &str = "@cookie-";

/// Subject of a revocation: a token, a session or a cut-off scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RevocationKey {
    /// One token.
    Token(TokenKey),
    /// A session of the gateway with its refresh-token family, or [one id](Self::cookie) that a session had. A
    /// session of an authorization server is a [cut-off scope](CutoffScope::UpstreamSession).
    Session(String),
    /// Everything in a scope that was issued up to a time.
    Cutoff(CutoffScope),
}

impl RevocationKey {
    /// Words for all [kinds](Self::kind).
    pub const KINDS: [&str; 7] = [
        "token",
        "session",
        "user",
        "client",
        "issuer",
        "upstream_session",
        "everything",
    ];

    /// Key of the session with this public handle.
    pub fn session(handle: &SessionHandle) -> Self {
        Self::Session(handle.as_str().to_owned())
    }

    /// Key of one id of a session, by its hash. The session goes on under another id (decision 23).
    pub fn cookie(key: &SessionKey) -> Self {
        Self::Session(format!("{COOKIE_PREFIX}{}", key.as_str()))
    }

    /// Key of a cut-off for this user.
    pub fn user(subject: &Subject) -> Self {
        Self::Cutoff(CutoffScope::User(subject.clone()))
    }

    /// Returns true for a cut-off, which needs a time.
    pub fn is_cutoff(&self) -> bool {
        matches!(self, Self::Cutoff(_))
    }

    /// Returns the stable word for the kind, one of [`KINDS`](Self::KINDS).
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Session(_) => "session",
            Self::Cutoff(CutoffScope::User(_)) => "user",
            Self::Cutoff(CutoffScope::Client(_)) => "client",
            Self::Cutoff(CutoffScope::Issuer(_)) => "issuer",
            Self::Cutoff(CutoffScope::UpstreamSession(_)) => "upstream_session",
            Self::Cutoff(CutoffScope::Everything) => "everything",
        }
    }

    /// Returns the name without the kind, escaped so that it is safe inside a store's key.
    pub fn name(&self) -> String {
        match self {
            Self::Token(key) => key.as_str().to_owned(),
            Self::Session(id) => percent_escape(id),
            Self::Cutoff(scope) => scope
                .name()
                .map_or_else(|| "all".to_owned(), |name| percent_escape(&name)),
        }
    }

    /// Key with this [`kind`](Self::kind) and this [`name`](Self::name). `None` if the kind is unknown, or if
    /// the name is not UTF-8 when unescaped.
    pub fn from_parts(kind: &str, name: &str) -> Option<Self> {
        let plain = || {
            percent_decode_str(name)
                .decode_utf8()
                .ok()
                .map(|text| text.into_owned())
        };
        Some(match kind {
            // Not unescaped: the escaped form is the token key itself.
            "token" => Self::Token(TokenKey::from_stored(name)),
            "session" => Self::Session(plain()?),
            "user" => Self::Cutoff(CutoffScope::User(Subject::from_storage_name(&plain()?))),
            "client" => Self::Cutoff(CutoffScope::Client(plain()?)),
            "issuer" => Self::Cutoff(CutoffScope::Issuer(plain()?)),
            "upstream_session" => {
                let session = UpstreamSession::from_storage_name(&plain()?);
                Self::Cutoff(CutoffScope::UpstreamSession(session))
            }
            "everything" => Self::Cutoff(CutoffScope::Everything),
            _ => return None,
        })
    }
}

impl fmt::Display for RevocationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.name())
    }
}

/// Decodes 32 bytes that [`hex`] encoded; `None` for any other text.
fn decode_hex(digits: &str) -> Option<[u8; 32]> {
    // No upper-case digits: encoded again, they would give another key.
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

fn percent_escape(text: &str) -> String {
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

    #[test]
    fn a_key_survives_its_parts() {
        let other = Issuer::of(None, "https://as.example:8443/a");
        let keys = [
            RevocationKey::Token(TokenKey::from_jti("j/1")),
            RevocationKey::Session("s 1".into()),
            RevocationKey::user(&Subject::of_default("김:1")),
            RevocationKey::user(&Subject::of_default("@x|y")),
            RevocationKey::user(&Subject::new(other.clone(), "김:1")),
            RevocationKey::Cutoff(CutoffScope::UpstreamSession(UpstreamSession::new(
                Issuer::DEFAULT,
                "s 1",
            ))),
            RevocationKey::Cutoff(CutoffScope::UpstreamSession(UpstreamSession::new(other, "s 1"))),
            RevocationKey::Cutoff(CutoffScope::Client("c".into())),
            RevocationKey::Cutoff(CutoffScope::Issuer("https://as.example".into())),
            RevocationKey::Cutoff(CutoffScope::Everything),
        ];
        for key in keys {
            assert!(RevocationKey::KINDS.contains(&key.kind()));
            assert_eq!(RevocationKey::from_parts(key.kind(), &key.name()), Some(key));
        }
    }
}
