//! `/auth/verify`: the door for front proxies. 200 with identity headers, 401, 403, 503; nothing else is a yes.

mod headers;
mod original;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::guard::{Permit, Requirements};
use maxlab_auth_core::revocation::Live;

pub use headers::identity_headers;
pub use original::Original;

use super::assurance;
use super::body::Parameters;
use super::error::Failure;
use super::extract::{Credentials, same_origin};
use super::gateway::Gateway;
use crate::observed;

/// Whether the request that a front proxy asks about may pass, and as whom.
///
/// # Errors
/// It may not, the question cannot be understood, or nobody knows.
pub async fn verify(
    State(gateway): State<Gateway>,
    original: Original,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let requirements = requirements(&gateway, query.as_deref().unwrap_or_default())?;
    match admitted(&gateway, &original, &headers, &requirements).await {
        Ok(live) => {
            let mut said = identity_headers(live.identity());
            assurance::show(&gateway, &live, &mut said);
            said.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok((StatusCode::OK, said).into_response())
        }
        Err(failure @ (Failure::MissingCredential | Failure::Auth(_))) => {
            match gateway
                .login
                .url
                .as_deref()
                .filter(|_| original.is_navigation(&headers))
            {
                Some(login) => original.to_login(login),
                None => Err(failure),
            }
        }
        Err(failure) => Err(failure),
    }
}

fn requirements(gateway: &Gateway, query: &str) -> Result<Requirements, Failure> {
    let pairs = Parameters::pairs_of_form(query.as_bytes())?;
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Requirements::parse(pairs, gateway.admin.clone())
        .map_err(|fault| Failure::InvalidRequest(fault.to_string()))
}

async fn admitted(
    gateway: &Gateway,
    original: &Original,
    headers: &HeaderMap,
    requirements: &Requirements,
) -> Result<Live, Failure> {
    let credentials = Credentials::read(headers, gateway)?;
    let credential = credentials.deciding().ok_or(Failure::MissingCredential)?;
    if credentials.token.is_none() {
        same_origin(&original.method, headers, original.host.as_deref(), gateway)?;
    }
    let live = gateway.engine.authenticate(&credential).await?;
    observed::verified(live.identity().verification_source.as_str());
    let live = if requirements.ask_for_workspaces() {
        gateway.engine.with_workspaces(live).await?
    } else {
        live
    };
    Ok(Permit::check(live, requirements)?.live().clone())
}
