//! One access token before it is signed.

use serde_json::{Value, json};

use super::{AUDIENCE, TokenForge, now};

/// The claims and header of a token; starts as a good one and becomes what the test says.
#[derive(Debug, Clone)]
#[must_use]
pub struct TokenBuilder {
    forge: TokenForge,
    header: Value,
    claims: Value,
}

impl TokenBuilder {
    pub(super) fn new(forge: &TokenForge, subject: &str) -> Self {
        let key = forge.current();
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

    /// Sets one claim, of any type, also a wrong one.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// Leaves one claim out.
    pub fn without(mut self, name: &str) -> Self {
        self.claims
            .as_object_mut()
            .expect("claims are an object")
            .remove(name);
        self
    }

    /// Sets `exp` this many seconds after `iat`, or after now if there is no `iat`; negative means past.
    pub fn expires_in(self, seconds: i64) -> Self {
        let issued = self.claims["iat"].as_i64().unwrap_or_else(now);
        self.claim("exp", issued + seconds)
    }

    /// Sets `iat` (seconds since 1970), and moves `exp` along.
    pub fn issued_at(self, at: i64) -> Self {
        let life = match (self.claims["exp"].as_i64(), self.claims["iat"].as_i64()) {
            (Some(exp), Some(iat)) => Some(exp - iat),
            _ => None,
        };
        let moved = self.claim("iat", at);
        match life {
            Some(life) => moved.expires_in(life),
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

    /// Leaves one header parameter out.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header
            .as_object_mut()
            .expect("a header is an object")
            .remove(name);
        self
    }

    /// The claims as they stand, for [`crate::LyingAuthServer::know`].
    pub fn claims(&self) -> Value {
        self.claims.clone()
    }

    /// The token, signed with the forge's newest key.
    pub fn sign(&self) -> String {
        self.forge.sign_with_header(&self.header, &self.claims)
    }
}
