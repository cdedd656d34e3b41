//! Logout that an OpenID provider asks for (Back-Channel Logout 1.0, Front-Channel Logout 1.0; decision 42).

use std::collections::BTreeSet;

use jiff::Timestamp;
use maxlab_auth_jose::{AuthenticClaims, CompactJws};

use super::termination::{MAX_NAMED_TOKENS, UpstreamTokens};
use super::{Engine, TerminationFault};
use crate::audit::{AuditEvent, AuditKind, AuditOrigin};
use crate::clock;
use crate::credential::SessionHandle;
use crate::events::GatewayEvent;
use crate::identity::{Subject, UpstreamSession, VerificationSource};
use crate::issued_tokens::IssuedToken;
use crate::provider_logout::{
    LogoutProvider, LogoutScope, LogoutToken, LogoutTokenFault, LogoutTokenRules, check_type,
};
use crate::revocation::{Revocation, RevocationReason, RevokeFault};
use crate::unavailable::Unavailable;
use crate::used_codes::CodeKey;
use crate::verdict::{CutoffScope, RevocationKey};
use crate::verify::IssuerSignatureFault;

/// Reason for which a logout of the provider is not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProviderLogoutFault {
    /// Logout token that breaks a rule.
    #[error(transparent)]
    Token(#[from] LogoutTokenFault),
    /// End that is not in force on every instance.
    #[error(transparent)]
    Termination(#[from] TerminationFault),
}

impl From<Unavailable> for ProviderLogoutFault {
    fn from(fault: Unavailable) -> Self {
        Self::Termination(fault.into())
    }
}

impl From<RevokeFault> for ProviderLogoutFault {
    fn from(fault: RevokeFault) -> Self {
        Self::Termination(fault.into())
    }
}

/// Session of the gateway, by its user and its handle.
type OwnedSession = (Subject, SessionHandle);

/// Cut-off of a logout: it ends everything in `scopes` that began up to `cutoff`.
struct ProviderCutoff {
    scopes: Vec<CutoffScope>,
    cutoff: Timestamp,
}

impl ProviderCutoff {
    fn keys(&self) -> Vec<RevocationKey> {
        self.scopes.iter().cloned().map(RevocationKey::Cutoff).collect()
    }
}

impl Engine {
    /// Ends what a logout token names. When this returns, every instance refuses it.
    ///
    /// A token that was accepted before has no further effect. A session that the gateway does not know is a
    /// success too (§2.8), and its cut-off refuses a login that is still in progress.
    ///
    /// # Errors
    /// Fails if the token breaks a rule, or if the end is not acknowledged.
    #[tracing::instrument(skip_all, fields(provider = provider.id))]
    pub async fn end_by_logout_token(
        &self,
        provider: &LogoutProvider,
        scope: LogoutScope,
        token: &str,
        origin: &AuditOrigin,
    ) -> Result<(), ProviderLogoutFault> {
        let claims = self.logout_claims(provider, token).await?;
        let now = self.shared_time().await?;
        let known_issuer = provider.check.issuer_name(now).map(|issuer| vec![issuer]);
        let rules = LogoutTokenRules {
            issuers: known_issuer.as_deref().unwrap_or(&provider.fallback_issuers),
            client_id: &provider.client_id,
            skew: self.deps.revocations.policy().skew,
        };
        let token = LogoutToken::check(&claims, rules, now)?;
        let person = self.person_of_logout(provider, &token, &claims, now);
        let ended = self
            .provider_cutoff(provider, scope, &token, person.as_ref(), now)
            .await?;
        let claim = CodeKey::of_logout_token(provider.issuer.name(), &token.id);
        let codes = &self.deps.used_codes;
        if !codes.claim_code(&claim, token.refused_from, now).await? && self.is_in_force(&ended, now).await? {
            return Ok(());
        }
        let done = self
            .end_at_cutoff(&ended, person, UpstreamTokens::ExceptOffline, origin, now)
            .await;
        if done.is_err() {
            // The provider may send the token again. Without the release the outcome is the same: the claim
            // alone does not stand for an acknowledgement.
            codes.release_code(&claim).await?;
        }
        done
    }

    /// Ends a session at the provider that its page names without any proof (Front-Channel Logout 1.0 §2).
    ///
    /// Nothing is recorded for a session that the gateway does not know: anyone may send such a request. The
    /// tokens of the session are not revoked at the provider.
    ///
    /// # Errors
    /// Fails if the end is not acknowledged.
    #[tracing::instrument(skip_all, fields(provider = provider.id))]
    pub async fn end_by_front_channel(
        &self,
        provider: &LogoutProvider,
        issuer: &str,
        sid: &str,
        origin: &AuditOrigin,
    ) -> Result<(), ProviderLogoutFault> {
        let now = self.shared_time().await?;
        let known = provider.check.issuer_name(now);
        let is_own = match &known {
            Some(known) => known == issuer,
            None => provider.fallback_issuers.iter().any(|name| name == issuer),
        };
        if !is_own {
            return Ok(());
        }
        let upstream = UpstreamSession::new(provider.issuer.clone(), sid);
        let ended = ProviderCutoff {
            scopes: vec![CutoffScope::UpstreamSession(upstream)],
            cutoff: now,
        };
        if self.sessions_until(&ended, now).await?.is_empty() {
            return Ok(());
        }
        self.end_at_cutoff(&ended, None, UpstreamTokens::Kept, origin, now)
            .await
    }

    /// Returns the claims of a logout token that the provider signed. Costs no request for a token that its
    /// own header or issuer excludes.
    async fn logout_claims(
        &self,
        provider: &LogoutProvider,
        token: &str,
    ) -> Result<AuthenticClaims, ProviderLogoutFault> {
        let jws = CompactJws::parse(token).map_err(|_| LogoutTokenFault::Malformed)?;
        check_type(jws.header().typ())?;
        let verified = provider.check.verify_issuer_signature(&jws, self.now()).await;
        verified.map_err(|fault| match fault {
            IssuerSignatureFault::Refused => LogoutTokenFault::Signature.into(),
            IssuerSignatureFault::Unavailable(fault) => fault.into(),
        })
    }

    /// Returns the person of a token with `sub`, by the claim that is the user's id here (`CLAIM_USER_ID`).
    fn person_of_logout(
        &self,
        provider: &LogoutProvider,
        token: &LogoutToken,
        claims: &AuthenticClaims,
        now: Timestamp,
    ) -> Option<Subject> {
        token.subject.as_ref()?;
        let paths = self.deps.chain.claim_paths();
        let identity = paths.read_identity(claims.as_map(), VerificationSource::LocalJwt, now);
        Some(Subject::new(provider.issuer.clone(), identity.ok()?.user_id))
    }

    /// Returns what a token ends. Fails if `sid` and `sub` do not belong together, or if nothing is named.
    async fn provider_cutoff(
        &self,
        provider: &LogoutProvider,
        scope: LogoutScope,
        token: &LogoutToken,
        person: Option<&Subject>,
        now: Timestamp,
    ) -> Result<ProviderCutoff, ProviderLogoutFault> {
        let mut ended = ProviderCutoff {
            scopes: Vec::new(),
            cutoff: token.cutoff(now),
        };
        let Some(sid) = &token.session else {
            let person = person.cloned().ok_or(LogoutTokenFault::NamesNobody)?;
            ended.scopes.push(CutoffScope::User(person));
            return Ok(ended);
        };
        let upstream = UpstreamSession::new(provider.issuer.clone(), sid.as_str());
        let owners = self.owners_of(&upstream, now).await?;
        if let Some(person) = person
            && !owners.is_empty()
            && !owners.contains(person)
        {
            return Err(LogoutTokenFault::OtherPerson.into());
        }
        ended.scopes.push(CutoffScope::UpstreamSession(upstream));
        if scope == LogoutScope::Person {
            let people = person.cloned().into_iter().chain(owners).collect::<BTreeSet<_>>();
            ended.scopes.extend(people.into_iter().map(CutoffScope::User));
        }
        Ok(ended)
    }

    /// Returns `true` if the journal has this end and every instance refuses what it covers.
    async fn is_in_force(&self, ended: &ProviderCutoff, now: Timestamp) -> Result<bool, RevokeFault> {
        let keys = ended.keys();
        let recorded = self.deps.revocations.await_acknowledged(&keys, now).await?;
        Ok(keys.iter().all(|key| {
            let mut lines = recorded.iter().filter(|line| line.key == *key);
            lines.any(|line| line.cutoff.is_some_and(|cutoff| cutoff >= ended.cutoff))
        }))
    }

    /// Records the cut-offs, and ends by name the sessions that the gateway knows.
    async fn end_at_cutoff(
        &self,
        ended: &ProviderCutoff,
        person: Option<Subject>,
        upstream_tokens: UpstreamTokens,
        origin: &AuditOrigin,
        now: Timestamp,
    ) -> Result<(), ProviderLogoutFault> {
        let reason = RevocationReason::ProviderLogout;
        let gate = &self.deps.revocations;
        // A session that began before the cut-off lives this long at most.
        let sessions_end = clock::after(now, self.deps.sessions.policy().max_lifetime);
        let cutoffs = ended.keys().into_iter().map(|key| Revocation {
            subject: match &key {
                RevocationKey::Cutoff(CutoffScope::User(subject)) => Some(subject.clone()),
                _ => person.clone(),
            },
            key,
            cutoff: Some(ended.cutoff),
            reason,
            revoked_at: now,
            expires_at: gate.keep_until(None, now).max(sessions_end),
            token_expires_at: None,
        });
        let mut event = AuditEvent::new(AuditKind::ProviderLogout, now, origin);
        event.subject.clone_from(&person);
        event.target = ended
            .scopes
            .first()
            .map(|scope| RevocationKey::Cutoff(scope.clone()).to_string());
        gate.revoke(cutoffs.collect(), &[event], now).await?;
        self.report(GatewayEvent::Revoked { reason });
        // Looked for after the cut-off: a login in progress is in the register by then, or finds the cut-off.
        for (subject, handle) in self.sessions_until(ended, now).await? {
            self.end_session_with(upstream_tokens, &subject, &handle, reason, Vec::new())
                .await?;
        }
        Ok(())
    }

    /// Returns the people whom the gateway knows in a session at the provider.
    async fn owners_of(
        &self,
        upstream: &UpstreamSession,
        now: Timestamp,
    ) -> Result<BTreeSet<Subject>, Unavailable> {
        let scope = CutoffScope::UpstreamSession(upstream.clone());
        let sessions = self.sessions_of_scope(&scope, Timestamp::MAX, now).await?;
        Ok(sessions.into_iter().map(|(subject, _)| subject).collect())
    }

    /// Returns the known sessions that began up to the cut-off.
    async fn sessions_until(
        &self,
        ended: &ProviderCutoff,
        now: Timestamp,
    ) -> Result<Vec<OwnedSession>, Unavailable> {
        let mut found = Vec::new();
        for scope in &ended.scopes {
            for session in self.sessions_of_scope(scope, ended.cutoff, now).await? {
                if !found.contains(&session) {
                    found.push(session);
                }
            }
        }
        Ok(found)
    }

    /// Returns the sessions of a user or of a session at the provider, by the store and by the register: a
    /// store may have no index, and the register has only sessions with tokens.
    async fn sessions_of_scope(
        &self,
        scope: &CutoffScope,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<OwnedSession>, Unavailable> {
        let (sessions, register) = (&self.deps.sessions, &self.deps.issued_tokens);
        let (stored, issued) = match scope {
            CutoffScope::UpstreamSession(upstream) => (
                sessions.of_upstream(upstream, now).await?,
                register
                    .of_upstream_session(upstream, now, MAX_NAMED_TOKENS)
                    .await?,
            ),
            CutoffScope::User(subject) => {
                let of_user = sessions.index_of(subject, now).await?;
                (
                    of_user
                        .into_iter()
                        .map(|indexed| (subject.clone(), indexed))
                        .collect(),
                    register.of_user(subject, now, MAX_NAMED_TOKENS).await?,
                )
            }
            _ => return Ok(Vec::new()),
        };
        let stored = stored
            .into_iter()
            .filter(|(_, indexed)| indexed.created_at <= until)
            .map(|(subject, indexed)| (subject, indexed.handle));
        let issued = issued
            .into_iter()
            .filter(|token| token.login_at <= until)
            .filter_map(|IssuedToken { subject, session, .. }| subject.zip(session));
        Ok(stored.chain(issued).collect())
    }
}
