//! Access decision: may this request pass, and as whom? Made once here, for every entry point, without I/O
//! and without HTTP.
//!
//! An entry point describes the request ([`AccessRequest`]) and calls [`AccessRequest::decide`]. If the
//! decision depends on something that must be fetched, it returns an [`IoStep`]; the entry point fetches it
//! in its own way (waiting, or not at all) and resumes. Nothing here allocates on the way to a yes, because
//! the fast path decides here too.

mod decision;
mod headers;
mod pending;
mod refusal;

pub use decision::AccessDecision;
pub use headers::{
    FORWARDED_FOR, FORWARDED_HEADERS, ForwardedAttribute, IDENTITY_HEADERS, PERSONAL_HEADERS, SHARED_HEADERS,
    SIGNED_IDENTITY_HEADER, WORKSPACES_HEADER,
};
pub use pending::{AccessOutcome, IoStep, PendingCredential, PendingWorkspaces};
pub use refusal::{AccessRefusal, CredentialFault, LoginPrompt, RefusalReason};

use crate::guard::RequirementSet;
use crate::policy::{AccessPolicy, AccessRequirement, AmbiguousRequest, MissingAttribute, PolicyRequest};
use crate::verdict::ActiveCredential;

/// State of a request's credential before the decision.
#[derive(Clone, Debug)]
pub enum CredentialState {
    /// No credential.
    Absent,
    /// Credential that cannot be authenticated.
    Unusable(CredentialFault),
    /// Well-formed credential that was not verified yet.
    Presented,
    /// Credential that passed the revocation gate on this request.
    Active(ActiveCredential),
}

/// Request that access is decided about.
#[derive(Clone, Debug)]
pub struct AccessRequest<'r> {
    /// Policy in force; `None` if there is none, and every authenticated user may pass.
    pub policy: Option<&'r AccessPolicy>,
    /// Canonical form of the request, which is needed if there is a policy.
    pub original: Result<Option<&'r PolicyRequest<'r>>, AmbiguousRequest>,
    /// Requirements of the entry point, in addition to those of the policy.
    pub requirements: Option<&'r RequirementSet>,
    /// Credential of the request.
    pub credential: CredentialState,
    /// `true` if a store may know workspaces of a user that the claims do not contain.
    pub has_workspace_store: bool,
    /// `true` if the answer names the user's workspaces, so that those of the store are needed too.
    pub names_workspaces: bool,
    /// How the client is asked to log in.
    pub login_prompt: LoginPrompt,
}

impl<'r> AccessRequest<'r> {
    /// Decides, as far as that is possible without I/O.
    ///
    /// The order is fixed: the form of the request, the policy, the credential, the requirements of the
    /// policy and then those of the entry point. A request that the policy closes is refused before its
    /// credential is looked at.
    #[inline]
    pub fn decide(self) -> AccessOutcome<'r> {
        let access = match self.required_access() {
            Ok(access) => access,
            Err(refusal) => return refusal.into(),
        };
        let by_policy = match access {
            AccessRequirement::Deny => return AccessRefusal::Policy.into(),
            AccessRequirement::Require(requirements) => Some(requirements),
            AccessRequirement::Public | AccessRequirement::Authenticated => None,
        };
        let by_entry_point = self.requirements.filter(|requirements| !requirements.is_empty());
        let pending = PendingCredential {
            requirements: [by_policy, by_entry_point],
            // Requirements of the entry point apply on public paths too.
            is_visitor: matches!(access, AccessRequirement::Public) && by_entry_point.is_none(),
            has_workspace_store: self.has_workspace_store,
            names_workspaces: self.names_workspaces,
            login_prompt: self.login_prompt,
        };
        match self.credential {
            CredentialState::Absent => pending.resume(Err(CredentialFault::Missing)),
            CredentialState::Unusable(fault) => pending.resume(Err(fault)),
            CredentialState::Presented => AccessOutcome::NeedsIo(IoStep::Authenticate(pending)),
            CredentialState::Active(credential) => pending.resume(Ok(credential)),
        }
    }

    /// Returns what the policy requires; without a policy, an authenticated user.
    fn required_access(&self) -> Result<&'r AccessRequirement, AccessRefusal> {
        let original = self.original.map_err(AccessRefusal::Ambiguous)?;
        match (self.policy, original) {
            (None, _) => Ok(&AccessRequirement::Authenticated),
            (Some(policy), Some(original)) => match policy.decide(original) {
                Ok(decision) => Ok(decision.access),
                Err(attribute) => Err(AccessRefusal::MissingAttribute(attribute)),
            },
            // A mistake of the entry point. It must not open what the policy closes.
            (Some(_), None) => Err(AccessRefusal::MissingAttribute(MissingAttribute::Path)),
        }
    }
}

#[cfg(test)]
mod tests;
