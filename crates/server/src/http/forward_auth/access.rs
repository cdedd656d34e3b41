//! Steps of the access decision that take I/O, for requests of the router.

use axum::http::HeaderMap;
use maxlab_auth_core::access::{
    AccessDecision, AccessOutcome, AccessRequest, CredentialFault, CredentialState, IoStep,
};
use maxlab_auth_core::credential::PresentedCredential;
use maxlab_auth_core::verdict::ActiveCredential;
use tokio::time::timeout;

use super::super::app_state::SharedState;
use super::super::extract::{RequestCredentials, require_same_origin};
use super::super::rate_limit::CallerBudget;
use super::OriginalRequest;
use crate::record;

/// Reads the credential that authenticates the request; `None` if there is none.
///
/// # Errors
/// The credential is malformed or ambiguous, or a cookie may be sent by another site.
pub(super) fn read_credential(
    gateway: &SharedState,
    original: &OriginalRequest,
    headers: &HeaderMap,
) -> Result<Option<PresentedCredential>, CredentialFault> {
    let credentials = RequestCredentials::from_headers(headers, gateway)?;
    let credential = credentials.effective();
    // The method of the original request counts: a proxy may ask with GET for a POST of its client.
    if matches!(credential, Some(PresentedCredential::Session(_))) {
        require_same_origin(&original.method, headers, original.host.as_deref(), gateway)?;
    }
    Ok(credential)
}

pub(super) fn credential_state(
    credential: &Result<Option<PresentedCredential>, CredentialFault>,
) -> CredentialState {
    match credential {
        Ok(None) => CredentialState::Absent,
        Ok(Some(_)) => CredentialState::Presented,
        Err(fault) => CredentialState::Unusable(fault.clone()),
    }
}

/// Decides about a request, and takes the steps that the decision needs.
pub(super) async fn resolve(
    gateway: &SharedState,
    request: AccessRequest<'_>,
    credential: Option<&PresentedCredential>,
    budget: &CallerBudget,
) -> AccessDecision {
    let mut outcome = request.decide();
    loop {
        outcome = match outcome {
            AccessOutcome::Decided(decision) => return decision,
            AccessOutcome::NeedsIo(IoStep::Authenticate(pending)) => {
                let authentication = authenticate(gateway, credential, budget);
                let authenticated = match pending.time_limit() {
                    None => authentication.await,
                    Some(limit) => timeout(limit, authentication)
                        .await
                        .unwrap_or_else(|_| Err(CredentialFault::timed_out())),
                };
                pending.resume(authenticated)
            }
            // The database is only asked if a requirement needs it.
            AccessOutcome::NeedsIo(IoStep::LoadWorkspaces(active, pending)) => {
                pending.resume(gateway.engine.with_workspaces(active).await)
            }
        };
    }
}

async fn authenticate(
    gateway: &SharedState,
    credential: Option<&PresentedCredential>,
    budget: &CallerBudget,
) -> Result<ActiveCredential, CredentialFault> {
    let credential = credential.ok_or(CredentialFault::Missing)?;
    let active = gateway.engine.authenticate_within(credential, budget).await?;
    record::verified(active.source().as_str());
    Ok(active)
}
