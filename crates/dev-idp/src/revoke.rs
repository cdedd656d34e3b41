//! Token revocation (RFC 7009) and introspection (RFC 7662).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clients::{self, OAuthClient};
use crate::idp::DevServer;
use crate::oauth_error::OAuthError;
use crate::params::RequestParams;

/// Target of a revocation: the login or the single token that a genuine token stands for.
enum RevocationTarget {
    /// A refresh token ends its login with every token of it (RFC 7009 §2.1).
    Login { sid: Uuid },
    /// An access token ends alone.
    AccessToken { jti: Uuid, expires_at: i64 },
}

/// POST /oauth/revoke. A token that is not ours is answered 200, for it is as invalid as was asked (RFC 7009 §2.2).
///
/// A request that names no client is accepted for tokens of public clients. The holder of a token can end only that token
/// and its login.
pub(crate) async fn revoke(
    State(idp): State<Arc<DevServer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OAuthError> {
    let params = RequestParams::from_body(&headers, &body)?;
    let client = clients::identify(&idp.config.clients, &headers, &params)?;
    let Some((owner, revocable)) = find(&idp, params.required("token")?) else {
        return Ok(StatusCode::OK.into_response());
    };
    may_revoke(&idp, client, &owner)?;
    match revocable {
        RevocationTarget::Login { sid } => idp.grants.revoke_family(sid).await?,
        // An expired token is refused for good already; recording it would keep it for nothing.
        RevocationTarget::AccessToken { expires_at, .. } if expires_at <= idp.now() => {}
        RevocationTarget::AccessToken { jti, expires_at } => {
            idp.grants.revoke_access_token(jti, expires_at).await?;
        }
    }
    Ok(StatusCode::OK.into_response())
}

/// The client that a genuine token was issued to, and what revoking it means. The hint is not needed to tell them apart.
fn find(idp: &DevServer, token: &str) -> Option<(String, RevocationTarget)> {
    if let Some(claims) = idp.own_access_token(token) {
        return Some((
            claims.client_id,
            RevocationTarget::AccessToken {
                jti: claims.jti,
                expires_at: claims.exp,
            },
        ));
    }
    let family = idp.grants.family(idp.refresh_key.read(token)?.sid)?;
    Some((family.client_id, RevocationTarget::Login { sid: family.sid }))
}

fn may_revoke(idp: &DevServer, client: Option<&OAuthClient>, owner: &str) -> Result<(), OAuthError> {
    match client {
        Some(client) if client.id == owner => Ok(()),
        Some(_) => Err(OAuthError::unauthorized_client(
            "the token was issued to another client",
        )),
        None if idp
            .config
            .clients
            .iter()
            .any(|known| known.id == owner && !known.is_confidential()) =>
        {
            Ok(())
        }
        None => Err(OAuthError::invalid_client("the token's client must authenticate")),
    }
}

/// POST /oauth/introspect, for confidential clients.
///
/// A refresh token is answered only where `token_type_hint` says `refresh_token_from_body`: a resource server that asks about a
/// bearer token must never hear `active` of something that is not an access token.
pub(crate) async fn introspect(
    State(idp): State<Arc<DevServer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OAuthError> {
    let params = RequestParams::from_body(&headers, &body)?;
    let client = clients::authenticate(&idp.config.clients, &headers, &params)?;
    if !client.is_confidential() {
        return Err(OAuthError::invalid_client(
            "introspection needs a confidential client",
        ));
    }
    let token = params.required("token")?;
    let answer = match params.value("token_type_hint") {
        Some("refresh_token") => refresh_token_state(&idp, token).or_else(|| access_token_state(&idp, token)),
        _ => access_token_state(&idp, token),
    };
    let body = answer.unwrap_or_else(|| json!({ "active": false }));
    Ok((
        [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        Json(body),
    )
        .into_response())
}

fn access_token_state(idp: &DevServer, token: &str) -> Option<Value> {
    let claims = idp.live_access_token(token).ok()?;
    let mut state = serde_json::to_value(&claims).ok()?;
    let members = state.as_object_mut()?;
    members.insert("active".to_owned(), true.into());
    members.insert("token_type".to_owned(), "Bearer".into());
    members.insert("username".to_owned(), claims.person.preferred_username.into());
    Some(state)
}

fn refresh_token_state(idp: &DevServer, token: &str) -> Option<Value> {
    let token = idp.refresh_key.read(token)?;
    let family = idp.grants.family(token.sid)?;
    let live = !family.revoked && family.generation == token.generation && family.expires_at > idp.now();
    live.then(|| {
        json!({
            "active": true,
            "iss": idp.config.issuer,
            "sub": family.sub,
            "client_id": family.client_id,
            "sid": family.sid,
            "scope": family.scope,
            "exp": family.expires_at,
        })
    })
}
