//! Access tokens made by hand: valid ones, and forgeries of every known kind.

mod builder;
mod forgery;
mod key;

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub use builder::TokenBuilder;
pub use key::ForgeAlgorithm;

use key::ForgeKey;

/// `aud` of an ordinary token.
pub const AUDIENCE: &str = "maxlab-api";

/// Issuer with its signing keys. Clones share the keys, so a key added to one clone signs for all.
#[derive(Debug, Clone)]
pub struct TokenForge {
    issuer: String,
    // Oldest first; the last one signs. Each in an `Arc`, so that signing does not hold the lock.
    keys: Arc<Mutex<Vec<Arc<ForgeKey>>>>,
}

impl TokenForge {
    /// Makes an issuer with one new key. For a symmetric algorithm the key is a new [`TokenForge::secret`].
    pub fn new(issuer: &str, algorithm: ForgeAlgorithm) -> Self {
        Self::with_key(issuer, ForgeKey::generate(algorithm))
    }

    /// Makes an issuer with one new ES256 key.
    pub fn es256(issuer: &str) -> Self {
        Self::new(issuer, ForgeAlgorithm::Es256)
    }

    /// Makes an issuer that signs with HS256 under this secret.
    pub fn hs256(issuer: &str, secret: &str) -> Self {
        Self::with_key(issuer, ForgeKey::from_secret(secret))
    }

    fn with_key(issuer: &str, key: ForgeKey) -> Self {
        Self {
            issuer: issuer.to_owned(),
            keys: Arc::new(Mutex::new(vec![Arc::new(key)])),
        }
    }

    /// Returns the `iss` of its tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the key id of the newest key, which signs.
    pub fn kid(&self) -> String {
        self.current_key().kid().to_owned()
    }

    /// Returns the secret of the newest key if that is symmetric, in the form for `JWT_SECRET_KEY`.
    pub fn secret(&self) -> Option<String> {
        self.current_key().secret().map(str::to_owned)
    }

    /// Returns the public keys (RFC 7517 §5). Symmetric keys are not published.
    pub fn jwks(&self) -> Value {
        let keys: Vec<Value> = self
            .keys
            .lock()
            .unwrap()
            .iter()
            .filter_map(|key| key.jwk())
            .collect();
        json!({ "keys": keys })
    }

    /// Adds a key, which signs from now on. Returns its key id.
    pub fn add_key(&self, algorithm: ForgeAlgorithm) -> String {
        // Generated before the lock is taken: an RSA key takes a while.
        let key = ForgeKey::generate(algorithm);
        let kid = key.kid().to_owned();
        self.keys.lock().unwrap().push(Arc::new(key));
        kid
    }

    /// Withdraws a key: it is no longer published and no longer signs.
    ///
    /// # Panics
    /// If the key is the last one, or unknown.
    pub fn remove_key(&self, kid: &str) {
        let mut keys = self.keys.lock().unwrap();
        // Compared with the count afterwards, because `retain` does not report whether it found the key.
        let before = keys.len();
        keys.retain(|key| key.kid() != kid);
        assert!(
            keys.len() == before - 1 && !keys.is_empty(),
            "a forge keeps at least one key"
        );
    }

    /// Returns an ordinary access token for `subject` (RFC 9068), to be changed and then signed.
    pub fn access_token(&self, subject: &str) -> TokenBuilder {
        TokenBuilder::new(self, subject)
    }

    /// Signs these claims with the newest key, under an `at+jwt` header.
    pub fn sign(&self, claims: &Value) -> String {
        let key = self.current_key();
        self.sign_with_header(
            &json!({ "alg": key.algorithm().name(), "kid": key.kid(), "typ": "at+jwt" }),
            claims,
        )
    }

    /// Signs these claims under exactly this header with the newest key, even if the header names another
    /// one.
    pub fn sign_with_header(&self, header: &Value, claims: &Value) -> String {
        self.current_key()
            .sign_compact(&encode_part(header), &encode_part(claims))
    }

    fn current_key(&self) -> Arc<ForgeKey> {
        self.keys
            .lock()
            .unwrap()
            .last()
            .cloned()
            .expect("a forge keeps at least one key")
    }
}

/// Returns the real time in seconds since 1970, for claims.
#[expect(
    clippy::disallowed_methods,
    reason = "tokens for a real gateway need the real time; this is the one clock here"
)]
pub fn now() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("the clock is past 1970");
    i64::try_from(since.as_secs()).unwrap()
}

/// Returns one part of a compact JWS: the base64url of a JSON text.
fn encode_part(json: &Value) -> String {
    // The members are in serde_json's order. It does not matter: the signature is over the encoded text.
    URL_SAFE_NO_PAD.encode(json.to_string())
}
