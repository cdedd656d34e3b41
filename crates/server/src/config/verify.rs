//! Settings of verification: layers, keys, and the claims that are read.

use std::path::PathBuf;
use std::time::Duration;

use maxlab_auth_core::identity::{ClaimPaths, UnverifiedEmailPolicy, VerificationSource, check_claim_path};
use maxlab_auth_jose::TypRule;

use super::app::Environment;
use super::faults::InvalidValue;
use super::jwt_keys::{self, JwtKeys};
use super::plaintext::PlaintextPolicy;
use super::reader::SettingsReader;
use super::reference::DefaultValue::{Unset, Value};
use super::reference::SettingDoc;
use super::value_parsers::{choice, list_of, non_empty_list_of, number, seconds, text};

const LAYER_DEFAULT: super::reference::DefaultValue = Unset("each layer's own (docs/GUIDE.md)");

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
        "How long the yes of a remote layer, or a session, is cached. 0 caches no verdict of any layer and no session. For a token in use it is refreshed before it expires. A revocation takes effect at once in any case.",
    ),
    SettingDoc::new(
        "PROVIDERS_FILE",
        "path",
        Unset("none: one authorization server"),
        "A TOML file with further issuers, each with its own keys, audiences, layers and claims (docs/PROVIDERS.md). A token is judged by the issuer that it names. A changed file is loaded within two seconds.",
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
        Unset("discovered, or any with JWT_SECRET_KEY"),
        "The issuer (iss) that local_jwt accepts, compared exactly. With JWKS_URL it is required if the authorization server publishes no metadata that names it.",
    ),
    SettingDoc::new(
        "JWT_AUDIENCE",
        "list",
        Unset("any"),
        "Audiences (aud) of this gateway: a token that local_jwt accepts must name one of them. So must an introspection answer that names any.",
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
        "The signature algorithms that local_jwt accepts (RFC 7518): HS* with JWT_SECRET_KEY, else RS*, PS*, ES*, EdDSA. A published key with an alg verifies only that one; an RSA key without alg verifies each RSA algorithm of the list.",
    ),
    SettingDoc::new(
        "JWT_EXPIRE_MINUTES",
        "minutes",
        Value("15"),
        "How long a token without exp is valid after its iat.",
    ),
    SettingDoc::new(
        "JWT_TYPE",
        "any or at+jwt",
        Value("any"),
        "The typ header that local_jwt requires: at+jwt (RFC 9068), or any except those of other kinds of tokens.",
    ),
    SettingDoc::new(
        "CLOCK_SKEW_SECONDS",
        "seconds",
        Value("10"),
        "How far the issuer's clock may be off, at most 60.",
    ),
    SettingDoc::new(
        "CLAIM_USER_ID",
        "list of claim paths",
        LAYER_DEFAULT,
        "Where the user id is read from. The first path that exists counts ([claim paths](#claim-paths)).",
    ),
    SettingDoc::new(
        "CLAIM_EMAIL",
        "list of claim paths",
        LAYER_DEFAULT,
        "Where the e-mail address is read from.",
    ),
    SettingDoc::new(
        "UNVERIFIED_EMAIL",
        "omit or send",
        Value("omit"),
        "Whether an e-mail address is sent that the authorization server calls unverified (email_verified: false). It is never a user id.",
    ),
    SettingDoc::new(
        "CLAIM_NAME",
        "list of claim paths",
        LAYER_DEFAULT,
        "Where the name is read from.",
    ),
    SettingDoc::new(
        "CLAIM_AVATAR",
        "list of claim paths",
        LAYER_DEFAULT,
        "Where the URL of the picture is read from.",
    ),
    SettingDoc::new(
        "CLAIM_ROLES",
        "list of claim paths",
        LAYER_DEFAULT,
        "Where roles are read from, such as realm_access.roles for Keycloak ([claim paths](#claim-paths)).",
    ),
    SettingDoc::new(
        "CLAIM_PERMISSIONS",
        "list of claim paths",
        LAYER_DEFAULT,
        "Where permissions are read from.",
    ),
    SettingDoc::new(
        "CLAIM_GROUPS",
        "list of claim paths",
        LAYER_DEFAULT,
        "Where groups are read from.",
    ),
    SettingDoc::new(
        "CLAIM_WORKSPACES",
        "list of claim paths",
        LAYER_DEFAULT,
        "Where workspaces are read from.",
    ),
    SettingDoc::new(
        "CLAIM_SCOPE",
        "list of claim paths",
        LAYER_DEFAULT,
        "Where the scope is read from.",
    ),
    SettingDoc::new(
        "ADMIN_ROLES",
        "list",
        Value("admin,administrator"),
        "Roles that make a user an administrator.",
    ),
    SettingDoc::new(
        "WORKSPACE_SOURCE",
        "claims, database or both",
        Value("both"),
        "Where membership of a workspace is read from.",
    ),
];

/// Source of workspace membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkspaceSource {
    /// Claims of the token.
    Claims,
    /// SQL tables.
    Database,
    /// Both of them. Membership in one is enough.
    Both,
}

/// Settings of verification.
#[derive(Debug, Clone)]
pub struct VerifySettings {
    /// `VERIFY_LAYERS`: at least one layer, none of them twice.
    pub layers: Vec<VerificationSource>,
    /// `VERIFY_CACHE_SECONDS`. Zero disables the cache.
    pub cache: Duration,
    /// `PROVIDERS_FILE`.
    pub providers_file: Option<PathBuf>,
    /// `JWT_SECRET_KEY`, or `JWKS_URL`, with `JWT_ALGORITHM`.
    pub keys: JwtKeys,
    /// `JWT_ISSUER`.
    pub issuer: Option<String>,
    /// `JWT_AUDIENCE`. Empty accepts any audience.
    pub audiences: Vec<String>,
    /// `JWT_EXPIRE_MINUTES`.
    pub lifetime_without_exp: Duration,
    /// `JWT_TYPE`.
    pub token_types: TypRule,
    /// `CLOCK_SKEW_SECONDS`, at most 60 s.
    pub clock_skew: Duration,
    /// `CLAIM_*`.
    pub claims: ClaimPaths,
    /// `ADMIN_ROLES`, at least one role.
    pub admin_roles: Vec<String>,
    /// `WORKSPACE_SOURCE`.
    pub workspace_source: WorkspaceSource,
}

/// Reads the section, and warns of settings that accept tokens of other services.
pub(super) fn read(reader: &mut SettingsReader<'_>, wire: PlaintextPolicy) -> Option<VerifySettings> {
    let layers = reader.required("VERIFY_LAYERS", non_empty_list_of(layer));
    // At most five minutes: a token that the authorization server no longer accepts lives on for that long.
    let cache = reader.required("VERIFY_CACHE_SECONDS", seconds(0..=300));
    let providers_file = reader.try_optional("PROVIDERS_FILE", |text| Ok(PathBuf::from(text)));
    let keys = jwt_keys::read(reader, wire);
    let issuer = reader.try_optional("JWT_ISSUER", text);
    if matches!((&providers_file, &issuer), (Ok(Some(_)), Ok(None))) {
        reader.warn(
            "JWT_ISSUER",
            "not set, so a token of an unknown issuer is answered 503 while the metadata of EXTERNAL_AUTH_URL is not known",
        );
    }
    let audiences = reader.try_optional("JWT_AUDIENCE", non_empty_list_of(text));
    // If the list of layers is wrong, local_jwt may be meant: the warnings below are given then, too.
    let local = layers
        .as_ref()
        .is_none_or(|layers| layers.contains(&VerificationSource::LocalJwt));
    if local && wire.environment != Environment::Development && matches!(audiences, Ok(None)) {
        reader.warn(
            "JWT_AUDIENCE",
            "not set, so local_jwt accepts a token that was issued for another service",
        );
    }
    // With a key set the issuer is discovered. A shared secret names no issuer.
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
    // At most a minute: a cut-off covers tokens that are issued up to that much later.
    let clock_skew = reader.required("CLOCK_SKEW_SECONDS", seconds(0..=60));
    let claims = claim_paths(reader);
    let admin_roles = reader.required("ADMIN_ROLES", non_empty_list_of(text));
    let sources = [
        ("claims", WorkspaceSource::Claims),
        ("database", WorkspaceSource::Database),
        ("both", WorkspaceSource::Both),
    ];
    let workspace_source = reader.required("WORKSPACE_SOURCE", choice(&sources));
    Some(VerifySettings {
        layers: layers?,
        cache: cache?,
        providers_file: providers_file.ok()?,
        keys: keys.ok()?,
        issuer: issuer.ok()?,
        audiences: audiences.ok()?.unwrap_or_default(),
        lifetime_without_exp: Duration::from_secs(minutes? * 60),
        token_types: token_types?,
        clock_skew: clock_skew?,
        // With the database as the only source, the claim is not even read.
        claims: ClaimPaths {
            ignore_workspaces: workspace_source == Some(WorkspaceSource::Database),
            ..claims?
        },
        admin_roles: admin_roles?,
        workspace_source: workspace_source?,
    })
}

/// Parses the name of a layer.
fn layer(text: &str) -> Result<VerificationSource, InvalidValue> {
    VerificationSource::ALL
        .into_iter()
        .find(|layer| layer.as_str() == text)
        .ok_or_else(|| {
            InvalidValue::new(
                format!("names {text:?}, which is not a layer"),
                format!(
                    "choose from {}",
                    VerificationSource::ALL.map(VerificationSource::as_str).join(", ")
                ),
            )
        })
}

/// Reads the paths of all claims.
fn claim_paths(reader: &mut SettingsReader<'_>) -> Option<ClaimPaths> {
    let mut paths = |name, is_list| {
        reader
            .try_optional(name, list_of(|text| claim_path(text, is_list)))
            .map(Option::unwrap_or_default)
    };
    let user_id = paths("CLAIM_USER_ID", false);
    let email = paths("CLAIM_EMAIL", false);
    let name = paths("CLAIM_NAME", false);
    let avatar = paths("CLAIM_AVATAR", false);
    let roles = paths("CLAIM_ROLES", true);
    let permissions = paths("CLAIM_PERMISSIONS", true);
    let groups = paths("CLAIM_GROUPS", true);
    let workspaces = paths("CLAIM_WORKSPACES", true);
    let scope = paths("CLAIM_SCOPE", true);
    let choices = [
        ("omit", UnverifiedEmailPolicy::Omit),
        ("send", UnverifiedEmailPolicy::Send),
    ];
    let unverified_email = reader.required("UNVERIFIED_EMAIL", choice(&choices));
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
        // Set by the caller, which knows WORKSPACE_SOURCE.
        ignore_workspaces: false,
        unverified_email: unverified_email?,
    })
}

/// Checks a claim path. Lists may be united from several claims.
fn claim_path(text: &str, is_list: bool) -> Result<String, InvalidValue> {
    check_claim_path(text, is_list).map_err(|fault| {
        InvalidValue::new(
            format!("contains {text:?}, which {fault}"),
            "write paths like realm_access.roles, with \\. for a dot within a name; unite lists with ` + `, and separate \
             alternatives with commas",
        )
    })?;
    Ok(text.to_owned())
}
