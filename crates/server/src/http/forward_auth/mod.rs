//! `/auth/verify`: the door for front proxies. 200 with identity headers, 401, 403, 503; nothing else is a yes.

mod at_once;
mod door;
mod headers;
mod jwks;
mod original;

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::guard::{Permit, Requirements};
use maxlab_auth_core::policy::{Access, Asked, Policy, Untold};
use maxlab_auth_core::revocation::Live;
use tokio::time::timeout;

pub use at_once::AtOnce;
pub use door::{Door, X_AUTH_IDENTITY};
pub use headers::{NAMES as IDENTITY_HEADERS, identity_headers};
pub use jwks::jwks;
pub use original::Original;

use super::assurance;
use super::body::Parameters;
use super::error::Failure;
use super::extract::{Credentials, same_origin};
use super::gateway::Gateway;
use crate::observed;

/// On what is public anyway nobody waits longer than this to be known.
const VISITOR_PATIENCE: Duration = Duration::from_secs(1);

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
    let asked = gateway.forward_auth.asked(original.told())?;
    let policy = gateway.forward_auth.policy();
    let access = ruling(policy.as_deref(), asked.as_ref())?;
    let live = match access {
        Access::Deny => Err(Failure::PolicyDenied),
        // What the query asks for is not given away by the policy.
        Access::Public if requirements.is_empty() => Ok(visitor(&gateway, &original, &headers).await),
        Access::Require(more) => admitted(&gateway, &original, &headers, &[more, &requirements])
            .await
            .map(Some),
        Access::Public | Access::Authenticated => admitted(&gateway, &original, &headers, &[&requirements])
            .await
            .map(Some),
    };
    match live {
        Ok(live) => {
            let live = live.as_ref();
            let mut said = live.map_or_else(headers::nobody, identity_headers);
            if let Some(live) = live {
                assurance::show(&gateway, live, &mut said);
            }
            let (method, now) = (original.method.as_str(), gateway.engine.now());
            if let Some(signed) = gateway.forward_auth.signed(live, asked.as_ref(), method, now)? {
                said.insert(X_AUTH_IDENTITY, signed);
            }
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

/// What the policy asks for. Without one it is a credential.
fn ruling<'p>(policy: Option<&'p Policy>, asked: Option<&Asked<'_>>) -> Result<&'p Access, Failure> {
    match (policy, asked) {
        (Some(policy), Some(asked)) => policy.rule_for(asked).map(|ruling| ruling.access).map_err(untold),
        _ => Ok(&Access::Authenticated),
    }
}

/// Nothing is decided about what no trusted proxy told.
fn untold(untold: Untold) -> Failure {
    observed::refused_by_policy("untold");
    let header = match untold {
        Untold::Method => "X-Forwarded-Method",
        Untold::Host => "X-Forwarded-Host",
        Untold::Path => "X-Forwarded-Uri",
    };
    Failure::InvalidRequest(format!(
        "{untold}, and no trusted proxy told it: let the proxy send {header}, and name the proxy in TRUSTED_PROXIES"
    ))
}

async fn admitted(
    gateway: &Gateway,
    original: &Original,
    headers: &HeaderMap,
    requirements: &[&Requirements],
) -> Result<Live, Failure> {
    let credentials = Credentials::read(headers, gateway)?;
    let credential = credentials.deciding().ok_or(Failure::MissingCredential)?;
    if credentials.token.is_none() {
        same_origin(&original.method, headers, original.host.as_deref(), gateway)?;
    }
    let live = gateway.engine.authenticate(&credential).await?;
    observed::verified(live.source().as_str());
    let mut live = if requirements.iter().any(|each| each.ask_for_workspaces()) {
        gateway.engine.with_workspaces(live).await?
    } else {
        live
    };
    for requirements in requirements {
        live = Permit::check(live, *requirements)?.live().clone();
    }
    Ok(live)
}

/// Who comes to what is public: whoever shows a good credential, and otherwise nobody. It is open whatever the credential
/// is worth, and also while nobody can say.
async fn visitor(gateway: &Gateway, original: &Original, headers: &HeaderMap) -> Option<Live> {
    match timeout(VISITOR_PATIENCE, admitted(gateway, original, headers, &[])).await {
        Ok(Ok(live)) => Some(live),
        Ok(Err(Failure::MissingCredential)) => None,
        Ok(Err(_)) | Err(_) => {
            tracing::debug!(
                "the credential of a public request is not good, or nobody can say; passed as nobody's"
            );
            None
        }
    }
}
