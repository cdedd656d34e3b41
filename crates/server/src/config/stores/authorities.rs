//! Authorities that may sign the certificate of Redis (`REDIS_CA_FILE`).

use std::path::Path;

use maxlab_auth_store::RedisCaCertificates;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::super::faults::InvalidValue;
use super::super::reader::SettingsReader;
use super::StoreUrl;
use crate::files::read_regular;

/// Maximum length of `REDIS_CA_FILE`, in bytes. All authorities of a system are a quarter of it.
const MAX_CA_BYTES: u64 = 1024 * 1024;

/// Sets the authorities that may sign the certificate of Redis.
pub(super) fn trust(reader: &mut SettingsReader<'_>, store: &mut StoreUrl, authorities: RedisCaCertificates) {
    let (tls, ca_certificates) = match store {
        StoreUrl::Embedded => return,
        StoreUrl::Redis {
            tls, ca_certificates, ..
        } => (*tls, ca_certificates),
        StoreUrl::Sentinel(nodes) | StoreUrl::Cluster(nodes) => (nodes.tls, &mut nodes.ca_certificates),
    };
    if !tls {
        reader.fault(
            "REDIS_CA_FILE",
            "it is set, but REDIS_URL does not use TLS",
            "use rediss:// (or rediss+sentinel://, rediss+cluster://), or remove it",
        );
    }
    *ca_certificates = Some(authorities);
}

/// Reads a PEM file of certificates.
pub(super) fn ca_certificates(text: &str) -> Result<RedisCaCertificates, InvalidValue> {
    let remedy = "name a PEM file with the certificate of the authority";
    let pem = read_regular(Path::new(text), MAX_CA_BYTES)
        .map_err(|error| InvalidValue::new(format!("cannot be read: {error}"), remedy))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate =
            certificate.map_err(|error| InvalidValue::new(format!("is not a PEM file: {error}"), remedy))?;
        roots
            .add(certificate)
            .map_err(|error| InvalidValue::new(format!("has an unusable certificate: {error}"), remedy))?;
    }
    if roots.is_empty() {
        return Err(InvalidValue::new("contains no certificate", remedy));
    }
    Ok(RedisCaCertificates::from_pem(pem))
}
