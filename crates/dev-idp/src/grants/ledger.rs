//! Every change of a grant: decided under one lock, on disk before it is seen, and seen before it is answered.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_lc_rs::digest;
use uuid::Uuid;

use super::journal::GrantJournal;
use super::refresh_token::RefreshToken;
use super::{CodeGrant, GrantRecord, RefreshFamily};
use crate::error::DevIdpError;
use crate::files;

/// How long a code is remembered after it expired, so that a late reuse is still recognised.
const CODE_MEMORY_SECONDS: i64 = 600;

type CodeHash = [u8; 32];

/// Why a code or refresh token was not accepted. The client learns no more than `invalid_grant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantRefusal {
    /// Never issued, expired, issued to another client, or the request does not match the grant.
    NotGood,
    /// Used a second time: all tokens of the same login are now revoked.
    Reused,
}

/// The grants in memory, and the journal that brings them back after a restart.
#[derive(Debug)]
pub(crate) struct GrantLedger {
    /// Held from the decision to the write, so that changes happen one after the other.
    journal: Mutex<GrantJournal>,
    /// Held for moments only, so that reading never waits for the disk.
    state: RwLock<IssuedGrants>,
    /// Keeps other servers out of the folder for as long as these grants exist.
    _folder: File,
}

#[derive(Debug, Default)]
struct IssuedGrants {
    codes: HashMap<CodeHash, IssuedCode>,
    families: HashMap<Uuid, RefreshFamily>,
    /// Revoked access tokens and when each expires by itself.
    revoked: HashMap<Uuid, i64>,
}

#[derive(Debug, Clone)]
struct IssuedCode {
    grant: CodeGrant,
    used: bool,
}

/// Result of a transaction: the records to write, the code to mark as used, and the answer.
struct LedgerChange<T> {
    records: Vec<GrantRecord>,
    used_code: Option<CodeHash>,
    answer: T,
}

impl<T> LedgerChange<T> {
    fn nothing(answer: T) -> Self {
        Self {
            records: Vec::new(),
            used_code: None,
            answer,
        }
    }

    fn recorded(record: GrantRecord, answer: T) -> Self {
        Self {
            records: vec![record],
            used_code: None,
            answer,
        }
    }
}

impl GrantLedger {
    /// Takes hold of `folder` and reads what was granted and revoked before.
    ///
    /// Families stay known for `access_token_seconds` after their own end, since an access token may outlive them.
    pub(crate) fn open(folder: &Path, now: i64, access_token_seconds: i64) -> Result<Self, DevIdpError> {
        let held = files::hold_folder(folder)?;
        let path = folder.join("grants.jsonl");
        let mut state = IssuedGrants::default();
        for record in GrantJournal::read(&path)? {
            state.apply(record);
        }
        state
            .families
            .retain(|_, family| family.expires_at.saturating_add(access_token_seconds) > now);
        state.revoked.retain(|_, expires_at| *expires_at > now);
        let journal = GrantJournal::start(&path, &state.records())?;
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
        state
            .codes
            .insert(code_hash(code), IssuedCode { grant, used: false });
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
    ) -> Result<Result<(CodeGrant, RefreshFamily), GrantRefusal>, DevIdpError> {
        let hash = code_hash(code);
        let client_id = client_id.to_owned();
        self.transact(move |state| {
            let Some(code) = state
                .codes
                .get(&hash)
                .filter(|code| code.grant.client_id == client_id)
            else {
                return LedgerChange::nothing(Err(GrantRefusal::NotGood));
            };
            if code.used {
                return state.revocation(code.grant.sid, Err(GrantRefusal::Reused));
            }
            let grant = code.grant.clone();
            if grant.expires_at <= now || !fits(&grant) {
                return LedgerChange::nothing(Err(GrantRefusal::NotGood));
            }
            let family = RefreshFamily {
                sid: grant.sid,
                client_id,
                sub: grant.sub.clone(),
                scope: grant.scope.clone(),
                auth_time: grant.auth_time,
                expires_at: now.saturating_add(refresh_token_seconds),
                generation: 0,
                revoked: false,
            };
            let records = vec![GrantRecord::Family(family.clone())];
            LedgerChange {
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
    ) -> Result<Result<RefreshFamily, GrantRefusal>, DevIdpError> {
        let client_id = client_id.to_owned();
        self.transact(move |state| {
            let good = |family: &&RefreshFamily| {
                family.client_id == client_id && !family.revoked && family.expires_at > now
            };
            let Some(family) = state.families.get(&token.sid).filter(good) else {
                return LedgerChange::nothing(Err(GrantRefusal::NotGood));
            };
            if token.generation < family.generation {
                return state.revocation(token.sid, Err(GrantRefusal::Reused));
            }
            if token.generation > family.generation {
                return LedgerChange::nothing(Err(GrantRefusal::NotGood));
            }
            let mut next = family.clone();
            next.generation = next.generation.saturating_add(1);
            LedgerChange::recorded(GrantRecord::Family(next.clone()), Ok(next))
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
        self.transact(move |_| LedgerChange::recorded(GrantRecord::RevokedToken { jti, expires_at }, ()))
            .await
    }

    /// The family, if it is known, whatever its state.
    pub(crate) fn family(&self, sid: Uuid) -> Option<RefreshFamily> {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .families
            .get(&sid)
            .cloned()
    }

    /// Returns `true` if the access token was revoked, alone or with its login. An unknown login counts as ended.
    pub(crate) fn is_revoked(&self, jti: Uuid, sid: Option<Uuid>) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let ended = |sid| state.families.get(&sid).is_none_or(|family| family.revoked);
        state.revoked.contains_key(&jti) || sid.is_some_and(ended)
    }

    /// Runs a change on a thread that may block, to its end even when the client goes away.
    async fn transact<T: Send + 'static>(
        self: &Arc<Self>,
        decide: impl FnOnce(&IssuedGrants) -> LedgerChange<T> + Send + 'static,
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

impl IssuedGrants {
    fn apply(&mut self, record: GrantRecord) {
        match record {
            GrantRecord::Family(family) => {
                self.families.insert(family.sid, family);
            }
            GrantRecord::RevokedToken { jti, expires_at } => {
                self.revoked.insert(jti, expires_at);
            }
        }
    }

    fn records(&self) -> Vec<GrantRecord> {
        let revoked = |(&jti, &expires_at)| GrantRecord::RevokedToken { jti, expires_at };
        self.families
            .values()
            .cloned()
            .map(GrantRecord::Family)
            .chain(self.revoked.iter().map(revoked))
            .collect()
    }

    fn revocation<T>(&self, sid: Uuid, answer: T) -> LedgerChange<T> {
        match self.families.get(&sid) {
            Some(family) if !family.revoked => LedgerChange::recorded(
                GrantRecord::Family(RefreshFamily {
                    revoked: true,
                    ..family.clone()
                }),
                answer,
            ),
            _ => LedgerChange::nothing(answer),
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
