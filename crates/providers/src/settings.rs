//! What a providers file says, checked.

use std::path::PathBuf;

use maxlab_auth_core::identity::{ClaimPaths, VerificationSource};
use secrecy::SecretString;
use url::Url;

use crate::preset::ProviderPreset;

/// Providers in the order of the file. Ids and issuers are unique.
#[derive(Clone, Debug)]
pub struct ProviderList {
    /// Providers, at least one.
    pub providers: Vec<ProviderSettings>,
}

/// One provider: an OpenID Connect or OAuth 2.0 authorization server. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// Id in paths, in the audit, and before the ids of people: `[a-z0-9-]`, at most 40 characters.
    pub id: String,
    /// Name on the page where a person chooses.
    pub name: String,
    /// Korean name, if it differs.
    pub name_ko: Option<String>,
    /// Issuer, compared exactly (RFC 8414 §3.3). With the preset of a multi-tenant product it may contain
    /// `{tenantid}`, which stands for one of [`tenants`](Self::tenants).
    pub issuer: String,
    /// Tenants that are accepted in the place of `{tenantid}`.
    pub tenants: Vec<String>,
    /// The gateway's client at this provider. Without it there is no login, and tokens are verified by
    /// keys and userinfo only.
    pub client: Option<ProviderClient>,
    /// Scopes that a login asks for.
    pub scopes: Vec<String>,
    /// Hosts for which this provider may be used. Empty: all.
    pub hosts: Vec<String>,
    /// Facts about the product.
    pub preset: &'static ProviderPreset,
    /// Where an identity is read from the claims.
    pub claims: ClaimPaths,
    /// When userinfo is asked at a login.
    pub userinfo: UserinfoUse,
    /// Audiences. A bearer token must name one of them. Empty: any.
    pub audiences: Vec<String>,
    /// Layers that verify a bearer token, in order.
    pub layers: Vec<VerificationSource>,
    /// Endpoints that replace those of the metadata.
    pub endpoints: EndpointOverrides,
    /// Form of `Remote-User` for people of this provider, with `{issuer_id}` and `{sub}`.
    pub remote_user: String,
}

/// Client that the gateway is at a provider.
#[derive(Clone, Debug)]
pub struct ProviderClient {
    /// `client_id`.
    pub id: String,
    /// Proof of the client.
    pub credential: ClientCredential,
    /// How it is presented. `None`: as the metadata says.
    pub authentication: Option<ClientAuthentication>,
}

/// Proof of a client.
#[derive(Clone, Debug)]
pub enum ClientCredential {
    /// None: a public client, which PKCE protects (RFC 7636).
    Public,
    /// `client_secret`.
    Secret(SecretString),
    /// `client_secret_file`.
    SecretFile(PathBuf),
    /// `private_key_file`, for `private_key_jwt` (RFC 7523 §2.2).
    PrivateKeyFile(PathBuf),
}

/// Way to authenticate a client (OpenID Connect Core §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
    /// `none`.
    None,
    /// `private_key_jwt`.
    PrivateKeyJwt,
}

/// When userinfo is asked at a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserinfoUse {
    /// For claims that are configured and missing. A failure does not fail the login.
    IfNeeded,
    /// Always. A failure fails the login.
    Required,
    /// Never.
    Never,
}

/// Endpoints that replace those of the metadata, for a provider whose published addresses cannot be reached
/// from here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointOverrides {
    /// `authorization_endpoint`: where browsers are sent.
    pub authorization: Option<Url>,
    /// `token_endpoint`.
    pub token: Option<Url>,
    /// `userinfo_endpoint`.
    pub userinfo: Option<Url>,
    /// `jwks_uri`.
    pub jwks: Option<Url>,
    /// `revocation_endpoint`.
    pub revocation: Option<Url>,
    /// `introspection_endpoint`.
    pub introspection: Option<Url>,
    /// `end_session_endpoint`: where browsers are sent to log out.
    pub end_session: Option<Url>,
}
