//! Makes identity tokens, and hands one out again while it is young.

#[cfg(test)]
mod tests;

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};
use serde_json::{Value, json};

use super::key::SigningKeys;
use crate::clock;
use crate::identity::Identity;
use crate::policy::CanonicalHost;
use crate::revocation::Live;
use crate::unavailable::Unavailable;

/// The `typ` of every identity token, so that it passes for no other kind (RFC 8725 §3.11).
pub const TYPE: &str = "identity+jwt";

/// How much memory remembered tokens take at most, about.
const REMEMBERED_BYTES: u64 = 8 * 1024 * 1024;
/// What an entry takes beside its texts, about.
const ENTRY_BYTES: u64 = 512;
/// A credential that is let in for the clock's skew only gets a token this long.
const SHORTEST: Duration = Duration::from_secs(5);

/// What a token was made for. It is handed out for the very same only (invariant I9).
#[derive(Debug)]
struct MadeFor {
    identity: Identity,
    expires_at: Option<Timestamp>,
    host: String,
    method: String,
}

/// The same, borrowed.
#[derive(Clone, Copy)]
struct Wanted<'w> {
    identity: &'w Identity,
    expires_at: Option<Timestamp>,
    host: &'w str,
    method: &'w str,
}

impl Hash for Wanted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            identity,
            expires_at,
            host,
            method,
        } = self;
        (&identity.user_id, &identity.session_id, expires_at, host, method).hash(state);
    }
}

impl Hash for MadeFor {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.wanted().hash(state);
    }
}

impl MadeFor {
    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            identity: &self.identity,
            expires_at: self.expires_at,
            host: &self.host,
            method: &self.method,
        }
    }
}

impl PartialEq for MadeFor {
    fn eq(&self, other: &Self) -> bool {
        self.wanted().is_for(other)
    }
}

impl Eq for MadeFor {}

impl Equivalent<MadeFor> for Wanted<'_> {
    fn equivalent(&self, key: &MadeFor) -> bool {
        self.is_for(key)
    }
}

impl Wanted<'_> {
    fn is_for(&self, key: &MadeFor) -> bool {
        self.expires_at == key.expires_at
            && self.host == key.host
            && self.method == key.method
            && alike(self.identity, &key.identity)
    }
}

/// Whether both say the same of the same person. When they were verified is not said in a token.
fn alike(one: &Identity, other: &Identity) -> bool {
    let Identity {
        user_id,
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
        verification_source,
        verified_at: _,
    } = one;
    *user_id == other.user_id
        && *session_id == other.session_id
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

/// A token, and until when it is young enough to be handed out.
#[derive(Clone, Debug)]
struct Made {
    token: Arc<str>,
    from: Timestamp,
    until: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct ByBytes;

impl Weighter<MadeFor, Made> for ByBytes {
    fn weight(&self, key: &MadeFor, made: &Made) -> u64 {
        // The identity is about as long as the token that says it.
        let texts = 2 * made.token.len() + key.host.len() + key.method.len();
        ENTRY_BYTES + u64::try_from(texts).unwrap_or(u64::MAX / 4)
    }
}

/// The maker of identity tokens.
#[derive(Debug)]
pub struct IdentityTokens {
    keys: SigningKeys,
    issuer: String,
    lifetime: Duration,
    made: Cache<MadeFor, Made, ByBytes>,
}

impl IdentityTokens {
    /// A maker of tokens by `issuer` that are good for `lifetime`, whole seconds.
    pub fn new(keys: SigningKeys, issuer: String, lifetime: Duration) -> Self {
        let average = 2 * 1024;
        let entries = usize::try_from(REMEMBERED_BYTES / average).unwrap_or(1);
        Self {
            keys,
            issuer,
            lifetime,
            made: Cache::with_weighter(entries, REMEMBERED_BYTES, ByBytes),
        }
    }

    /// The public keys as a JWK Set.
    pub fn published(&self) -> Value {
        self.keys.published()
    }

    /// A token that says who was let in, for one request to this host with this method. It does not outlive the credential
    /// (but for the few seconds that clocks may differ), and a third of its life is left at the least.
    ///
    /// # Errors
    /// It could not be signed.
    pub fn token_for(
        &self,
        live: &Live,
        host: &CanonicalHost,
        method: &str,
        now: Timestamp,
    ) -> Result<Arc<str>, Unavailable> {
        self.token(
            Wanted {
                identity: live.identity(),
                expires_at: live.expires_at(),
                host: host.as_str(),
                method,
            },
            now,
        )
    }

    fn token(&self, wanted: Wanted<'_>, now: Timestamp) -> Result<Arc<str>, Unavailable> {
        if let Some(made) = self.made.get(&wanted)
            && (made.from..made.until).contains(&now)
        {
            return Ok(made.token);
        }
        let mut expires = clock::after(now, self.lifetime);
        if let Some(own) = wanted.expires_at {
            expires = expires.min(own.max(clock::after(now, SHORTEST)));
        }
        let token: Arc<str> = self.sign(&self.claims(wanted, now, expires))?.into();
        let made = Made {
            token: Arc::clone(&token),
            from: now,
            until: clock::after(now, clock::until(now, expires) * 2 / 3),
        };
        let key = MadeFor {
            identity: wanted.identity.clone(),
            expires_at: wanted.expires_at,
            host: wanted.host.to_owned(),
            method: wanted.method.to_owned(),
        };
        self.made.insert(key, made);
        Ok(token)
    }

    fn claims(&self, wanted: Wanted<'_>, now: Timestamp, expires: Timestamp) -> Value {
        let who = wanted.identity;
        let mut claims = json!({
            "iss": self.issuer,
            "sub": who.user_id,
            "aud": wanted.host,
            "htm": wanted.method,
            "iat": now.as_second(),
            "exp": expires.as_second(),
            "roles": who.roles,
            "groups": who.groups,
            "permissions": who.permissions,
            "scope": who.scope.join(" "),
            "auth_source": who.verification_source.as_str(),
        });
        let texts = [
            ("email", &who.email),
            ("name", &who.name),
            ("picture", &who.avatar),
            ("client_id", &who.client_id),
            ("sid", &who.session_id),
        ];
        for (name, text) in texts {
            if let (Some(text), Some(claims)) = (text, claims.as_object_mut()) {
                claims.insert(name.to_owned(), json!(text));
            }
        }
        claims
    }

    /// The compact serialisation (RFC 7515 §7.1).
    fn sign(&self, claims: &Value) -> Result<String, Unavailable> {
        let header = json!({ "alg": "ES256", "typ": TYPE, "kid": self.keys.kid() });
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = self.keys.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}
