//! Outcome of `revoke`, and its form for scripts.

use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::revocation::RevocationReason;
use maxlab_auth_core::verdict::RevocationKey;
use serde_json::{Value, json};

use crate::cutoff::CutoffResult;

/// Outcome of the command.
pub(super) enum RevokeOutcome {
    Revoked(RevokeSummary),
    /// Already refused, for this reason.
    AlreadyRevoked(String),
}

/// Summary of a revocation.
pub(super) struct RevokeSummary {
    /// The revoked thing in words, after "Revoked:".
    pub(super) description: String,
    pub(super) key: RevocationKey,
    pub(super) subject: Option<Subject>,
    /// `true` if a message for the authorization server is in the outbox.
    pub(super) notifies_upstream: bool,
    /// Number of ended sessions, if it is known.
    pub(super) sessions: Option<usize>,
    /// Result of a cut-off.
    pub(super) cutoff: Option<CutoffResult>,
}

impl RevokeSummary {
    /// Returns the summary for `revoke --json`.
    pub(super) fn json(&self, reason: RevocationReason) -> Value {
        // Scripts depend on these names.
        json!({
            "revoked": true,
            "already": false,
            "kind": self.key.kind(),
            "key": self.key.name(),
            "user_id": self.subject,
            "reason": reason,
            "sessions": self.sessions,
            "tokens": self.cutoff.as_ref().map(|cutoff| cutoff.affected.tokens),
            "known": self.cutoff.as_ref().map(|cutoff| cutoff.is_known),
            "nearest": self.cutoff.as_ref().and_then(|cutoff| cutoff.closest_name.as_ref()),
            "authorization_server_told": self.notifies_upstream,
        })
    }
}
