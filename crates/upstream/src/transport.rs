//! Connections to the authorization server: proxies, trusted certificate authorities, limits.

use std::fmt;
use std::time::Duration;

use maxlab_auth_core::unavailable::Unavailable;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, NoProxy, Proxy};
use url::Url;

/// Maximum time for opening a connection.
const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time after which an idle connection is closed.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Hosts that are this machine. No proxy is asked for them: there they would be another machine.
const LOOPBACK_HOSTS: &str = "localhost,127.0.0.0/8,::1";

/// How the authorization server is reached.
#[derive(Clone, Debug, Default)]
pub struct Transport {
    /// Proxies.
    pub proxies: ProxyRules,
    /// Certificates (PEM) of authorities that are trusted in addition to the system's (`EXTERNAL_AUTH_CA`).
    pub extra_authorities: Option<String>,
}

/// HTTP proxies for requests to the authorization server, by the usual variables of the environment.
///
/// Requests to https go through a tunnel (RFC 9110 §9.3.6), in which the proxy sees no token. Requests to this
/// machine use no proxy.
#[derive(Clone, Default)]
pub struct ProxyRules {
    /// Proxy for http (`HTTP_PROXY`).
    pub http: Option<Url>,
    /// Proxy for https (`HTTPS_PROXY`).
    pub https: Option<Url>,
    /// Hosts that are asked directly (`NO_PROXY`): domains with their subdomains, addresses, networks, or `*`.
    pub bypass: Option<String>,
}

// Not derived: the URL of a proxy may have a password.
impl fmt::Debug for ProxyRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyRules")
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("bypass", &self.bypass)
            .finish()
    }
}

impl ProxyRules {
    /// Reads the variables of the process environment, in upper or lower case. For programs without settings
    /// of their own; a value that is no proxy's URL is ignored.
    pub fn from_env() -> Self {
        let variable = |name: &str| {
            let value = std::env::var(name).or_else(|_| std::env::var(name.to_ascii_lowercase()));
            value.ok().filter(|text| !text.trim().is_empty())
        };
        let proxy = |name| variable(name).and_then(|text| Self::parse_url(&text));
        Self {
            http: proxy("HTTP_PROXY"),
            https: proxy("HTTPS_PROXY"),
            bypass: variable("NO_PROXY"),
        }
    }

    /// Parses the URL of a proxy. `http://` may be left out. Returns `None` for any other scheme than http and
    /// https.
    pub fn parse_url(text: &str) -> Option<Url> {
        let text = text.trim();
        let url = if text.contains("://") {
            Url::parse(text)
        } else {
            Url::parse(&format!("http://{text}"))
        };
        url.ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    }

    fn no_proxy(&self) -> Option<NoProxy> {
        let bypass = self.bypass.as_deref().unwrap_or_default();
        NoProxy::from_string(&format!("{LOOPBACK_HOSTS},{bypass}"))
    }
}

impl Transport {
    /// Builds the HTTP client.
    ///
    /// # Errors
    /// TLS cannot be initialized, or a certificate or a proxy cannot be used. The text says what to do.
    pub(crate) fn build_client(&self, timeout: Duration, user_agent: &str) -> Result<Client, Unavailable> {
        // No redirects: a token must not be sent on to another host. The proxies are those of the
        // configuration, and never those that reqwest finds by itself.
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(timeout)
            .connect_timeout(timeout.min(MAX_CONNECT_TIMEOUT))
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .user_agent(user_agent);
        let proxies = &self.proxies;
        for proxy in [
            proxies.http.clone().map(Proxy::http),
            proxies.https.clone().map(Proxy::https),
        ] {
            let Some(proxy) = proxy
                .transpose()
                .map_err(|fault| build_fault(fault, "the proxy"))?
            else {
                continue;
            };
            builder = builder.proxy(proxy.no_proxy(proxies.no_proxy()));
        }
        if let Some(pem) = &self.extra_authorities {
            let authorities = Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|fault| build_fault(fault, "the certificates of EXTERNAL_AUTH_CA"))?;
            builder = builder.tls_certs_merge(authorities);
        }
        builder.build().map_err(|fault| {
            build_fault(
                fault,
                "TLS (install the system's CA certificates, or set SSL_CERT_FILE or EXTERNAL_AUTH_CA_FILE)",
            )
        })
    }
}

/// Builds the fault of a client that cannot be built, with the causes and without a URL.
fn build_fault(fault: reqwest::Error, what: &str) -> Unavailable {
    let fault = fault.without_url();
    let mut text = format!("{what} cannot be used");
    let mut source = std::error::Error::source(&fault);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    Unavailable::upstream(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f29_a_proxy_is_a_web_address_whose_scheme_may_be_left_out() {
        for (text, url) in [
            ("proxy.example:3128", "http://proxy.example:3128/"),
            (" http://10.0.0.1:3128 ", "http://10.0.0.1:3128/"),
            ("https://user:pw@proxy.example", "https://user:pw@proxy.example/"),
        ] {
            assert_eq!(ProxyRules::parse_url(text).unwrap().as_str(), url);
        }
        for bad in [
            "socks5://proxy.example:1080",
            "http://",
            "ftp://proxy.example",
            "",
        ] {
            assert!(ProxyRules::parse_url(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_password_of_a_proxy() {
        let rules = ProxyRules {
            https: ProxyRules::parse_url("http://user:canary@proxy.example"),
            ..ProxyRules::default()
        };
        let transport = Transport {
            proxies: rules,
            extra_authorities: None,
        };
        assert!(!format!("{transport:?}").contains("canary"));
    }
}
