//! Listening socket for TLS, and its certificate, which can be replaced while connections are served.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Error of a certificate and key that cannot be used. The text never has a part of the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CertificateFault(String);

/// Certificate in force, with its key.
#[derive(Debug)]
pub struct ServerCertificate {
    resolver: Arc<CertificateResolver>,
    config: Arc<ServerConfig>,
}

/// Resolver that gives each handshake the certificate in force.
#[derive(Debug)]
struct CertificateResolver(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for CertificateResolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl ServerCertificate {
    /// Parses a certificate chain and its key, both in PEM.
    ///
    /// # Errors
    /// A text cannot be parsed, or the key does not belong to the certificate.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, CertificateFault> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pair = certified_key(certificate, key, &provider)?;
        let resolver = Arc::new(CertificateResolver(ArcSwap::from_pointee(pair)));
        let config = server_config(provider, &resolver)
            .map_err(|fault| CertificateFault(format!("TLS cannot be configured: {fault}")))?;
        Ok(Self {
            resolver,
            config: Arc::new(config),
        })
    }

    /// Replaces the certificate and its key together. Handshakes that begin from now on use the new pair.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem). The previous pair then stays in force.
    pub fn replace(&self, certificate: &[u8], key: &[u8]) -> Result<(), CertificateFault> {
        // Parsed before anything is replaced: a bad pair never replaces a good one.
        let pair = certified_key(certificate, key, self.config.crypto_provider())?;
        self.resolver.0.store(Arc::new(pair));
        Ok(())
    }
}

/// Listening TCP socket whose connections begin with a TLS handshake.
pub struct TlsListener {
    pub(crate) listener: TcpListener,
    pub(crate) acceptor: TlsAcceptor,
}

impl TlsListener {
    /// Creates a listener that shows this certificate, also after it is replaced.
    pub fn new(listener: TcpListener, certificate: &ServerCertificate) -> Self {
        Self {
            listener,
            acceptor: TlsAcceptor::from(Arc::clone(&certificate.config)),
        }
    }
}

impl std::fmt::Debug for TlsListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TlsListener").field(&self.listener).finish()
    }
}

/// Returns the configuration of a listener: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN.
fn server_config(
    provider: Arc<CryptoProvider>,
    resolver: &Arc<CertificateResolver>,
) -> Result<ServerConfig, rustls::Error> {
    // The safe defaults of rustls are TLS 1.2 and 1.3. It has no older versions.
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(resolver) as _);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Parses a certificate chain and its key, and checks that they belong together.
fn certified_key(
    certificate: &[u8],
    key: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CertificateFault> {
    let chain = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|fault| CertificateFault(format!("the certificate is not valid PEM: {fault}")))?;
    if chain.is_empty() {
        return Err(CertificateFault(
            "the certificate file contains no certificate (-----BEGIN CERTIFICATE-----)".to_owned(),
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|fault| CertificateFault(format!("the key file contains no private key in PEM: {fault}")))?;
    // Compares the public keys of both.
    CertifiedKey::from_der(chain, key, provider)
        .map_err(|fault| CertificateFault(format!("the key does not belong to the certificate: {fault}")))
}
