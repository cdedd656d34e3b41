//! From a request to who is asking: credentials are read in one strict form, and shown to the engine.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use maxlab_auth_core::audit::{AuditEvent, AuditKind, AuditResult, Origin};
use maxlab_auth_core::credential::{self, BearerFault, Credential, PresentedToken, SessionId};
use maxlab_auth_core::engine::AuthFault;
use maxlab_auth_core::guard::{Admin, InGroup, InWorkspace, Permit};
use maxlab_auth_core::revocation::Live;
use maxlab_auth_core::verify::Rejection;

use super::cookies::Presented;
use super::error::Failure;
use super::forward_auth::Original;
use super::gateway::{Gateway, Shared};
use super::peer::ClientIp;
use super::request_id::RequestId;
use crate::observed;

/// The credentials of a request. Where there are both, the token says who is asking.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// `Authorization: Bearer …`
    pub token: Option<PresentedToken>,
    /// The session cookie.
    pub cookie: Option<SessionId>,
}

impl Credentials {
    /// Reads them from the header fields.
    ///
    /// # Errors
    /// One is there in a form that is not read: more than one of a kind, or not of its grammar.
    pub fn read(headers: &HeaderMap, shared: &Shared) -> Result<Self, Failure> {
        let token = bearer(headers)?;
        let cookie = match shared.cookies.read(headers)? {
            Some(Presented::Session(id)) => Some(id),
            Some(Presented::Broken) if token.is_none() => return Err(AuthFault::NoSession.into()),
            Some(Presented::Broken) | None => None,
        };
        Ok(Self { token, cookie })
    }

    /// The one that counts.
    pub fn deciding(&self) -> Option<Credential> {
        let token = self.token.clone().map(Credential::Token);
        token.or_else(|| self.cookie.clone().map(Credential::Session))
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<PresentedToken>, Failure> {
    let fields = headers.get_all(header::AUTHORIZATION).iter();
    credential::bearer(fields.map(|value| value.as_bytes())).map_err(|fault| match fault {
        BearerFault::Malformed => AuthFault::Rejected(Rejection::Malformed).into(),
        BearerFault::Several | BearerFault::TooLong => Failure::InvalidRequest(fault.to_string()),
    })
}

/// Whoever asks, authenticated and not revoked.
#[derive(Clone, Debug)]
pub struct CurrentUser {
    /// Who it is.
    pub live: Live,
    /// With what it was shown.
    pub credentials: Credentials,
}

impl FromRequestParts<Gateway> for CurrentUser {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Failure> {
        let credentials = Credentials::read(&parts.headers, gateway)?;
        let credential = credentials.deciding().ok_or(Failure::MissingCredential)?;
        if credentials.token.is_none() {
            let original = Original::from_request_parts(parts, gateway).await;
            let host = original.ok().and_then(|original| original.host);
            same_origin(&parts.method, &parts.headers, host.as_deref(), gateway)?;
        }
        let live = gateway.engine.authenticate(&credential).await?;
        observed::verified(live.source().as_str());
        Ok(Self { live, credentials })
    }
}

/// A request that acts with a cookie must show that it comes from our own pages, or from an origin on the allow-list.
/// `forwarded_host` is the host that the browser asked, where a trusted proxy tells of one.
///
/// # Errors
/// It does not.
pub fn same_origin(
    method: &Method,
    headers: &HeaderMap,
    forwarded_host: Option<&str>,
    shared: &Shared,
) -> Result<(), Failure> {
    if method.is_safe() {
        return Ok(());
    }
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
    };
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    match text(header::ORIGIN) {
        Some(origin) if shared.trusted_origins.iter().any(|trusted| trusted == origin) => Ok(()),
        Some(origin) => {
            let host = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            let own = forwarded_host.or_else(|| text(header::HOST));
            let ours = host
                .zip(own)
                .is_some_and(|(theirs, own)| theirs.eq_ignore_ascii_case(own))
                && site.is_none_or(|site| site == "same-origin");
            if ours { Ok(()) } else { Err(Failure::CrossSite) }
        }
        None if site == Some("same-origin") => Ok(()),
        None => Err(Failure::CrossSite),
    }
}

/// From where a request came, for the audit.
#[derive(Clone, Debug)]
pub struct Caller(pub Origin);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let agent = parts
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok());
        Ok(Self(Origin {
            ip_address: parts
                .extensions
                .get::<ClientIp>()
                .map(|ClientIp(address)| address.to_string()),
            request_id: parts
                .extensions
                .get::<RequestId>()
                .map(|RequestId(id)| id.clone()),
            user_agent: agent.map(|agent| agent.chars().take(512).collect()),
        }))
    }
}

/// An administrator (`ADMIN_ROLES`). A refusal is audited.
#[derive(Debug)]
pub struct RequireAdmin(pub Permit<Admin>);

impl FromRequestParts<Gateway> for RequireAdmin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Failure> {
        let user = CurrentUser::from_request_parts(parts, gateway).await?;
        let user_id = user.live.identity().user_id.clone();
        match Permit::check(user.live, &gateway.admin) {
            Ok(permit) => Ok(Self(permit)),
            Err(denied) => {
                let Ok(Caller(origin)) = Caller::from_request_parts(parts, gateway).await;
                let event = AuditEvent::new(AuditKind::AccessDenied, gateway.engine.now(), &origin)
                    .by(user_id)
                    .on(format!("{} {}", parts.method, parts.uri.path()))
                    .with_result(AuditResult::Denied);
                gateway.engine.audit(event).await?;
                Err(denied.into())
            }
        }
    }
}

/// A member of the group that the path names (`{group}`).
#[derive(Debug)]
pub struct RequireGroup(pub Permit<InGroup>);

impl FromRequestParts<Gateway> for RequireGroup {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Failure> {
        let PathText(group) = PathText::from_request_parts(parts, gateway).await?;
        let user = CurrentUser::from_request_parts(parts, gateway).await?;
        Ok(Self(Permit::check(user.live, &InGroup { group })?))
    }
}

/// A member of the workspace that the path names (`{workspace_id}`), by claims or by the database, or an administrator.
#[derive(Debug)]
pub struct RequireWorkspace(pub Permit<InWorkspace>);

impl FromRequestParts<Gateway> for RequireWorkspace {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Failure> {
        let PathText(workspace_id) = PathText::from_request_parts(parts, gateway).await?;
        let user = CurrentUser::from_request_parts(parts, gateway).await?;
        let live = gateway.engine.with_workspaces(user.live).await?;
        Ok(Self(Permit::check(
            live,
            &InWorkspace {
                workspace_id,
                admin: gateway.admin.clone(),
            },
        )?))
    }
}

/// The one name in a route's path, decoded.
#[derive(Clone, Debug)]
pub struct PathText(pub String);

impl FromRequestParts<Gateway> for PathText {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Failure> {
        let Path(text) = Path::<String>::from_request_parts(parts, gateway)
            .await
            .map_err(|_| Failure::InvalidRequest("The path is not UTF-8 once it is decoded".into()))?;
        Ok(Self(text))
    }
}
