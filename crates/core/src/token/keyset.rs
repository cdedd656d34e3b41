//! The keys of one issuer: either published public keys or one shared secret, never both.

use serde_json::Value;

use super::algorithm::Algorithm;
use super::header::UnverifiedHeader;
use super::json::{MalformedJson, parse_object};
use super::key::{SkipReason, VerificationKey};

/// More keys than this make no set that one issuer needs; each is a possible verification per token.
const MAX_KEYS: usize = 128;

/// The keys that may have signed an issuer's tokens.
///
/// Made from a published set it holds public keys only, made from a secret it holds that secret only, so that a public
/// key can never serve as a secret (RFC 8725 §2.1).
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
    skipped: Vec<SkippedKey>,
    exposed: usize,
}

/// A published key that is not used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    /// The key's `kid`, if it has one.
    pub kid: Option<String>,
    /// Why it is not used.
    pub reason: SkipReason,
}

/// Why a document is no JWK Set (RFC 7517 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwksFault {
    /// Not strict JSON.
    #[error("the key set is malformed: {0}")]
    Json(#[from] MalformedJson),
    /// `keys` is missing or not a list.
    #[error("the key set has no list of keys")]
    NoKeys,
    /// More than 128 keys.
    #[error("the key set has more than {MAX_KEYS} keys")]
    TooManyKeys,
}

/// Why a secret cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// Shorter than the algorithm's hash (RFC 7518 §3.2): whoever has one token could search for the secret.
    #[error("the secret has {bytes} bytes, and {algorithm} needs at least {needed}")]
    TooShort {
        /// The algorithm that asks for more.
        algorithm: Algorithm,
        /// Bytes in the secret.
        bytes: usize,
        /// Bytes it must have.
        needed: usize,
    },
    /// The algorithm wants a key pair.
    #[error("{0} does not work with a shared secret; use HS256, HS384 or HS512")]
    NotSymmetric(Algorithm),
}

impl KeySet {
    /// Reads a published JWK Set. Keys that cannot or must not verify signatures are left out, see [`KeySet::skipped`].
    ///
    /// Two different keys of one kind with one `kid` are both left out, since which one is meant would be a guess. A key
    /// pair published by mistake is used like its public half, see [`KeySet::exposed_private_keys`].
    ///
    /// # Errors
    /// [`JwksFault`] when the document is no JWK Set. A set without any usable key is none of these, only empty.
    pub fn from_jwks(document: &[u8]) -> Result<Self, JwksFault> {
        let object = parse_object(document)?;
        let Some(Value::Array(entries)) = object.get("keys") else {
            return Err(JwksFault::NoKeys);
        };
        if entries.len() > MAX_KEYS {
            return Err(JwksFault::TooManyKeys);
        }
        let mut set = Self {
            keys: Vec::new(),
            skipped: Vec::new(),
            exposed: 0,
        };
        for entry in entries {
            set.exposed += usize::from(has_private_member(entry));
            let key = entry
                .as_object()
                .ok_or(SkipReason::Member("keys"))
                .and_then(VerificationKey::from_jwk);
            match key {
                Ok(key) if set.keys.iter().any(|known| known.repeats(&key)) => {}
                Ok(key) => set.keys.push(key),
                Err(reason) => {
                    let kid = entry.get("kid").and_then(Value::as_str).map(str::to_owned);
                    set.skipped.push(SkippedKey { kid, reason });
                }
            }
        }
        set.drop_ambiguous();
        Ok(set)
    }

    /// Makes the set of one shared secret for one HMAC algorithm.
    ///
    /// # Errors
    /// [`SecretFault`] when the secret is shorter than the algorithm's hash, or the algorithm is not an HMAC.
    pub fn symmetric(secret: &[u8], algorithm: Algorithm) -> Result<Self, SecretFault> {
        let needed = match algorithm {
            Algorithm::HS256 => 32,
            Algorithm::HS384 => 48,
            Algorithm::HS512 => 64,
            _ => return Err(SecretFault::NotSymmetric(algorithm)),
        };
        if secret.len() < needed {
            return Err(SecretFault::TooShort {
                algorithm,
                bytes: secret.len(),
                needed,
            });
        }
        let key =
            VerificationKey::symmetric(secret, algorithm).ok_or(SecretFault::NotSymmetric(algorithm))?;
        Ok(Self {
            keys: vec![key],
            skipped: Vec::new(),
            exposed: 0,
        })
    }

    /// Whether both verify the same signatures, by the same names.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let pairs = || self.keys.iter().zip(&other.keys);
        self.keys.len() == other.keys.len()
            && self.exposed == other.exposed
            && pairs().all(|(one, other)| one.repeats(other))
    }

    /// How many keys are usable.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is usable.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a usable key has this `kid`.
    #[must_use]
    pub fn contains_kid(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    /// The published keys that are not used, with the reason of each.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// How many entries published private key material (`d` or `k`). Whoever reads the set can sign with them: worth an alarm.
    #[must_use]
    pub const fn exposed_private_keys(&self) -> usize {
        self.exposed
    }

    /// The keys that a token's header allows, whatever their algorithm.
    ///
    /// Without a `kid` in the header: all keys. With one: the keys of that `kid` — or the only key of the set, if that has
    /// no `kid` of its own.
    pub fn candidates<'k>(&'k self, header: &UnverifiedHeader) -> impl Iterator<Item = &'k VerificationKey> {
        let wanted = header
            .kid()
            .filter(|_| !matches!(self.keys.as_slice(), [only] if only.kid().is_none()));
        self.keys
            .iter()
            .filter(move |key| wanted.is_none() || key.kid() == wanted)
    }

    fn drop_ambiguous(&mut self) {
        let clashes =
            |key: &VerificationKey| self.keys.iter().filter(|other| key.clashes_with(other)).count() > 1;
        let ambiguous: Vec<bool> = self.keys.iter().map(clashes).collect();
        let mut ambiguous = ambiguous.into_iter();
        let skipped = &mut self.skipped;
        self.keys.retain(|key| {
            let drop = ambiguous.next().unwrap_or(false);
            if drop {
                let kid = key.kid().map(str::to_owned);
                skipped.push(SkippedKey {
                    kid,
                    reason: SkipReason::AmbiguousKid,
                });
            }
            !drop
        });
    }
}

fn has_private_member(jwk: &Value) -> bool {
    ["d", "k"].into_iter().any(|name| jwk.get(name).is_some())
}
