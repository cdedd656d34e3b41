//! Settings of forward-auth: the policy by path, and the identity token for applications.

use std::path::PathBuf;
use std::time::Duration;

use maxlab_auth_core::identity_token::SigningKeys;

use super::app::{AppSettings, Environment};
use super::faults::InvalidValue;
use super::reader::SettingsReader;
use super::reference::DefaultValue::{Unset, Value};
use super::reference::SettingDoc;
use super::value_parsers::{boolean, choice, seconds, text};

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "POLICY_FILE",
        "path",
        Unset("none: /auth/verify uses only the query"),
        "A TOML file with the requirements of each host, path and method (docs/FORWARD_AUTH.md). A changed file is loaded within two seconds.",
    ),
    SettingDoc::new(
        "IDENTITY_HEADER_ENCODING",
        "utf-8 or percent",
        Value("utf-8"),
        "How identity headers encode text outside ASCII. Servers that read headers as Latin-1 (Node.js, ASGI) need percent (docs/FORWARD_AUTH.md).",
    ),
    SettingDoc::new(
        "IDENTITY_WORKSPACES",
        "true or false",
        Value("false"),
        "Whether /auth/verify sends the user's workspaces in Remote-Workspaces and in the signed identity. With WORKSPACE_SOURCE=database or both, each request then asks the database.",
    ),
    SettingDoc::new(
        "IDENTITY_TOKEN",
        "on or off",
        Value("off"),
        "Whether /auth/verify sends a signed identity in X-Auth-Identity, and GET /.well-known/jwks.json its keys.",
    ),
    SettingDoc::new(
        "IDENTITY_TOKEN_SECONDS",
        "seconds",
        Value("60"),
        "How long a signed identity is valid, from 10 to 600.",
    ),
    SettingDoc::new(
        "IDENTITY_ISSUER",
        "text",
        Value("maxlab-auth"),
        "The issuer (iss) that a signed identity names.",
    ),
    SettingDoc::new(
        "IDENTITY_SIGNING_KEY",
        "list of P-256 private keys",
        Unset("generated, and kept in DATA_DIR/identity-key"),
        "Signs identities (PEM, or base64 of PKCS#8). The first key signs, all public keys are published. The same on every instance.",
    )
    .secret(),
];

/// Encoding of the values of identity headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HeaderEncoding {
    /// Text is UTF-8. Only what HTTP or a list cannot carry is percent-encoded.
    #[default]
    Utf8,
    /// Everything outside ASCII is percent-encoded too.
    Percent,
}

/// Settings of forward-auth.
#[derive(Debug, Clone)]
pub struct ForwardAuthSettings {
    /// `POLICY_FILE`.
    pub policy_file: Option<PathBuf>,
    /// `IDENTITY_HEADER_ENCODING`.
    pub header_encoding: HeaderEncoding,
    /// `IDENTITY_WORKSPACES`.
    pub names_workspaces: bool,
    /// The identity token, if `IDENTITY_TOKEN` is on.
    pub identity: Option<IdentitySettings>,
}

/// Settings of the identity token.
#[derive(Debug, Clone)]
pub struct IdentitySettings {
    /// `IDENTITY_SIGNING_KEY`. `None` for the generated key in `DATA_DIR`.
    pub keys: Option<SigningKeys>,
    /// `IDENTITY_TOKEN_SECONDS`.
    pub lifetime: Duration,
    /// `IDENTITY_ISSUER`.
    pub issuer: String,
}

/// Reads the section. Faults of the identity token are reported also while it is off.
pub(super) fn read(
    reader: &mut SettingsReader<'_>,
    environment: Environment,
    app: Option<&AppSettings>,
) -> Option<ForwardAuthSettings> {
    let policy_file = reader.try_optional("POLICY_FILE", |text| Ok(PathBuf::from(text)));
    // The policy needs the original request, and only a trusted proxy may name it.
    if matches!(policy_file, Ok(Some(_))) && app.is_some_and(|app| app.trusted_proxies.is_empty()) {
        reader.warn(
            "POLICY_FILE",
            "TRUSTED_PROXIES is empty, so no proxy can name the original request: every request that a rule could match is refused",
        );
    }
    let encodings = [
        ("utf-8", HeaderEncoding::Utf8),
        ("percent", HeaderEncoding::Percent),
    ];
    let header_encoding = reader.required("IDENTITY_HEADER_ENCODING", choice(&encodings));
    let names_workspaces = reader.required("IDENTITY_WORKSPACES", boolean);
    let on = reader.required("IDENTITY_TOKEN", boolean);
    let lifetime = reader.required("IDENTITY_TOKEN_SECONDS", seconds(10..=600));
    let issuer = reader.required("IDENTITY_ISSUER", text);
    let keys = reader.try_optional("IDENTITY_SIGNING_KEY", signing_keys);
    // An application that knows the key of one instance would refuse the tokens of another.
    if on == Some(true) && matches!(keys, Ok(None)) && environment != Environment::Development {
        reader.warn(
            "IDENTITY_SIGNING_KEY",
            "not set, so each instance signs identities with its own key, kept in DATA_DIR",
        );
    }
    let identity = IdentitySettings {
        keys: keys.ok()?,
        lifetime: lifetime?,
        issuer: issuer?,
    };
    Some(ForwardAuthSettings {
        policy_file: policy_file.ok()?,
        header_encoding: header_encoding?,
        names_workspaces: names_workspaces?,
        // While it is off, its settings are checked and then dropped.
        identity: on?.then_some(identity),
    })
}

/// Parses the list of signing keys. The error does not quote them.
fn signing_keys(text: &str) -> Result<SigningKeys, InvalidValue> {
    SigningKeys::parse(text).map_err(|fault| {
        InvalidValue::new(
            format!("is not a list of signing keys: {fault}"),
            "generate one with `maxlab-auth keygen`, or with `openssl ecparam -name prime256v1 -genkey -noout`",
        )
    })
}
