//! ID tokens that the authorization server issued a moment ago: their signature, and the person that they name.

use std::sync::Arc;

use jiff::Timestamp;
use maxlab_auth_jose::{AuthenticClaims, CompactJws};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{MIN_LOCAL_TIMEOUT, VerifyChain};
use crate::credential::PresentedToken;
use crate::identity::{Identity, SubjectFault, UpstreamSession, VerificationSource};
use crate::unavailable::Unavailable;
use crate::verdict::{CredentialInfo, CredentialRepr, CutoffScope, IssueTime, Verified};
use crate::verify::parsed_token::ParsedToken;

/// Reason for which the signature of an issued JWT is not verified.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IssuedJwtFault {
    /// No JWS in its compact form: an encrypted one, or another text.
    #[error("the text is not a signed JWT")]
    NotSigned,
    /// Algorithm that is not allowed, key that is not published, or a wrong signature.
    #[error("the signature is not valid")]
    Signature,
    /// Key source that does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Login that an ID token proves.
#[derive(Clone, Copy, Debug)]
pub struct IdTokenProof<'a> {
    /// Issuer (`iss`).
    pub issuer: &'a str,
    /// Client that the ID token is for.
    pub client_id: &'a str,
    /// Session at the provider (`sid`).
    pub sid: Option<&'a str>,
    /// Issue time (`iat`).
    pub issued_at: Timestamp,
    /// All claims.
    pub claims: &'a Map<String, Value>,
}

/// Reason for which an ID token and an access token do not make one login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PersonFault {
    /// Two people.
    #[error("the ID token and the access token are of different people")]
    Different,
    /// No user id in the ID token, and no accepted access token.
    #[error(transparent)]
    NoUserId(#[from] SubjectFault),
}

impl VerifyChain {
    /// Returns the claims of an ID token whose signature is valid. Fetches the key if it is unknown: the
    /// provider may sign with a new one (decision 36).
    ///
    /// # Errors
    /// See [`IssuedJwtFault`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn verify_issued_jwt(
        &self,
        text: &str,
        now: Timestamp,
    ) -> Result<AuthenticClaims, IssuedJwtFault> {
        let jws = CompactJws::parse(text).map_err(|_| IssuedJwtFault::NotSigned)?;
        let check = self.jwt.as_ref().ok_or(IssuedJwtFault::Signature)?;
        if let (Some(source), Some(kid)) = (&check.published_keys, jws.header().kid()) {
            // Without an answer the keys that are known decide.
            let _ = timeout(MIN_LOCAL_TIMEOUT, source.fetch_key_of_issued(kid, now)).await;
        }
        let found = check.keys_of_issuer(&jws, now).await?;
        let (keys, allowed) = found.ok_or(IssuedJwtFault::Signature)?;
        jws.verify(&keys, allowed).map_err(|_| IssuedJwtFault::Signature)
    }

    /// Joins the person of an ID token with the verdict on the access token that came with it. The ID token
    /// comes first; the access token adds what the ID token does not say.
    ///
    /// Without a verdict, for example for an opaque token that no layer knows, the ID token counts alone.
    ///
    /// # Errors
    /// See [`PersonFault`].
    pub fn join_id_token(
        &self,
        proof: &IdTokenProof<'_>,
        access_token: &PresentedToken,
        verified: Option<Verified>,
        now: Timestamp,
    ) -> Result<Verified, PersonFault> {
        let read = self
            .claim_paths
            .read_identity(proof.claims, VerificationSource::LocalJwt, now);
        let info = match (verified, read) {
            (Some(verified), read) => {
                let mut info = CredentialInfo::clone(&verified.into_info());
                // A user id of another claim may be in the access token alone.
                if let Ok(identity) = read {
                    info.identity = joined(identity, info.identity)?;
                }
                info
            }
            (None, read) => self.info_of_id_token_alone(read?, proof, access_token),
        };
        let info = with_scopes(
            info,
            proof,
            UpstreamSession::new(self.issuer.clone(), proof.sid.unwrap_or_default()),
        );
        Ok(Verified::new(CredentialRepr::Full(Arc::new(info))))
    }

    fn info_of_id_token_alone(
        &self,
        identity: Identity,
        proof: &IdTokenProof<'_>,
        access_token: &PresentedToken,
    ) -> CredentialInfo {
        let identity = Identity {
            issuer: self.issuer.clone(),
            ..identity
        };
        CredentialInfo {
            cutoff_scopes: vec![CutoffScope::User(identity.subject()), CutoffScope::Everything],
            identity,
            revocation_keys: vec![ParsedToken::parse(access_token).bytes_key().clone()],
            own_key_count: 1,
            issue_time: IssueTime::WithinSecond(proof.issued_at),
            // The session lives by its own limits.
            expires_at: None,
            session: None,
            key_id: None,
        }
    }
}

/// Joins two descriptions of one person.
fn joined(first: Identity, second: Identity) -> Result<Identity, PersonFault> {
    if first.user_id != second.user_id {
        return Err(PersonFault::Different);
    }
    let list = |first: Vec<String>, second: Vec<String>| if first.is_empty() { second } else { first };
    Ok(Identity {
        email: first.email.or(second.email),
        name: first.name.or(second.name),
        avatar: first.avatar.or(second.avatar),
        roles: list(first.roles, second.roles),
        permissions: list(first.permissions, second.permissions),
        groups: list(first.groups, second.groups),
        workspaces: list(first.workspaces, second.workspaces),
        sid: first.sid.or(second.sid),
        ..second
    })
}

/// Adds the scopes of the ID token, so that a cut-off of its client, issuer or session covers the login.
fn with_scopes(
    mut info: CredentialInfo,
    proof: &IdTokenProof<'_>,
    session: UpstreamSession,
) -> CredentialInfo {
    let session = proof.sid.map(|_| CutoffScope::UpstreamSession(session));
    let own = [
        Some(CutoffScope::Client(proof.client_id.to_owned())),
        Some(CutoffScope::Issuer(proof.issuer.to_owned())),
        session,
    ];
    for scope in own.into_iter().flatten() {
        if !info.cutoff_scopes.contains(&scope) {
            info.cutoff_scopes.push(scope);
        }
    }
    info.identity.sid = info.identity.sid.or_else(|| proof.sid.map(str::to_owned));
    info.identity.client_id = info
        .identity
        .client_id
        .or_else(|| Some(proof.client_id.to_owned()));
    info
}
