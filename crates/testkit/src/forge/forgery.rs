//! Forged and altered tokens, each by one known attack; a verifier must refuse them, or see that two are one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::key::{Algorithm, SigningKey, hmac_sha256};
use super::{TokenForge, part};

/// The order of P-256's base point (SEC 2, secp256r1).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The alphabet of base64url, RFC 4648 §5.
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Forgeries out of claims. All are unsigned by the issuer, so a verifier that accepts one is broken.
impl TokenForge {
    /// Tokens without a signature: `alg` none in several spellings and absent, and a real `alg` with an empty one.
    pub fn unsigned(&self, claims: &Value) -> Vec<String> {
        let key = self.current();
        let mut headers: Vec<Value> = ["none", "None", "NONE", "nOnE", ""]
            .map(|alg| json!({ "alg": alg, "typ": "at+jwt" }))
            .into();
        headers.push(json!({ "typ": "at+jwt" }));
        headers.push(json!({ "alg": null, "kid": key.kid() }));
        headers.push(json!({ "alg": key.algorithm().name(), "kid": key.kid() }));
        let mut tokens: Vec<String> = headers
            .iter()
            .map(|header| format!("{}.{}.", part(header), part(claims)))
            .collect();
        // Only two parts, without the last dot.
        tokens.push(format!("{}.{}", part(&headers[0]), part(claims)));
        tokens
    }

    /// Algorithm confusion: HS256 under the public key, in every byte form of it (RFC 8725 §2.1).
    pub fn hs256_with_public_key(&self, claims: &Value) -> Vec<String> {
        let key = self.current();
        let header = json!({ "alg": "HS256", "kid": key.kid(), "typ": "at+jwt" });
        let signing_input = format!("{}.{}", part(&header), part(claims));
        let forms = key.public_forms().into_iter();
        forms
            .map(|secret| URL_SAFE_NO_PAD.encode(hmac_sha256(&secret, signing_input.as_bytes())))
            .map(|signature| format!("{signing_input}.{signature}"))
            .collect()
    }

    /// Rightly signed, but with a critical extension that nobody knows (RFC 7515 §4.1.11).
    pub fn with_crit(&self, claims: &Value) -> String {
        let key = self.current();
        let header = json!({
            "alg": key.algorithm().name(), "kid": key.kid(), "typ": "at+jwt",
            "crit": ["http://example.com/unknown"], "http://example.com/unknown": true,
        });
        self.sign_with_header(&header, claims)
    }

    /// Signed by a stranger's key that the header itself brings along (`jwk`); the `kid` is the issuer's.
    pub fn with_embedded_jwk(&self, claims: &Value) -> String {
        let stranger = SigningKey::generate(Algorithm::Es256);
        let header = json!({ "alg": "ES256", "kid": self.kid(), "typ": "at+jwt", "jwk": stranger.jwk() });
        stranger.seal(&part(&header), &part(claims))
    }

    /// Signed by a stranger whose header says where to fetch the key (`parameter` is `jku` or `x5u`); the token and
    /// the key set to serve there.
    pub fn with_key_url(&self, parameter: &str, url: &str, claims: &Value) -> (String, Value) {
        let stranger = SigningKey::generate(Algorithm::Es256);
        let header = json!({ "alg": "ES256", "kid": stranger.kid(), "typ": "at+jwt", parameter: url });
        (
            stranger.seal(&part(&header), &part(claims)),
            json!({ "keys": [stranger.jwk()] }),
        )
    }
}

/// Alterations of a token that was rightly signed.
impl TokenForge {
    /// One bit of the signature flipped.
    pub fn wrong_signature(token: &str) -> String {
        with_signature(token, |signature| signature[10] ^= 1)
    }

    /// The same header and payload, hence the same `jti`, signed by a stranger's key of the same algorithm.
    pub fn forged_twin(&self, token: &str) -> String {
        let (signing_input, _) = token.rsplit_once('.').expect("a JWS");
        let (header, payload) = signing_input.split_once('.').expect("a JWS");
        SigningKey::generate(self.current().algorithm()).seal(header, payload)
    }

    /// The other valid ES256 signature, (r, n − s): the token differs and still verifies.
    pub fn malleate_es256(token: &str) -> String {
        with_signature(token, |signature| {
            let negated = subtract(&P256_ORDER, &signature[32..]);
            signature[32..].copy_from_slice(&negated);
        })
    }

    /// The same signature bytes in another, not canonical, spelling: a bit set that base64url leaves unused.
    ///
    /// # Panics
    /// When the signature's length is a multiple of three, and leaves none.
    pub fn trailing_bits_variant(token: &str) -> String {
        let (rest, last) = token.split_at(token.len() - 1);
        let (_, signature) = token.rsplit_once('.').expect("a JWS");
        assert!(
            signature.len() % 4 != 0,
            "this signature's base64url has no unused bits"
        );
        let value = BASE64URL
            .iter()
            .position(|letter| last.as_bytes() == [*letter])
            .expect("base64url");
        format!("{rest}{}", char::from(BASE64URL[value ^ 1]))
    }

    /// The same signature with `=` padding, which RFC 7515 §2 forbids.
    pub fn padding_variant(token: &str) -> String {
        let (_, signature) = token.rsplit_once('.').expect("a JWS");
        format!("{token}{}", "=".repeat((4 - signature.len() % 4) % 4))
    }
}

fn with_signature(token: &str, alter: impl FnOnce(&mut [u8])) -> String {
    let (signing_input, signature) = token.rsplit_once('.').expect("a JWS");
    let mut signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    alter(&mut signature);
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// `minuend - subtrahend`, big-endian, for a subtrahend that is smaller.
fn subtract(minuend: &[u8; 32], subtrahend: &[u8]) -> [u8; 32] {
    let mut difference = [0; 32];
    let mut borrow = false;
    for index in (0..32).rev() {
        let (once, first) = minuend[index].overflowing_sub(subtrahend[index]);
        let (twice, second) = once.overflowing_sub(u8::from(borrow));
        difference[index] = twice;
        borrow = first || second;
    }
    difference
}
