//! Rotation: gives a session another id, and revokes the old id on every instance (decision 23).

use super::{AuthFault, Engine, TerminationFault};
use crate::audit::{AuditEvent, AuditKind, AuditOrigin};
use crate::credential::{SessionHandle, SessionId};
use crate::events::GatewayEvent;
use crate::identity::Subject;
use crate::revocation::{Revocation, RevocationReason};
use crate::session::{ReplaceOutcome, RotatedSession, SessionFault};
use crate::verdict::RevocationKey;

/// Result of a rotation.
#[derive(Debug)]
pub struct SessionRotation {
    /// New session id. It must reach the browser in any case, because the old id may stop working at any
    /// time.
    pub id: SessionId,
    /// Public handle of the session. A rotation does not change it.
    pub handle: SessionHandle,
    /// Acknowledgement that the old id is revoked. After an error the old id may still work, and may stop
    /// later.
    pub acknowledged: Result<(), TerminationFault>,
}

impl Engine {
    /// Gives the session of a cookie another id, and revokes the old id through the journal.
    ///
    /// A store that was restored from a snapshot, or one that fell behind, cannot bring the old id back
    /// (invariant I2).
    ///
    /// # Errors
    /// Fails if the cookie is invalid or a component does not answer. The old id still opens the session
    /// then.
    #[tracing::instrument(skip_all)]
    pub async fn rotate_session(
        &self,
        id: &SessionId,
        origin: &AuditOrigin,
    ) -> Result<SessionRotation, AuthFault> {
        let (credential, loaded) = self.authenticate_session(id).await?;
        let subject = &credential.identity().subject();
        let now = self.now();
        let handle = loaded.record.handle.clone();
        let event = AuditEvent::new(AuditKind::SessionRotated, now, origin)
            .with_actor(subject)
            .with_target(handle.as_str());
        self.audit(event).await?;
        // The move comes before the revocation: a failure in between must leave the user one id that works.
        let rotated = self.deps.sessions.rotate(id, now).await?;
        let acknowledged = self.revoke_retired(&rotated, subject).await;
        if acknowledged.is_ok() {
            match self
                .deps
                .sessions
                .clear_retired(&rotated.session, self.now())
                .await
            {
                // After a conflict the next rotation revokes the old ids once more, which does no harm.
                Ok(ReplaceOutcome::Replaced | ReplaceOutcome::Conflict) => {}
                // Another rotation was faster: its answer carries the current id, and this answer must not
                // replace it.
                Ok(ReplaceOutcome::Gone) => return Err(SessionFault::Ended.into()),
                Err(fault) => {
                    tracing::debug!(%fault, "retired session ids not cleared, next rotation revokes them");
                }
            }
        }
        Ok(SessionRotation {
            id: rotated.id,
            handle,
            acknowledged,
        })
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn revoke_retired(
        &self,
        rotated: &RotatedSession,
        subject: &Subject,
    ) -> Result<(), TerminationFault> {
        let (sessions, gate, now) = (&self.deps.sessions, &self.deps.revocations, self.now());
        let expires_at = sessions.expires_at(&rotated.session.record);
        // All retired ids are revoked, not only the presented one: an earlier rotation may not have been
        // acknowledged.
        let reason = RevocationReason::SessionRotated;
        let revocations = rotated.retired.iter().map(|key| Revocation {
            subject: Some(subject.clone()),
            ..gate.revocation_by_name(RevocationKey::cookie(key), reason, Some(expires_at), now)
        });
        gate.revoke(revocations.collect(), &[], now).await?;
        self.report(GatewayEvent::Revoked { reason });
        Ok(())
    }
}
