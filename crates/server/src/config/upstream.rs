//! Settings of the authorization server and of the clients in front of it.

pub(super) mod connection;
pub(super) mod endpoints;

use std::time::Duration;

use maxlab_auth_upstream::{ClientAuthMethod, EndpointUrls, OAuthClient, Transport};
use secrecy::SecretString;
use url::Url;

use super::address::{base_url, without_credentials};
use super::app::Environment;
use super::faults::InvalidValue;
use super::plaintext::PlaintextPolicy;
use super::reader::{FaultRecorded, SettingsReader};
use super::reference::DefaultValue::{Unset, Value};
use super::reference::SettingDoc;
use super::secret::external_secret;
use super::value_parsers::{boolean, fractional_seconds, list, list_of, non_empty_list_of, text};
use crate::redirect_uri::check_redirect_uri;

/// Default of `EXTERNAL_AUTH_URL` in development, as in docs/GUIDE.md.
const DEVELOPMENT_SERVER: &str = "http://localhost:8000";

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "EXTERNAL_AUTH_URL",
        "URL",
        Unset("http://localhost:8000 in development; required elsewhere"),
        "The authorization server. Its endpoints are discovered, or are at the guide's paths below this URL.",
    )
    .address(),
    SettingDoc::new(
        "ALLOW_PLAINTEXT_UPSTREAM",
        "true or false",
        Value("false"),
        "Lets production use http://, redis:// and PostgreSQL without TLS on other machines.",
    ),
    SettingDoc::new(
        "OAUTH_CLIENT_ID",
        "text",
        Unset("none: the gateway has no client of its own"),
        "The gateway's own client at the authorization server.",
    ),
    SettingDoc::new(
        "OAUTH_CLIENT_SECRET",
        "secret",
        Unset("none: a public client"),
        "The secret of OAUTH_CLIENT_ID.",
    )
    .secret(),
    SettingDoc::new(
        "UPSTREAM_TIMEOUT_SECONDS",
        "seconds",
        Value("10"),
        "How long one call to the authorization server may take; each verification layer has this time for itself.",
    ),
    SettingDoc::new(
        "ALLOWED_REDIRECT_URIS",
        "list of URIs",
        Unset("every one that the authorization server accepts"),
        "Redirect URIs that GET /oauth/authorize accepts, compared exactly.",
    ),
    SettingDoc::new(
        "ALLOWED_CLIENT_IDS",
        "list",
        Unset("every one that the authorization server accepts"),
        "Clients that GET /oauth/authorize accepts.",
    ),
    SettingDoc::new(
        "INTROSPECTION_CLIENTS",
        "list of id:secret",
        Unset("OAUTH_CLIENT_ID with its secret"),
        "Clients that may use POST /oauth/introspect.",
    )
    .secret(),
];

/// Client that may use this gateway's introspection endpoint.
#[derive(Debug, Clone)]
pub struct IntrospectionClient {
    /// `client_id`.
    pub id: String,
    /// Secret. Compare it in constant time.
    pub secret: SecretString,
}

/// Settings of the authorization server.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// `EXTERNAL_AUTH_URL`. Its path ends with `/`, so that `join("oauth/token")` stays below it.
    pub external_auth_url: Url,
    /// `OAUTH_CLIENT_ID` and `OAUTH_CLIENT_SECRET`.
    pub client: Option<OAuthClient>,
    /// `OAUTH_CLIENT_AUTHENTICATION`. `None` is the advertised one.
    pub auth_method: Option<ClientAuthMethod>,
    /// `AUTHORIZATION_URL`, `TOKEN_URL`, `USERINFO_URL`, `REVOCATION_URL` and `INTROSPECTION_URL`.
    pub endpoints: EndpointUrls,
    /// Proxies, and `EXTERNAL_AUTH_CA`.
    pub transport: Transport,
    /// `UPSTREAM_TIMEOUT_SECONDS`.
    pub timeout: Duration,
    /// `ALLOWED_REDIRECT_URIS`. `None` leaves the decision to the authorization server.
    pub allowed_redirect_uris: Option<Vec<String>>,
    /// `ALLOWED_CLIENT_IDS`. `None` leaves the decision to the authorization server.
    pub allowed_client_ids: Option<Vec<String>>,
    /// `INTROSPECTION_CLIENTS`, or the gateway's own client. Empty closes the endpoint.
    pub introspection_clients: Vec<IntrospectionClient>,
    /// `ALLOW_PLAINTEXT_UPSTREAM`.
    pub allow_plaintext: bool,
}

/// Reads `ALLOW_PLAINTEXT_UPSTREAM`, which the checks of all URLs depend on.
pub(super) fn read_plaintext_policy(
    reader: &mut SettingsReader<'_>,
    environment: Environment,
) -> PlaintextPolicy {
    // A misspelt value is a fault already. `true` keeps the checks of the URLs from adding more.
    let allow_plaintext = reader
        .required("ALLOW_PLAINTEXT_UPSTREAM", boolean)
        .unwrap_or(true);
    PlaintextPolicy {
        environment,
        allow_plaintext,
    }
}

/// Reads the section.
pub(super) fn read(reader: &mut SettingsReader<'_>, wire: PlaintextPolicy) -> Option<UpstreamSettings> {
    let external_auth_url = authorization_server(reader, wire);
    let client = gateway_client(reader);
    let own_client = client.as_ref().ok().and_then(Option::as_ref);
    let auth_method = connection::read_auth_method(reader, own_client);
    let endpoints = endpoints::read(reader, wire);
    let transport = connection::read_transport(reader);
    let timeout = reader.required("UPSTREAM_TIMEOUT_SECONDS", fractional_seconds(0.05..=300.0));
    let redirect_uris = reader.try_optional("ALLOWED_REDIRECT_URIS", list_of(redirect_uri));
    // Not an error: the authorization server checks redirect URIs, too.
    if let Ok(None) = redirect_uris {
        reader.warn(
            "ALLOWED_REDIRECT_URIS",
            "not set, so the gateway accepts every redirect URI that the authorization server accepts",
        );
    }
    // An empty list would refuse every client, which is a mistake. An empty list of redirect URIs is allowed.
    let client_ids = reader.try_optional("ALLOWED_CLIENT_IDS", non_empty_list_of(text));
    let introspection_clients = reader.try_optional("INTROSPECTION_CLIENTS", introspection_clients);
    let client = client.ok()?;
    Some(UpstreamSettings {
        external_auth_url: external_auth_url?,
        auth_method: auth_method.ok()?,
        endpoints: endpoints.ok()?,
        transport: transport.ok()?,
        timeout: timeout?,
        allowed_redirect_uris: redirect_uris.ok()?,
        allowed_client_ids: client_ids.ok()?,
        introspection_clients: introspection_clients
            .ok()?
            .unwrap_or_else(|| default_introspection_clients(client.as_ref())),
        client,
        allow_plaintext: wire.allow_plaintext,
    })
}

/// Reads `EXTERNAL_AUTH_URL`.
fn authorization_server(reader: &mut SettingsReader<'_>, wire: PlaintextPolicy) -> Option<Url> {
    let url = match reader.try_optional("EXTERNAL_AUTH_URL", base_url) {
        Ok(Some(url)) => Some(url),
        Ok(None) if wire.environment == Environment::Development => base_url(DEVELOPMENT_SERVER).ok(),
        Ok(None) => {
            reader.missing(
                "EXTERNAL_AUTH_URL",
                "set it to the authorization server's https:// URL",
            );
            None
        }
        Err(FaultRecorded) => None,
    };
    wire.refuse_http(reader, "EXTERNAL_AUTH_URL", url.as_ref());
    url
}

/// Reads the gateway's own client.
fn gateway_client(reader: &mut SettingsReader<'_>) -> Result<Option<OAuthClient>, FaultRecorded> {
    let id = reader.try_optional("OAUTH_CLIENT_ID", text);
    let secret = reader.try_optional("OAUTH_CLIENT_SECRET", external_secret);
    match (id?, secret?) {
        (Some(id), secret) => Ok(Some(OAuthClient { id, secret })),
        (None, None) => Ok(None),
        (None, Some(_)) => {
            reader.fault(
                "OAUTH_CLIENT_ID",
                "it is not set, but OAUTH_CLIENT_SECRET is",
                "set the client's id too, or remove its secret",
            );
            Err(FaultRecorded)
        }
    }
}

/// Returns the gateway's own client if it has a secret. A public client cannot authenticate.
fn default_introspection_clients(client: Option<&OAuthClient>) -> Vec<IntrospectionClient> {
    client
        .and_then(|client| {
            Some(IntrospectionClient {
                id: client.id.clone(),
                secret: client.secret.clone()?,
            })
        })
        .into_iter()
        .collect()
}

/// Checks a redirect URI by the rules that apply to requests. Returned as written, since it is compared exactly.
fn redirect_uri(text: &str) -> Result<String, InvalidValue> {
    let wrong = |what: &str, remedy: &str| {
        InvalidValue::new(
            format!("contains {:?}, which {what}", without_credentials(text)),
            remedy,
        )
    };
    // A wildcard would never match, so it is a mistake and not a rule.
    if text.contains('*') {
        return Err(wrong(
            "has a *, and redirect URIs are compared exactly",
            "list each redirect URI in full",
        ));
    }
    // What a request may not name can never match.
    check_redirect_uri(text).map_err(|fault| wrong(&fault.to_string(), fault.remedy()))?;
    Ok(text.to_owned())
}

/// Parses the list of introspection clients. Errors count the clients and do not quote them.
fn introspection_clients(text: &str) -> Result<Vec<IntrospectionClient>, InvalidValue> {
    let remedy = "write id:secret, id2:secret2";
    let mut clients: Vec<IntrospectionClient> = Vec::new();
    for (index, pair) in list(text)?.iter().enumerate() {
        let position = format!("(client {})", index + 1);
        // The first colon: a secret may contain more of them.
        let (id, secret) = pair
            .split_once(':')
            .map(|(id, secret)| (id.trim(), secret.trim()))
            .filter(|(id, secret)| !id.is_empty() && !secret.is_empty())
            .ok_or_else(|| InvalidValue::new(format!("is not a list of id:secret {position}"), remedy))?;
        if clients.iter().any(|client| client.id == id) {
            return Err(InvalidValue::new(
                format!("names one client twice {position}"),
                "name each client once",
            ));
        }
        let secret = external_secret(secret).map_err(|wrong| {
            InvalidValue::new(format!("contains a sample secret {position}"), wrong.remedy)
        })?;
        clients.push(IntrospectionClient {
            id: id.to_owned(),
            secret,
        });
    }
    Ok(clients)
}
