//! A token that was taken apart once, for everybody who looks at it.

use std::fmt;

use crate::credential::PresentedToken;
use crate::revocation::{RevocationKey, TokenKey};
use crate::token::{TokenShape, shape_of};

/// A token, what it is by its form, and the names that its bytes give it. Nothing about it is proven.
pub struct Examined<'t> {
    token: &'t PresentedToken,
    shape: TokenShape<'t>,
    by_bytes: RevocationKey,
    by_input: Option<RevocationKey>,
}

impl<'t> Examined<'t> {
    /// Takes a token apart.
    pub fn of(token: &'t PresentedToken) -> Self {
        let shape = shape_of(token.expose());
        let by_input = match &shape {
            TokenShape::Jws(jws) => Some(TokenKey::from_signing_input(&jws.signing_input_digest())),
            TokenShape::Opaque | TokenShape::Malformed(_) => None,
        };
        Self {
            by_bytes: RevocationKey::Token(TokenKey::from_bytes_of(token)),
            by_input: by_input.map(RevocationKey::Token),
            token,
            shape,
        }
    }

    /// The names that an unverified token gives itself: enough to refuse it, never to accept or to revoke it.
    pub fn unproven_names(&self) -> Vec<RevocationKey> {
        let mut names = vec![self.by_bytes.clone()];
        names.extend(self.by_input.clone());
        if let TokenShape::Jws(jws) = &self.shape {
            let jti = jws.unverified_jti().map(TokenKey::from_jti);
            names.extend(jti.map(RevocationKey::Token));
        }
        names
    }

    pub(super) fn token(&self) -> &'t PresentedToken {
        self.token
    }

    pub(super) fn shape(&self) -> &TokenShape<'t> {
        &self.shape
    }

    /// Its name by its very bytes.
    pub(super) fn by_bytes(&self) -> &RevocationKey {
        &self.by_bytes
    }

    /// Its name by its signing input, if it is signed.
    pub(super) fn by_input(&self) -> Option<&RevocationKey> {
        self.by_input.as_ref()
    }
}

impl fmt::Debug for Examined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examined")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}
