//! How a token is verified: layers, keys, claims, and what is read from them.

use std::time::Duration;

use maxlab_auth_core::identity::{ClaimPaths, VerificationSource};
use maxlab_auth_core::token::TypRule;

use super::address::Wire;
use super::app::Environment;
use super::fault::Wrong;
use super::jwt_keys::{self, JwtKeys};
use super::parse::{choice, list_of, number, seconds, some_list_of, text};
use super::reader::Reader;
use super::reference::DefaultValue::{Unset, Value};
use super::reference::SettingDoc;

const LAYERS_OWN: super::reference::DefaultValue = Unset("each layer's own, as in the guide");

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "VERIFY_LAYERS",
        "list",
        Value("oauth_userinfo,traditional_auth,local_jwt"),
        "The layers that verify a token, in order: oauth_userinfo, traditional_auth, introspection, local_jwt.",
    ),
    SettingDoc::new(
        "VERIFY_CACHE_SECONDS",
        "seconds",
        Value("5"),
        "How long a remote layer's yes is believed; 0 remembers no verdict of any layer. For a token in use it is renewed before. A revocation counts at once either way.",
    ),
    SettingDoc::new(
        "JWKS_URL",
        "URL",
        Unset("discovered"),
        "The key set of the issuer, for local_jwt.",
    )
    .address(),
    SettingDoc::new(
        "JWT_ISSUER",
        "text",
        Unset("discovered, or any where a secret signs"),
        "The issuer (iss) that local_jwt accepts, compared exactly.",
    ),
    SettingDoc::new(
        "JWT_AUDIENCE",
        "list",
        Unset("any"),
        "Audiences (aud) that local_jwt accepts; a token must name one of them.",
    ),
    SettingDoc::new(
        "JWT_SECRET_KEY",
        "secret",
        Unset("none: keys come from the key set"),
        "The HMAC secret shared with the issuer, instead of a key set.",
    )
    .secret(),
    SettingDoc::new(
        "JWT_ALGORITHM",
        "list of algorithms",
        Unset("HS256 with JWT_SECRET_KEY, else every asymmetric one"),
        "The signature algorithms that local_jwt accepts (RFC 7518): HS* with JWT_SECRET_KEY, else RS*, PS*, ES*, EdDSA.",
    ),
    SettingDoc::new(
        "JWT_EXPIRE_MINUTES",
        "minutes",
        Value("15"),
        "How long a token without exp is good after its iat.",
    ),
    SettingDoc::new(
        "JWT_TYPE",
        "any or at+jwt",
        Value("any"),
        "The typ header that local_jwt demands: at+jwt (RFC 9068), or any but that of another kind of token.",
    ),
    SettingDoc::new(
        "CLOCK_SKEW_SECONDS",
        "seconds",
        Value("10"),
        "How far the issuer's clock may be off, 60 at most.",
    ),
    SettingDoc::new(
        "CLAIM_USER_ID",
        "list of claim paths",
        LAYERS_OWN,
        "Where the user's id is read from; the first that is there.",
    ),
    SettingDoc::new(
        "CLAIM_EMAIL",
        "list of claim paths",
        LAYERS_OWN,
        "Where the e-mail address is read from.",
    ),
    SettingDoc::new(
        "CLAIM_NAME",
        "list of claim paths",
        LAYERS_OWN,
        "Where the name is read from.",
    ),
    SettingDoc::new(
        "CLAIM_AVATAR",
        "list of claim paths",
        LAYERS_OWN,
        "Where the picture's address is read from.",
    ),
    SettingDoc::new(
        "CLAIM_ROLES",
        "list of claim paths",
        LAYERS_OWN,
        "Where roles are read from, such as realm_access.roles for Keycloak.",
    ),
    SettingDoc::new(
        "CLAIM_PERMISSIONS",
        "list of claim paths",
        LAYERS_OWN,
        "Where permissions are read from.",
    ),
    SettingDoc::new(
        "CLAIM_GROUPS",
        "list of claim paths",
        LAYERS_OWN,
        "Where groups are read from.",
    ),
    SettingDoc::new(
        "CLAIM_WORKSPACES",
        "list of claim paths",
        LAYERS_OWN,
        "Where workspaces are read from.",
    ),
    SettingDoc::new(
        "CLAIM_SCOPE",
        "list of claim paths",
        LAYERS_OWN,
        "Where the scope is read from.",
    ),
    SettingDoc::new(
        "ADMIN_ROLES",
        "list",
        Value("admin,administrator"),
        "Roles that make an administrator.",
    ),
    SettingDoc::new(
        "WORKSPACE_SOURCE",
        "claims, database or both",
        Value("both"),
        "Where membership of a workspace is looked up.",
    ),
];

/// Where membership of a workspace is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkspaceSource {
    /// In the token's claims.
    Claims,
    /// In the SQL tables.
    Database,
    /// In either.
    Both,
}

/// The settings of verification.
#[derive(Debug, Clone)]
pub struct VerifySettings {
    /// `VERIFY_LAYERS`: at least one, none twice.
    pub layers: Vec<VerificationSource>,
    /// `VERIFY_CACHE_SECONDS`; zero turns the cache off.
    pub cache: Duration,
    /// `JWT_SECRET_KEY`, or `JWKS_URL`, with `JWT_ALGORITHM`.
    pub keys: JwtKeys,
    /// `JWT_ISSUER`.
    pub issuer: Option<String>,
    /// `JWT_AUDIENCE`; empty accepts any.
    pub audiences: Vec<String>,
    /// `JWT_EXPIRE_MINUTES`.
    pub lifetime_without_exp: Duration,
    /// `JWT_TYPE`.
    pub token_types: TypRule,
    /// `CLOCK_SKEW_SECONDS`, 60 s at most.
    pub clock_skew: Duration,
    /// `CLAIM_*`.
    pub claims: ClaimPaths,
    /// `ADMIN_ROLES`, at least one.
    pub admin_roles: Vec<String>,
    /// `WORKSPACE_SOURCE`.
    pub workspace_source: WorkspaceSource,
}

pub(super) fn read(reader: &mut Reader<'_>, wire: Wire) -> Option<VerifySettings> {
    let layers = reader.required("VERIFY_LAYERS", some_list_of(layer));
    let cache = reader.required("VERIFY_CACHE_SECONDS", seconds(0..=300));
    let keys = jwt_keys::read(reader, wire);
    let issuer = reader.take("JWT_ISSUER", text);
    let audiences = reader.take("JWT_AUDIENCE", some_list_of(text));
    let local = layers
        .as_ref()
        .is_none_or(|layers| layers.contains(&VerificationSource::LocalJwt));
    if local && wire.environment != Environment::Development && matches!(audiences, Ok(None)) {
        reader.warn(
            "JWT_AUDIENCE",
            "not set, so local_jwt accepts a token that was made for another service",
        );
    }
    let secret = matches!(keys, Ok(JwtKeys::Secret { .. }));
    if local && secret && wire.environment != Environment::Development && matches!(issuer, Ok(None)) {
        reader.warn(
            "JWT_ISSUER",
            "not set, so local_jwt accepts any issuer that signs with JWT_SECRET_KEY",
        );
    }
    let minutes = reader.required("JWT_EXPIRE_MINUTES", number(1..=43_200_u64));
    let rules = [("any", TypRule::Any), ("at+jwt", TypRule::AccessToken)];
    let token_types = reader.required("JWT_TYPE", choice(&rules));
    let clock_skew = reader.required("CLOCK_SKEW_SECONDS", seconds(0..=60));
    let claims = claim_paths(reader);
    let admin_roles = reader.required("ADMIN_ROLES", some_list_of(text));
    let sources = [
        ("claims", WorkspaceSource::Claims),
        ("database", WorkspaceSource::Database),
        ("both", WorkspaceSource::Both),
    ];
    let workspace_source = reader.required("WORKSPACE_SOURCE", choice(&sources));
    Some(VerifySettings {
        layers: layers?,
        cache: cache?,
        keys: keys.ok()?,
        issuer: issuer.ok()?,
        audiences: audiences.ok()?.unwrap_or_default(),
        lifetime_without_exp: Duration::from_secs(minutes? * 60),
        token_types: token_types?,
        clock_skew: clock_skew?,
        claims: ClaimPaths {
            ignore_workspaces: workspace_source == Some(WorkspaceSource::Database),
            ..claims?
        },
        admin_roles: admin_roles?,
        workspace_source: workspace_source?,
    })
}

fn layer(text: &str) -> Result<VerificationSource, Wrong> {
    use VerificationSource::{Introspection, LocalJwt, OauthUserinfo, TraditionalAuth};
    [OauthUserinfo, TraditionalAuth, Introspection, LocalJwt]
        .into_iter()
        .find(|layer| layer.as_str() == text)
        .ok_or_else(|| {
            Wrong::new(
                format!("names {text:?}, which is no layer"),
                "choose from oauth_userinfo, traditional_auth, introspection, local_jwt",
            )
        })
}

fn claim_paths(reader: &mut Reader<'_>) -> Option<ClaimPaths> {
    let mut paths = |name| {
        reader
            .take(name, list_of(claim_path))
            .map(Option::unwrap_or_default)
    };
    let user_id = paths("CLAIM_USER_ID");
    let email = paths("CLAIM_EMAIL");
    let name = paths("CLAIM_NAME");
    let avatar = paths("CLAIM_AVATAR");
    let roles = paths("CLAIM_ROLES");
    let permissions = paths("CLAIM_PERMISSIONS");
    let groups = paths("CLAIM_GROUPS");
    let workspaces = paths("CLAIM_WORKSPACES");
    let scope = paths("CLAIM_SCOPE");
    Some(ClaimPaths {
        user_id: user_id.ok()?,
        email: email.ok()?,
        name: name.ok()?,
        avatar: avatar.ok()?,
        roles: roles.ok()?,
        permissions: permissions.ok()?,
        groups: groups.ok()?,
        workspaces: workspaces.ok()?,
        scope: scope.ok()?,
        ignore_workspaces: false,
    })
}

fn claim_path(text: &str) -> Result<String, Wrong> {
    if text.split('.').any(|step| step.trim().is_empty()) {
        return Err(Wrong::new(
            format!("holds {text:?}, which has an empty step"),
            "write paths like realm_access.roles; commas stand between alternatives",
        ));
    }
    Ok(text.to_owned())
}
