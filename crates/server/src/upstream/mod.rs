//! The authorization server as a client: one connection pool, bounded answers, no redirect ever followed.

mod answer;
mod discovery;
mod keys;
mod outbox;

use std::time::Duration;

use maxlab_auth_core::outbox::ClientCredentials;
use maxlab_auth_core::unavailable::Unavailable;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, header};
use secrecy::ExposeSecret as _;
use url::Url;

pub use answer::{Answer, UpstreamError};
use discovery::Discovery;
pub use discovery::Metadata;
pub use keys::{KeySetAddress, PublishedKeys};
pub use outbox::OutboxWorker;

use crate::config::OAuthClient;
use crate::observed;

/// An endpoint of the authorization server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `GET /oauth/authorize`
    Authorize,
    /// `POST /oauth/token`
    Token,
    /// `GET /oauth/userinfo`
    Userinfo,
    /// `POST /oauth/revoke`
    Revoke,
    /// RFC 7662; only where it is discovered or set
    Introspect,
    /// `GET /api/v1/auth/me`
    Account,
    /// `GET /health`
    Health,
    /// The key set; only where it is discovered or set
    Keys,
    /// RFC 8414 or OpenID discovery
    Metadata,
}

impl Endpoint {
    /// The word for it in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Token => "token",
            Self::Userinfo => "userinfo",
            Self::Revoke => "revoke",
            Self::Introspect => "introspect",
            Self::Account => "account",
            Self::Health => "health",
            Self::Keys => "jwks",
            Self::Metadata => "metadata",
        }
    }

    /// Where the guide has it, below the server's address.
    fn usual_path(self) -> Option<&'static str> {
        Some(match self {
            Self::Authorize => "oauth/authorize",
            Self::Token => "oauth/token",
            Self::Userinfo => "oauth/userinfo",
            Self::Revoke => "oauth/revoke",
            Self::Account => "api/v1/auth/me",
            Self::Health => "health",
            Self::Introspect | Self::Keys | Self::Metadata => return None,
        })
    }
}

/// How the authorization server is reached.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// Its address; the path ends with `/`.
    pub base: Url,
    /// The issuer that metadata must name, where it is not the address itself (`JWT_ISSUER`).
    pub issuer: Option<String>,
    /// Where tokens are introspected, where that is not discovered.
    pub introspection_url: Option<Url>,
    /// The gateway's own client there.
    pub client: Option<OAuthClient>,
    /// An answer that takes longer is none.
    pub timeout: Duration,
}

/// The authorization server.
#[derive(Debug)]
pub struct AuthServer {
    http: Client,
    config: UpstreamConfig,
    discovery: Discovery,
}

impl AuthServer {
    /// A client for one authorization server, with a pool of connections that lives as long as it does.
    ///
    /// # Errors
    /// TLS could not be set up.
    pub fn new(config: UpstreamConfig) -> Result<Self, Unavailable> {
        let http = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(config.timeout)
            .connect_timeout(config.timeout.min(Duration::from_secs(5)))
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("maxlab-auth/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|fault| Unavailable::upstream(fault.without_url()))?;
        Ok(Self {
            http,
            discovery: Discovery::default(),
            config,
        })
    }

    /// How it is reached.
    pub fn config(&self) -> &UpstreamConfig {
        &self.config
    }

    /// What the server says of itself, if it does; asked for at most every few minutes.
    pub async fn metadata(&self) -> Option<std::sync::Arc<Metadata>> {
        self.discovery.metadata(self).await
    }

    /// What is known of the server's metadata now, without any call.
    pub fn known_metadata(&self) -> Option<std::sync::Arc<Metadata>> {
        self.discovery.known()
    }

    /// The address of an endpoint: the discovered one, or where the guide has it.
    pub async fn address(&self, endpoint: Endpoint) -> Option<Url> {
        let discovered = match endpoint {
            Endpoint::Account | Endpoint::Health | Endpoint::Metadata => None,
            Endpoint::Introspect if self.config.introspection_url.is_some() => {
                self.config.introspection_url.clone()
            }
            _ => self
                .metadata()
                .await
                .and_then(|metadata| metadata.endpoint(endpoint)),
        };
        discovered.or_else(|| self.config.base.join(endpoint.usual_path()?).ok())
    }

    /// A request to an endpoint; `None` if the server has no such endpoint.
    pub async fn request(&self, method: Method, endpoint: Endpoint) -> Option<RequestBuilder> {
        let address = self.address(endpoint).await?;
        Some(
            self.http
                .request(method, address)
                .header(header::ACCEPT, "application/json"),
        )
    }

    /// A request to an address.
    pub(crate) fn request_to(&self, method: Method, address: Url) -> RequestBuilder {
        self.http
            .request(method, address)
            .header(header::ACCEPT, "application/json")
    }

    /// Sends a request and reads the whole answer, at most 1 MiB of it.
    ///
    /// # Errors
    /// There was no answer, or none that can be read.
    pub async fn send(&self, endpoint: Endpoint, request: RequestBuilder) -> Result<Answer, UpstreamError> {
        let started = tokio::time::Instant::now();
        let result = answer::read(request).await;
        let outcome = match &result {
            Ok(answer) if answer.status.is_server_error() => "server_error",
            Ok(answer) if answer.status.is_client_error() => "client_error",
            Ok(_) => "ok",
            Err(UpstreamError::Timeout) => "timeout",
            Err(UpstreamError::Unreachable(_)) => "unreachable",
            Err(UpstreamError::TooLarge | UpstreamError::Unreadable(_)) => "unreadable",
        };
        observed::upstream(endpoint.as_str(), outcome, started.elapsed());
        result
    }

    /// Names a client to the server: by HTTP Basic where it has a secret (RFC 6749 §2.3.1), by `client_id` in the
    /// form otherwise. The gateway's own secret is added where the client is the gateway's own.
    pub fn naming(
        &self,
        request: RequestBuilder,
        client: Option<&ClientCredentials>,
        form: &mut Vec<(String, String)>,
    ) -> RequestBuilder {
        let own = self.config.client.as_ref();
        let id = client.map(|c| c.id.clone()).or_else(|| own.map(|c| c.id.clone()));
        let Some(id) = id else { return request };
        let own_secret = own.filter(|own| own.id == id).and_then(|own| own.secret.as_ref());
        let secret = client
            .and_then(|c| c.secret.clone())
            .or_else(|| own_secret.map(|secret| secret.expose_secret().to_owned()));
        if let Some(secret) = secret {
            let quoted = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            request.basic_auth(quoted(&id), Some(quoted(&secret)))
        } else {
            form.push(("client_id".to_owned(), id));
            request
        }
    }
}
