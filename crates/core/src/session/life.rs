//! Begin, open, touch, list, rotate, end: the one place that knows what a session's bytes mean.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::record::{NewSession, SessionRecord, SessionToken};
use super::store::{IndexedSession, Lookup, Replaced, SessionStore, StoredSession};
use crate::clock;
use crate::credential::{SessionHandle, SessionId, SessionKey};
use crate::identity::Identity;
use crate::revocation::{Facts, Issued, Known, Party, RevocationKey};
use crate::seal::{Sealed, SealingKeys};
use crate::unavailable::Unavailable;
use crate::verify::Verified;

/// How often a conditional write is tried again when somebody else wrote first.
const TRIES: usize = 5;

/// How long sessions live.
#[derive(Clone, Copy, Debug)]
pub struct SessionPolicy {
    /// A session that nobody touches lives this long (`SESSION_IDLE_SECONDS`).
    pub idle: Duration,
    /// No session lives longer than this (`SESSION_MAX_SECONDS`).
    pub max: Duration,
    /// The oldest are ended beyond this many (`SESSION_MAX_PER_USER`).
    pub max_per_user: usize,
}

impl SessionPolicy {
    /// Touches within this time are one write: a minute, or a tenth of a short idle time.
    fn touch_interval(&self) -> Duration {
        Duration::from_secs(60).min(self.idle / 10)
    }
}

/// Why a session does not open, or does not change.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SessionFault {
    /// There is none, or it died of age.
    #[error("there is no such session")]
    Missing,
    /// It was ended.
    #[error("the session was ended")]
    Ended,
    /// Nobody knows.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A session that has just begun.
#[derive(Debug)]
pub struct Begun {
    /// What goes into the cookie.
    pub id: SessionId,
    /// Its contents.
    pub record: SessionRecord,
    /// Sessions beyond the limit, the oldest first, which must now be ended.
    pub surplus: Vec<IndexedSession>,
}

/// A session that opened. It may be revoked all the same: [`verified`](Self::verified) must pass the gate.
#[derive(Clone, Debug)]
pub struct Opened {
    key: SessionKey,
    sealed: Sealed,
    /// Its contents.
    pub record: SessionRecord,
}

impl Opened {
    /// The session as a verified credential.
    pub fn verified(&self, policy: &SessionPolicy) -> Verified {
        let record = &self.record;
        let mut identity = record.identity.clone();
        identity.session_id = Some(record.handle.as_str().to_owned());
        Verified::new(Known::Whole(Arc::new(Facts {
            parties: vec![Party::User(identity.user_id.clone())],
            identity,
            names: vec![RevocationKey::session(&record.handle)],
            own_names: 1,
            issued: Issued::At(record.created_at),
            expires_at: Some(clock::after(record.created_at, policy.max)),
            session: Some(record.handle.clone()),
            key_id: None,
        })))
    }

    /// Its place in the user's index.
    pub fn indexed(&self) -> IndexedSession {
        IndexedSession {
            handle: self.record.handle.clone(),
            key: self.key.clone(),
            created_at: self.record.created_at,
        }
    }
}

/// Sessions: sealed, bound to their key, kept in a store that can read none of it.
pub struct Sessions {
    store: Arc<dyn SessionStore>,
    keys: Arc<SealingKeys>,
    policy: SessionPolicy,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl Sessions {
    /// Sessions in a store, sealed under these keys.
    pub fn new(store: Arc<dyn SessionStore>, keys: Arc<SealingKeys>, policy: SessionPolicy) -> Self {
        Self { store, keys, policy }
    }

    /// The policy in force.
    pub fn policy(&self) -> &SessionPolicy {
        &self.policy
    }

    /// Begins a session.
    ///
    /// # Errors
    /// The store did not answer; there is no session then.
    pub async fn begin(&self, new: NewSession, now: Timestamp) -> Result<Begun, Unavailable> {
        let id = SessionId::generate()?;
        let key = id.store_key();
        let record = SessionRecord::begin(new, &key, now);
        let user_id = record.identity.user_id.clone();
        let mut index = self.store.of_user(&user_id, now).await?;
        let stored = self.stored(&record, now)?;
        if !self.store.insert(&key, &stored, record.created_at, now).await? {
            return Err(Unavailable::store("a new session's key was taken already"));
        }
        index.sort_by_key(|line| line.created_at);
        let surplus = (index.len() + 1).saturating_sub(self.policy.max_per_user);
        index.truncate(surplus);
        Ok(Begun {
            id,
            record,
            surplus: index,
        })
    }

    /// Opens a session by its cookie. It changes nothing; see [`touch`](Self::touch).
    ///
    /// # Errors
    /// There is none, it was ended, or nobody knows.
    pub async fn open(&self, id: &SessionId, now: Timestamp) -> Result<Opened, SessionFault> {
        self.open_key(&id.store_key(), now).await
    }

    /// Notes that the session was used, if the last note is old enough. A session that was ended meanwhile stays so.
    ///
    /// # Errors
    /// The store did not answer. The session is as it was.
    pub async fn touch(&self, opened: &Opened, now: Timestamp) -> Result<(), Unavailable> {
        if clock::after(opened.record.last_accessed, self.policy.touch_interval()) > now {
            return Ok(());
        }
        let mut record = opened.record.clone();
        record.last_accessed = now;
        record.access_count = record.access_count.saturating_add(1);
        let next = self.stored(&record, now)?;
        // Whoever wrote first has touched it as well.
        self.store
            .replace(&opened.key, &opened.sealed, &next.sealed, next.idle_at, now)
            .await?;
        Ok(())
    }

    /// The user's sessions, the oldest first. Listing touches nothing and extends nothing.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn of_user(&self, user_id: &str, now: Timestamp) -> Result<Vec<Opened>, Unavailable> {
        let mut found = Vec::new();
        for line in self.store.of_user(user_id, now).await? {
            match self.open_key(&line.key, now).await {
                Ok(opened) if opened.record.identity.user_id == user_id => found.push(opened),
                Ok(_) | Err(SessionFault::Missing | SessionFault::Ended) => {}
                Err(SessionFault::Unavailable(fault)) => return Err(fault),
            }
        }
        Ok(found)
    }

    /// The user's session of that name.
    ///
    /// # Errors
    /// The user has none of that name, or nobody knows.
    pub async fn by_handle(
        &self,
        user_id: &str,
        handle: &SessionHandle,
        now: Timestamp,
    ) -> Result<Opened, SessionFault> {
        let index = self.store.of_user(user_id, now).await?;
        let line = index
            .into_iter()
            .find(|line| line.handle == *handle)
            .ok_or(SessionFault::Missing)?;
        let opened = self.open_key(&line.key, now).await?;
        if opened.record.identity.user_id == user_id {
            Ok(opened)
        } else {
            Err(SessionFault::Missing)
        }
    }

    /// Every session of the user, as indexed, without opening them.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn index_of(&self, user_id: &str, now: Timestamp) -> Result<Vec<IndexedSession>, Unavailable> {
        self.store.of_user(user_id, now).await
    }

    /// Gives the session a new id. When it returns the old one is dead.
    ///
    /// # Errors
    /// The session is not there any more, or the store did not answer; then the old id may live or not.
    pub async fn rotate(&self, id: &SessionId, now: Timestamp) -> Result<(SessionId, Opened), SessionFault> {
        for _ in 0..TRIES {
            let opened = self.open(id, now).await?;
            let new_id = SessionId::generate()?;
            let new_key = new_id.store_key();
            let mut record = opened.record.clone();
            record.bound_to = new_key.clone();
            record.last_accessed = now;
            let next = self.stored(&record, now)?;
            let created_at = record.created_at;
            let moved = self
                .store
                .rename(&opened.key, &new_key, &opened.sealed, &next, created_at, now)
                .await?;
            match moved {
                Replaced::Done => {
                    return Ok((
                        new_id,
                        Opened {
                            key: new_key,
                            sealed: next.sealed,
                            record,
                        },
                    ));
                }
                Replaced::Gone => return Err(SessionFault::Ended),
                Replaced::Changed => {}
            }
        }
        Err(Unavailable::store("the session kept changing while it was rotated").into())
    }

    /// Hangs renewed tokens on the user's session, and takes over what they say of the user, if that is known.
    ///
    /// # Errors
    /// The session is not there any more (then the tokens must not live either), or the store did not answer.
    pub async fn renew(
        &self,
        user_id: &str,
        handle: &SessionHandle,
        tokens: &[SessionToken],
        identity: Option<&Identity>,
        now: Timestamp,
    ) -> Result<(), SessionFault> {
        for _ in 0..TRIES {
            let opened = self.by_handle(user_id, handle, now).await?;
            let mut record = opened.record.clone();
            record.renew_tokens(tokens.to_vec(), now);
            // A session is one user's for all its life.
            if let Some(identity) = identity.filter(|identity| identity.user_id == user_id) {
                record.identity.clone_from(identity);
            }
            let next = self.stored(&record, now)?;
            match self
                .store
                .replace(&opened.key, &opened.sealed, &next.sealed, next.idle_at, now)
                .await?
            {
                Replaced::Done => return Ok(()),
                Replaced::Gone => return Err(SessionFault::Ended),
                Replaced::Changed => {}
            }
        }
        Err(Unavailable::store("the session kept changing while its tokens were renewed").into())
    }

    /// Takes a session out of the store, where it stays known as ended. `false` if it did not live any more.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn remove(
        &self,
        user_id: &str,
        indexed: &IndexedSession,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let dead_at = clock::after(indexed.created_at, self.policy.max);
        self.store.end(user_id, indexed, dead_at, now).await
    }

    /// Opens what lies under a key.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_key(&self, key: &SessionKey, now: Timestamp) -> Result<Opened, SessionFault> {
        let stored = match self.store.read(key, now).await? {
            Lookup::Live(stored) => stored,
            Lookup::Ended => return Err(SessionFault::Ended),
            Lookup::Missing => return Err(SessionFault::Missing),
        };
        let Some(record) = self.unsealed(key, &stored.sealed, now) else {
            tracing::warn!(session = %stored.handle, "a stored session does not open under any key");
            return Err(SessionFault::Missing);
        };
        let alive = clock::after(record.created_at, self.policy.max) > now
            && clock::after(record.last_accessed, self.policy.idle) > now;
        if alive {
            Ok(Opened {
                key: key.clone(),
                sealed: stored.sealed,
                record,
            })
        } else {
            Err(SessionFault::Missing)
        }
    }

    fn stored(&self, record: &SessionRecord, now: Timestamp) -> Result<StoredSession, Unavailable> {
        let plain = serde_json::to_vec(record)
            .map(zeroize::Zeroizing::new)
            .map_err(|_| Unavailable::store("the session could not be written as JSON"))?;
        let dead_at = clock::after(record.created_at, self.policy.max);
        Ok(StoredSession {
            user_id: record.identity.user_id.clone(),
            handle: record.handle.clone(),
            sealed: self.keys.seal(&plain, now),
            idle_at: clock::after(record.last_accessed, self.policy.idle).min(dead_at),
            dead_at,
        })
    }

    fn unsealed(&self, key: &SessionKey, sealed: &Sealed, now: Timestamp) -> Option<SessionRecord> {
        let plain = self.keys.open(sealed, self.policy.max, now).ok()?;
        let record: SessionRecord = serde_json::from_slice(&plain).ok()?;
        (record.bound_to == *key).then_some(record)
    }
}
