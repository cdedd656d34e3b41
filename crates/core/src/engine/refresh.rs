//! Refresh: may a refresh token be exchanged, and what happens with the tokens that it brings (RFC 6749 §6).

use std::time::Duration;

use jiff::Timestamp;

use super::Engine;
use super::refresh_answer::AnsweredRefresh;
use super::refresh_fault::RefreshFault;
use super::token_grant::{TokenGrant, belong_to_upstream_session, refresh_key, session_tokens};
use super::token_provenance::add_cutoff_scopes;
use crate::audit::{AuditEvent, AuditKind, AuditOrigin, AuditResult};
use crate::clock;
use crate::credential::PresentedToken;
use crate::identity::{Subject, subject_text};
use crate::issued_tokens::{IssuedToken, TokenUse};
use crate::revocation::RevocationReason;
use crate::unavailable::Unavailable;
use crate::verdict::{CutoffScope, IssueTime, RevocationKey, TokenKey};
use crate::verify::ParsedToken;
use maxlab_auth_jose::{TokenShape, shape_of};

/// State of a refresh token that is not revoked.
#[derive(Clone, Debug)]
pub struct RefreshTokenState {
    pub(super) key: TokenKey,
    registered: Option<IssuedToken>,
    /// Keys under which it may be revoked.
    keys: Vec<RevocationKey>,
    /// Scopes whose cut-offs cover it.
    cutoff_scopes: Vec<CutoffScope>,
}

impl RefreshTokenState {
    /// Returns its entry in the register, if this gateway issued it.
    pub fn registered(&self) -> Option<&IssuedToken> {
        self.registered.as_ref()
    }

    /// Returns the time at which its login began. If that is unknown, every cut-off covers the token.
    fn issued(&self) -> IssueTime {
        let registered = self.registered.as_ref();
        registered.map_or(IssueTime::Unknown, |registered| {
            IssueTime::At(registered.login_at)
        })
    }
}

impl Engine {
    /// Returns the register's key of a refresh token. Two requests with one key share one exchange.
    pub fn refresh_key(&self, token: &PresentedToken) -> TokenKey {
        refresh_key(token)
    }

    /// Checks that this client may exchange a refresh token, before the authorization server is asked.
    ///
    /// A token that was exchanged before ends its session: one of its two users may
    /// have stolen it (RFC 9700 §4.14.2).
    ///
    /// # Errors
    /// Fails if the token may not be exchanged, or if a component does not answer.
    #[tracing::instrument(skip_all)]
    pub async fn check_refresh(
        &self,
        token: &PresentedToken,
        client_id: Option<&str>,
        origin: &AuditOrigin,
    ) -> Result<RefreshTokenState, RefreshFault> {
        let state = self.refresh_state_of(token, client_id).await?;
        if let Some(IssuedToken {
            superseded_at: Some(at),
            session: Some(session),
            subject: Some(subject),
            ..
        }) = state.registered()
            // Within the grace period it is a second browser tab, or a request that is repeated because its
            // answer was lost. It is refused below, ends nothing, and may get the first answer (decision 35).
            && clock::after(*at, self.deps.refresh_grace) <= self.now()
        {
            let event = AuditEvent::new(AuditKind::RefreshReuse, self.now(), origin)
                .with_actor(subject)
                .with_target(session.as_str())
                .with_result(AuditResult::Denied);
            self.end_session(subject, session, RevocationReason::RefreshReuse, vec![event])
                .await?;
        }
        refuse_superseded(state)
    }

    /// Claims a refresh token for one exchange, on all instances (invariant I7).
    ///
    /// Returns `false` while another request has the claim. `max_duration` is the
    /// time after which the claim expires.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn begin_exchange(
        &self,
        state: &RefreshTokenState,
        max_duration: Duration,
    ) -> Result<bool, Unavailable> {
        // A claim is a column of the register's entry: a token that was issued elsewhere has none.
        if state.registered.is_none() {
            return Ok(true);
        }
        let now = self.now();
        self.deps
            .issued_tokens
            .begin_exchange(&state.key, clock::after(now, max_duration), now)
            .await
    }

    /// Releases the claim after an exchange that did not rotate the refresh token.
    ///
    /// # Errors
    /// Fails if the database does not answer. The claim expires by itself then.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn end_exchange(&self, state: &RefreshTokenState) -> Result<(), Unavailable> {
        match state.registered {
            Some(_) => self.deps.issued_tokens.end_exchange(&state.key).await,
            None => Ok(()),
        }
    }

    /// Checks a refresh token like [`check_refresh`](Self::check_refresh), but ends no session.
    ///
    /// # Errors
    /// Fails if the token may not be exchanged, or if a component does not answer.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn precheck_refresh(&self, token: &PresentedToken) -> Result<RefreshTokenState, RefreshFault> {
        refuse_superseded(self.refresh_state_of(token, None).await?)
    }

    /// Refuses a refresh token that is revoked. Whether it was exchanged before does not matter.
    ///
    /// # Errors
    /// Fails if the token is revoked, or if a component does not answer.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn refuse_revoked_refresh(
        &self,
        token: &PresentedToken,
        client_id: Option<&str>,
    ) -> Result<(), RefreshFault> {
        self.refresh_state_of(token, client_id).await.map(drop)
    }

    pub(super) async fn refresh_state_of(
        &self,
        token: &PresentedToken,
        client_id: Option<&str>,
    ) -> Result<RefreshTokenState, RefreshFault> {
        let now = self.now();
        let key = refresh_key(token);
        let registered = self.deps.issued_tokens.find(&key).await?;
        // Names that the token gives itself are unverified. They can only refuse it.
        let mut keys = ParsedToken::parse(token).unverified_names(self.deps.chain.issuer());
        keys.push(RevocationKey::Token(key.clone()));
        let mut scopes = vec![CutoffScope::Everything];
        add_cutoff_scopes(
            &mut scopes,
            client_id.map(|id| CutoffScope::Client(id.to_owned())),
        );
        add_cutoff_scopes(&mut scopes, self.provenance_of(token).cutoff_scopes());
        // Its issuer is the one that would exchange it, whatever the token says.
        let issuers = self.deps.chain.issuers().names(now);
        add_cutoff_scopes(&mut scopes, issuers.into_iter().map(CutoffScope::Issuer));
        if let Some(registered) = &registered {
            keys.extend(registered.session.as_ref().map(RevocationKey::session));
            add_cutoff_scopes(&mut scopes, registered.subject.clone().map(CutoffScope::User));
            let upstream_session = registered.upstream_session.clone();
            add_cutoff_scopes(&mut scopes, upstream_session.map(CutoffScope::UpstreamSession));
            add_cutoff_scopes(&mut scopes, registered.client_id.clone().map(CutoffScope::Client));
            add_cutoff_scopes(&mut scopes, registered.issuer.clone().map(CutoffScope::Issuer));
        }
        let state = RefreshTokenState {
            key,
            registered,
            keys,
            cutoff_scopes: scopes,
        };
        self.refuse_revoked(&state, now).await?;
        Ok(state)
    }

    /// Fails if a revocation or a cut-off covers the refresh token.
    async fn refuse_revoked(&self, state: &RefreshTokenState, now: Timestamp) -> Result<(), RefreshFault> {
        let RefreshTokenState {
            keys,
            cutoff_scopes: scopes,
            ..
        } = state;
        let revocations = &self.deps.revocations;
        revocations.check(keys, scopes, state.issued(), now).await?;
        Ok(())
    }

    /// Registers the tokens of a refresh, and renews their session.
    ///
    /// If the refresh token was revoked or its session ended meanwhile, the new tokens are revoked too.
    /// `answered` is kept for the time in which the request may be repeated.
    ///
    /// # Errors
    /// After any error the tokens must not be returned to the client.
    #[tracing::instrument(skip_all)]
    pub(super) async fn complete_refresh(
        &self,
        state: &RefreshTokenState,
        grant: &TokenGrant,
        answered: AnsweredRefresh<'_>,
        started_at: Timestamp,
        origin: &AuditOrigin,
    ) -> Result<(), RefreshFault> {
        let now = self.now();
        let Some((subject, login_at)) = self.owner(state, grant, started_at) else {
            // An opaque access token of an unknown login has no user to register it for. It is only checked.
            let issued = self.issued_tokens(grant, None, None, started_at, now);
            return self.refuse_if_revoked_meanwhile(state, grant, &issued, now).await;
        };
        let session = state
            .registered
            .as_ref()
            .and_then(|registered| registered.session.as_ref());
        let mut issued = self.issued_tokens(grant, Some(&subject), session, login_at, now);
        let registered = state.registered.as_ref();
        let upstream_session = registered.and_then(|token| token.upstream_session.as_ref());
        belong_to_upstream_session(&mut issued, upstream_session);
        // A refresh gets a new `iat` and keeps the login time. Only a registered
        // login time can exempt from a cut-off.
        if state.registered.is_some() {
            let provenance = self.provenance_of(&grant.access_token);
            let (access_issued, mut scopes) = (provenance.issued(), state.cutoff_scopes.clone());
            add_cutoff_scopes(&mut scopes, provenance.cutoff_scopes());
            self.exempt_from_earlier_cutoffs(&issued, access_issued, &scopes, login_at, now)
                .await?;
        }
        // Registered before the second check: a revocation that runs now finds
        // the tokens here, or is found below.
        self.register_tokens(&issued, now).await?;
        if let Some(handle) = session {
            self.renew_session(&subject, handle, grant, &issued, now).await;
        }
        self.refuse_if_revoked_meanwhile(state, grant, &issued, now)
            .await?;
        // Last: after a failure before this line, the client can retry with the old token.
        let is_rotated = issued
            .iter()
            .any(|t| t.token_use == TokenUse::Refresh && t.key != state.key);
        if is_rotated && state.registered.is_some() {
            let answer = self.seal_answer(&state.key, answered, now);
            let register = &self.deps.issued_tokens;
            register.supersede(&state.key, now, answer.as_ref()).await?;
        }
        let mut event = AuditEvent::new(AuditKind::Refresh, now, origin).with_actor(&subject);
        event.target = session.map(|handle| handle.as_str().to_owned());
        self.audit(event).await?;
        Ok(())
    }

    /// Returns the user of the tokens and the time at which their login began. `None` if the user is unknown.
    fn owner(
        &self,
        state: &RefreshTokenState,
        grant: &TokenGrant,
        started_at: Timestamp,
    ) -> Option<(Subject, Timestamp)> {
        if let Some(registered) = &state.registered {
            return Some((registered.subject.clone()?, registered.login_at));
        }
        let TokenShape::Jws(jws) = shape_of(grant.access_token.expose()) else {
            return None;
        };
        let id = subject_text(jws.claims_vouched_by_issuer().get("sub")?)?;
        // The login is older than this refresh, but nothing records when it began.
        Some((Subject::new(self.deps.chain.issuer().clone(), id), started_at))
    }

    /// Revokes the new tokens if the refresh token was revoked while the authorization server was asked.
    ///
    /// A revocation is recorded before it looks for tokens. So either it found
    /// these tokens, or this check finds it.
    async fn refuse_if_revoked_meanwhile(
        &self,
        state: &RefreshTokenState,
        grant: &TokenGrant,
        issued: &[IssuedToken],
        now: Timestamp,
    ) -> Result<(), RefreshFault> {
        let Err(fault) = self.refuse_revoked(state, now).await else {
            return Ok(());
        };
        if matches!(fault, RefreshFault::Revoked) {
            self.revoke_issued(issued, now).await?;
            // The authorization server has just issued them and accepts them
            // until it is asked to revoke them.
            self.enqueue_upstream_revocations(
                &session_tokens(self.deps.chain.issuer(), grant, issued),
                None,
                now,
            )
            .await?;
        }
        Err(fault)
    }
}

/// Fails if the refresh token was exchanged before.
fn refuse_superseded(state: RefreshTokenState) -> Result<RefreshTokenState, RefreshFault> {
    match &state.registered {
        Some(registered) if registered.superseded_at.is_some() => Err(RefreshFault::Reused),
        _ => Ok(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_of_an_opaque_token_is_its_identity() {
        let one = PresentedToken::parse("opaque-1").unwrap();
        let two = PresentedToken::parse("opaque-1=").unwrap();
        assert_ne!(refresh_key(&one), refresh_key(&two));
    }
}
