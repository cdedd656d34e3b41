//! A cut-off by an operator: how many credentials it affects, and whether its name is known.

use maxlab_auth_core::audit::AuditEvent;
use maxlab_auth_core::engine::TerminationFault;
use maxlab_auth_core::issued_tokens::CredentialCounts;
use maxlab_auth_core::revocation::RevocationReason;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{CutoffScope, RevocationKey};

use crate::http::app_state::AppState;

/// Maximum number of registered names that an unknown name is compared with.
const MAX_COMPARED_NAMES: u32 = 10_000;

/// A cut-off that is in force.
#[derive(Clone, Debug)]
pub struct CutoffResult {
    /// Credentials in the register that the cut-off revoked.
    pub affected: CredentialCounts,
    /// Set if the register or the settings contain the name.
    pub is_known: bool,
    /// The most similar known name, if this one is unknown.
    pub closest_name: Option<String>,
}

/// Revokes everything that was issued up to now in this scope.
///
/// An unknown name is cut off as well: its tokens need not have passed through this gateway.
///
/// # Errors
/// The revocation is not acknowledged.
#[tracing::instrument(skip_all)]
pub async fn apply_cutoff(
    gateway: &AppState,
    scope: CutoffScope,
    reason: RevocationReason,
    audit: Vec<AuditEvent>,
) -> Result<CutoffResult, TerminationFault> {
    let engine = &gateway.engine;
    // Counted before the revocation, since afterwards nothing in the scope counts as active.
    let affected = engine.count_in_scope(&scope).await;
    engine
        .revoke_key(RevocationKey::Cutoff(scope.clone()), reason, audit)
        .await?;
    // The rest is for display only: the revocation stands even if the register does not answer.
    let affected = affected.unwrap_or_default();
    let names = known_names(gateway, &scope).await.unwrap_or_default();
    let Some(name) = scope.name() else {
        return Ok(CutoffResult {
            affected,
            is_known: true,
            closest_name: None,
        });
    };
    let is_known = affected.tokens > 0 || names.iter().any(|known| *known == name);
    let nearest = || names.iter().min_by_key(|known| strsim::levenshtein(known, &name));
    Ok(CutoffResult {
        affected,
        is_known,
        closest_name: (!is_known).then(nearest).flatten().cloned(),
    })
}

/// Returns the names of the scope's kind that the register and the settings contain.
async fn known_names(gateway: &AppState, scope: &CutoffScope) -> Result<Vec<String>, Unavailable> {
    let engine = &gateway.engine;
    let mut names = engine.registered_names(scope, MAX_COMPARED_NAMES).await?;
    match scope {
        CutoffScope::Client(_) => {
            names.extend(gateway.login_rules.client_ids.iter().flatten().cloned());
            names.extend(
                gateway
                    .auth_server
                    .config()
                    .client
                    .iter()
                    .map(|own| own.id.clone()),
            );
        }
        CutoffScope::Issuer(name) if !names.contains(name) => {
            // Fetches the metadata if it is unknown. The issuers below include the discovered one then.
            gateway.auth_server.metadata().await;
            // Only the first of the issuer's two spellings: one slash too many must not look correct.
            let issuers = engine.default_issuers();
            names.extend(issuers.into_iter().next());
        }
        CutoffScope::User(_)
        | CutoffScope::Issuer(_)
        | CutoffScope::UpstreamSession(_)
        | CutoffScope::Everything => {}
    }
    Ok(names)
}
