//! Unguessable values, from the one crypto provider.

use aws_lc_rs::rand;

use crate::error::DevIdpError;

/// 256 random bits.
pub(crate) fn bytes() -> Result<[u8; 32], DevIdpError> {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes).map_err(|_| DevIdpError::Crypto("no random bytes"))?;
    Ok(bytes)
}

/// A random (version 4) UUID, for `jti` and `sid`.
pub(crate) fn uuid() -> Result<uuid::Uuid, DevIdpError> {
    let mut bytes = [0_u8; 16];
    rand::fill(&mut bytes).map_err(|_| DevIdpError::Crypto("no random bytes"))?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}
