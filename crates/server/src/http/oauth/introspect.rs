//! `POST /oauth/introspect`: RFC 7662 for the configured clients.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::credential::{PresentedToken, sha256};
use maxlab_auth_core::engine::AuthFault;
use maxlab_auth_core::outbox::ClientCredentials;
use maxlab_auth_core::revocation::{Issued, RevocationKey};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::super::body::OAuthBody;
use super::super::error::{Failure, OAuthFailure};
use super::super::gateway::{Gateway, Shared};
use super::{client_of, no_store};

/// What is known of an access token (RFC 7662 §2.2). A token that is not good is `active: false`, whatever the reason.
///
/// # Errors
/// The client did not prove itself, the request is not one, or nobody knows.
pub async fn introspect(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    OAuthBody(parameters): OAuthBody,
) -> Result<Response, OAuthFailure> {
    let client = client_of(&headers, &parameters)?;
    if !client.is_some_and(|client| is_known(&gateway, &client)) {
        return Err(Failure::InvalidClient.into());
    }
    let text = parameters.required("token")?;
    let answer = match PresentedToken::parse(text) {
        Ok(token) => of(&gateway, &token).await?,
        Err(_) => json!({ "active": false }),
    };
    Ok((no_store(), Json(answer)).into_response())
}

fn is_known(shared: &Shared, client: &ClientCredentials) -> bool {
    let Some(secret) = &client.secret else {
        return false;
    };
    let given = sha256(secret.as_bytes());
    shared.introspection_clients.iter().fold(false, |found, known| {
        let right = sha256(known.secret.expose_secret().as_bytes()).ct_eq(&given);
        found | (bool::from(right) && known.id == client.id)
    })
}

async fn of(gateway: &Gateway, token: &PresentedToken) -> Result<Value, Failure> {
    let live = match gateway.engine.authenticate_token(token).await {
        Ok(live) => live,
        Err(AuthFault::Unavailable(fault)) => return Err(fault.into()),
        Err(_) => return Ok(json!({ "active": false })),
    };
    let (who, facts) = (live.identity(), live.facts());
    let jti = facts.names.iter().find_map(|name| match name {
        RevocationKey::Token(key) if !key.as_str().starts_with('@') => Some(key.as_str()),
        _ => None,
    });
    let iat = match facts.issued {
        Issued::At(at) | Issued::InSecond(at) => Some(at.as_second()),
        Issued::Unknown => None,
    };
    let mut answer = json!({
        "active": true,
        "token_type": "Bearer",
        "sub": who.user_id,
        "username": who.name,
        "client_id": who.client_id,
        "scope": who.scope.join(" "),
        "exp": facts.expires_at.map(jiff::Timestamp::as_second),
        "iat": iat,
        "jti": jti,
        "sid": who.session_id,
        "email": who.email,
        "roles": who.roles,
        "permissions": who.permissions,
        "groups": who.groups,
        "workspaces": who.workspaces,
    });
    if let Value::Object(fields) = &mut answer {
        fields.retain(|_, value| !value.is_null());
    }
    Ok(answer)
}
