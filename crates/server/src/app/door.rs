//! Opens what forward-auth goes by beside the engine.

use std::sync::Arc;

use anyhow::Context as _;
use maxlab_auth_core::guard::Admin;
use maxlab_auth_core::identity_token::{IdentityTokens, SigningKeys};
use secrecy::ExposeSecret as _;

use crate::config::{IdentitySettings, Settings, generated_signing_key};
use crate::http::forward_auth::Door;
use crate::policy::PolicyFile;
use crate::tls::CertificateFiles;

/// Who is an administrator.
pub(crate) fn admin(settings: &Settings) -> Admin {
    Admin {
        roles: settings.verify.admin_roles.clone(),
    }
}

/// The policy and the maker of signed identities, as far as the settings want them.
pub(super) fn open(settings: &Settings) -> anyhow::Result<Door> {
    let wanted = &settings.forward_auth;
    let policy = match &wanted.policy_file {
        Some(path) => {
            let file = PolicyFile::open(path, admin(settings));
            Some(Arc::new(file.context("POLICY_FILE")?))
        }
        None => None,
    };
    let tokens = match &wanted.identity {
        Some(identity) => Some(tokens(identity, settings)?),
        None => None,
    };
    Ok(Door { policy, tokens })
}

/// The certificate, where TLS is wanted.
pub(super) fn certificate(settings: &Settings) -> anyhow::Result<Option<Arc<CertificateFiles>>> {
    let Some(tls) = &settings.listen.tls else {
        return Ok(None);
    };
    let files =
        CertificateFiles::open(&tls.certificate, &tls.key).context("TLS_CERT_FILE and TLS_KEY_FILE")?;
    Ok(Some(Arc::new(files)))
}

fn tokens(identity: &IdentitySettings, settings: &Settings) -> anyhow::Result<IdentityTokens> {
    let keys = match &identity.keys {
        Some(keys) => keys.clone(),
        None => {
            let folder = &settings.app.data_dir;
            let text = generated_signing_key(folder).with_context(|| {
                format!(
                    "the key that signs identities cannot be kept in {}",
                    folder.display()
                )
            })?;
            SigningKeys::parse(text.expose_secret()).with_context(|| {
                format!(
                    "identity-key in {} is not what was once written there; remove it to have a new one made",
                    folder.display()
                )
            })?
        }
    };
    Ok(IdentityTokens::new(
        keys,
        identity.issuer.clone(),
        identity.lifetime,
    ))
}
