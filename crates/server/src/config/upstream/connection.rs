//! Connection to the authorization server: client authentication, proxies, certificate authorities.

use maxlab_auth_upstream::{ClientAuthMethod, OAuthClient, ProxyRules, Transport};
use url::Url;

use super::super::faults::InvalidValue;
use super::super::reader::{FaultRecorded, SettingsReader};
use super::super::reference::DefaultValue::Unset;
use super::super::reference::SettingDoc;
use super::super::value_parsers::{choice, text};

pub(in crate::config) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "OAUTH_CLIENT_AUTHENTICATION",
        "client_secret_basic, client_secret_basic_with_id, client_secret_post or none",
        Unset("the one that the authorization server advertises, else client_secret_basic; none without a secret"),
        "How a client sends its secret to the introspection and revocation endpoints: by HTTP Basic, by HTTP Basic with client_id in the body too, or in the body.",
    ),
    SettingDoc::new(
        "EXTERNAL_AUTH_CA",
        "PEM certificates",
        Unset("the system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR"),
        "Certificate authorities that the authorization server's certificate may come from, in addition to the default ones. Usually EXTERNAL_AUTH_CA_FILE=/path/ca.pem.",
    )
    .secret(),
    SettingDoc::new(
        "HTTPS_PROXY",
        "URL",
        Unset("none"),
        "The HTTP proxy for https:// requests to the authorization server, which go through a tunnel. https_proxy works too.",
    )
    .address(),
    SettingDoc::new(
        "HTTP_PROXY",
        "URL",
        Unset("none"),
        "The HTTP proxy for http:// requests to the authorization server. It sees every token in them. http_proxy works too.",
    )
    .address(),
    SettingDoc::new(
        "NO_PROXY",
        "list of hosts",
        Unset("this machine"),
        "Hosts that are asked without a proxy: domains with their subdomains, IP addresses, networks like 10.0.0.0/8, or *. no_proxy works too.",
    ),
];

/// Reads how clients authenticate. `client` is the gateway's own.
pub(super) fn read_auth_method(
    reader: &mut SettingsReader<'_>,
    client: Option<&OAuthClient>,
) -> Result<Option<ClientAuthMethod>, FaultRecorded> {
    const NAME: &str = "OAUTH_CLIENT_AUTHENTICATION";
    let choices = ClientAuthMethod::ALL.map(|method| (method.as_str(), method));
    let method = reader.try_optional(NAME, choice(&choices))?;
    let has_secret = client.map(|client| client.secret.is_some());
    let problem = match (method.map(ClientAuthMethod::needs_secret), has_secret) {
        (Some(true), Some(false)) => "it needs a secret, but OAUTH_CLIENT_SECRET is not set",
        (Some(false), Some(true)) => "it is none, but OAUTH_CLIENT_SECRET is set",
        _ => return Ok(method),
    };
    reader.fault(
        NAME,
        problem,
        "set the secret with client_secret_basic or client_secret_post, or remove it with none",
    );
    Err(FaultRecorded)
}

/// Reads proxies and authorities. Each setting reports its own fault.
pub(super) fn read_transport(reader: &mut SettingsReader<'_>) -> Result<Transport, FaultRecorded> {
    let extra_authorities = reader.try_optional("EXTERNAL_AUTH_CA", certificates);
    let https = reader.try_optional("HTTPS_PROXY", proxy_url);
    let http = reader.try_optional("HTTP_PROXY", proxy_url);
    let bypass = reader.try_optional("NO_PROXY", text);
    Ok(Transport {
        proxies: ProxyRules {
            http: http?,
            https: https?,
            bypass: bypass?,
        },
        extra_authorities: extra_authorities?,
    })
}

fn proxy_url(text: &str) -> Result<Url, InvalidValue> {
    ProxyRules::parse_url(text).ok_or_else(|| {
        InvalidValue::new(
            "is not the address of an HTTP proxy",
            "write it like http://proxy.example.com:3128; SOCKS is not supported",
        )
    })
}

/// Checks that a text contains certificates.
fn certificates(pem: &str) -> Result<String, InvalidValue> {
    let found = reqwest::Certificate::from_pem_bundle(pem.as_bytes());
    if found.is_ok_and(|certificates| !certificates.is_empty()) {
        return Ok(pem.to_owned());
    }
    Err(InvalidValue::new(
        "contains no certificate in PEM form",
        "set EXTERNAL_AUTH_CA_FILE to a file with -----BEGIN CERTIFICATE----- in it",
    ))
}
