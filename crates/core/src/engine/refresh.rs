//! What a refresh token may still do, and what becomes of the tokens that it brings.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::login::{Granted, refresh_key, session_tokens};
use super::{EndFault, Engine};
use crate::audit::{AuditEvent, AuditKind, AuditResult, Origin};
use crate::clock;
use crate::credential::PresentedToken;
use crate::identity::Identity;
use crate::revocation::{
    Issued, IssuedToken, Party, Reason, Refusal, Revocation, RevocationKey, TokenKey, TokenUse,
};
use crate::session::SessionFault;
use crate::token::{TokenShape, shape_of};
use crate::unavailable::Unavailable;
use crate::verify::Examined;

/// A refresh token that comes again so soon after its exchange is refused and ends nothing: it is a second tab, or a
/// repeated request, that was sent before the new token arrived.
const STRAGGLERS: Duration = Duration::from_secs(2);

/// Who waits for new tokens does not wait longer than this for what they say of the user.
const IDENTITY_PATIENCE: Duration = Duration::from_secs(2);

/// What the gateway knows of a refresh token that is not revoked.
#[derive(Clone, Debug)]
pub struct RefreshStanding {
    key: TokenKey,
    known: Option<IssuedToken>,
}

impl RefreshStanding {
    /// What was registered when it was given out, if that was here.
    pub fn known(&self) -> Option<&IssuedToken> {
        self.known.as_ref()
    }
}

/// Why a refresh token brings nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RefreshFault {
    /// It, its session, or everything of its user was revoked.
    #[error("the refresh token was revoked")]
    Revoked,
    /// It was exchanged before. Unless that was a moment ago, its session has been ended (RFC 9700 §4.14).
    #[error("the refresh token was used before")]
    Reused,
    /// Nobody knows.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<Refusal> for RefreshFault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unavailable(fault) => Self::Unavailable(fault),
            Refusal::TokenRevoked(_) | Refusal::SessionRevoked(_) => Self::Revoked,
        }
    }
}

impl From<EndFault> for RefreshFault {
    fn from(fault: EndFault) -> Self {
        Self::Unavailable(fault.into_unavailable())
    }
}

impl Engine {
    /// Under what a refresh token is known; two requests with one key are one exchange.
    pub fn refresh_key(&self, token: &PresentedToken) -> TokenKey {
        refresh_key(token)
    }

    /// Whether a refresh token may be exchanged; asked before the authorization server is. A token that was exchanged
    /// before ends its session.
    ///
    /// # Errors
    /// It may not, or nobody knows.
    pub async fn may_refresh(
        &self,
        token: &PresentedToken,
        origin: &Origin,
    ) -> Result<RefreshStanding, RefreshFault> {
        let standing = self.standing_of(token).await?;
        if let Some(IssuedToken {
            superseded_at: Some(at),
            session: Some(session),
            user_id,
            ..
        }) = standing.known()
            && clock::after(*at, STRAGGLERS) <= self.now()
        {
            let event = AuditEvent::new(AuditKind::RefreshReuse, self.now(), origin)
                .by(user_id)
                .on(session.as_str())
                .with_result(AuditResult::Denied);
            self.end_session(user_id, session, Reason::RefreshReuse, vec![event])
                .await?;
        }
        refuse_superseded(standing)
    }

    /// Claims a refresh token for one exchange, on all instances (invariant I7). `false` while another has it. A token
    /// that was not given out here is not claimed: nothing is known of it.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn begin_exchange(
        &self,
        standing: &RefreshStanding,
        at_most: Duration,
    ) -> Result<bool, Unavailable> {
        if standing.known.is_none() {
            return Ok(true);
        }
        let now = self.now();
        self.parts
            .issued
            .begin_exchange(&standing.key, clock::after(now, at_most), now)
            .await
    }

    /// Gives the claim back, after an exchange that superseded nothing.
    ///
    /// # Errors
    /// The database did not answer; then the claim runs out by itself.
    pub async fn end_exchange(&self, standing: &RefreshStanding) -> Result<(), Unavailable> {
        match standing.known {
            Some(_) => self.parts.issued.end_exchange(&standing.key).await,
            None => Ok(()),
        }
    }

    /// The same look, without any consequence.
    ///
    /// # Errors
    /// It may not be exchanged, or nobody knows.
    pub async fn look_at_refresh(&self, token: &PresentedToken) -> Result<RefreshStanding, RefreshFault> {
        refuse_superseded(self.standing_of(token).await?)
    }

    async fn standing_of(&self, token: &PresentedToken) -> Result<RefreshStanding, RefreshFault> {
        let now = self.now();
        let key = refresh_key(token);
        let known = self.parts.issued.find(&key).await?;
        let mut names = Examined::of(token).unproven_names();
        names.push(RevocationKey::Token(key.clone()));
        let (mut parties, mut issued) = (Vec::new(), Issued::Unknown);
        if let Some(known) = &known {
            names.extend(known.session.as_ref().map(RevocationKey::session));
            parties.push(Party::User(known.user_id.clone()));
            issued = Issued::At(known.login_at);
        }
        self.parts
            .revocations
            .check(&names, &parties, issued, now)
            .await?;
        Ok(RefreshStanding { key, known })
    }

    /// Registers the tokens that a refresh token brought. If its session was ended meanwhile they are revoked too.
    ///
    /// # Errors
    /// The tokens must not be given out.
    pub async fn refreshed(
        &self,
        standing: &RefreshStanding,
        granted: &Granted,
        began_at: Timestamp,
        origin: &Origin,
    ) -> Result<(), RefreshFault> {
        let now = self.now();
        let Some((user_id, login_at)) = self.owner(standing, granted, began_at) else {
            return Ok(());
        };
        let session = standing.known.as_ref().and_then(|known| known.session.as_ref());
        let issued = self.issued_tokens(granted, &user_id, session, login_at, now);
        if standing.known.is_some() {
            let (access_issued, parties) = (
                access_issued(&granted.access),
                parties_of(&granted.access, &user_id),
            );
            self.spare_from_earlier_cutoffs(&issued, access_issued, &parties, login_at, now)
                .await?;
        }
        self.register(&issued, now).await?;
        if let Some(handle) = session {
            let tokens = session_tokens(granted, &issued);
            let identity = self.identity_by(&granted.access, &user_id).await;
            match self
                .parts
                .sessions
                .renew(&user_id, handle, &tokens, identity.as_ref(), now)
                .await
            {
                Ok(()) | Err(SessionFault::Missing | SessionFault::Ended) => {}
                // The authorization server has rotated already, and the register knows the new tokens: a session that
                // cannot be written now must not cost them (I7).
                Err(SessionFault::Unavailable(fault)) => {
                    tracing::warn!(%fault, "renewed tokens are registered, and not kept with their session");
                }
            }
            self.refuse_if_ended_meanwhile(&user_id, handle, login_at, granted, &issued, now)
                .await?;
        }
        // Last, so that whatever failed before may be tried again with the old token.
        let rotated = issued
            .iter()
            .any(|t| t.token_use == TokenUse::Refresh && t.key != standing.key);
        if rotated && standing.known.is_some() {
            self.parts.issued.supersede(&standing.key, now).await?;
        }
        let mut event = AuditEvent::new(AuditKind::Refresh, now, origin).by(&user_id);
        event.target = session.map(|handle| handle.as_str().to_owned());
        self.audit(event).await?;
        Ok(())
    }

    /// Who the session's user is by now, by what a new access token shows. `None` where that cannot be told in a moment, or
    /// is told of somebody else: the session keeps what it knows, and the tokens are given out either way (I7).
    async fn identity_by(&self, access: &PresentedToken, user_id: &str) -> Option<Identity> {
        let verified = timeout(IDENTITY_PATIENCE, self.parts.chain.verify(access, self.now())).await;
        let identity = match verified {
            Ok(Ok(verified)) => verified.into_facts().identity.clone(),
            Ok(Err(fault)) => {
                tracing::warn!(%fault, "a session keeps its roles: its new access token was not verified");
                return None;
            }
            Err(_) => {
                tracing::warn!("a session keeps its roles: its new access token was not verified in time");
                return None;
            }
        };
        if identity.user_id != user_id {
            tracing::warn!("a session keeps its roles: its new access token names somebody else");
            return None;
        }
        Some(identity)
    }

    /// Whose tokens they are, and when the login behind them began, as far as the gateway knows.
    fn owner(
        &self,
        standing: &RefreshStanding,
        granted: &Granted,
        began_at: Timestamp,
    ) -> Option<(String, Timestamp)> {
        if let Some(known) = &standing.known {
            return Some((known.user_id.clone(), known.login_at));
        }
        let TokenShape::Jws(jws) = shape_of(granted.access.expose()) else {
            return None;
        };
        let subject = jws.claims_vouched_by_issuer().get("sub")?.as_str()?.to_owned();
        Some((subject, began_at))
    }

    /// A termination may have come between the question to the authorization server and its answer. It has revoked
    /// the session by name before it looked for tokens, so that either it saw these or this look sees it.
    async fn refuse_if_ended_meanwhile(
        &self,
        user_id: &str,
        handle: &crate::credential::SessionHandle,
        login_at: Timestamp,
        granted: &Granted,
        issued: &[IssuedToken],
        now: Timestamp,
    ) -> Result<(), RefreshFault> {
        let revocations = &self.parts.revocations;
        let names = [RevocationKey::session(handle)];
        let parties = [Party::User(user_id.to_owned())];
        let Err(refusal) = revocations
            .check(&names, &parties, Issued::At(login_at), now)
            .await
        else {
            return Ok(());
        };
        let fault = RefreshFault::from(refusal);
        if matches!(fault, RefreshFault::Revoked) {
            let revoked = issued
                .iter()
                .map(|token| Revocation {
                    key: RevocationKey::Token(token.key.clone()),
                    cutoff: None,
                    reason: Reason::SessionTerminated,
                    revoked_at: now,
                    expires_at: revocations.keep_until(Some(token.expires_at), now),
                    token_expires_at: Some(token.expires_at),
                    user_id: Some(user_id.to_owned()),
                })
                .collect();
            revocations
                .revoke(revoked, &[], now)
                .await
                .map_err(EndFault::from)?;
            self.tell_upstream(&session_tokens(granted, issued), None, now)
                .await?;
        }
        Err(fault)
    }
}

fn refuse_superseded(standing: RefreshStanding) -> Result<RefreshStanding, RefreshFault> {
    match &standing.known {
        Some(known) if known.superseded_at.is_some() => Err(RefreshFault::Reused),
        _ => Ok(standing),
    }
}

/// Whose cut-offs may cover a token that was just given out.
fn parties_of(token: &PresentedToken, user_id: &str) -> Vec<Party> {
    let mut parties = vec![Party::User(user_id.to_owned())];
    if let TokenShape::Jws(jws) = shape_of(token.expose()) {
        let claims = jws.claims_vouched_by_issuer();
        let text = |name: &str| {
            claims
                .get(name)
                .and_then(serde_json::Value::as_str)
                .map(str::to_owned)
        };
        parties.extend(text("client_id").or_else(|| text("azp")).map(Party::Client));
        parties.extend(text("iss").map(Party::Issuer));
    }
    parties
}

fn access_issued(token: &PresentedToken) -> Issued {
    let TokenShape::Jws(jws) = shape_of(token.expose()) else {
        return Issued::Unknown;
    };
    let iat = jws
        .claims_vouched_by_issuer()
        .get("iat")
        .and_then(serde_json::Value::as_i64);
    iat.and_then(|at| Timestamp::from_second(at).ok())
        .map_or(Issued::Unknown, Issued::InSecond)
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
