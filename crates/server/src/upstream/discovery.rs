//! What the authorization server says of itself (RFC 8414, OpenID Connect Discovery), and how long that is believed.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::{AuthServer, Endpoint};

/// Metadata is asked for again after this long.
const FRESH: Duration = Duration::from_secs(300);
/// After a failure, or where there is none, it is asked for again after this long.
const COOLDOWN: Duration = Duration::from_secs(10);
/// Nobody waits longer than this for metadata: the guide's own paths are good enough.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the server says of itself.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// Its issuer identifier.
    pub issuer: String,
    document: Map<String, Value>,
}

impl Metadata {
    /// The address of an endpoint, if the metadata has it.
    pub fn endpoint(&self, endpoint: Endpoint) -> Option<Url> {
        let name = match endpoint {
            Endpoint::Authorize => "authorization_endpoint",
            Endpoint::Token => "token_endpoint",
            Endpoint::Userinfo => "userinfo_endpoint",
            Endpoint::Revoke => "revocation_endpoint",
            Endpoint::Introspect => "introspection_endpoint",
            Endpoint::Keys => "jwks_uri",
            Endpoint::Account | Endpoint::Health | Endpoint::Metadata => return None,
        };
        Url::parse(self.document.get(name)?.as_str()?)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
    }
}

#[derive(Debug, Default)]
struct Known {
    metadata: Option<Arc<Metadata>>,
    ask_again: Option<Instant>,
}

#[derive(Debug, Default)]
pub(super) struct Discovery {
    known: RwLock<Known>,
    asking: Mutex<()>,
}

impl Discovery {
    pub(super) fn known(&self) -> Option<Arc<Metadata>> {
        self.read().0
    }

    pub(super) async fn metadata(&self, server: &AuthServer) -> Option<Arc<Metadata>> {
        let (known, due) = self.read();
        if !due {
            return known;
        }
        let _one_at_a_time = self.asking.lock().await;
        let (known, due) = self.read();
        if !due {
            return known;
        }
        let patience = PATIENCE.min(server.config.timeout);
        let asked = tokio::time::timeout(patience, ask(server)).await.unwrap_or(None);
        let mut state = self
            .known
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let wait = if asked.is_some() { FRESH } else { COOLDOWN };
        state.ask_again = Some(Instant::now() + wait);
        // The last good one stays while the server does not answer.
        state.metadata = asked.map(Arc::new).or_else(|| state.metadata.take());
        state.metadata.clone()
    }

    fn read(&self) -> (Option<Arc<Metadata>>, bool) {
        let state = self
            .known
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let due = state.ask_again.is_none_or(|at| at <= Instant::now());
        (state.metadata.clone(), due)
    }
}

async fn ask(server: &AuthServer) -> Option<Metadata> {
    for path in [
        ".well-known/openid-configuration",
        ".well-known/oauth-authorization-server",
    ] {
        let address = server.config.base.join(path).ok()?;
        let request = server.request_to(Method::GET, address);
        match server.send(Endpoint::Metadata, request).await {
            Ok(answer) if answer.status == StatusCode::OK => {
                let Ok(document) = answer.json() else { continue };
                if let Some(metadata) = accepted(server, document) {
                    return Some(metadata);
                }
            }
            Ok(_) => {}
            Err(fault) => {
                tracing::debug!(%fault, "no metadata");
                return None;
            }
        }
    }
    None
}

/// Metadata counts only if it names the issuer that was asked (RFC 8414 §3.3).
fn accepted(server: &AuthServer, document: Map<String, Value>) -> Option<Metadata> {
    let issuer = document.get("issuer")?.as_str()?.to_owned();
    let base = server.config.base.as_str().trim_end_matches('/');
    let expected = server.config.issuer.as_deref().unwrap_or(base);
    if issuer == expected || issuer.trim_end_matches('/') == base {
        return Some(Metadata { issuer, document });
    }
    tracing::warn!(
        issuer,
        expected,
        "the authorization server's metadata names another issuer and is not used; set JWT_ISSUER if that is right"
    );
    None
}
