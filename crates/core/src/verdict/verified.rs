//! Proof that a credential is authentic, in one of two representations.

use std::sync::Arc;

use super::compact::CompactVerdict;
use super::credential_info::CredentialInfo;

/// Representation of a verified credential.
#[derive(Clone, Debug)]
pub(crate) enum CredentialRepr {
    /// A token with a cached verdict.
    Compact(Arc<CompactVerdict>),
    /// All fields, for a credential that has no compact form.
    Full(Arc<CredentialInfo>),
}

impl CredentialRepr {
    /// Returns the credential's info, unpacked if it is compact.
    pub(crate) fn info(&self) -> Arc<CredentialInfo> {
        match self {
            Self::Compact(verdict) => Arc::new(verdict.to_info()),
            Self::Full(info) => Arc::clone(info),
        }
    }
}

/// A credential that was found authentic. It may be revoked: only the gate turns it into an
/// [`ActiveCredential`](super::ActiveCredential). Only the verification chain and the session manager create one
/// (`cargo xtask` checks where the constructors are called).
#[derive(Clone, Debug)]
pub struct Verified {
    repr: CredentialRepr,
}

impl Verified {
    pub(crate) fn new(repr: CredentialRepr) -> Self {
        Self { repr }
    }

    pub(crate) fn into_repr(self) -> CredentialRepr {
        self.repr
    }

    pub(crate) fn into_info(self) -> Arc<CredentialInfo> {
        self.repr.info()
    }
}
