//! Issuer of identity tokens, with a cache of those that are still fresh.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};
use serde_json::{Value, json};

use super::signing_keys::SigningKeys;
use crate::clock;
use crate::guard::{Admin, Requirement as _};
use crate::identity::Identity;
use crate::policy::CanonicalHost;
use crate::unavailable::Unavailable;
use crate::verdict::ActiveCredential;

/// `typ` of every identity token, which keeps it apart from other kinds of token (RFC 8725 §3.11).
pub const IDENTITY_TOKEN_TYPE: &str = "identity+jwt";

/// Approximate maximum size of the cache, in bytes.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// Approximate size of a cache entry without its texts, in bytes.
const ENTRY_OVERHEAD_BYTES: u64 = 512;
/// Lifetime of a token for a credential that has expired by its own time and is accepted
/// because of the leeway.
const MIN_LIFETIME: Duration = Duration::from_secs(5);

/// Cache key of a token: everything that its content depends on. A token serves equal keys
/// only (invariant I9).
#[derive(Debug)]
struct TokenCacheKey {
    identity: Identity,
    expires_at: Option<Timestamp>,
    host: String,
    method: String,
}

/// Borrowed form of [`TokenCacheKey`], for lookups without a copy.
#[derive(Clone, Copy)]
struct TokenCacheKeyRef<'w> {
    identity: &'w Identity,
    expires_at: Option<Timestamp>,
    host: &'w str,
    method: &'w str,
}

impl Hash for TokenCacheKeyRef<'_> {
    // A part of the identity is enough for the hash: `Eq` compares the rest, and lists are slow to hash.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            identity,
            expires_at,
            host,
            method,
        } = self;
        (
            &identity.user_id,
            &identity.session_id,
            &identity.sid,
            expires_at,
            host,
            method,
        )
            .hash(state);
    }
}

impl Hash for TokenCacheKey {
    // Both forms must have the same hash, or a lookup would never find an entry.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_key_ref().hash(state);
    }
}

impl TokenCacheKey {
    fn to_key_ref(&self) -> TokenCacheKeyRef<'_> {
        TokenCacheKeyRef {
            identity: &self.identity,
            expires_at: self.expires_at,
            host: &self.host,
            method: &self.method,
        }
    }
}

impl PartialEq for TokenCacheKey {
    fn eq(&self, other: &Self) -> bool {
        self.to_key_ref().matches_key(other)
    }
}

impl Eq for TokenCacheKey {}

impl Equivalent<TokenCacheKey> for TokenCacheKeyRef<'_> {
    fn equivalent(&self, key: &TokenCacheKey) -> bool {
        self.matches_key(key)
    }
}

impl TokenCacheKeyRef<'_> {
    fn matches_key(&self, key: &TokenCacheKey) -> bool {
        self.expires_at == key.expires_at
            && self.host == key.host
            && self.method == key.method
            && has_same_claims(self.identity, &key.identity)
    }
}

/// Compares everything that a token contains. The time of the verification is not in a token.
fn has_same_claims(one: &Identity, other: &Identity) -> bool {
    // Without `..`, so that a new field of the identity does not compile until it is compared.
    let Identity {
        user_id,
        issuer,
        email,
        name,
        avatar,
        roles,
        permissions,
        groups,
        workspaces,
        scope,
        client_id,
        session_id,
        sid,
        verification_source,
        verified_at: _,
    } = one;
    *user_id == other.user_id
        && *issuer == other.issuer
        && *session_id == other.session_id
        && *sid == other.sid
        && *email == other.email
        && *name == other.name
        && *avatar == other.avatar
        && *roles == other.roles
        && *permissions == other.permissions
        && *groups == other.groups
        && *workspaces == other.workspaces
        && *scope == other.scope
        && *client_id == other.client_id
        && *verification_source == other.verification_source
}

/// Cached token, and the time span in which it may be used again.
#[derive(Clone, Debug)]
struct CachedIdentityToken {
    token: Arc<str>,
    valid_from: Timestamp,
    reuse_until: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct IdentityTokenWeighter;

impl Weighter<TokenCacheKey, CachedIdentityToken> for IdentityTokenWeighter {
    fn weight(&self, key: &TokenCacheKey, cached: &CachedIdentityToken) -> u64 {
        // The identity in the key is about as long as the token that contains it.
        let texts = 2 * cached.token.len() + key.host.len() + key.method.len();
        // The cache adds weights up, so the value for an impossible length must leave room for a sum.
        ENTRY_OVERHEAD_BYTES + u64::try_from(texts).unwrap_or(u64::MAX / 4)
    }
}

/// Further contents of a token, and the parts of the identity that it leaves out.
#[derive(Clone, Debug)]
pub struct IdentityTokenContents {
    /// Requirement that makes `is_admin` true.
    pub admin: Admin,
    /// `true` if the identity is known with all its workspaces, so that `workspaces` can name them. A list with
    /// a part of them would be read as all.
    pub names_workspaces: bool,
}

/// Issuer of identity tokens.
#[derive(Debug)]
pub struct IdentityTokenIssuer {
    keys: SigningKeys,
    issuer: String,
    lifetime: Duration,
    contents: IdentityTokenContents,
    cache: Cache<TokenCacheKey, CachedIdentityToken, IdentityTokenWeighter>,
}

impl IdentityTokenIssuer {
    /// Builds an issuer with the name `issuer` (`iss`), whose tokens are valid for `lifetime`
    /// (whole seconds).
    pub fn new(
        keys: SigningKeys,
        issuer: String,
        lifetime: Duration,
        contents: IdentityTokenContents,
    ) -> Self {
        // Typical weight of an entry. quick_cache sizes its tables by the number of entries, and
        // evicts by weight.
        let average = 2 * 1024;
        let entries = usize::try_from(CACHE_BYTES / average).unwrap_or(1);
        Self {
            keys,
            issuer,
            lifetime,
            contents,
            cache: Cache::with_weighter(entries, CACHE_BYTES, IdentityTokenWeighter),
        }
    }

    /// Returns the public keys as a JWK Set (RFC 7517 §5).
    pub fn to_jwks(&self) -> Value {
        self.keys.to_jwks()
    }

    /// Returns a token for a request to this host with this method. At least a third of its life is
    /// left. It expires no later than the credential, except for a credential within the leeway,
    /// whose token lives for 5 seconds.
    ///
    /// # Errors
    /// [`Unavailable`] when the token cannot be signed.
    pub fn token_for(
        &self,
        credential: &ActiveCredential,
        host: &CanonicalHost,
        method: &str,
        now: Timestamp,
    ) -> Result<Arc<str>, Unavailable> {
        self.cached_or_signed(
            TokenCacheKeyRef {
                identity: credential.identity(),
                expires_at: credential.expires_at(),
                host: host.as_str(),
                method,
            },
            now,
        )
    }

    fn cached_or_signed(&self, key: TokenCacheKeyRef<'_>, now: Timestamp) -> Result<Arc<str>, Unavailable> {
        // `valid_from` matters when the clock is set back: an application would see an `iat` in the future.
        if let Some(cached) = self.cache.get(&key)
            && (cached.valid_from..cached.reuse_until).contains(&now)
        {
            return Ok(cached.token);
        }
        let mut expires = clock::after(now, self.lifetime);
        if let Some(credential_end) = key.expires_at {
            expires = expires.min(credential_end.max(clock::after(now, MIN_LIFETIME)));
        }
        let token: Arc<str> = self.sign(&self.claims(key, now, expires))?.into();
        let signed = CachedIdentityToken {
            token: Arc::clone(&token),
            valid_from: now,
            reuse_until: clock::after(now, clock::time_until(now, expires) * 2 / 3),
        };
        // Two requests at the same time may both sign. Either token is valid, so no lock is
        // held while signing.
        let owned_key = TokenCacheKey {
            identity: key.identity.clone(),
            expires_at: key.expires_at,
            host: key.host.to_owned(),
            method: key.method.to_owned(),
        };
        self.cache.insert(owned_key, signed);
        Ok(token)
    }

    fn claims(&self, key: TokenCacheKeyRef<'_>, now: Timestamp, expires: Timestamp) -> Value {
        let identity = key.identity;
        let mut claims = json!({
            "iss": self.issuer,
            // One text for issuer and id: the application knows only the gateway as the issuer (RFC 7519 §4.1.2).
            "sub": identity.subject().storage_name(),
            "aud": key.host,
            "htm": key.method,
            "iat": now.as_second(),
            "exp": expires.as_second(),
            "roles": identity.roles,
            "groups": identity.groups,
            "permissions": identity.permissions,
            "scope": identity.scope.join(" "),
            "auth_source": identity.verification_source.as_str(),
            "is_admin": self.contents.admin.is_met_by(identity),
        });
        if let (true, Some(claims)) = (self.contents.names_workspaces, claims.as_object_mut()) {
            claims.insert("workspaces".to_owned(), json!(identity.workspaces));
        }
        // A missing text is left out: `null` is no string, and strict readers refuse it (RFC 7519 §4.1).
        let texts = [
            ("email", &identity.email),
            ("name", &identity.name),
            ("picture", &identity.avatar),
            ("client_id", &identity.client_id),
            ("session_id", &identity.session_id),
            ("sid", &identity.sid),
        ];
        for (name, text) in texts {
            if let (Some(text), Some(claims)) = (text, claims.as_object_mut()) {
                claims.insert(name.to_owned(), json!(text));
            }
        }
        claims
    }

    /// Signs claims, and returns the compact serialization (RFC 7515 §7.1).
    fn sign(&self, claims: &Value) -> Result<String, Unavailable> {
        let header = json!({ "alg": "ES256", "typ": IDENTITY_TOKEN_TYPE, "kid": self.keys.kid() });
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = self.keys.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

#[cfg(test)]
mod tests;
