//! The ES256 signing key: kept in the data folder, published as a JWK Set (RFC 7517, RFC 7518 §3.4).

use std::fmt;
use std::path::Path;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::DevIdpError;
use crate::files;

/// A P-256 key pair and the id under which its public half is published.
pub(crate) struct SigningKey {
    pair: EcdsaKeyPair,
    id: String,
}

/// The JOSE header of every token that this server signs.
#[derive(Serialize, Deserialize)]
struct JoseHeader {
    typ: String,
    alg: String,
    kid: String,
}

impl SigningKey {
    /// Reads the key from `folder/signing-key.p8` (PKCS#8), or makes one there at the first start.
    pub(crate) fn open(folder: &Path) -> Result<Self, DevIdpError> {
        let path = folder.join("signing-key.p8");
        let pkcs8 = files::read_or_create(&path, || {
            let document =
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                    .map_err(|_| DevIdpError::Crypto("no key could be generated"))?;
            Ok(document.as_ref().to_vec())
        })?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).map_err(|_| {
            DevIdpError::Damaged {
                path,
                reason: "not a PKCS#8 P-256 key".to_owned(),
            }
        })?;
        let id = thumbprint(&pair);
        Ok(Self { pair, id })
    }

    /// Signs `claims` as a compact JWS whose header says `typ`.
    pub(crate) fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, DevIdpError> {
        let header = JoseHeader {
            typ: typ.to_owned(),
            alg: "ES256".to_owned(),
            kid: self.id.clone(),
        };
        let input = format!("{}.{}", json_segment(&header)?, json_segment(claims)?);
        let signature = self
            .pair
            .sign(&SystemRandom::new(), input.as_bytes())
            .map_err(|_| DevIdpError::Crypto("signing failed"))?;
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The payload of a compact JWS that this key signed with header `typ`; `None` for anything else.
    pub(crate) fn verified_payload(&self, typ: &str, token: &str) -> Option<Vec<u8>> {
        let (input, signature) = token.rsplit_once('.')?;
        let (header, payload) = input.split_once('.')?;
        let header: JoseHeader = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        if header.typ != typ || header.alg != "ES256" || header.kid != self.id {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key().as_ref())
            .verify(input.as_bytes(), &signature)
            .ok()?;
        URL_SAFE_NO_PAD.decode(payload).ok()
    }

    /// The public key as a JWK Set.
    pub(crate) fn jwks(&self) -> serde_json::Value {
        let (x, y) = coordinates(&self.pair);
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256", "kid": self.id,
        }] })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn json_segment(value: &impl Serialize) -> Result<String, DevIdpError> {
    let json = serde_json::to_vec(value).map_err(|_| DevIdpError::Crypto("claims could not be written"))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// x and y in base64url; an uncompressed point is `04 ‖ x ‖ y` with 32 bytes each.
fn coordinates(pair: &EcdsaKeyPair) -> (String, String) {
    let point = pair.public_key().as_ref();
    let (x, y) = point.get(1..).unwrap_or_default().split_at(32);
    (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
}

/// The key id: the JWK thumbprint (RFC 7638), which stays the same as long as the key does.
fn thumbprint(pair: &EcdsaKeyPair) -> String {
    let (x, y) = coordinates(pair);
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_only_as_the_type_it_was_signed_for_and_only_by_its_own_key() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = SigningKey::open(folder.path()).unwrap();
        let token = key.sign("JWT", &json!({ "sub": "x" })).unwrap();
        assert!(key.verified_payload("JWT", &token).is_some());
        assert!(key.verified_payload("at+jwt", &token).is_none());
        assert!(
            SigningKey::open(elsewhere.path())
                .unwrap()
                .verified_payload("JWT", &token)
                .is_none()
        );
        assert!(
            SigningKey::open(folder.path())
                .unwrap()
                .verified_payload("JWT", &token)
                .is_some()
        );
    }
}
