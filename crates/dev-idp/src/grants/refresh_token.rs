//! Refresh tokens: opaque to clients, and proof by themselves that this server made them.

use std::fmt;
use std::path::Path;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::error::DevIdpError;
use crate::{files, random};

/// Says what the MAC is for, so that the key could never be used to forge anything else.
const PURPOSE: &[u8] = b"maxlab-auth dev-idp refresh token v1";
const ID_BYTES: usize = 16;
const BODY_BYTES: usize = ID_BYTES + 8;

/// The key that authenticates refresh tokens. Because each one proves its family and its number, a family needs no
/// list of the tokens it has used up: an authentic number below the newest is a reuse, and a forged one is nothing.
pub(crate) struct RefreshTokenKey(hmac::Key);

/// A refresh token that is known to be ours, though perhaps used up, expired or revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    pub(crate) sid: Uuid,
    pub(crate) generation: u64,
}

impl RefreshTokenKey {
    /// Reads the key from `folder/refresh-token.key`, or makes one there at the first start.
    pub(crate) fn open(folder: &Path) -> Result<Self, DevIdpError> {
        let path = folder.join("refresh-token.key");
        let bytes = files::read_or_create(&path, || Ok(random::bytes()?.to_vec()))?;
        if bytes.len() != 32 {
            return Err(DevIdpError::Damaged {
                path,
                reason: "not a key of 32 bytes".to_owned(),
            });
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    pub(crate) fn write(&self, token: RefreshToken) -> String {
        let mut bytes = token.sid.as_bytes().to_vec();
        bytes.extend_from_slice(&token.generation.to_be_bytes());
        let tag = hmac::sign(&self.0, &[PURPOSE, &bytes].concat());
        bytes.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token back; `None` when this server did not write it.
    pub(crate) fn read(&self, text: &str) -> Option<RefreshToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, tag) = bytes.split_at_checked(BODY_BYTES)?;
        hmac::verify(&self.0, &[PURPOSE, body].concat(), tag).ok()?;
        let (sid, generation) = body.split_at_checked(ID_BYTES)?;
        Some(RefreshToken {
            sid: Uuid::from_slice(sid).ok()?,
            generation: u64::from_be_bytes(generation.try_into().ok()?),
        })
    }
}

impl fmt::Debug for RefreshTokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshTokenKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_no_changed_byte_does() {
        let key = RefreshTokenKey(hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]));
        let token = RefreshToken {
            sid: Uuid::from_u128(0x1234),
            generation: 3,
        };
        let text = key.write(token);
        assert_eq!(key.read(&text), Some(token));

        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert_eq!(key.read(&URL_SAFE_NO_PAD.encode(forged)), None, "byte {at}");
        }
        assert_eq!(key.read(&text[..20]), None);
        let other = RefreshTokenKey(hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]));
        assert_eq!(other.read(&text), None);
    }
}
