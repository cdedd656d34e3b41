//! Files of the certificate and its key: read at the start, polled for changes, and used together or not at all.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use maxlab_auth_listener::{CertificateFault, ServerCertificate};
use zeroize::Zeroizing;

use crate::change_detector::{ChangeDetector, FileChange};
use crate::files::read_regular;
use crate::record;

/// Maximum length of each file, in bytes. A certificate chain takes a few thousand.
const MAX_PEM_BYTES: u64 = 1024 * 1024;

/// Reason why the files of a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFileFault {
    /// A file cannot be read; the text names it.
    #[error("{0}")]
    Unreadable(String),
    /// The certificate and the key were read, and cannot be used.
    #[error(transparent)]
    Unusable(#[from] CertificateFault),
}

/// Paths of the certificate and its key, and the pair in force.
#[derive(Debug)]
pub struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
    in_force: ServerCertificate,
    change_detector: Mutex<ChangeDetector<PemPair>>,
}

/// Contents of the two files.
#[derive(PartialEq)]
struct PemPair {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

// Not derived: the key must never be printed.
impl std::fmt::Debug for PemPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PemPair").finish_non_exhaustive()
    }
}

impl CertificateFiles {
    /// Reads both files for the first time.
    ///
    /// # Errors
    /// A file cannot be read, or the key does not fit the certificate.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, CertificateFileFault> {
        let texts = read_pem_pair(certificate, key).map_err(CertificateFileFault::Unreadable)?;
        let in_force = ServerCertificate::from_pem(&texts.certificate, &texts.key)?;
        record::certificate_is_stale(false);
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            in_force,
            change_detector: Mutex::new(ChangeDetector::new(texts)),
        })
    }

    /// Returns the certificate in force, for the listeners.
    pub fn in_force(&self) -> &ServerCertificate {
        &self.in_force
    }

    /// Polls the files, and uses a new pair once two polls in a row have found it. Blocks on the file system.
    ///
    /// A pair that cannot be used is logged once and changes nothing.
    #[tracing::instrument(level = "debug", skip_all)]
    pub fn reload_if_changed(&self) {
        let found = read_pem_pair(&self.certificate, &self.key);
        let path = self.certificate.display();
        // A poisoned lock is used: the detector has no state that a panic could leave half changed.
        let mut change = self
            .change_detector
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let found = match change.observe(found) {
            FileChange::Unchanged => return,
            FileChange::Restored => {
                tracing::info!(%path, "certificate files restored, they match the certificate in force");
                record::certificate_is_stale(false);
                return;
            }
            FileChange::Changed(found) => found,
        };
        // A renewal writes the two files one after the other, so both are used together or not at all.
        let replaced = match &found {
            Ok(texts) => {
                let replaced = self.in_force.replace(&texts.certificate, &texts.key);
                replaced.map_err(|fault| fault.to_string())
            }
            Err(why) => Err(why.clone()),
        };
        match replaced {
            Ok(()) => {
                if let Ok(texts) = found {
                    change.accept(texts);
                }
                tracing::info!(%path, "certificate reloaded");
                record::certificate_reloaded("applied");
                record::certificate_is_stale(false);
            }
            Err(why) => {
                change.reject(found);
                tracing::error!(%path, fault = %why, "certificate refused, previous certificate kept");
                record::certificate_reloaded("refused");
                record::certificate_is_stale(true);
            }
        }
    }
}

fn read_pem_pair(certificate: &Path, key: &Path) -> Result<PemPair, String> {
    Ok(PemPair {
        certificate: read_pem(certificate)?,
        key: Zeroizing::new(read_pem(key)?),
    })
}

fn read_pem(path: &Path) -> Result<Vec<u8>, String> {
    read_regular(path, MAX_PEM_BYTES).map_err(|fault| format!("{} {fault}", path.display()))
}
