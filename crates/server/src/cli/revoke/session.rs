//! Revokes one session and its tokens.

use anyhow::Context as _;
use maxlab_auth_core::credential::SessionHandle;
use maxlab_auth_core::engine::Engine;
use maxlab_auth_core::identity::UpstreamSession;
use maxlab_auth_core::revocation::RevocationReason;
use maxlab_auth_core::verdict::{CutoffScope, RevocationKey};

use super::summary::RevokeSummary;
use crate::cli::output::escape_for_terminal;
use crate::cli::{admin_audit_event, explain_unacknowledged};

/// Revokes a session by its handle. A session that is unknown here may be one of the authorization server whose
/// `sid` has the form of a handle, so it is revoked as both.
pub(super) async fn revoke_session(
    engine: &Engine,
    id: &str,
    reason: RevocationReason,
) -> anyhow::Result<RevokeSummary> {
    let key = RevocationKey::Session(id.to_owned());
    let description = format!("session {} and its tokens", escape_for_terminal(id));
    // The register and not the store: the store may have lost the session, whose tokens still exist.
    let owner = match SessionHandle::parse(id) {
        Some(handle) => {
            let owner = engine
                .session_owner(&handle)
                .await
                .context("nothing was revoked")?;
            owner.map(|subject| (handle, subject))
        }
        None => None,
    };
    let Some((handle, subject)) = owner else {
        let event = admin_audit_event(engine, None, &key.to_string());
        engine
            .revoke_key(key.clone(), reason, vec![event])
            .await
            .map_err(explain_unacknowledged)?;
        let upstream = CutoffScope::UpstreamSession(UpstreamSession::from_storage_name(id));
        engine
            .revoke_key(RevocationKey::Cutoff(upstream), reason, Vec::new())
            .await
            .map_err(explain_unacknowledged)?;
        return Ok(RevokeSummary {
            description,
            key,
            subject: None,
            notifies_upstream: false,
            sessions: None,
            cutoff: None,
        });
    };
    let event = admin_audit_event(engine, Some(&subject), handle.as_str());
    let was_active = engine
        .end_session(&subject, &handle, reason, vec![event])
        .await
        .map_err(explain_unacknowledged)?;
    Ok(RevokeSummary {
        description: format!(
            "{description}, of {}",
            escape_for_terminal(&subject.storage_name())
        ),
        key,
        subject: Some(subject),
        notifies_upstream: was_active,
        sessions: Some(usize::from(was_active)),
        cutoff: None,
    })
}
