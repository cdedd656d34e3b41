//! Forward-auth: the policy by path, and the identity token for the application behind.

use std::path::PathBuf;
use std::time::Duration;

use maxlab_auth_core::identity_token::SigningKeys;

use super::app::{AppSettings, Environment};
use super::fault::Wrong;
use super::parse::{seconds, switch, text};
use super::reader::Reader;
use super::reference::DefaultValue::{Unset, Value};
use super::reference::SettingDoc;

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "POLICY_FILE",
        "path",
        Unset("none: /auth/verify goes by the query alone"),
        "A TOML file that says what each host, path and method needs (docs/FORWARD_AUTH.md). A changed file counts within two seconds.",
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
        "How long a signed identity is good, from 10 to 600.",
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
        Unset("made, and kept in DATA_DIR/identity-key"),
        "Signs identities (PEM, or base64 of PKCS#8). The first key signs, all are published; the same on every instance.",
    )
    .secret(),
];

/// The settings of forward-auth.
#[derive(Debug, Clone)]
pub struct ForwardAuthSettings {
    /// `POLICY_FILE`.
    pub policy_file: Option<PathBuf>,
    /// The identity token, if `IDENTITY_TOKEN` is on.
    pub identity: Option<IdentitySettings>,
}

/// The settings of the identity token.
#[derive(Debug, Clone)]
pub struct IdentitySettings {
    /// `IDENTITY_SIGNING_KEY`; `None` for one that is kept in `DATA_DIR`.
    pub keys: Option<SigningKeys>,
    /// `IDENTITY_TOKEN_SECONDS`.
    pub lifetime: Duration,
    /// `IDENTITY_ISSUER`.
    pub issuer: String,
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    environment: Environment,
    app: Option<&AppSettings>,
) -> Option<ForwardAuthSettings> {
    let policy_file = reader.take("POLICY_FILE", |text| Ok(PathBuf::from(text)));
    if matches!(policy_file, Ok(Some(_))) && app.is_some_and(|app| app.trusted_proxies.is_empty()) {
        reader.warn(
            "POLICY_FILE",
            "TRUSTED_PROXIES names no proxy that may say what is asked for, so every request that a rule could be about is refused",
        );
    }
    let on = reader.required("IDENTITY_TOKEN", switch);
    let lifetime = reader.required("IDENTITY_TOKEN_SECONDS", seconds(10..=600));
    let issuer = reader.required("IDENTITY_ISSUER", text);
    let keys = reader.take("IDENTITY_SIGNING_KEY", signing_keys);
    if on == Some(true) && matches!(keys, Ok(None)) && environment != Environment::Development {
        reader.warn(
            "IDENTITY_SIGNING_KEY",
            "not set, so each instance signs identities with a key of its own, kept in DATA_DIR",
        );
    }
    let identity = IdentitySettings {
        keys: keys.ok()?,
        lifetime: lifetime?,
        issuer: issuer?,
    };
    Some(ForwardAuthSettings {
        policy_file: policy_file.ok()?,
        identity: on?.then_some(identity),
    })
}

fn signing_keys(text: &str) -> Result<SigningKeys, Wrong> {
    SigningKeys::parse(text).map_err(|fault| {
        Wrong::new(
            format!("is not a list of signing keys: {fault}"),
            "make one with `maxlab-auth keygen`, or with `openssl ecparam -name prime256v1 -genkey -noout`",
        )
    })
}
