//! Opens the files of forward-auth: policy, certificate, and the key of signed identities.

use std::sync::Arc;

use anyhow::Context as _;
use maxlab_auth_core::guard::Admin;
use maxlab_auth_core::identity_token::{IdentityTokenContents, IdentityTokenIssuer, SigningKeys};
use secrecy::ExposeSecret as _;

use crate::config::{IdentitySettings, Settings, WorkspaceSource, load_or_generate_signing_key};
use crate::http::forward_auth::{ForwardAuthConfig, HeaderStyle};
use crate::policy::PolicyFile;
use crate::tls::CertificateFiles;

/// Returns the administrators' requirement (`ADMIN_ROLES`).
pub(crate) fn admin(settings: &Settings) -> Admin {
    Admin {
        roles: settings.verify.admin_roles.clone(),
    }
}

/// Opens the policy and the issuer of signed identities, if they are configured.
///
/// # Errors
/// If the policy file is faulty, or the signing key cannot be read or stored.
pub(super) fn open_forward_auth(settings: &Settings) -> anyhow::Result<ForwardAuthConfig> {
    let configured = &settings.forward_auth;
    let policy = match &configured.policy_file {
        Some(path) => {
            let file = PolicyFile::open(path, admin(settings));
            Some(Arc::new(file.context("POLICY_FILE")?))
        }
        None => None,
    };
    let tokens = match &configured.identity {
        Some(identity) => Some(identity_tokens(identity, settings)?),
        None => None,
    };
    Ok(ForwardAuthConfig {
        policy_file: policy,
        identity_tokens: tokens,
        header_style: HeaderStyle {
            encoding: configured.header_encoding,
            workspaces: configured.names_workspaces,
            ..HeaderStyle::default()
        },
    })
}

/// Opens the certificate; `None` without TLS.
///
/// # Errors
/// If a file cannot be read, or the key does not belong to the certificate.
pub(crate) fn open_certificate(settings: &Settings) -> anyhow::Result<Option<Arc<CertificateFiles>>> {
    let Some(tls) = &settings.listen.tls else {
        return Ok(None);
    };
    let files =
        CertificateFiles::open(&tls.certificate, &tls.key).context("TLS_CERT_FILE and TLS_KEY_FILE")?;
    Ok(Some(Arc::new(files)))
}

fn identity_tokens(identity: &IdentitySettings, settings: &Settings) -> anyhow::Result<IdentityTokenIssuer> {
    let keys = match &identity.keys {
        Some(keys) => keys.clone(),
        // One instance needs no setting: its key is generated once. Several need IDENTITY_SIGNING_KEY, to
        // share one.
        None => {
            let folder = &settings.app.data_dir;
            let text = load_or_generate_signing_key(folder).with_context(|| {
                format!(
                    "the key that signs identities cannot be stored in {}",
                    folder.display()
                )
            })?;
            SigningKeys::parse(text.expose_secret()).with_context(|| {
                format!(
                    "the file identity-key in {} is damaged; remove it, and a new key is generated",
                    folder.display()
                )
            })?
        }
    };
    Ok(IdentityTokenIssuer::new(
        keys,
        identity.issuer.clone(),
        identity.lifetime,
        IdentityTokenContents {
            admin: admin(settings),
            // Without the setting nothing loads those of the database.
            names_workspaces: settings.forward_auth.names_workspaces
                || settings.verify.workspace_source == WorkspaceSource::Claims,
        },
    ))
}
