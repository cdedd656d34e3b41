//! Steps of I/O that a decision may need first, and the rest of the decision that waits for them.

use std::time::Duration;

use super::decision::AccessDecision;
use super::refusal::{AccessRefusal, CredentialFault, LoginPrompt};
use crate::engine::AuthFault;
use crate::guard::{Permit, RequirementSet};
use crate::unavailable::Unavailable;
use crate::verdict::ActiveCredential;

/// Longest time for which a request to a public path waits for its credential to be checked.
const VISITOR_TIME_LIMIT: Duration = Duration::from_secs(1);

/// Requirements of the policy and of the entry point. All of them must be met.
type Requirements<'r> = [Option<&'r RequirementSet>; 2];

/// Decision about a request, or the step that it needs first.
#[derive(Debug)]
#[must_use]
pub enum AccessOutcome<'r> {
    /// The decision.
    Decided(AccessDecision),
    /// Something must be fetched first. The step contains the rest of the decision.
    NeedsIo(IoStep<'r>),
}

/// Step that the caller takes before the decision can go on.
#[derive(Debug)]
pub enum IoStep<'r> {
    /// Authenticate the request's credential, then [`resume`](PendingCredential::resume).
    Authenticate(PendingCredential<'r>),
    /// Add the workspaces that the store has for this user, then [`resume`](PendingWorkspaces::resume).
    LoadWorkspaces(ActiveCredential, PendingWorkspaces<'r>),
}

impl From<AccessRefusal> for AccessOutcome<'_> {
    fn from(refusal: AccessRefusal) -> Self {
        Self::Decided(AccessDecision::Refuse(refusal))
    }
}

/// Decision that waits for the authentication of the credential.
#[derive(Debug)]
pub struct PendingCredential<'r> {
    pub(super) requirements: Requirements<'r>,
    /// `true` if the request may pass without a credential.
    pub(super) is_visitor: bool,
    pub(super) has_workspace_store: bool,
    pub(super) names_workspaces: bool,
    pub(super) login_prompt: LoginPrompt,
}

impl<'r> PendingCredential<'r> {
    /// Returns `true` if workspaces must be loaded after the authentication. A caller that cannot wait need
    /// not begin then.
    #[inline]
    pub fn needs_workspaces(&self) -> bool {
        let needs = |requirements: &RequirementSet| requirements.need_workspaces();
        self.has_workspace_store
            && (self.names_workspaces || self.requirements.into_iter().flatten().any(needs))
    }

    /// Returns the longest time that the authentication may take; `None` if the caller's own limit applies.
    /// When it is over, resume with [`CredentialFault::timed_out`].
    pub fn time_limit(&self) -> Option<Duration> {
        self.is_visitor.then_some(VISITOR_TIME_LIMIT)
    }

    /// Goes on with the result of the authentication.
    #[inline]
    pub fn resume(self, authenticated: Result<ActiveCredential, CredentialFault>) -> AccessOutcome<'r> {
        match authenticated {
            Ok(credential) if self.needs_workspaces() => {
                let pending = PendingWorkspaces {
                    requirements: self.requirements,
                    is_visitor: self.is_visitor,
                };
                AccessOutcome::NeedsIo(IoStep::LoadWorkspaces(credential, pending))
            }
            Ok(credential) => check_requirements(credential, self.requirements),
            Err(fault) if self.is_visitor => AccessOutcome::Decided(AccessDecision::AllowPublic(fault)),
            Err(fault) => AccessRefusal::of_credential(fault, self.login_prompt).into(),
        }
    }
}

/// Decision that waits for the workspaces of the store.
#[derive(Debug)]
pub struct PendingWorkspaces<'r> {
    requirements: Requirements<'r>,
    is_visitor: bool,
}

impl<'r> PendingWorkspaces<'r> {
    /// Goes on with the credential that has the workspaces.
    pub fn resume(self, loaded: Result<ActiveCredential, Unavailable>) -> AccessOutcome<'r> {
        match loaded {
            Ok(credential) => check_requirements(credential, self.requirements),
            // A public path stays open, as for a credential that cannot be checked.
            Err(fault) if self.is_visitor => {
                let fault = CredentialFault::Auth(AuthFault::Unavailable(fault));
                AccessOutcome::Decided(AccessDecision::AllowPublic(fault))
            }
            Err(fault) => AccessRefusal::Unavailable(fault).into(),
        }
    }
}

impl CredentialFault {
    /// Returns the fault of an authentication that took longer than its limit.
    pub fn timed_out() -> Self {
        Self::Auth(AuthFault::Unavailable(Unavailable::upstream(
            "the credential of a public request was not checked in time",
        )))
    }
}

#[inline]
fn check_requirements<'r>(
    mut credential: ActiveCredential,
    requirements: Requirements<'r>,
) -> AccessOutcome<'r> {
    for requirements in requirements.into_iter().flatten() {
        match Permit::check(credential, requirements) {
            Ok(permit) => credential = permit.into_principal(),
            Err(denied) => return AccessRefusal::Requirement(denied).into(),
        }
    }
    AccessOutcome::Decided(AccessDecision::Allow(credential))
}
