//! The authorization server and the clients in front of it.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::address::{Wire, base_url, http_url};
use super::app::Environment;
use super::fault::Wrong;
use super::parse::{fractional_seconds, list, list_of, some_list_of, switch, text};
use super::reader::{Noted, Reader};
use super::reference::DefaultValue::{Unset, Value};
use super::reference::SettingDoc;
use super::secret::given_secret;

/// Where development's authorization server listens.
const DEVELOPMENT_SERVER: &str = "http://localhost:8000";

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "EXTERNAL_AUTH_URL",
        "URL",
        Unset("http://localhost:8000 in development; required elsewhere"),
        "The authorization server. Its endpoints are discovered, or lie below this URL as in the guide.",
    )
    .address(),
    SettingDoc::new(
        "ALLOW_PLAINTEXT_UPSTREAM",
        "true or false",
        Value("false"),
        "Lets production talk http:// and redis:// to other machines.",
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
        "INTROSPECTION_URL",
        "URL",
        Unset("discovered"),
        "The authorization server's introspection endpoint (RFC 7662).",
    )
    .address(),
    SettingDoc::new(
        "UPSTREAM_TIMEOUT_SECONDS",
        "seconds",
        Value("10"),
        "How long one call to the authorization server may take.",
    ),
    SettingDoc::new(
        "ALLOWED_REDIRECT_URIS",
        "list of URIs",
        Unset("whatever the authorization server accepts"),
        "Redirect URIs that GET /oauth/authorize lets pass, compared exactly.",
    ),
    SettingDoc::new(
        "ALLOWED_CLIENT_IDS",
        "list",
        Unset("whatever the authorization server accepts"),
        "Clients that GET /oauth/authorize lets pass.",
    ),
    SettingDoc::new(
        "INTROSPECTION_CLIENTS",
        "list of id:secret",
        Unset("OAUTH_CLIENT_ID with its secret"),
        "Clients that may ask POST /oauth/introspect.",
    )
    .secret(),
];

/// A client that may ask this gateway's introspection endpoint.
#[derive(Debug, Clone)]
pub struct IntrospectionClient {
    /// Its `client_id`.
    pub id: String,
    /// Its secret; compare in constant time.
    pub secret: SecretString,
}

/// The gateway's own client at the authorization server.
#[derive(Debug, Clone)]
pub struct OAuthClient {
    /// `OAUTH_CLIENT_ID`.
    pub id: String,
    /// `OAUTH_CLIENT_SECRET`; `None` for a public client.
    pub secret: Option<SecretString>,
}

/// The settings of the authorization server.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// `EXTERNAL_AUTH_URL`. Its path ends with `/`, so that `join("oauth/token")` stays below it.
    pub external_auth_url: Url,
    /// `OAUTH_CLIENT_ID` and `OAUTH_CLIENT_SECRET`.
    pub client: Option<OAuthClient>,
    /// `INTROSPECTION_URL`.
    pub introspection_url: Option<Url>,
    /// `UPSTREAM_TIMEOUT_SECONDS`.
    pub timeout: Duration,
    /// `ALLOWED_REDIRECT_URIS`; `None` leaves it to the authorization server.
    pub allowed_redirect_uris: Option<Vec<String>>,
    /// `ALLOWED_CLIENT_IDS`; `None` leaves it to the authorization server.
    pub allowed_client_ids: Option<Vec<String>>,
    /// `INTROSPECTION_CLIENTS`, or the gateway's own client; empty closes the endpoint.
    pub introspection_clients: Vec<IntrospectionClient>,
    /// `ALLOW_PLAINTEXT_UPSTREAM`.
    pub allow_plaintext: bool,
}

/// `ALLOW_PLAINTEXT_UPSTREAM`, which the checks of every address depend on.
pub(super) fn read_wire(reader: &mut Reader<'_>, environment: Environment) -> Wire {
    // A misspelt switch is a fault already; it should not bring another one along.
    let allow_plaintext = reader
        .required("ALLOW_PLAINTEXT_UPSTREAM", switch)
        .unwrap_or(true);
    Wire {
        environment,
        allow_plaintext,
    }
}

pub(super) fn read(reader: &mut Reader<'_>, wire: Wire) -> Option<UpstreamSettings> {
    let external_auth_url = authorization_server(reader, wire);
    let client = own_client(reader);
    let introspection_url = reader.take("INTROSPECTION_URL", http_url);
    wire.refuse_http(
        reader,
        "INTROSPECTION_URL",
        introspection_url.as_ref().ok().and_then(Option::as_ref),
    );
    let timeout = reader.required("UPSTREAM_TIMEOUT_SECONDS", fractional_seconds(0.05..=300.0));
    let redirect_uris = reader.take("ALLOWED_REDIRECT_URIS", list_of(redirect_uri));
    if let Ok(None) = redirect_uris {
        reader.warn(
            "ALLOWED_REDIRECT_URIS",
            "not set, so the gateway lets pass whatever redirect URI the authorization server accepts",
        );
    }
    let client_ids = reader.take("ALLOWED_CLIENT_IDS", some_list_of(text));
    let introspection_clients = reader.take("INTROSPECTION_CLIENTS", introspection_clients);
    let client = client.ok()?;
    Some(UpstreamSettings {
        external_auth_url: external_auth_url?,
        introspection_url: introspection_url.ok()?,
        timeout: timeout?,
        allowed_redirect_uris: redirect_uris.ok()?,
        allowed_client_ids: client_ids.ok()?,
        introspection_clients: introspection_clients
            .ok()?
            .unwrap_or_else(|| own_introspection(client.as_ref())),
        client,
        allow_plaintext: wire.allow_plaintext,
    })
}

fn authorization_server(reader: &mut Reader<'_>, wire: Wire) -> Option<Url> {
    let url = match reader.take("EXTERNAL_AUTH_URL", base_url) {
        Ok(Some(url)) => Some(url),
        Ok(None) if wire.environment == Environment::Development => base_url(DEVELOPMENT_SERVER).ok(),
        Ok(None) => {
            reader.missing(
                "EXTERNAL_AUTH_URL",
                "set it to the authorization server's https:// URL",
            );
            None
        }
        Err(Noted) => None,
    };
    wire.refuse_http(reader, "EXTERNAL_AUTH_URL", url.as_ref());
    url
}

fn own_client(reader: &mut Reader<'_>) -> Result<Option<OAuthClient>, Noted> {
    let id = reader.take("OAUTH_CLIENT_ID", text);
    let secret = reader.take("OAUTH_CLIENT_SECRET", given_secret);
    match (id?, secret?) {
        (Some(id), secret) => Ok(Some(OAuthClient { id, secret })),
        (None, None) => Ok(None),
        (None, Some(_)) => {
            reader.fault(
                "OAUTH_CLIENT_ID",
                "it is not set, but OAUTH_CLIENT_SECRET is",
                "set the client's id too, or take its secret out",
            );
            Err(Noted)
        }
    }
}

fn own_introspection(client: Option<&OAuthClient>) -> Vec<IntrospectionClient> {
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

/// An absolute URI without a fragment (RFC 6749 §3.1.2), kept as written since it is compared exactly.
fn redirect_uri(text: &str) -> Result<String, Wrong> {
    let wrong = |what: &str, remedy: &str| Wrong::new(format!("holds {text:?}, which {what}"), remedy);
    let url = Url::parse(text).map_err(|_| {
        wrong(
            "is not an absolute URI",
            "write each like https://app.example.com/callback",
        )
    })?;
    if text.contains('*') {
        return Err(wrong(
            "has a *, and redirect URIs are compared exactly",
            "list each redirect URI in full",
        ));
    }
    if url.fragment().is_some() {
        return Err(wrong("has a fragment", "take the # and what follows out of it"));
    }
    if matches!(
        url.scheme(),
        "javascript" | "data" | "vbscript" | "file" | "blob" | "about"
    ) {
        return Err(wrong(
            "a browser would run or open by itself",
            "use https:// or the app's own scheme",
        ));
    }
    Ok(text.to_owned())
}

fn introspection_clients(text: &str) -> Result<Vec<IntrospectionClient>, Wrong> {
    let remedy = "write id:secret, id2:secret2";
    let mut clients: Vec<IntrospectionClient> = Vec::new();
    for (index, pair) in list(text)?.iter().enumerate() {
        let place = format!("(client {})", index + 1);
        let (id, secret) = pair
            .split_once(':')
            .map(|(id, secret)| (id.trim(), secret.trim()))
            .filter(|(id, secret)| !id.is_empty() && !secret.is_empty())
            .ok_or_else(|| Wrong::new(format!("is not a list of id:secret {place}"), remedy))?;
        if clients.iter().any(|client| client.id == id) {
            return Err(Wrong::new(
                format!("names one client twice {place}"),
                "name each client once",
            ));
        }
        let secret = given_secret(secret)
            .map_err(|wrong| Wrong::new(format!("holds a sample secret {place}"), wrong.remedy))?;
        clients.push(IntrospectionClient {
            id: id.to_owned(),
            secret,
        });
    }
    Ok(clients)
}
