//! Access tokens made by hand: honest ones, and forgeries of every known kind.

mod builder;
mod forgery;
mod key;

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub use builder::TokenBuilder;
pub use key::Algorithm;

use key::SigningKey;

/// The `aud` of an ordinary token.
pub const AUDIENCE: &str = "maxlab-api";

/// An issuer with its signing keys. Clones share the keys, so that a key added to one signs for all.
#[derive(Debug, Clone)]
pub struct TokenForge {
    issuer: String,
    keys: Arc<Mutex<Vec<Arc<SigningKey>>>>,
}

impl TokenForge {
    /// An issuer with one new key. The symmetric kind makes its own [`TokenForge::secret`].
    pub fn new(issuer: &str, algorithm: Algorithm) -> Self {
        Self::with_key(issuer, SigningKey::generate(algorithm))
    }

    /// An issuer with one new ES256 key.
    pub fn es256(issuer: &str) -> Self {
        Self::new(issuer, Algorithm::Es256)
    }

    /// An issuer that signs with HS256 under this secret.
    pub fn hs256(issuer: &str, secret: &str) -> Self {
        Self::with_key(issuer, SigningKey::from_secret(secret))
    }

    fn with_key(issuer: &str, key: SigningKey) -> Self {
        Self {
            issuer: issuer.to_owned(),
            keys: Arc::new(Mutex::new(vec![Arc::new(key)])),
        }
    }

    /// The `iss` of its tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key id of the newest key, which signs.
    pub fn kid(&self) -> String {
        self.current().kid().to_owned()
    }

    /// The secret of the newest key if that is symmetric, as `JWT_SECRET_KEY` takes it.
    pub fn secret(&self) -> Option<String> {
        self.current().secret().map(str::to_owned)
    }

    /// The public keys, RFC 7517 §5. Symmetric keys are not published.
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

    /// Adds a key, which signs from now on; its key id.
    pub fn add_key(&self, algorithm: Algorithm) -> String {
        let key = SigningKey::generate(algorithm);
        let kid = key.kid().to_owned();
        self.keys.lock().unwrap().push(Arc::new(key));
        kid
    }

    /// Withdraws a key: it is no longer published and signs no more.
    ///
    /// # Panics
    /// When it is the last one, or unknown.
    pub fn remove_key(&self, kid: &str) {
        let mut keys = self.keys.lock().unwrap();
        let before = keys.len();
        keys.retain(|key| key.kid() != kid);
        assert!(
            keys.len() == before - 1 && !keys.is_empty(),
            "a forge keeps at least one key"
        );
    }

    /// An ordinary access token for `subject` (RFC 9068), to be changed and then signed.
    pub fn access_token(&self, subject: &str) -> TokenBuilder {
        TokenBuilder::new(self, subject)
    }

    /// Signs these claims, as they are, with the newest key, under an `at+jwt` header.
    pub fn sign(&self, claims: &Value) -> String {
        let key = self.current();
        self.sign_with_header(
            &json!({ "alg": key.algorithm().name(), "kid": key.kid(), "typ": "at+jwt" }),
            claims,
        )
    }

    /// Signs these claims under exactly this header with the newest key, whatever the header says.
    pub fn sign_with_header(&self, header: &Value, claims: &Value) -> String {
        self.current().seal(&part(header), &part(claims))
    }

    fn current(&self) -> Arc<SigningKey> {
        self.keys
            .lock()
            .unwrap()
            .last()
            .cloned()
            .expect("a forge keeps at least one key")
    }
}

/// The real time in seconds since 1970, for claims.
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

/// One part of a compact JWS: the base64url of a JSON text.
fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}
