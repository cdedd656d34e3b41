//! Token that is parsed once, for all checks of a request.

use std::fmt;

use crate::credential::PresentedToken;
use crate::identity::Issuer;
use crate::verdict::{RevocationKey, TokenKey};
use maxlab_auth_jose::{TokenShape, shape_of};

/// Parsed token: its form, and the names that follow from its bytes. Nothing about it is proven.
pub struct ParsedToken<'t> {
    token: &'t PresentedToken,
    shape: TokenShape<'t>,
    bytes_key: RevocationKey,
    signing_input_key: Option<RevocationKey>,
}

impl<'t> ParsedToken<'t> {
    /// Parses a token.
    pub fn parse(token: &'t PresentedToken) -> Self {
        let shape = shape_of(token.expose());
        let signing_input_key = match &shape {
            TokenShape::Jws(jws) => Some(TokenKey::from_signing_input_digest(&jws.signing_input_digest())),
            TokenShape::Opaque | TokenShape::Malformed(_) => None,
        };
        Self {
            bytes_key: RevocationKey::Token(TokenKey::from_presented(token)),
            signing_input_key: signing_input_key.map(RevocationKey::Token),
            token,
            shape,
        }
    }

    /// Returns the names that an unverified token gives itself, if this is its issuer. They may be used to
    /// refuse it, never to accept or revoke it.
    pub fn unverified_names(&self, issuer: &Issuer) -> Vec<RevocationKey> {
        let mut names = vec![self.bytes_key.clone()];
        names.extend(self.signing_input_key.clone());
        // The `jti` too: another layer may have verified the token when it was revoked (decision 2).
        if let TokenShape::Jws(jws) = &self.shape {
            let jti = jws.unverified_jti();
            let jti = jti.map(|jti| TokenKey::from_issuer_and_jti(issuer, jti));
            names.extend(jti.map(RevocationKey::Token));
        }
        names
    }

    /// Returns the key that the register of issued tokens uses for a refresh token: its signing input if
    /// it is signed, otherwise its bytes.
    pub(super) fn refresh_key(&self) -> Option<&TokenKey> {
        match self.signing_input_key.as_ref().unwrap_or(&self.bytes_key) {
            RevocationKey::Token(key) => Some(key),
            _ => None,
        }
    }

    /// Returns the token.
    pub(crate) fn token(&self) -> &'t PresentedToken {
        self.token
    }

    /// Returns the form of the token.
    pub(crate) fn shape(&self) -> &TokenShape<'t> {
        &self.shape
    }

    /// Returns the key of its exact bytes.
    pub(crate) fn bytes_key(&self) -> &RevocationKey {
        &self.bytes_key
    }

    /// Returns the key of its signing input, if it is signed. Every encoding
    /// of the signature has the same key.
    pub(crate) fn signing_input_key(&self) -> Option<&RevocationKey> {
        self.signing_input_key.as_ref()
    }
}

impl fmt::Debug for ParsedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedToken")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}
