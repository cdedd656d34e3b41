//! The token endpoint: codes, refresh tokens and client credentials for tokens (RFC 6749 §3.2).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::clients::{self, OAuthClient};
use crate::config;
use crate::grants::{GrantRefusal, RefreshFamily};
use crate::idp::DevServer;
use crate::oauth_error::OAuthError;
use crate::params::RequestParams;
use crate::scope::ScopeSet;

/// A successful answer (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).
#[derive(Serialize)]
struct TokenSet {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    scope: ScopeSet,
}

/// POST /oauth/token.
pub(crate) async fn exchange(
    State(idp): State<Arc<DevServer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OAuthError> {
    let params = RequestParams::from_body(&headers, &body)?;
    let client = clients::authenticate(&idp.config.clients, &headers, &params)?;
    let tokens = match params.required("grant_type")? {
        "authorization_code" => by_code(&idp, client, &params).await?,
        "refresh_token" => by_refresh_token(&idp, client, &params).await?,
        "client_credentials" => by_client_credentials(&idp, client, &params)?,
        _ => return Err(OAuthError::unsupported_grant_type()),
    };
    let no_store = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
    ];
    Ok((no_store, Json(tokens)).into_response())
}

async fn by_code(
    idp: &DevServer,
    client: &OAuthClient,
    params: &RequestParams,
) -> Result<TokenSet, OAuthError> {
    let code = params.required("code")?;
    let redirect_uri = params.required("redirect_uri")?.to_owned();
    let verifier = params.required("code_verifier")?.to_owned();
    let refresh_seconds = config::signed(idp.config.refresh_token_seconds);
    let redeemed = idp
        .grants
        .redeem_code(code, &client.id, idp.now(), refresh_seconds, move |grant| {
            grant.redirect_uri == redirect_uri && grant.challenge.is_met_by(&verifier)
        })
        .await?;
    let (grant, family) = redeemed.map_err(|refused| {
        if refused == GrantRefusal::Reused {
            tracing::warn!("an authorization code was used twice; its login is revoked");
        }
        OAuthError::invalid_grant(
            "the code is not good, or not for this client, redirect_uri and code_verifier",
        )
    })?;
    let scope = family.scope.clone();
    token_set(idp, &family, scope, grant.nonce.as_deref())
}

async fn by_refresh_token(
    idp: &DevServer,
    client: &OAuthClient,
    params: &RequestParams,
) -> Result<TokenSet, OAuthError> {
    let refused = || OAuthError::invalid_grant("the refresh token is not good, or not for this client");
    let token = idp
        .refresh_key
        .read(params.required("refresh_token")?)
        .ok_or_else(refused)?;
    let granted = idp.grants.family(token.sid).ok_or_else(refused)?.scope;
    // RFC 6749 §6: a refresh may narrow the scope of its access token, never widen it.
    let scope = params
        .value("scope")
        .map_or_else(|| granted.clone(), ScopeSet::parse);
    if !scope.is_within(&granted) {
        return Err(OAuthError::invalid_scope(
            "the scope is wider than what was granted",
        ));
    }
    let rotated = idp.grants.rotate(token, &client.id, idp.now()).await?;
    let family = rotated.map_err(|cause| {
        if cause == GrantRefusal::Reused {
            tracing::warn!(sid = %token.sid, "a refresh token was used twice; its login is revoked");
        }
        refused()
    })?;
    token_set(idp, &family, scope, None)
}

fn by_client_credentials(
    idp: &DevServer,
    client: &OAuthClient,
    params: &RequestParams,
) -> Result<TokenSet, OAuthError> {
    if !client.is_confidential() {
        return Err(OAuthError::unauthorized_client(
            "only a confidential client has credentials of its own",
        ));
    }
    let about_people = |name: &str| matches!(name, "openid" | "profile" | "email" | "offline_access");
    let scope = ScopeSet::parse(params.value("scope").unwrap_or_default())
        .retain(|name| !about_people(name) && idp.config.scopes.iter().any(|known| known == name));
    Ok(TokenSet {
        access_token: idp.client_access_token(&client.id, scope.clone())?,
        token_type: "Bearer",
        expires_in: idp.config.access_token_seconds,
        refresh_token: None,
        id_token: None,
        scope,
    })
}

/// The tokens of a login whose family is on disk already.
fn token_set(
    idp: &DevServer,
    family: &RefreshFamily,
    scope: ScopeSet,
    nonce: Option<&str>,
) -> Result<TokenSet, OAuthError> {
    let person = idp
        .person(&family.sub)
        .ok_or_else(|| OAuthError::invalid_grant("the person no longer exists"))?;
    let access_token = idp.access_token(family, person, scope.clone())?;
    let id_token = match scope.contains("openid") {
        true => Some(idp.id_token(family, person, nonce, &access_token)?),
        false => None,
    };
    Ok(TokenSet {
        access_token,
        token_type: "Bearer",
        expires_in: idp.config.access_token_seconds,
        refresh_token: Some(idp.refresh_token(family)),
        id_token,
        scope,
    })
}
