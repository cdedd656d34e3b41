//! What is known of the products, as data: `presets.toml`.

use std::sync::LazyLock;

use maxlab_auth_core::identity::VerificationSource;
use toml::de::DeTable;

use crate::claims::parse_claims;
use crate::endpoints::parse_endpoints;
use crate::fault::ProviderFaults;
use crate::parser::{parse_layers, parse_userinfo};
use crate::settings::{EndpointOverrides, UserinfoUse};
use crate::table::{FaultList, TableReader};

/// Presets, embedded so that a program needs no file of its own.
static PRESETS: LazyLock<Vec<ProviderPreset>> =
    // The text is part of the program, and a test reads it: it has no fault.
    LazyLock::new(|| parse_presets(include_str!("presets.toml")).unwrap_or_default());

/// Preset without anything of its own: plain OpenID Connect.
static PLAIN: LazyLock<ProviderPreset> = LazyLock::new(ProviderPreset::plain);

const PRESET_KEYS: [&str; 12] = [
    "name",
    "claims",
    "scopes",
    "layers",
    "userinfo",
    "audience_claim",
    "authorize",
    "end_session",
    "issuer",
    "tenants",
    "openid",
    "endpoints",
];

/// Facts about a product, beyond OpenID Connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderPreset {
    /// Word in the file: `preset = "keycloak"`.
    pub id: String,
    /// Name of the product.
    pub name: String,
    /// Claim paths that replace the layers' own, by part of the identity.
    pub claims: Vec<(String, Vec<String>)>,
    /// Scopes of a login.
    pub scopes: Vec<String>,
    /// Layers that verify a bearer token, if they differ from the usual ones.
    pub layers: Vec<VerificationSource>,
    /// When userinfo is asked at a login.
    pub userinfo: UserinfoUse,
    /// Claim that stands for `aud` where a token has none.
    pub audience_claim: Option<String>,
    /// Further parameters of the authorization request.
    pub authorization_parameters: Vec<(String, String)>,
    /// How a person is logged out at the provider.
    pub end_session: EndSessionStyle,
    /// Issuer where all customers have the same one.
    pub issuer: Option<String>,
    /// The issuer contains `{tenantid}`.
    pub is_multi_tenant: bool,
    /// `false` for OAuth 2.0 without ID token and metadata.
    pub is_openid: bool,
    /// Endpoints of a product that publishes no metadata.
    pub endpoints: EndpointOverrides,
    /// Remarks for operators, in whole sentences.
    pub remarks: Vec<String>,
}

/// How a person is logged out at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndSessionStyle {
    /// OpenID Connect RP-Initiated Logout 1.0, if the metadata names an endpoint.
    RpInitiated,
    /// Auth0: `/v2/logout?client_id&returnTo`, unless the metadata names an endpoint.
    ReturnTo,
    /// Cognito: `/logout?client_id&logout_uri`, unless the metadata names an endpoint.
    LogoutUri,
    /// The product cannot do it.
    Unsupported,
}

impl ProviderPreset {
    /// Returns the preset with this word.
    pub fn find(id: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.id == id)
    }

    /// Returns all presets.
    pub fn all() -> &'static [Self] {
        &PRESETS
    }

    /// Returns plain OpenID Connect, for a provider that names no preset.
    pub fn openid() -> &'static Self {
        Self::find("openid").unwrap_or(&PLAIN)
    }

    fn plain() -> Self {
        Self {
            id: "openid".to_owned(),
            name: "OpenID Connect".to_owned(),
            claims: Vec::new(),
            scopes: Vec::new(),
            layers: Vec::new(),
            userinfo: UserinfoUse::IfNeeded,
            audience_claim: None,
            authorization_parameters: Vec::new(),
            end_session: EndSessionStyle::RpInitiated,
            issuer: None,
            is_multi_tenant: false,
            is_openid: true,
            endpoints: EndpointOverrides::default(),
            remarks: Vec::new(),
        }
    }
}

/// Reads the table of presets.
fn parse_presets(text: &str) -> Result<Vec<ProviderPreset>, ProviderFaults> {
    let mut faults = FaultList::new(text);
    let mut presets = Vec::new();
    match DeTable::parse(text) {
        Ok(tables) => {
            for (id, value) in tables.get_ref() {
                faults.provider = Some(id.get_ref().to_string());
                match value.get_ref().as_table() {
                    Some(table) => {
                        let reader = TableReader::new(table, value.span(), "");
                        presets.push(parse_preset(id.get_ref(), &reader, &mut faults));
                    }
                    None => faults.report(&value.span(), "not a table", "write [name]"),
                }
            }
        }
        Err(error) => {
            let span = error.span().unwrap_or_default();
            faults.report(
                &span,
                format!("this is not TOML: {}", error.message()),
                "fix the syntax",
            );
        }
    }
    match ProviderFaults::from_unsorted(faults.faults) {
        None => Ok(presets),
        Some(faults) => Err(faults),
    }
}

fn parse_preset(id: &str, reader: &TableReader<'_>, faults: &mut FaultList<'_>) -> ProviderPreset {
    let known: Vec<_> = PRESET_KEYS.into_iter().chain(["remarks"]).collect();
    reader.refuse_unknown(&known, faults);
    let flag = |key| reader.get(key).and_then(|value| value.get_ref().as_bool());
    let parameters = reader.texts("authorize", faults).into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    let end_session = reader.parsed(
        "end_session",
        "use returnTo, logout_uri or none",
        faults,
        |text| {
            Some(match text {
                "returnTo" => EndSessionStyle::ReturnTo,
                "logout_uri" => EndSessionStyle::LogoutUri,
                "none" => EndSessionStyle::Unsupported,
                _ => return None,
            })
        },
    );
    ProviderPreset {
        id: id.to_owned(),
        name: reader.text("name", faults).unwrap_or_else(|| id.to_owned()),
        authorization_parameters: parameters.collect(),
        claims: parse_claims(reader, faults),
        scopes: reader.texts("scopes", faults),
        layers: parse_layers(reader, faults),
        userinfo: parse_userinfo(reader, faults).unwrap_or(UserinfoUse::IfNeeded),
        audience_claim: reader.text("audience_claim", faults),
        end_session: end_session.unwrap_or(EndSessionStyle::RpInitiated),
        issuer: reader.text("issuer", faults),
        is_multi_tenant: flag("tenants").unwrap_or(false),
        is_openid: flag("openid").unwrap_or(true),
        endpoints: parse_endpoints(reader, faults),
        remarks: reader.texts("remarks", faults),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_products_is_read_without_a_fault() {
        let presets = parse_presets(include_str!("presets.toml")).unwrap();
        let expected = [
            "openid",
            "keycloak",
            "entra",
            "auth0",
            "okta",
            "cognito",
            "google",
            "github",
            "gitlab",
            "authentik",
            "authelia",
            "zitadel",
            "rauthy",
            "dex",
            "hydra",
        ];
        for id in expected {
            assert!(presets.iter().any(|preset| preset.id == id), "{id}");
        }
        assert_eq!(presets.len(), expected.len());
        assert_eq!(ProviderPreset::all(), presets);
        assert_eq!(*ProviderPreset::openid(), ProviderPreset::plain());
    }

    #[test]
    fn a_product_without_openid_connect_names_every_endpoint_of_a_login() {
        for preset in ProviderPreset::all().iter().filter(|preset| !preset.is_openid) {
            let endpoints = &preset.endpoints;
            assert!(endpoints.authorization.is_some(), "{}", preset.id);
            assert!(
                endpoints.token.is_some() && endpoints.userinfo.is_some(),
                "{}",
                preset.id
            );
            assert_eq!(preset.userinfo, UserinfoUse::Required, "{}", preset.id);
        }
    }
}
