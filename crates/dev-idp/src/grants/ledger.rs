//! Every change of a grant: decided under one lock, on disk before it is seen, and seen before it is answered.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_lc_rs::digest;
use uuid::Uuid;

use super::journal::Journal;
use super::refresh_token::RefreshToken;
use super::{CodeGrant, Family, Record};
use crate::error::DevIdpError;
use crate::files;

/// How long a code is remembered after it expired, so that a late reuse is still recognised.
const CODE_MEMORY_SECONDS: i64 = 600;

type CodeHash = [u8; 32];

/// Why a code or refresh token was not accepted. The client is told no more than `invalid_grant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Never issued, expired, of another client, or it does not fit what it was issued for.
    NotGood,
    /// Used a second time: everything that came of the same login is revoked now.
    Reused,
}

/// The grants in memory, and the journal that brings them back after a restart.
#[derive(Debug)]
pub(crate) struct Grants {
    /// Held from the decision to the write, so that changes happen one after the other.
    journal: Mutex<Journal>,
    /// Held for moments only, so that reading never waits for the disk.
    state: RwLock<State>,
    /// Keeps other servers out of the folder for as long as these grants exist.
    _folder: File,
}

#[derive(Debug, Default)]
struct State {
    codes: HashMap<CodeHash, Code>,
    families: HashMap<Uuid, Family>,
    /// Revoked access tokens and when each expires by itself.
    revoked: HashMap<Uuid, i64>,
}

#[derive(Debug, Clone)]
struct Code {
    grant: CodeGrant,
    used: bool,
}

/// What a transaction came to.
struct Decision<T> {
    records: Vec<Record>,
    used_code: Option<CodeHash>,
    answer: T,
}

impl<T> Decision<T> {
    fn nothing(answer: T) -> Self {
        Self {
            records: Vec::new(),
            used_code: None,
            answer,
        }
    }

    fn recorded(record: Record, answer: T) -> Self {
        Self {
            records: vec![record],
            used_code: None,
            answer,
        }
    }
}

impl Grants {
    /// Takes hold of `folder` and reads what was granted and revoked before.
    ///
    /// Families stay known for `access_token_seconds` after their own end, since an access token may outlive them.
    pub(crate) fn open(folder: &Path, now: i64, access_token_seconds: i64) -> Result<Self, DevIdpError> {
        let held = files::hold_folder(folder)?;
        let path = folder.join("grants.jsonl");
        let mut state = State::default();
        for record in Journal::read(&path)? {
            state.apply(record);
        }
        state
            .families
            .retain(|_, family| family.expires_at.saturating_add(access_token_seconds) > now);
        state.revoked.retain(|_, expires_at| *expires_at > now);
        let journal = Journal::start(&path, &state.records())?;
        Ok(Self {
            journal: Mutex::new(journal),
            state: RwLock::new(state),
            _folder: held,
        })
    }

    /// Remembers a code that is about to be sent to a client.
    pub(crate) fn issue_code(&self, code: &str, grant: CodeGrant, now: i64) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state
            .codes
            .retain(|_, known| known.grant.expires_at.saturating_add(CODE_MEMORY_SECONDS) > now);
        state.codes.insert(code_hash(code), Code { grant, used: false });
    }

    /// Exchanges a code, once, for the family of a new login (RFC 6749 §4.1.3). `fits` says whether the request proves
    /// what the code is bound to; a request that does not leaves the code as it was.
    pub(crate) async fn redeem_code(
        self: &Arc<Self>,
        code: &str,
        client_id: &str,
        now: i64,
        refresh_token_seconds: i64,
        fits: impl FnOnce(&CodeGrant) -> bool + Send + 'static,
    ) -> Result<Result<(CodeGrant, Family), Refused>, DevIdpError> {
        let hash = code_hash(code);
        let client_id = client_id.to_owned();
        self.transact(move |state| {
            let Some(code) = state
                .codes
                .get(&hash)
                .filter(|code| code.grant.client_id == client_id)
            else {
                return Decision::nothing(Err(Refused::NotGood));
            };
            if code.used {
                return state.revocation(code.grant.sid, Err(Refused::Reused));
            }
            let grant = code.grant.clone();
            if grant.expires_at <= now || !fits(&grant) {
                return Decision::nothing(Err(Refused::NotGood));
            }
            let family = Family {
                sid: grant.sid,
                client_id,
                sub: grant.sub.clone(),
                scope: grant.scope.clone(),
                auth_time: grant.auth_time,
                expires_at: now.saturating_add(refresh_token_seconds),
                generation: 0,
                revoked: false,
            };
            let records = vec![Record::Family(family.clone())];
            Decision {
                records,
                used_code: Some(hash),
                answer: Ok((grant, family)),
            }
        })
        .await
    }

    /// Uses up a refresh token and returns its family with the next number (RFC 6749 §6, RFC 9700 §4.14.2).
    pub(crate) async fn rotate(
        self: &Arc<Self>,
        token: RefreshToken,
        client_id: &str,
        now: i64,
    ) -> Result<Result<Family, Refused>, DevIdpError> {
        let client_id = client_id.to_owned();
        self.transact(move |state| {
            let good = |family: &&Family| {
                family.client_id == client_id && !family.revoked && family.expires_at > now
            };
            let Some(family) = state.families.get(&token.sid).filter(good) else {
                return Decision::nothing(Err(Refused::NotGood));
            };
            if token.generation < family.generation {
                return state.revocation(token.sid, Err(Refused::Reused));
            }
            if token.generation > family.generation {
                return Decision::nothing(Err(Refused::NotGood));
            }
            let mut next = family.clone();
            next.generation = next.generation.saturating_add(1);
            Decision::recorded(Record::Family(next.clone()), Ok(next))
        })
        .await
    }

    /// Ends a login: its refresh tokens and, by their `sid`, its access tokens.
    pub(crate) async fn revoke_family(self: &Arc<Self>, sid: Uuid) -> Result<(), DevIdpError> {
        self.transact(move |state| state.revocation(sid, ())).await
    }

    /// Ends one access token.
    pub(crate) async fn revoke_access_token(
        self: &Arc<Self>,
        jti: Uuid,
        expires_at: i64,
    ) -> Result<(), DevIdpError> {
        self.transact(move |_| Decision::recorded(Record::RevokedToken { jti, expires_at }, ()))
            .await
    }

    /// The family, if it is known, whatever its state.
    pub(crate) fn family(&self, sid: Uuid) -> Option<Family> {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .families
            .get(&sid)
            .cloned()
    }

    /// Whether an access token was taken back, by itself or with its login. A login that nobody knows any more is ended.
    pub(crate) fn is_revoked(&self, jti: Uuid, sid: Option<Uuid>) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let ended = |sid| state.families.get(&sid).is_none_or(|family| family.revoked);
        state.revoked.contains_key(&jti) || sid.is_some_and(ended)
    }

    /// Runs a change on a thread that may block, to its end even when the client goes away.
    async fn transact<T: Send + 'static>(
        self: &Arc<Self>,
        decide: impl FnOnce(&State) -> Decision<T> + Send + 'static,
    ) -> Result<T, DevIdpError> {
        let grants = Arc::clone(self);
        let change = move || {
            let mut journal = grants.journal.lock().unwrap_or_else(PoisonError::into_inner);
            let decision = decide(&grants.state.read().unwrap_or_else(PoisonError::into_inner));
            journal.append(&decision.records)?;
            let mut state = grants.state.write().unwrap_or_else(PoisonError::into_inner);
            for record in decision.records {
                state.apply(record);
            }
            if let Some(code) = decision.used_code.and_then(|hash| state.codes.get_mut(&hash)) {
                code.used = true;
            }
            Ok(decision.answer)
        };
        tokio::task::spawn_blocking(change)
            .await
            .map_err(|cause| DevIdpError::Serve(cause.into()))?
    }
}

impl State {
    fn apply(&mut self, record: Record) {
        match record {
            Record::Family(family) => {
                self.families.insert(family.sid, family);
            }
            Record::RevokedToken { jti, expires_at } => {
                self.revoked.insert(jti, expires_at);
            }
        }
    }

    fn records(&self) -> Vec<Record> {
        let revoked = |(&jti, &expires_at)| Record::RevokedToken { jti, expires_at };
        self.families
            .values()
            .cloned()
            .map(Record::Family)
            .chain(self.revoked.iter().map(revoked))
            .collect()
    }

    fn revocation<T>(&self, sid: Uuid, answer: T) -> Decision<T> {
        match self.families.get(&sid) {
            Some(family) if !family.revoked => Decision::recorded(
                Record::Family(Family {
                    revoked: true,
                    ..family.clone()
                }),
                answer,
            ),
            _ => Decision::nothing(answer),
        }
    }
}

fn code_hash(code: &str) -> CodeHash {
    let mut hash = CodeHash::default();
    hash.copy_from_slice(digest::digest(&digest::SHA256, code.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests;
