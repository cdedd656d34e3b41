//! Builder of one access token.

use serde_json::{Value, json};

use super::{AUDIENCE, TokenForge, now};

/// Claims and header of a token that is not signed yet. It starts as a valid one.
#[derive(Debug, Clone)]
#[must_use]
pub struct TokenBuilder {
    forge: TokenForge,
    header: Value,
    claims: Value,
}

impl TokenBuilder {
    pub(super) fn new(forge: &TokenForge, subject: &str) -> Self {
        let key = forge.current_key();
        // Real time: a gateway process cannot be given another clock.
        let issued = now();
        Self {
            forge: forge.clone(),
            header: json!({ "alg": key.algorithm().name(), "kid": key.kid(), "typ": "at+jwt" }),
            claims: json!({
                "iss": forge.issuer(),
                "sub": subject,
                "aud": AUDIENCE,
                "client_id": "test-app",
                "iat": issued,
                "exp": issued + 300,
                "jti": uuid::Uuid::new_v4().to_string(),
            }),
        }
    }

    /// Sets one claim to a value of any type, even a wrong one.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// Removes one claim.
    pub fn without(mut self, name: &str) -> Self {
        self.claims
            .as_object_mut()
            .expect("claims are an object")
            .remove(name);
        self
    }

    /// Sets `exp` to this many seconds after `iat`, or after now if there is no `iat`. A negative number is
    /// in the past.
    pub fn expires_in(self, seconds: i64) -> Self {
        let issued = self.claims["iat"].as_i64().unwrap_or_else(now);
        self.claim("exp", issued + seconds)
    }

    /// Sets `iat` (seconds since 1970), and keeps the token's lifetime by moving `exp`.
    pub fn issued_at(self, at: i64) -> Self {
        // Read before `iat` changes. A test may have removed either claim; then there is no lifetime to keep.
        let lifetime = match (self.claims["exp"].as_i64(), self.claims["iat"].as_i64()) {
            (Some(exp), Some(iat)) => Some(exp - iat),
            _ => None,
        };
        let moved = self.claim("iat", at);
        match lifetime {
            Some(lifetime) => moved.expires_in(lifetime),
            None => moved,
        }
    }

    /// Sets the header's `typ`.
    pub fn typ(self, typ: &str) -> Self {
        self.header("typ", typ)
    }

    /// Sets one header parameter.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    /// Removes one header parameter.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header
            .as_object_mut()
            .expect("a header is an object")
            .remove(name);
        self
    }

    /// Returns the current claims, for [`crate::LyingAuthServer::accept_token`].
    pub fn claims(&self) -> Value {
        self.claims.clone()
    }

    /// Returns the token, signed with the forge's newest key.
    pub fn sign(&self) -> String {
        self.forge.sign_with_header(&self.header, &self.claims)
    }
}
