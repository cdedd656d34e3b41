//! Source of the authorization server's keys: `JWKS_URL`, or the `jwks_uri` of its metadata.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::{self, FetchedJwks, JwksSource};
use maxlab_auth_jose::KeySet;
use reqwest::{Method, StatusCode};
use url::Url;

use super::{
    AuthServer, AuthServerEndpoint, EndpointUrls, MetadataLookup, ProxyRules, Transport, UpstreamConfig,
    UpstreamEvents,
};

/// Cache of the authorization server's keys.
pub type AuthServerJwks = verify::JwksCache<JwksEndpoint>;

/// Endpoint of the authorization server's key set (RFC 7517 §5).
#[derive(Debug)]
pub struct JwksEndpoint {
    server: Arc<AuthServer>,
    url: Option<Url>,
}

impl JwksEndpoint {
    /// Creates a source at `url`, or at the discovered `jwks_uri` if `url` is `None`.
    pub fn new(server: Arc<AuthServer>, url: Option<Url>) -> Self {
        Self { server, url }
    }

    /// Creates a source at `url` whose keys belong to `issuer`, with a client of its own. It looks no metadata
    /// up. It obeys `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` of the environment.
    ///
    /// # Errors
    /// TLS cannot be initialized.
    pub fn at_url(
        url: Url,
        issuer: String,
        timeout: Duration,
        user_agent: &str,
    ) -> Result<Self, Unavailable> {
        let config = UpstreamConfig {
            // Not asked: the URL is given, and a known issuer needs no metadata.
            base: url.clone(),
            issuer: Some(issuer),
            endpoints: EndpointUrls::default(),
            client: None,
            auth_method: None,
            // An application has no settings of the gateway, and its environment has these.
            transport: Transport {
                proxies: ProxyRules::from_env(),
                extra_authorities: None,
            },
            timeout,
            events: UpstreamEvents::default(),
        };
        let server = AuthServer::with_user_agent(config, user_agent)?;
        Ok(Self::new(Arc::new(server), Some(url)))
    }

    /// Returns the `jwks_uri` of the metadata. `None` if the server publishes no metadata or names no key
    /// set.
    async fn discover_url(&self) -> Result<Option<Url>, Unavailable> {
        match self.server.lookup_metadata().await {
            MetadataLookup::Found(metadata) => Ok(metadata.endpoint(AuthServerEndpoint::Jwks)),
            MetadataLookup::Absent => Ok(None),
            MetadataLookup::Unusable(why) | MetadataLookup::Unreachable(why) => Err(Unavailable::upstream(
                format_args!("its metadata is not available: {why}"),
            )),
        }
    }

    /// Makes sure that the issuer of a key set at `JWKS_URL` is known.
    ///
    /// A key set does not name its issuer. `JWT_ISSUER` or the metadata does.
    async fn require_issuer(&self) -> Result<(), Unavailable> {
        // The lookup fills the cache that `issuer` reads.
        if self.issuer().is_some() || self.server.lookup_metadata().await.into_metadata().is_some() {
            return Ok(());
        }
        Err(Unavailable::upstream(
            "the issuer of the keys at JWKS_URL is unknown; set JWT_ISSUER if no metadata names it",
        ))
    }
}

#[async_trait]
impl JwksSource for JwksEndpoint {
    #[tracing::instrument(level = "debug", skip_all)]
    async fn fetch(&self) -> Result<FetchedJwks, Unavailable> {
        let address = match &self.url {
            Some(url) => {
                // First: keys of an unknown issuer would accept the tokens of any issuer.
                self.require_issuer().await?;
                url.clone()
            }
            None => match self.discover_url().await? {
                Some(address) => address,
                None => return Ok(FetchedJwks::NonePublished),
            },
        };
        let request = self.server.request_to(Method::GET, address);
        let answer = self.server.send(AuthServerEndpoint::Jwks, request).await?;
        if answer.status != StatusCode::OK {
            return Err(Unavailable::upstream(format_args!(
                "its key set endpoint answered {}",
                answer.status
            )));
        }
        // A malformed set is an error, so that the cache keeps the last good one.
        let keys = KeySet::from_jwks(answer.text_bytes()).map_err(Unavailable::upstream)?;
        Ok(FetchedJwks::Keys(keys))
    }

    fn issuer(&self) -> Option<String> {
        let discovered = || Some(self.server.cached_metadata()?.issuer.clone());
        self.server.config().issuer.clone().or_else(discovered)
    }
}
