//! Metadata of the authorization server (RFC 8414, OpenID Connect Discovery), and how long it is cached.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::{AuthServer, AuthServerEndpoint};

/// Age at which metadata is fetched again.
const METADATA_TTL: Duration = Duration::from_secs(300);
/// Pause after a failed lookup, or one that found no metadata.
const RETRY_COOLDOWN: Duration = Duration::from_secs(10);
/// Maximum time that a caller waits for metadata. The default paths (docs/GUIDE.md) are used then.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Metadata document of the server.
#[derive(Clone, Debug)]
pub struct ServerMetadata {
    /// Issuer identifier.
    pub issuer: String,
    document: Map<String, Value>,
}

impl ServerMetadata {
    /// Returns the URL of an endpoint if the metadata names it.
    pub fn endpoint(&self, endpoint: AuthServerEndpoint) -> Option<Url> {
        let name = match endpoint {
            AuthServerEndpoint::Authorize => "authorization_endpoint",
            AuthServerEndpoint::Token => "token_endpoint",
            AuthServerEndpoint::Userinfo => "userinfo_endpoint",
            AuthServerEndpoint::Revoke => "revocation_endpoint",
            AuthServerEndpoint::Introspect => "introspection_endpoint",
            AuthServerEndpoint::Jwks => "jwks_uri",
            AuthServerEndpoint::Account | AuthServerEndpoint::Health | AuthServerEndpoint::Metadata => {
                return None;
            }
        };
        // Other schemes cannot be requested, and an issuer has no use for them.
        Url::parse(self.document.get(name)?.as_str()?)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
    }

    /// Returns `true` if the server names itself in answers of its authorization endpoint (RFC 9207 §3).
    pub fn names_issuer_in_answers(&self) -> bool {
        let claimed = self
            .document
            .get("authorization_response_iss_parameter_supported");
        claimed.and_then(Value::as_bool).unwrap_or_default()
    }

    /// Returns the methods of client authentication that the metadata name for an endpoint (RFC 8414 §2). An
    /// endpoint without a list of its own has that of the token endpoint. Empty if nothing is named.
    pub fn auth_methods(&self, endpoint: AuthServerEndpoint) -> Vec<&str> {
        let own = match endpoint {
            AuthServerEndpoint::Introspect => "introspection_endpoint_auth_methods_supported",
            AuthServerEndpoint::Revoke => "revocation_endpoint_auth_methods_supported",
            _ => "token_endpoint_auth_methods_supported",
        };
        let list = |name: &str| self.document.get(name)?.as_array();
        let methods = list(own).or_else(|| list("token_endpoint_auth_methods_supported"));
        methods.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

/// Result of a metadata lookup.
#[derive(Clone, Debug)]
pub enum MetadataLookup {
    /// Metadata that can be used.
    Found(Arc<ServerMetadata>),
    /// The server answers, and publishes no metadata.
    Absent,
    /// The server answers with something else. The text says with what.
    Unusable(String),
    /// The server does not answer. The text says why.
    Unreachable(String),
}

impl MetadataLookup {
    /// Returns the metadata, if any was found.
    pub fn into_metadata(self) -> Option<Arc<ServerMetadata>> {
        match self {
            Self::Found(metadata) => Some(metadata),
            Self::Absent | Self::Unusable(_) | Self::Unreachable(_) => None,
        }
    }
}

#[derive(Debug, Default)]
struct CachedMetadata {
    metadata: Option<Arc<ServerMetadata>>,
    /// Time and result of the last lookup.
    last_lookup: Option<(Instant, MetadataLookup)>,
}

impl CachedMetadata {
    /// Returns the result that needs no new lookup. `None` if a lookup is due.
    fn fresh_result(&self, now: Instant) -> Option<MetadataLookup> {
        let (at, result) = self.last_lookup.as_ref()?;
        let wait = if matches!(result, MetadataLookup::Found(_)) {
            METADATA_TTL
        } else {
            RETRY_COOLDOWN
        };
        (*at + wait > now).then(|| self.result_or_cached(result))
    }

    /// Returns the last good metadata if there is any: it stays in use while the server fails.
    fn result_or_cached(&self, result: &MetadataLookup) -> MetadataLookup {
        match &self.metadata {
            Some(metadata) => MetadataLookup::Found(Arc::clone(metadata)),
            None => result.clone(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct MetadataDiscovery {
    // A std lock: it is never held across an `await`. The cache is read for every request to the server.
    cached: RwLock<CachedMetadata>,
    // An async lock: held during a lookup, so that callers at the same time share one.
    lookup_lock: Mutex<()>,
}

impl MetadataDiscovery {
    pub(super) fn cached(&self) -> Option<Arc<ServerMetadata>> {
        self.with_cached(|state| state.metadata.clone())
    }

    pub(super) async fn metadata(&self, server: &AuthServer) -> Option<Arc<ServerMetadata>> {
        let found = match self.with_cached(|state| state.fresh_result(Instant::now())) {
            Some(current) => current,
            None => self.lookup_once(server, false).await,
        };
        found.into_metadata()
    }

    /// Looks metadata up now if none is known, even during the pause. For callers with a pause of their own.
    pub(super) async fn lookup_uncached(&self, server: &AuthServer) -> MetadataLookup {
        match self.with_cached(|state| state.fresh_result(Instant::now())) {
            Some(current @ MetadataLookup::Found(_)) => current,
            _ => self.lookup_once(server, true).await,
        }
    }

    /// Looks metadata up, one caller at a time. `ignore_pause` looks even if the last lookup failed a moment
    /// ago.
    async fn lookup_once(&self, server: &AuthServer, ignore_pause: bool) -> MetadataLookup {
        let asked_at = Instant::now();
        let _one_at_a_time = self.lookup_lock.lock().await;
        // Another caller may have looked while this one waited for the lock. Its result is as good as a new
        // one.
        let meanwhile = self.with_cached(|state| {
            let is_newer = state.last_lookup.as_ref().is_some_and(|(at, _)| *at >= asked_at);
            state
                .fresh_result(Instant::now())
                .filter(|_| is_newer || !ignore_pause)
        });
        if let Some(meanwhile) = meanwhile {
            return meanwhile;
        }
        let patience = LOOKUP_TIMEOUT.min(server.config.timeout);
        let result = tokio::time::timeout(patience, fetch_metadata(server))
            .await
            .unwrap_or_else(|_| MetadataLookup::Unreachable("it did not answer in time".to_owned()));
        let mut state = self
            .cached
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let MetadataLookup::Found(metadata) = &result {
            state.metadata = Some(Arc::clone(metadata));
        }
        let answer = state.result_or_cached(&result);
        state.last_lookup = Some((Instant::now(), result));
        answer
    }

    fn with_cached<T>(&self, read: impl FnOnce(&CachedMetadata) -> T) -> T {
        read(
            &self
                .cached
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }
}

/// Returns the addresses at which a server may publish its metadata, in the order in which they are asked.
///
/// A server whose base URL has a path appends the well-known path to it (OpenID Connect Discovery §4), or puts
/// it in front (RFC 8414 §3.1). `None` if the base URL cannot take a path.
fn metadata_addresses(base: &Url) -> Option<Vec<Url>> {
    const NAMES: [&str; 2] = ["openid-configuration", "oauth-authorization-server"];
    let mut addresses = Vec::new();
    for name in NAMES {
        addresses.push(base.join(&format!(".well-known/{name}")).ok()?);
    }
    let path = base.path().trim_end_matches('/');
    if !path.is_empty() {
        // RFC 8414 first: the other name in front of a path is only its advice for a transition (§5).
        for name in NAMES.into_iter().rev() {
            let mut address = base.clone();
            address.set_path(&format!("/.well-known/{name}{path}"));
            addresses.push(address);
        }
    }
    Some(addresses)
}

/// Fetches the metadata document from the first address that has one.
#[tracing::instrument(level = "debug", skip_all)]
async fn fetch_metadata(server: &AuthServer) -> MetadataLookup {
    let Some(addresses) = metadata_addresses(&server.config.base) else {
        return MetadataLookup::Unusable("its URL cannot take a path".to_owned());
    };
    let mut result = MetadataLookup::Absent;
    for address in addresses {
        let path = address.path().to_owned();
        let request = server.request_to(Method::GET, address);
        let answer = match server.send(AuthServerEndpoint::Metadata, request).await {
            Ok(answer) => answer,
            Err(fault) => {
                tracing::debug!(%fault, "metadata not fetched");
                return MetadataLookup::Unreachable(fault.to_string());
            }
        };
        match answer.status {
            StatusCode::OK => match answer
                .json_object()
                .map(|document| check_issuer(server, document))
            {
                Ok(Ok(metadata)) => return MetadataLookup::Found(Arc::new(metadata)),
                // The other path may have a document of the right issuer.
                Ok(Err(fault)) => result = MetadataLookup::Unusable(fault),
                Err(_) => {
                    result = MetadataLookup::Unusable(format!("{path} does not answer with metadata"));
                }
            },
            // Temporary: says nothing about whether there is metadata.
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                return MetadataLookup::Unreachable(format!("{path} answered {}", answer.status));
            }
            // 501 means "no such resource", like 404. Other 5xx are failures of the server.
            status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
                return MetadataLookup::Unreachable(format!("{path} answered {status}"));
            }
            status if status.is_client_error() || status.is_server_error() => {}
            status => result = MetadataLookup::Unusable(format!("{path} answered {status}")),
        }
    }
    result
}

/// Accepts metadata only if it names the expected issuer (RFC 8414 §3.3).
fn check_issuer(server: &AuthServer, document: Map<String, Value>) -> Result<ServerMetadata, String> {
    let Some(issuer) = document.get("issuer").and_then(Value::as_str) else {
        return Err("its metadata names no issuer".to_owned());
    };
    let base = server.config.base.as_str().trim_end_matches('/');
    let expected = server.config.issuer.as_deref().unwrap_or(base);
    // A slash at the end of the base URL is not part of the issuer, and some servers publish it.
    if issuer == expected || issuer.trim_end_matches('/') == base {
        let issuer = issuer.to_owned();
        return Ok(ServerMetadata { issuer, document });
    }
    tracing::warn!(
        issuer,
        expected,
        "metadata of the authorization server refused: it names another issuer; set JWT_ISSUER if that issuer is right"
    );
    Err(format!(
        "its metadata names the issuer {issuer}, but {expected} is expected; set JWT_ISSUER={issuer} if its tokens name that one"
    ))
}

#[cfg(test)]
mod tests {
    use super::metadata_addresses;

    #[test]
    fn f11_a_base_with_a_path_has_four_addresses_of_metadata() {
        let addresses = |base: &str| {
            let found = metadata_addresses(&base.parse().unwrap()).unwrap();
            found.iter().map(|url| url.path().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            addresses("https://as.example/"),
            [
                "/.well-known/openid-configuration",
                "/.well-known/oauth-authorization-server"
            ]
        );
        assert_eq!(
            addresses("https://as.example/a/tenant-b/"),
            [
                "/a/tenant-b/.well-known/openid-configuration",
                "/a/tenant-b/.well-known/oauth-authorization-server",
                "/.well-known/oauth-authorization-server/a/tenant-b",
                "/.well-known/openid-configuration/a/tenant-b",
            ]
        );
    }
}
