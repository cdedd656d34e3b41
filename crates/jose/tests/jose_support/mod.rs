//! Keys and tokens for the JOSE tests, of an honest issuer and of a forger.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maxlab_auth_jose::{Algorithm, AuthenticClaims, KeySet, SignatureFault, TokenShape, shape_of};
use serde_json::{Value, json};

pub(crate) const SECRET: &[u8] = b"a secret of sixty-four bytes, which is enough for every HMAC algo";

pub(crate) enum SigningKey {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
    Secret(Vec<u8>),
}

impl SigningKey {
    pub(crate) fn for_algorithm(algorithm: Algorithm) -> Self {
        let ec = |parameters| Self::Ec(EcdsaKeyPair::generate(parameters).unwrap());
        match algorithm {
            Algorithm::ES256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::ES512 => ec(&ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::EdDSA => Self::Ed(Ed25519KeyPair::generate().unwrap()),
            symmetric if symmetric.is_symmetric() => Self::Secret(SECRET.to_vec()),
            _ => Self::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())),
        }
    }

    /// Signs `message` with `algorithm`.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Secret(secret) => {
                let mac = match algorithm {
                    Algorithm::HS384 => hmac::HMAC_SHA384,
                    Algorithm::HS512 => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::sign(&hmac::Key::new(mac, secret), message)
                    .as_ref()
                    .to_vec()
            }
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let mut sign = |padding| pair.sign(padding, &random, message, &mut signature).unwrap();
                match algorithm {
                    Algorithm::RS384 => sign(&RSA_PKCS1_SHA384),
                    Algorithm::RS512 => sign(&RSA_PKCS1_SHA512),
                    Algorithm::PS256 => sign(&RSA_PSS_SHA256),
                    Algorithm::PS384 => sign(&RSA_PSS_SHA384),
                    Algorithm::PS512 => sign(&RSA_PSS_SHA512),
                    _ => sign(&RSA_PKCS1_SHA256),
                }
                signature
            }
        }
    }

    /// Returns the raw bytes of the public key, in the form of its kind.
    pub(crate) fn public_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Self::Ed(pair) => pair.public_key().as_ref().to_vec(),
            Self::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Self::Secret(_) => panic!("a secret has no public half"),
        }
    }

    /// Returns the public key as SubjectPublicKeyInfo (DER).
    pub(crate) fn public_der(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Ec(pair) => pair.public_key().as_der().unwrap(),
            Self::Ed(pair) => pair.public_key().as_der().unwrap(),
            Self::Rsa(pair) => pair.public_key().as_der().unwrap(),
            Self::Secret(_) => panic!("a secret has no public half"),
        };
        der.as_ref().to_vec()
    }

    /// Returns the public key as a JWK without `kid`, `alg` and `use`.
    pub(crate) fn jwk(&self) -> Value {
        match self {
            Self::Ec(_) => {
                let public = self.public_bytes();
                let (x, y) = public[1..].split_at((public.len() - 1) / 2);
                let curve = match x.len() {
                    32 => "P-256",
                    48 => "P-384",
                    _ => "P-521",
                };
                json!({"kty": "EC", "crv": curve, "x": b64(x), "y": b64(y)})
            }
            Self::Ed(_) => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(&self.public_bytes())}),
            // A 2048-bit RSAPublicKey in DER: SEQUENCE, INTEGER 00 n (256 bytes), INTEGER 65537.
            Self::Rsa(_) => json!({"kty": "RSA", "n": b64(&self.public_bytes()[9..265]), "e": "AQAB"}),
            Self::Secret(secret) => json!({"kty": "oct", "k": b64(secret)}),
        }
    }

    /// Returns the key set that a gateway has for this key's issuer.
    pub(crate) fn key_set(&self, algorithm: Algorithm, kid: &str) -> KeySet {
        match self {
            Self::Secret(secret) => KeySet::from_secret(secret, algorithm).unwrap(),
            _ => jwks(&[with(
                self.jwk(),
                json!({"kid": kid, "alg": algorithm.name(), "use": "sig"}),
            )]),
        }
    }

    /// Builds a token with this header and these claims, signed with `algorithm` whatever
    /// `alg` the header has.
    pub(crate) fn token(&self, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
        self.token_of(
            algorithm,
            header.to_string().as_bytes(),
            claims.to_string().as_bytes(),
        )
    }

    /// Builds a token like [`SigningKey::token`], from the bytes of header and payload.
    pub(crate) fn token_of(&self, algorithm: Algorithm, header: &[u8], payload: &[u8]) -> String {
        let signing_input = format!("{}.{}", b64(header), b64(payload));
        let signature = self.sign(algorithm, signing_input.as_bytes());
        format!("{signing_input}.{}", b64(&signature))
    }
}

pub(crate) fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn jwks(keys: &[Value]) -> KeySet {
    KeySet::from_jwks(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

/// Returns `object` with the members of `more`. A null removes a member.
pub(crate) fn with(mut object: Value, more: Value) -> Value {
    let (Value::Object(members), Value::Object(more)) = (&mut object, more) else {
        panic!("objects only")
    };
    for (name, value) in more {
        if value.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, value);
        }
    }
    object
}

/// Returns the gateway's result for a token: verified claims, or a fault. `None` is a token
/// that is not a JWS.
pub(crate) fn judge(
    token: &str,
    keys: &KeySet,
    allowed: &[Algorithm],
) -> Result<AuthenticClaims, Option<SignatureFault>> {
    match shape_of(token) {
        TokenShape::Jws(jws) => jws.verify(keys, allowed).map_err(Some),
        TokenShape::Opaque | TokenShape::Malformed(_) => Err(None),
    }
}
