//! The certificate and its key: read at the start, looked at again and again, and replaced together or not at all.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use crate::observed;
use crate::watched::{Seen, Watched};

/// The longest file, in bytes: many times what a chain takes.
const LONGEST: u64 = 1024 * 1024;

/// Why a certificate and a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CertificateFault(String);

/// Where the certificate and its key are, and what is in force of them.
#[derive(Debug)]
pub struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
    current: Arc<Current>,
    provider: Arc<CryptoProvider>,
    change: Mutex<Watched<Texts>>,
}

/// What the two files hold.
#[derive(PartialEq)]
struct Texts {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Texts").finish_non_exhaustive()
    }
}

/// The certificate that a handshake gets.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl CertificateFiles {
    /// Reads both files for the first time.
    ///
    /// # Errors
    /// One of them cannot be read, or they are no pair.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, CertificateFault> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let texts = read(certificate, key).map_err(CertificateFault)?;
        let pair = pair(&texts, &provider).map_err(CertificateFault)?;
        observed::certificate_is_stale(false);
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            current: Arc::new(Current(ArcSwap::from_pointee(pair))),
            provider,
            change: Mutex::new(Watched::new(texts)),
        })
    }

    /// What a listener goes by: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN, and at each handshake the certificate that is
    /// then in force.
    ///
    /// # Errors
    /// The provider has no cipher suite for these versions, which a test rules out.
    pub fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.current) as _);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Looks at the files, and goes by what they hold when two looks found the same new pair. It blocks on the file
    /// system. Whatever cannot be used is told of once and changes nothing.
    pub fn look_again(&self) {
        let found = read(&self.certificate, &self.key);
        let path = self.certificate.display();
        let mut change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match change.look(found) {
            Seen::Nothing => return,
            Seen::Mended => {
                tracing::info!(%path, "the certificate and its key are again those in force");
                observed::certificate_is_stale(false);
                return;
            }
            Seen::New(found) => found,
        };
        let usable = match &found {
            Ok(texts) => pair(texts, &self.provider),
            Err(why) => Err(why.clone()),
        };
        match usable {
            Ok(pair) => {
                self.current.0.store(Arc::new(pair));
                if let Ok(texts) = found {
                    change.adopt(texts);
                }
                tracing::info!(%path, "goes by the changed certificate");
                observed::certificate_reloaded("applied");
                observed::certificate_is_stale(false);
            }
            Err(why) => {
                change.refuse(found);
                tracing::error!(%path, "goes on with the certificate that it has, since {why}");
                observed::certificate_reloaded("refused");
                observed::certificate_is_stale(true);
            }
        }
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Texts, String> {
    Ok(Texts {
        certificate: read_one(certificate)?,
        key: Zeroizing::new(read_one(key)?),
    })
}

fn read_one(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;

    let name = path.display();
    let file = std::fs::File::open(path).map_err(|fault| format!("{name} cannot be opened: {fault}"))?;
    let mut text = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut text)
        .map_err(|fault| format!("{name} cannot be read: {fault}"))?;
    if text.len() as u64 > LONGEST {
        return Err(format!("{name} is longer than {LONGEST} bytes"));
    }
    Ok(text)
}

/// A certificate with its chain and its key, if that is what these are.
fn pair(texts: &Texts, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let chain = CertificateDer::pem_slice_iter(&texts.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|fault| format!("the certificate is no PEM: {fault}"))?;
    if chain.is_empty() {
        return Err("the certificate's file holds no certificate (-----BEGIN CERTIFICATE-----)".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(&texts.key)
        .map_err(|fault| format!("the key's file holds no private key in PEM: {fault}"))?;
    CertifiedKey::from_der(chain, key, provider)
        .map_err(|fault| format!("the certificate and the key are no pair: {fault}"))
}
