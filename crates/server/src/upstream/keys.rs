//! Where the authorization server publishes its keys: at `JWKS_URL`, or at the `jwks_uri` that its metadata names.

use std::sync::Arc;

use async_trait::async_trait;
use maxlab_auth_core::token::KeySet;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::{self, Fetched, KeyPlace};
use reqwest::{Method, StatusCode};
use url::Url;

use super::{AuthServer, Endpoint};

/// The authorization server's keys.
pub type PublishedKeys = verify::PublishedKeys<KeySetAddress>;

/// The address of the key set.
#[derive(Debug)]
pub struct KeySetAddress {
    server: Arc<AuthServer>,
    url: Option<Url>,
}

impl KeySetAddress {
    /// `url`, or where the server says.
    pub fn new(server: Arc<AuthServer>, url: Option<Url>) -> Self {
        Self { server, url }
    }

    /// No metadata: either the server has none, or it is down. Only one that answers can have none.
    async fn without_metadata(&self) -> Result<Fetched, Unavailable> {
        let address = self
            .server
            .config()
            .base
            .join(".well-known/openid-configuration")
            .map_err(|_| Unavailable::upstream("its address takes no path"))?;
        let answer = self
            .server
            .send(Endpoint::Metadata, self.server.request_to(Method::GET, address))
            .await?;
        if answer.status.is_server_error() {
            return Err(Unavailable::upstream(format_args!(
                "its metadata answers {}",
                answer.status
            )));
        }
        Ok(Fetched::NonePublished)
    }
}

#[async_trait]
impl KeyPlace for KeySetAddress {
    async fn fetch(&self) -> Result<Fetched, Unavailable> {
        let address = match &self.url {
            Some(url) => url.clone(),
            None => match self
                .server
                .metadata()
                .await
                .and_then(|metadata| metadata.endpoint(Endpoint::Keys))
            {
                Some(address) => address,
                None => return self.without_metadata().await,
            },
        };
        let request = self.server.request_to(Method::GET, address);
        let answer = self.server.send(Endpoint::Keys, request).await?;
        if answer.status != StatusCode::OK {
            return Err(Unavailable::upstream(format_args!(
                "its key set answers {}",
                answer.status
            )));
        }
        let keys = KeySet::from_jwks(&answer.body).map_err(Unavailable::upstream)?;
        Ok(Fetched::Keys(keys))
    }

    fn issuer(&self) -> Option<String> {
        self.server
            .known_metadata()
            .map(|metadata| metadata.issuer.clone())
    }
}
