//! Lists of sessions: those of a user, one by its handle, and those of a session at the authorization server.

use jiff::Timestamp;

use super::fault::SessionFault;
use super::loaded_session::LoadedSession;
use super::sessions::SessionManager;
use super::store::IndexedSession;
use crate::credential::SessionHandle;
use crate::identity::{Subject, UpstreamSession};
use crate::unavailable::Unavailable;

impl SessionManager {
    /// Returns the user's sessions, oldest first. Listing does not count as a use.
    ///
    /// # Errors
    /// Fails if the store does not answer.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn of_user(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Vec<LoadedSession>, Unavailable> {
        let mut sessions = Vec::new();
        for indexed in self.store.of_user(subject, now).await? {
            match self.load_by_key(&indexed.key, now).await {
                // The index is not sealed. What it names counts only if the sealed record has the same user.
                Ok(loaded) if loaded.record.identity.belongs_to(subject) => sessions.push(loaded),
                Ok(_) | Err(SessionFault::Missing | SessionFault::Ended) => {}
                Err(SessionFault::Unavailable(fault)) => return Err(fault),
            }
        }
        Ok(sessions)
    }

    /// Returns the user's session with this handle.
    ///
    /// # Errors
    /// Fails with [`SessionFault::Missing`] if the user has no such session, or if the store does not answer.
    pub async fn by_handle(
        &self,
        subject: &Subject,
        handle: &SessionHandle,
        now: Timestamp,
    ) -> Result<LoadedSession, SessionFault> {
        let index = self.store.of_user(subject, now).await?;
        let indexed = index
            .into_iter()
            .find(|indexed| indexed.handle == *handle)
            .ok_or(SessionFault::Missing)?;
        let loaded = self.load_by_key(&indexed.key, now).await?;
        // The same error as for an unknown handle: the caller must not learn that another user has it.
        if loaded.record.identity.belongs_to(subject) {
            Ok(loaded)
        } else {
            Err(SessionFault::Missing)
        }
    }

    /// Returns the user's sessions as the index has them, without loading them.
    ///
    /// # Errors
    /// Fails if the store does not answer.
    pub async fn index_of(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Vec<IndexedSession>, Unavailable> {
        self.store.of_user(subject, now).await
    }

    /// Returns the sessions that came out of a session at the authorization server, with their users. Empty for a
    /// store that has no such index.
    ///
    /// # Errors
    /// Fails if the store does not answer.
    pub async fn of_upstream(
        &self,
        upstream: &UpstreamSession,
        now: Timestamp,
    ) -> Result<Vec<(Subject, IndexedSession)>, Unavailable> {
        self.store.of_upstream(upstream, now).await
    }
}
