//! Key set of one issuer: either published public keys or one shared secret, never both.

use serde_json::Value;

use super::algorithm::Algorithm;
use super::header::UnverifiedHeader;
use super::json::{MalformedJson, parse_object};
use super::skip_reason::SkipReason;
use super::verification_key::VerificationKey;

/// Maximum number of keys in a set. A token without `kid` is tried with each of them, and no
/// issuer needs more.
const MAX_KEYS: usize = 128;

/// Keys that may have signed an issuer's tokens.
///
/// A set from a published document contains public keys only, and a set from a secret contains that secret
/// only. So a public key can never serve as an HMAC secret (RFC 8725 §2.1).
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
    skipped: Vec<SkippedKey>,
    exposed: usize,
}

/// Published key that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    /// `kid` of the key, if it has one.
    pub kid: Option<String>,
    /// Reason for leaving it out.
    pub reason: SkipReason,
}

/// Reason why a document is not a JWK Set (RFC 7517 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwksFault {
    /// Document that is not strict JSON.
    #[error("the key set is malformed: {0}")]
    Json(#[from] MalformedJson),
    /// `keys` missing or not a list.
    #[error("the key set has no `keys` list")]
    NoKeys,
    /// More than 128 keys.
    #[error("the key set has more than {MAX_KEYS} keys")]
    TooManyKeys,
}

/// Reason why a secret cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// Shorter than the algorithm's hash (RFC 7518 §3.2): anyone with one token could search for the secret.
    #[error("the secret has {bytes} bytes, and {algorithm} needs at least {needed}")]
    TooShort {
        /// Algorithm that requires more.
        algorithm: Algorithm,
        /// Length of the secret, in bytes.
        bytes: usize,
        /// Required length, in bytes.
        needed: usize,
    },
    /// Algorithm that needs a key pair.
    #[error("{0} does not work with a shared secret; use HS256, HS384 or HS512")]
    NotSymmetric(Algorithm),
}

impl KeySet {
    /// Reads a published JWK Set. Keys that cannot or must not verify signatures are left out, see
    /// [`KeySet::skipped`].
    ///
    /// If two different keys for one algorithm have the same `kid`, both are left out, because choosing one
    /// would be a guess. The same key listed several times, for example once per `alg`, is not ambiguous: the
    /// token's `alg` selects the entry. A key pair that was published by mistake is used like its public half, see
    /// [`KeySet::exposed_private_keys`].
    ///
    /// # Errors
    /// [`JwksFault`] when the document is not a JWK Set. A set without a usable key is empty,
    /// and not an error.
    #[tracing::instrument(level = "debug", skip_all, fields(bytes = document.len()))]
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
            // Counted before the key is read: a private key is an alarm even if the key itself is unusable.
            set.exposed += usize::from(has_private_member(entry));
            let key = entry
                .as_object()
                .ok_or(SkipReason::Member("keys"))
                .and_then(VerificationKey::from_jwk);
            match key {
                // The same entry twice is one key.
                Ok(key) if set.keys.iter().any(|known| known.is_duplicate_of(&key)) => {}
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

    /// Builds the set of one shared secret for one HMAC algorithm.
    ///
    /// # Errors
    /// [`SecretFault`] when the secret is shorter than the algorithm's hash, or the algorithm is not an HMAC.
    pub fn from_secret(secret: &[u8], algorithm: Algorithm) -> Result<Self, SecretFault> {
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

    /// Returns `true` if both sets verify the same signatures under the same names.
    #[must_use]
    pub fn is_equivalent(&self, other: &Self) -> bool {
        // In the same order, because two sets in another order are rare, and taking them for
        // different is harmless.
        let pairs = || self.keys.iter().zip(&other.keys);
        self.keys.len() == other.keys.len()
            && self.exposed == other.exposed
            && pairs().all(|(one, other)| one.is_duplicate_of(other))
    }

    /// Returns the number of usable keys.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns `true` if there is no usable key.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns `true` if a usable key has this `kid`.
    #[must_use]
    pub fn contains_kid(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    /// Returns the published keys that are not used, with their reasons.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Returns the number of entries with private key material (`d` or `k`). Anyone who reads the set can
    /// sign with them, so a number other than 0 is an alarm.
    #[must_use]
    pub const fn exposed_private_keys(&self) -> usize {
        self.exposed
    }

    /// Returns the keys that a token's header permits, for any algorithm.
    ///
    /// Without a `kid` in the header these are all keys. With one, these are the keys with that `kid`, or all
    /// keys if none of them has a `kid` and they are entries of one key.
    pub fn candidates<'k>(&'k self, header: &UnverifiedHeader) -> impl Iterator<Item = &'k VerificationKey> {
        let is_one_unnamed_key = || match self.keys.split_first() {
            Some((first, rest)) => first.kid().is_none() && rest.iter().all(|key| key.is_same_key(first)),
            None => false,
        };
        let kid = header.kid().filter(|_| !is_one_unnamed_key());
        self.keys
            .iter()
            .filter(move |key| kid.is_none() || key.kid() == kid)
    }

    /// Returns the number of usable keys for at least one of these algorithms.
    #[must_use]
    pub fn count_for(&self, allowed: &[Algorithm]) -> usize {
        let fits = |key: &&VerificationKey| key.algorithms().any(|own| allowed.contains(&own));
        self.keys.iter().filter(fits).count()
    }

    /// Returns `true` if the set cannot tell whether a key with this `kid` made a signature: it has no usable
    /// key at all, or one with this `kid` that cannot be used.
    #[must_use]
    pub fn lacks_usable_key(&self, kid: Option<&str>) -> bool {
        let is_skipped = |kid| self.skipped.iter().any(|key| key.kid.as_deref() == Some(kid));
        self.keys.is_empty() || kid.is_some_and(|kid| !self.contains_kid(kid) && is_skipped(kid))
    }

    fn drop_ambiguous(&mut self) {
        let clashes = |key: &VerificationKey| self.keys.iter().any(|other| key.clashes_with(other));
        let ambiguous: Vec<bool> = self.keys.iter().map(clashes).collect();
        // All clashes are known before the first key is dropped: its counterpart must go too.
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

// `d` is in private RSA, EC and OKP keys, `k` in symmetric ones (RFC 7518 §6).
fn has_private_member(jwk: &Value) -> bool {
    ["d", "k"]
        .into_iter()
        .any(|name| jwk.get(name).is_some_and(|value| !value.is_null()))
}
