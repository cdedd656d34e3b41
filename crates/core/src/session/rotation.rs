//! Rotation of a session id. The store only moves the session. The revocation journal refuses the old id,
//! because no restored snapshot can undo that (decision 23).

use jiff::Timestamp;

use super::fault::SessionFault;
use super::loaded_session::LoadedSession;
use super::sessions::{MAX_ATTEMPTS, SessionManager};
use super::store::ReplaceOutcome;
use crate::credential::{SessionId, SessionKey};
use crate::unavailable::Unavailable;

/// Session that was moved to a new id.
#[derive(Debug)]
pub struct RotatedSession {
    /// New id, for the cookie.
    pub id: SessionId,
    /// Session under the new id.
    pub session: LoadedSession,
    /// Hashes of earlier ids. They lead to the session until they are revoked.
    pub retired: Vec<SessionKey>,
}

impl SessionManager {
    /// Moves the session to a new id. The old ids lead to it until they are revoked.
    ///
    /// # Errors
    /// Fails if the session no longer exists, or if the store does not answer. The old id
    /// still leads to the session then.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn rotate(&self, id: &SessionId, now: Timestamp) -> Result<RotatedSession, SessionFault> {
        for _ in 0..MAX_ATTEMPTS {
            let loaded = self.load(id, now).await?;
            let new_id = SessionId::generate()?;
            let new_key = new_id.store_key();
            let mut record = loaded.record.clone();
            record.bound_to = new_key.clone();
            // A rotation counts as a use: the new key starts with a full idle time-out.
            record.last_accessed = now;
            // The presented id too: it may be older than the current one, from a
            // rotation that was not acknowledged.
            record.retire_keys([&loaded.presented_key, &loaded.key]);
            let next = self.seal_record(&record, now)?;
            let created_at = record.created_at;
            let outcome = self
                .store
                .rename(&loaded.key, &new_key, &loaded.sealed, &next, created_at, now)
                .await?;
            match outcome {
                ReplaceOutcome::Replaced => {
                    self.forget(&loaded.key);
                    let retired = record.retired.clone();
                    let session = LoadedSession {
                        presented_key: new_key.clone(),
                        key: new_key,
                        sealed: next.sealed,
                        issued: loaded.issued,
                        record,
                    };
                    return Ok(RotatedSession {
                        id: new_id,
                        session,
                        retired,
                    });
                }
                ReplaceOutcome::Gone => return Err(SessionFault::Ended),
                // Another writer was faster, for example a touch: load the session again.
                ReplaceOutcome::Conflict => {}
            }
        }
        Err(
            Unavailable::store("the session was changed by other requests during each attempt to rotate it")
                .into(),
        )
    }

    /// Removes the earlier ids from the session's contents, after their revocation was acknowledged.
    ///
    /// Returns [`ReplaceOutcome::Gone`] if the session was ended or rotated again meanwhile.
    ///
    /// # Errors
    /// Fails if the store does not answer. The next rotation revokes the ids again then.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn clear_retired(
        &self,
        loaded: &LoadedSession,
        now: Timestamp,
    ) -> Result<ReplaceOutcome, Unavailable> {
        let mut record = loaded.record.clone();
        record.retired.clear();
        self.replace_record(loaded, &record, now).await
    }
}
