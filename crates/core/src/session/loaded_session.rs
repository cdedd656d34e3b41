//! A session that was loaded from the store.

use std::sync::Arc;

use super::policy::SessionPolicy;
use super::record::SessionRecord;
use super::store::IndexedSession;
use crate::clock;
use crate::credential::SessionKey;
use crate::seal::SealedValue;
use crate::verdict::{CredentialInfo, CredentialRepr, IssueTime, RevocationKey, Verified};

/// Session that was loaded. It may be revoked: [`to_verified`](Self::to_verified) must pass the gate.
#[derive(Clone, Debug)]
pub struct LoadedSession {
    /// Hash of the presented id. The session may have another id since.
    pub(super) presented_key: SessionKey,
    /// Hash of the current id.
    pub(super) key: SessionKey,
    /// Sealed contents as they were read, for the next conditional write.
    pub(super) sealed: SealedValue,
    /// Time that cut-offs are compared with.
    pub(super) issued: IssueTime,
    /// Contents.
    pub record: SessionRecord,
}

impl LoadedSession {
    /// Returns the session as a verified credential.
    pub fn to_verified(&self, policy: &SessionPolicy) -> Verified {
        let record = &self.record;
        let mut identity = record.identity.clone();
        identity.session_id = Some(record.handle.as_str().to_owned());
        Verified::new(CredentialRepr::Full(Arc::new(CredentialInfo {
            cutoff_scopes: record.cutoff_scopes(),
            identity,
            // The presented id comes first: a revoked old id must not refuse
            // the session under its current id.
            revocation_keys: vec![
                RevocationKey::cookie(&self.presented_key),
                RevocationKey::session(&record.handle),
            ],
            own_key_count: 2,
            issue_time: self.issued,
            expires_at: Some(clock::after(record.created_at, policy.max_lifetime)),
            session: Some(record.handle.clone()),
            key_id: None,
        })))
    }

    /// Returns its entry in the user's index.
    pub fn to_indexed(&self) -> IndexedSession {
        IndexedSession {
            handle: self.record.handle.clone(),
            key: self.key.clone(),
            created_at: self.record.created_at,
        }
    }
}
