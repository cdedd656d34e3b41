//! The place of an issuer's keys, where its address is known.

use async_trait::async_trait;
use http::{StatusCode, header};
use maxlab_auth_core::token::KeySet;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::{Fetched, KeyPlace};
use reqwest::Client;
use url::Url;

use crate::answer::ask;

pub(super) struct KeySetUrl {
    pub(super) http: Client,
    pub(super) url: Url,
    pub(super) issuer: String,
}

#[async_trait]
impl KeyPlace for KeySetUrl {
    async fn fetch(&self) -> Result<Fetched, Unavailable> {
        let request = self.http.get(self.url.clone());
        let answer = ask(request.header(header::ACCEPT, "application/json")).await?;
        if answer.status != StatusCode::OK {
            return Err(Unavailable::upstream(format_args!(
                "its key set answers {}",
                answer.status
            )));
        }
        KeySet::from_jwks(&answer.body)
            .map(Fetched::Keys)
            .map_err(Unavailable::upstream)
    }

    fn issuer(&self) -> Option<String> {
        Some(self.issuer.clone())
    }
}
