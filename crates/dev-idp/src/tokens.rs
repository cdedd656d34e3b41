//! The tokens that are signed: access tokens (RFC 9068) and ID tokens (OpenID Connect Core §2).

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::DevIdpError;
use crate::grants::RefreshFamily;
use crate::idp::DevServer;
use crate::people::{Person, PersonClaims};
use crate::scope::ScopeSet;
use crate::{config, random};

const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The claims of an access token. Times are seconds since the epoch.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AccessClaims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: String,
    pub(crate) client_id: String,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
    pub(crate) jti: Uuid,
    /// The login that the token comes from; a client's own token has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sid: Option<Uuid>,
    pub(crate) scope: ScopeSet,
    #[serde(flatten)]
    pub(crate) person: PersonClaims,
}

#[derive(Serialize)]
struct IdClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    auth_time: i64,
    sid: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: String,
    email_verified: bool,
    #[serde(flatten)]
    person: &'a PersonClaims,
}

/// Why an access token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotLive {
    /// Not an access token that this server signed for this audience.
    Foreign,
    Expired,
    Revoked,
}

impl NotLive {
    /// Reason given to the client.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Foreign => "not an access token of this server",
            Self::Expired => "the token has expired",
            Self::Revoked => "the token has been revoked",
        }
    }
}

impl DevServer {
    /// A signed access token for a person's login.
    pub(crate) fn access_token(
        &self,
        family: &RefreshFamily,
        person: &Person,
        scope: ScopeSet,
    ) -> Result<String, DevIdpError> {
        self.sign_access_token(
            &family.client_id,
            &person.sub,
            Some(family.sid),
            scope,
            person.claims.clone(),
        )
    }

    /// A signed access token for a client itself (RFC 6749 §4.4): the client is the subject (RFC 9068 §2.2).
    pub(crate) fn client_access_token(
        &self,
        client_id: &str,
        scope: ScopeSet,
    ) -> Result<String, DevIdpError> {
        let claims = PersonClaims {
            name: Some(client_id.to_owned()),
            ..PersonClaims::default()
        };
        self.sign_access_token(client_id, client_id, None, scope, claims)
    }

    fn sign_access_token(
        &self,
        client_id: &str,
        sub: &str,
        sid: Option<Uuid>,
        scope: ScopeSet,
        person: PersonClaims,
    ) -> Result<String, DevIdpError> {
        let now = self.now();
        let claims = AccessClaims {
            iss: self.config.issuer.clone(),
            sub: sub.to_owned(),
            aud: self.config.audience.clone(),
            client_id: client_id.to_owned(),
            iat: now,
            nbf: now,
            exp: now.saturating_add(config::signed(self.config.access_token_seconds)),
            jti: random::uuid()?,
            sid,
            scope,
            person,
        };
        self.signing_key.sign(ACCESS_TOKEN_TYPE, &claims)
    }

    /// An ID token. `nonce` is the one of the authorization request; a refresh has none (OpenID Connect Core §12.2).
    pub(crate) fn id_token(
        &self,
        family: &RefreshFamily,
        person: &Person,
        nonce: Option<&str>,
        access_token: &str,
    ) -> Result<String, DevIdpError> {
        let now = self.now();
        let hash = digest::digest(&digest::SHA256, access_token.as_bytes());
        let claims = IdClaims {
            iss: &self.config.issuer,
            sub: &person.sub,
            aud: &family.client_id,
            iat: now,
            exp: now.saturating_add(config::signed(self.config.access_token_seconds)),
            auth_time: family.auth_time,
            sid: family.sid,
            nonce,
            // The left half of the hash (OpenID Connect Core §3.1.3.6).
            at_hash: URL_SAFE_NO_PAD.encode(hash.as_ref().get(..16).unwrap_or_default()),
            email_verified: true,
            person: &person.claims,
        };
        self.signing_key.sign("JWT", &claims)
    }

    /// The claims of an access token that is genuine, whether or not it is still good.
    pub(crate) fn own_access_token(&self, token: &str) -> Option<AccessClaims> {
        let payload = self.signing_key.verified_payload(ACCESS_TOKEN_TYPE, token)?;
        let claims: AccessClaims = serde_json::from_slice(&payload).ok()?;
        (claims.iss == self.config.issuer && claims.aud == self.config.audience).then_some(claims)
    }

    /// The claims of an access token that is good now.
    pub(crate) fn live_access_token(&self, token: &str) -> Result<AccessClaims, NotLive> {
        let claims = self.own_access_token(token).ok_or(NotLive::Foreign)?;
        if claims.exp <= self.now() {
            return Err(NotLive::Expired);
        }
        match self.grants.is_revoked(claims.jti, claims.sid) {
            true => Err(NotLive::Revoked),
            false => Ok(claims),
        }
    }
}
