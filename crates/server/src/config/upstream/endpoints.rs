//! Addresses of single endpoints, for a server whose metadata name addresses that cannot be used.

use maxlab_auth_upstream::EndpointUrls;
use url::Url;

use super::super::address::http_url;
use super::super::plaintext::PlaintextPolicy;
use super::super::reader::{FaultRecorded, SettingsReader};
use super::super::reference::DefaultValue::{self, Unset};
use super::super::reference::SettingDoc;

const DISCOVERED: DefaultValue = Unset("discovered, or the guide's path");

pub(in crate::config) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "AUTHORIZATION_URL",
        "URL",
        DISCOVERED,
        "The authorization endpoint, to which GET /oauth/authorize sends browsers. This and the next four settings are for metadata that name addresses that cannot be used, such as public ones that this machine cannot reach.",
    )
    .address(),
    SettingDoc::new("TOKEN_URL", "URL", DISCOVERED, "The token endpoint.").address(),
    SettingDoc::new(
        "USERINFO_URL",
        "URL",
        DISCOVERED,
        "The userinfo endpoint, for oauth_userinfo.",
    )
    .address(),
    SettingDoc::new(
        "REVOCATION_URL",
        "URL",
        DISCOVERED,
        "The revocation endpoint (RFC 7009).",
    )
    .address(),
    SettingDoc::new(
        "INTROSPECTION_URL",
        "URL",
        Unset("discovered"),
        "The introspection endpoint (RFC 7662), for introspection.",
    )
    .address(),
];

/// Reads the addresses. Each reports its own fault.
pub(super) fn read(
    reader: &mut SettingsReader<'_>,
    wire: PlaintextPolicy,
) -> Result<EndpointUrls, FaultRecorded> {
    let mut url = |name| endpoint_url(reader, wire, name);
    let authorization = url("AUTHORIZATION_URL");
    let token = url("TOKEN_URL");
    let userinfo = url("USERINFO_URL");
    let revocation = url("REVOCATION_URL");
    let introspection = url("INTROSPECTION_URL");
    Ok(EndpointUrls {
        authorization: authorization?,
        token: token?,
        userinfo: userinfo?,
        revocation: revocation?,
        introspection: introspection?,
    })
}

fn endpoint_url(
    reader: &mut SettingsReader<'_>,
    wire: PlaintextPolicy,
    name: &'static str,
) -> Result<Option<Url>, FaultRecorded> {
    let url = reader.try_optional(name, http_url)?;
    wire.refuse_http(reader, name, url.as_ref());
    Ok(url)
}
