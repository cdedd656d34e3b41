//! What begins with a login: a session, and a register of the tokens that hang on it.

use std::time::Duration;

use jiff::Timestamp;

use super::{AuthFault, EndFault, Engine};
use crate::audit::{AuditEvent, AuditKind, Origin};
use crate::clock;
use crate::credential::{PresentedToken, SessionHandle};
use crate::revocation::{Issued, IssuedToken, Live, Party, Reason, RevocationKey, Spare, TokenKey, TokenUse};
use crate::session::{Begun, NewSession, SessionToken};
use crate::token::{TokenShape, shape_of};
use crate::unavailable::Unavailable;

/// Tokens that the authorization server has just given out.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The access token.
    pub access: PresentedToken,
    /// The refresh token, if one came.
    pub refresh: Option<PresentedToken>,
    /// `expires_in` of the answer (RFC 6749 §5.1).
    pub lifetime: Option<Duration>,
}

/// A login that succeeded.
#[derive(Debug)]
pub struct LoggedIn {
    /// Who logged in.
    pub live: Live,
    /// The session that it began.
    pub begun: Begun,
}

/// Why a login begins no session.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoginFault {
    /// The gateway cannot tell who it is: the access token is not one that its layers accept.
    #[error(transparent)]
    NotIdentified(AuthFault),
    /// A logout-all came while the login was under way.
    #[error("the login began before everything of the user was logged out")]
    Revoked,
    /// Nobody knows; the tokens must not be given out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<EndFault> for LoginFault {
    fn from(fault: EndFault) -> Self {
        Self::Unavailable(fault.into_unavailable())
    }
}

impl Engine {
    /// Begins a session for tokens that a code was just exchanged for. `login_at` is when the exchange began.
    ///
    /// # Errors
    /// There is no session then; see [`LoginFault`].
    pub async fn log_in(
        &self,
        granted: &Granted,
        login_at: Timestamp,
        origin: &Origin,
    ) -> Result<LoggedIn, LoginFault> {
        let verified = self
            .parts
            .chain
            .verify(&granted.access, self.now())
            .await
            .map_err(|fault| match AuthFault::from(fault) {
                AuthFault::Unavailable(fault) => LoginFault::Unavailable(fault),
                other => LoginFault::NotIdentified(other),
            })?;
        let now = self.now();
        let facts = verified.clone().into_facts();
        let user_id = facts.identity.user_id.clone();
        let handle = SessionHandle::generate()?;
        let mut issued = self.issued_tokens(granted, &user_id, Some(&handle), login_at, now);
        if let (Some(RevocationKey::Token(key)), Some(access)) = (facts.names.first(), issued.first_mut()) {
            access.key = key.clone();
        }
        self.spare_from_earlier_cutoffs(&issued, facts.issued, &facts.parties, login_at, now)
            .await?;
        let live = self
            .parts
            .revocations
            .admit(verified, now)
            .await
            .map_err(|refusal| match refusal.into() {
                AuthFault::Unavailable(fault) => LoginFault::Unavailable(fault),
                _ => LoginFault::Revoked,
            })?;
        self.register(&issued, now).await?;
        let new = NewSession {
            identity: live.identity().clone(),
            ip_address: origin.ip_address.clone(),
            user_agent: origin.user_agent.clone(),
            handle: handle.clone(),
            login_at,
            tokens: session_tokens(granted, &issued),
        };
        let begun = self.parts.sessions.begin(new, now).await?;
        for surplus in &begun.surplus {
            let event = AuditEvent::new(AuditKind::SessionTerminated, now, origin)
                .by(&user_id)
                .on(surplus.handle.as_str())
                .saying("more sessions than SESSION_MAX_PER_USER");
            self.end_session(&user_id, &surplus.handle, Reason::SessionTerminated, vec![event])
                .await?;
        }
        self.audit(
            AuditEvent::new(AuditKind::Login, now, origin)
                .by(&user_id)
                .on(handle.as_str()),
        )
        .await?;
        Ok(LoggedIn { live, begun })
    }

    /// What is to be registered of tokens that were just given out: the access token first.
    pub(super) fn issued_tokens(
        &self,
        granted: &Granted,
        user_id: &str,
        session: Option<&SessionHandle>,
        login_at: Timestamp,
        now: Timestamp,
    ) -> Vec<IssuedToken> {
        let retention = self.parts.revocations.policy().retention;
        let registered = |key, token_use, expires_at| IssuedToken {
            key,
            token_use,
            user_id: user_id.to_owned(),
            session: session.cloned(),
            login_at,
            expires_at,
            superseded_at: None,
        };
        let access = &granted.access;
        let access_expiry = access_expiry(granted, retention, now);
        let mut issued = vec![registered(
            fresh_access_key(access),
            TokenUse::Access,
            access_expiry,
        )];
        if let Some(refresh) = &granted.refresh {
            issued.push(registered(
                refresh_key(refresh),
                TokenUse::Refresh,
                clock::after(now, retention),
            ));
        }
        issued
    }

    /// Exempts the tokens of a login from a cut-off that was there before the login began. Where the issue time is
    /// clearly later than the cut-off no exemption is needed, and none is written.
    pub(super) async fn spare_from_earlier_cutoffs(
        &self,
        issued: &[IssuedToken],
        access_issued: Issued,
        parties: &[Party],
        login_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let Some(access) = issued.first() else {
            return Ok(());
        };
        let revocations = &self.parts.revocations;
        let Some(cutoff) = revocations.latest_cutoff(parties, now).await? else {
            return Ok(());
        };
        if login_at < cutoff || !access_issued.is_covered_by(cutoff, revocations.policy().skew) {
            return Ok(());
        }
        let spare = Spare {
            key: RevocationKey::Token(access.key.clone()),
            began_at: login_at,
            expires_at: revocations.keep_until(Some(access.expires_at), now),
            user_id: access.user_id.clone(),
        };
        revocations.spare(vec![spare], now).await
    }

    pub(super) async fn register(&self, issued: &[IssuedToken], now: Timestamp) -> Result<(), Unavailable> {
        self.parts.issued.record(issued).await?;
        for token in issued.iter().filter(|token| token.token_use == TokenUse::Access) {
            let store = self.parts.revocations.store();
            let noted = store
                .note_user_token(&token.user_id, &token.key, token.expires_at, now)
                .await;
            if let Err(fault) = noted {
                tracing::warn!(%fault, "a token is not noted for the guide's deployments; the register has it");
            }
        }
        Ok(())
    }
}

/// When an access token is dead for sure: its own `exp` or the `expires_in` that came with it, whichever is later, so
/// that a revocation never ends before the token does.
fn access_expiry(granted: &Granted, retention: Duration, now: Timestamp) -> Timestamp {
    let told = granted
        .lifetime
        .map(|lifetime| clock::after(now, lifetime.min(retention)));
    let own = match shape_of(granted.access.expose()) {
        TokenShape::Jws(jws) => jws.unverified_expiry(),
        TokenShape::Opaque | TokenShape::Malformed(_) => None,
    };
    told.max(own).unwrap_or_else(|| clock::after(now, retention))
}

/// The key of an access token that the authorization server gave us a moment ago: it vouches for what it says.
pub(super) fn fresh_access_key(token: &PresentedToken) -> TokenKey {
    match shape_of(token.expose()) {
        TokenShape::Jws(jws) => match jws.unverified_jti() {
            Some(jti) if !jti.is_empty() => TokenKey::from_jti(jti),
            _ => TokenKey::from_signing_input(&jws.signing_input_digest()),
        },
        TokenShape::Opaque | TokenShape::Malformed(_) => TokenKey::from_bytes_of(token),
    }
}

/// The key of a refresh token: by its signing input if it is signed, so that no other encoding of its signature is
/// another token; by its bytes otherwise.
pub(super) fn refresh_key(token: &PresentedToken) -> TokenKey {
    match shape_of(token.expose()) {
        TokenShape::Jws(jws) => TokenKey::from_signing_input(&jws.signing_input_digest()),
        TokenShape::Opaque | TokenShape::Malformed(_) => TokenKey::from_bytes_of(token),
    }
}

pub(super) fn session_tokens(granted: &Granted, issued: &[IssuedToken]) -> Vec<SessionToken> {
    let raw = [Some(&granted.access), granted.refresh.as_ref()];
    raw.into_iter()
        .flatten()
        .zip(issued)
        .map(|(token, issued)| {
            SessionToken::new(
                issued.key.clone(),
                issued.token_use,
                token,
                Some(issued.expires_at),
            )
        })
        .collect()
}
