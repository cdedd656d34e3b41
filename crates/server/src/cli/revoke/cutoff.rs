//! Revokes everything of a user, a client or an issuer, or everything.

use maxlab_auth_core::revocation::RevocationReason;
use maxlab_auth_core::verdict::{CutoffScope, RevocationKey};

use super::summary::RevokeSummary;
use crate::app::App;
use crate::cli::output::escape_for_terminal;
use crate::cli::{admin_audit_event, explain_unacknowledged};
use crate::cutoff::apply_cutoff;

/// Revokes everything that was issued until now in a scope.
///
/// # Errors
/// If the revocation is not acknowledged.
#[tracing::instrument(level = "debug", skip_all)]
pub(super) async fn revoke_cutoff_scope(
    app: &App,
    scope: CutoffScope,
    reason: RevocationReason,
) -> anyhow::Result<RevokeSummary> {
    let key = RevocationKey::Cutoff(scope.clone());
    let subject = match &scope {
        CutoffScope::User(subject) => Some(subject.clone()),
        _ => None,
    };
    let event = admin_audit_event(&app.state.engine, subject.as_ref(), &key.to_string());
    let cutoff = apply_cutoff(&app.state, scope.clone(), reason, vec![event])
        .await
        .map_err(explain_unacknowledged)?;
    let affected = cutoff.affected;
    let name = escape_for_terminal(&scope.name().unwrap_or_default());
    let scope_text = match &scope {
        CutoffScope::User(_) => format!("everything issued to user {name} until now"),
        CutoffScope::Client(_) => format!("everything issued to client {name} until now"),
        CutoffScope::Issuer(_) => format!("everything that issuer {name} issued until now"),
        CutoffScope::UpstreamSession(_) => {
            format!("everything of session {name} at the authorization server until now")
        }
        CutoffScope::Everything => "everything issued to anyone until now".to_owned(),
    };
    Ok(RevokeSummary {
        description: format!(
            "{scope_text} ({} sessions and {} tokens are known here)",
            affected.sessions, affected.tokens
        ),
        key,
        // Only sessions have refresh tokens that the gateway can present, and only a user's cut-off ends them
        // one by one.
        notifies_upstream: subject.is_some() && affected.sessions > 0,
        subject,
        sessions: usize::try_from(affected.sessions).ok(),
        cutoff: Some(cutoff),
    })
}

/// Prints a warning if the name is unknown: it is most likely misspelt. The cut-off is in force nevertheless,
/// because its tokens need not have passed through this gateway.
pub(super) fn warn_if_name_unknown(summary: &RevokeSummary) {
    let Some(cutoff) = summary.cutoff.as_ref().filter(|cutoff| !cutoff.is_known) else {
        return;
    };
    let RevocationKey::Cutoff(scope) = &summary.key else {
        return;
    };
    let Some(name) = scope.name() else { return };
    let similar = cutoff.closest_name.as_ref().map_or_else(String::new, |name| {
        format!(" The most similar known name is {}.", escape_for_terminal(name))
    });
    // Standard error, so that `--json` stays valid on standard output.
    eprintln!(
        "warning: the {} {} is unknown here.{similar} If the name is misspelt, run the command again.",
        summary.key.kind(),
        escape_for_terminal(&name),
    );
}
