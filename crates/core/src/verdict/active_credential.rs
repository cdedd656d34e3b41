//! A credential that the gate accepted on this request.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use super::assurance::ReadAssurance;
use super::compact::SubjectClaims;
use super::credential_info::CredentialInfo;
use super::entitlements::Entitlements;
use super::verified::CredentialRepr;
use crate::identity::{Identity, VerificationSource};

/// A credential that is verified and was not revoked when the gate checked it. Only
/// [`RevocationGate::admit`](crate::revocation::RevocationGate::admit) and
/// [`try_admit`](crate::revocation::RevocationGate::try_admit) make one.
#[derive(Clone, Debug)]
pub struct ActiveCredential {
    repr: CredentialRepr,
    assurance: ReadAssurance,
    // Decoded on first use: most answers of a cached verdict need neither (decision 15).
    identity: OnceLock<Arc<Identity>>,
    info: OnceLock<Arc<CredentialInfo>>,
}

impl ActiveCredential {
    /// Only the revocation gate calls this (`cargo xtask` checks it): to have one is to have passed the gate.
    pub(crate) fn new(repr: CredentialRepr, assurance: ReadAssurance) -> Self {
        Self {
            repr,
            assurance,
            identity: OnceLock::new(),
            info: OnceLock::new(),
        }
    }

    /// Owner of the credential.
    pub fn identity(&self) -> &Identity {
        match (&self.repr, self.info.get()) {
            (CredentialRepr::Full(info), _) | (_, Some(info)) => &info.identity,
            (CredentialRepr::Compact(verdict), None) => {
                self.identity.get_or_init(|| Arc::new(verdict.to_identity()))
            }
        }
    }

    /// Full description of the credential.
    pub fn info(&self) -> &CredentialInfo {
        match &self.repr {
            CredentialRepr::Full(info) => info,
            CredentialRepr::Compact(verdict) => self.info.get_or_init(|| Arc::new(verdict.to_info())),
        }
    }

    /// Layer that verified the credential. Like [`subject_claims`](Self::subject_claims) and
    /// [`entitlements`](Self::entitlements), it is read in place and allocates nothing.
    pub fn source(&self) -> VerificationSource {
        match &self.repr {
            CredentialRepr::Full(info) => info.identity.verification_source,
            CredentialRepr::Compact(verdict) => verdict.source(),
        }
    }

    /// Issuer, user id, name and e-mail address, as the identity headers name them.
    pub fn subject_claims(&self) -> SubjectClaims<'_> {
        match &self.repr {
            CredentialRepr::Full(info) => SubjectClaims::of(&info.identity),
            CredentialRepr::Compact(verdict) => verdict.subject(),
        }
    }

    /// Roles, permissions, groups, workspaces and scope, as requirements check them.
    pub fn entitlements(&self) -> Entitlements<'_> {
        match &self.repr {
            CredentialRepr::Full(info) => Entitlements::of(&info.identity),
            CredentialRepr::Compact(verdict) => verdict.entitlements(),
        }
    }

    /// Expiry; `None` if it is unknown.
    pub fn expires_at(&self) -> Option<Timestamp> {
        match &self.repr {
            CredentialRepr::Full(info) => info.expires_at,
            CredentialRepr::Compact(verdict) => verdict.expires_at(),
        }
    }

    /// Returns a value derived from source and entitlements. It is computed once for each set of shared
    /// claims and cached with it. Only one type can be cached: returns `None` for any other type, and if the
    /// verdict is not cached.
    pub fn get_or_derive<T: Any + Send + Sync>(
        &self,
        make: impl FnOnce(VerificationSource, Entitlements<'_>) -> T,
    ) -> Option<&T> {
        match &self.repr {
            CredentialRepr::Full(_) => None,
            CredentialRepr::Compact(verdict) => verdict.get_or_derive(make),
        }
    }

    /// Grounds on which the credential was accepted (invariant I3).
    pub fn assurance(&self) -> &ReadAssurance {
        &self.assurance
    }

    /// Adds workspaces that the database knows and the claims do not contain.
    #[must_use]
    pub fn with_workspaces(self, more: Vec<String>) -> Self {
        let mut info = Arc::unwrap_or_clone(self.repr.info());
        let workspaces = &mut info.identity.workspaces;
        for workspace in more {
            if !workspaces.contains(&workspace) {
                workspaces.push(workspace);
            }
        }
        // A full representation: the cached verdict is shared by requests, and must not get this request's
        // workspaces.
        Self::new(CredentialRepr::Full(Arc::new(info)), self.assurance)
    }
}
