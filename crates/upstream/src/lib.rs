//! Client of the authorization server: one connection pool, bounded answers, no redirects.
//!
//! [`AuthServer`] is the client. [`JwksEndpoint`] fetches keys, [`verifiers`] are the layers that ask, and
//! [`OutboxWorker`] delivers revocations. The gateway and the guard library share them. Nothing here decides
//! whether a credential is revoked, and nothing knows of settings or metrics: the process passes
//! [`UpstreamConfig`] and counts [`UpstreamEvents`].

mod client_auth;
mod discovery;
mod endpoint_urls;
mod events;
mod exchange;
mod jwks;
mod outbox;
mod response;
mod token_endpoint;
mod transport;
pub mod verifiers;

use std::time::Duration;

use maxlab_auth_core::outbox::ClientCredentials;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::explain;
use reqwest::{Client, Method, RequestBuilder, header};
use secrecy::SecretString;
use url::Url;

pub use client_auth::{ClientAuthMethod, ClientAuthentication};
use discovery::MetadataDiscovery;
pub use discovery::{MetadataLookup, ServerMetadata};
pub use endpoint_urls::EndpointUrls;
pub use events::{FinishedRequest, RequestOutcome, UpstreamEvents};
pub use jwks::{AuthServerJwks, JwksEndpoint};
pub use maxlab_auth_core::token_endpoint::UpstreamError;
pub use outbox::OutboxWorker;
pub use response::AuthServerResponse;
pub use transport::{ProxyRules, Transport};

/// An endpoint of the authorization server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthServerEndpoint {
    /// `GET /oauth/authorize`
    Authorize,
    /// `POST /oauth/token`
    Token,
    /// `GET /oauth/userinfo`
    Userinfo,
    /// `POST /oauth/revoke`
    Revoke,
    /// RFC 7662. Exists only if it is discovered or set.
    Introspect,
    /// `GET /api/v1/auth/me`
    Account,
    /// `GET /health`
    Health,
    /// The key set. Exists only if it is discovered or set.
    Jwks,
    /// RFC 8414 or OpenID Connect Discovery.
    Metadata,
}

impl AuthServerEndpoint {
    /// All endpoints.
    pub const ALL: [Self; 9] = [
        Self::Authorize,
        Self::Token,
        Self::Userinfo,
        Self::Revoke,
        Self::Introspect,
        Self::Account,
        Self::Health,
        Self::Jwks,
        Self::Metadata,
    ];

    /// Name of the endpoint in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Token => "token",
            Self::Userinfo => "userinfo",
            Self::Revoke => "revoke",
            Self::Introspect => "introspect",
            Self::Account => "account",
            Self::Health => "health",
            Self::Jwks => "jwks",
            Self::Metadata => "metadata",
        }
    }

    /// Path below the server's base URL if it publishes no metadata (docs/GUIDE.md).
    fn default_path(self) -> Option<&'static str> {
        Some(match self {
            Self::Authorize => "oauth/authorize",
            Self::Token => "oauth/token",
            Self::Userinfo => "oauth/userinfo",
            Self::Revoke => "oauth/revoke",
            Self::Account => "api/v1/auth/me",
            Self::Health => "health",
            Self::Introspect | Self::Jwks | Self::Metadata => return None,
        })
    }
}

/// Configuration of the connection to the authorization server.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// Base URL. Its path ends with `/`.
    pub base: Url,
    /// Issuer that the metadata must name if it differs from the base URL (`JWT_ISSUER`).
    pub issuer: Option<String>,
    /// Configured addresses of endpoints, which win over the discovered ones.
    pub endpoints: EndpointUrls,
    /// The gateway's own client at the authorization server.
    pub client: Option<OAuthClient>,
    /// Method of client authentication (`OAUTH_CLIENT_AUTHENTICATION`). `None` is the advertised one.
    pub auth_method: Option<ClientAuthMethod>,
    /// Proxies, and certificate authorities.
    pub transport: Transport,
    /// Time limit of a request with its answer.
    pub timeout: Duration,
    /// Receivers of the client's events.
    pub events: UpstreamEvents,
}

/// The gateway's own client at the authorization server.
#[derive(Debug, Clone)]
pub struct OAuthClient {
    /// `client_id` (`OAUTH_CLIENT_ID`).
    pub id: String,
    /// Secret (`OAUTH_CLIENT_SECRET`). `None` for a public client.
    pub secret: Option<SecretString>,
}

/// The authorization server, as the gateway's client sees it.
#[derive(Debug)]
pub struct AuthServer {
    http: Client,
    config: UpstreamConfig,
    discovery: MetadataDiscovery,
}

impl AuthServer {
    /// Creates a client with its own connection pool.
    ///
    /// # Errors
    /// TLS cannot be initialized, or a proxy or a certificate cannot be used.
    pub fn new(config: UpstreamConfig) -> Result<Self, Unavailable> {
        Self::with_user_agent(config, concat!("maxlab-auth/", env!("CARGO_PKG_VERSION")))
    }

    /// Creates a client that calls itself `user_agent`.
    fn with_user_agent(config: UpstreamConfig, user_agent: &str) -> Result<Self, Unavailable> {
        let http = config.transport.build_client(config.timeout, user_agent)?;
        Ok(Self {
            http,
            discovery: MetadataDiscovery::default(),
            config,
        })
    }

    /// Returns the configuration.
    pub fn config(&self) -> &UpstreamConfig {
        &self.config
    }

    /// Returns the server's metadata if it publishes any. Asks at most every few minutes.
    pub async fn metadata(&self) -> Option<std::sync::Arc<ServerMetadata>> {
        self.discovery.metadata(self).await
    }

    /// Looks the metadata up now if none is cached.
    pub async fn lookup_metadata(&self) -> MetadataLookup {
        self.discovery.lookup_uncached(self).await
    }

    /// Returns the cached metadata without a request.
    pub fn cached_metadata(&self) -> Option<std::sync::Arc<ServerMetadata>> {
        self.discovery.cached()
    }

    /// Returns the URL of an endpoint: the configured, the discovered or the default one.
    pub async fn address(&self, endpoint: AuthServerEndpoint) -> Option<Url> {
        match self.named_address(endpoint).await {
            Some(named) => Some(named),
            None => self.config.base.join(endpoint.default_path()?).ok(),
        }
    }

    /// Returns the URL of an endpoint that the configuration or the metadata name.
    pub async fn named_address(&self, endpoint: AuthServerEndpoint) -> Option<Url> {
        if let Some(configured) = self.config.endpoints.find(endpoint) {
            return Some(configured.clone());
        }
        match endpoint {
            // No metadata names these two, and the third is where metadata comes from.
            AuthServerEndpoint::Account | AuthServerEndpoint::Health | AuthServerEndpoint::Metadata => None,
            _ => self.metadata().await?.endpoint(endpoint),
        }
    }

    /// Builds a request to an endpoint. `None` if the server has no such endpoint.
    pub async fn request(&self, method: Method, endpoint: AuthServerEndpoint) -> Option<RequestBuilder> {
        let address = self.address(endpoint).await?;
        Some(
            self.http
                .request(method, address)
                .header(header::ACCEPT, "application/json"),
        )
    }

    /// Builds a request to a URL.
    pub fn request_to(&self, method: Method, address: Url) -> RequestBuilder {
        self.http
            .request(method, address)
            .header(header::ACCEPT, "application/json")
    }

    /// Sends a request, reads the answer (at most 1 MiB), and reports both to [`UpstreamEvents`].
    ///
    /// # Errors
    /// No answer, or an answer that cannot be read.
    #[tracing::instrument(level = "debug", skip_all, fields(endpoint = endpoint.as_str()))]
    pub async fn send(
        &self,
        endpoint: AuthServerEndpoint,
        request: RequestBuilder,
    ) -> Result<AuthServerResponse, UpstreamError> {
        // tokio's clock, so that tests can pause it.
        let started = tokio::time::Instant::now();
        let result = match request.build_split() {
            (client, Ok(request)) => {
                let asked = exchange::AskedRequest::of(&request);
                let result = response::send_and_read(&client, request).await;
                explain::note(|| asked.step(&result));
                result
            }
            // Nothing was sent. The URL may carry a token.
            (_, Err(fault)) => Err(UpstreamError::NotConnected(fault.without_url().to_string())),
        };
        (self.config.events.request_finished)(&FinishedRequest {
            endpoint,
            outcome: RequestOutcome::from(&result),
            took: started.elapsed(),
        });
        result
    }

    /// Returns how a client authenticates at an endpoint. `None` without any client: the server must accept
    /// the request as it is then.
    ///
    /// Without `client`, it is the gateway's own client. Its secret is used also if `client` has the same id.
    pub async fn client_authentication(
        &self,
        endpoint: AuthServerEndpoint,
        client: Option<&ClientCredentials>,
    ) -> Option<ClientAuthentication> {
        let own = self.config.client.as_ref();
        let id = client
            .map(|client| client.id.clone())
            .or_else(|| own.map(|own| own.id.clone()))?;
        let own_secret = own.filter(|own| own.id == id).and_then(|own| own.secret.clone());
        let secret = client
            .and_then(|client| client.secret.clone())
            .map(SecretString::from);
        let secret = secret.or(own_secret);
        let configured = self.config.auth_method;
        // Not needed if the choice is made: the metadata may have to be fetched.
        let metadata = if configured.is_none() && secret.is_some() {
            self.metadata().await
        } else {
            None
        };
        let advertised = metadata.as_ref().map(|metadata| metadata.auth_methods(endpoint));
        let advertised = advertised.unwrap_or_default();
        Some(ClientAuthentication::choose(id, secret, configured, &advertised))
    }

    /// Adds the authentication of the gateway's own client to a form. Returns the value of the `Authorization`
    /// header that goes with it, if the method needs one.
    pub async fn authenticate_form(
        &self,
        endpoint: AuthServerEndpoint,
        form: &mut Vec<(String, String)>,
    ) -> Option<Vec<u8>> {
        let authentication = self.client_authentication(endpoint, None).await?;
        authentication.add_to_form(form)
    }

    /// Adds the authentication of a client to a request and its form.
    /// [`client_authentication`](Self::client_authentication) says which client and how.
    pub async fn add_client_auth(
        &self,
        endpoint: AuthServerEndpoint,
        request: RequestBuilder,
        client: Option<&ClientCredentials>,
        form: &mut Vec<(String, String)>,
    ) -> RequestBuilder {
        match self.client_authentication(endpoint, client).await {
            Some(authentication) => authentication.add_to(request, form),
            None => request,
        }
    }
}
