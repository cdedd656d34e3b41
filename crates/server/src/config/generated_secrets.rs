//! Secrets that development generates once and finds again at the next start.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE;
use maxlab_auth_core::identity_token::SigningKeys;
use maxlab_auth_core::random;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::files::{create_private_file, create_private_folder, read_regular_text};

/// Name of the file in `DATA_DIR` for the gateway's secrets.
const SECRETS_FILE: &str = "secrets.json";
/// Name of the file in `DATA_DIR` for the key that signs identities.
const SIGNING_KEY_FILE: &str = "identity-key";

/// Maximum length of each file, in bytes.
const MAX_GENERATED_FILE_BYTES: u64 = 64 * 1024;

/// Generated secrets. They are written to one file, once.
#[derive(Debug, Clone)]
pub struct GeneratedSecrets {
    /// Value for `SECRET_KEY`.
    pub secret_key: SecretString,
    /// Value for `SESSION_ENCRYPTION_KEY`: one Fernet key.
    pub session_encryption_key: SecretString,
}

/// Content of the file. The member names are those of the settings.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
struct SecretsFile {
    secret_key: String,
    session_encryption_key: String,
}

impl GeneratedSecrets {
    /// Returns the secrets by the names of their settings.
    pub(super) fn by_setting(&self) -> BTreeMap<&'static str, SecretString> {
        BTreeMap::from([
            ("SECRET_KEY", self.secret_key.clone()),
            ("SESSION_ENCRYPTION_KEY", self.session_encryption_key.clone()),
        ])
    }
}

/// Returns the secrets in `data_dir`, and generates them if there are none.
///
/// If two processes start at once, both get the secrets of the first.
///
/// # Errors
/// The folder or file cannot be written or read, or the file has other content.
pub fn load_or_generate_secrets(data_dir: &Path) -> io::Result<GeneratedSecrets> {
    read_secrets(&create_if_absent(data_dir, SECRETS_FILE, || {
        let written = SecretsFile {
            secret_key: random_base64url::<32>()?,
            session_encryption_key: random_base64url::<32>()?,
        };
        Ok(serde_json::to_vec_pretty(&written)?)
    })?)
}

/// Returns the key in `data_dir` that signs identities, and generates it if there is none.
///
/// # Errors
/// The folder or file cannot be written or read, or the operating system gives no random bytes.
pub fn load_or_generate_signing_key(data_dir: &Path) -> io::Result<SecretString> {
    let path = create_if_absent(data_dir, SIGNING_KEY_FILE, || {
        let key = SigningKeys::generate().map_err(io::Error::other)?;
        Ok(format!("{}\n", key.expose_secret()).into_bytes())
    })?;
    // Read back also after writing: another process may have been first.
    Ok(SecretString::from(read_regular_text(
        &path,
        MAX_GENERATED_FILE_BYTES,
    )?))
}

/// Returns `N` random bytes in URL-safe base64. 32 bytes are a Fernet key. The result is a secret.
///
/// # Errors
/// The operating system gives no random bytes.
pub fn random_base64url<const N: usize>() -> io::Result<String> {
    let bytes = random::bytes::<N>().map_err(io::Error::other)?;
    Ok(BASE64_URL_SAFE.encode(bytes))
}

/// Reads the file of the gateway's secrets. The error does not quote it.
fn read_secrets(path: &Path) -> io::Result<GeneratedSecrets> {
    let written: SecretsFile = serde_json::from_str(&read_regular_text(path, MAX_GENERATED_FILE_BYTES)?).map_err(|_| {
        let message = format!(
            "{} does not contain generated secrets; remove it to generate new ones (this ends all sessions)",
            path.display()
        );
        io::Error::new(io::ErrorKind::InvalidData, message)
    })?;
    Ok(GeneratedSecrets {
        secret_key: written.secret_key.into(),
        session_encryption_key: written.session_encryption_key.into(),
    })
}

/// Returns the path of a file in `data_dir`, and creates the file if it is absent.
fn create_if_absent(
    data_dir: &Path,
    name: &str,
    make: impl FnOnce() -> io::Result<Vec<u8>>,
) -> io::Result<PathBuf> {
    let path = data_dir.join(name);
    if !path.try_exists()? {
        create_private_folder(data_dir)?;
        write_once(data_dir, name, &make()?)?;
    }
    Ok(path)
}

/// Writes a file under a temporary name, then links it to its own name.
///
/// A link is made by exactly one process, and never to half of a file. A rename would replace the file of
/// another.
fn write_once(data_dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let draft = data_dir.join(format!(".{name}.{}", uuid::Uuid::new_v4()));
    let outcome = create_private_file(&draft)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| std::fs::hard_link(&draft, data_dir.join(name)));
    // The draft is removed also after an error. Only one link to the content remains.
    std::fs::remove_file(&draft).or_else(ignore_not_found)?;
    match outcome {
        // Another process was first. The caller reads what that one wrote.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        // The new name itself is durable only once the folder is synced.
        Ok(()) => File::open(data_dir)?.sync_all(),
    }
}

/// Treats a missing file as removed.
fn ignore_not_found(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_second_start_finds_what_the_first_one_made() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("deep/data");
        let first = load_or_generate_secrets(&data_dir).unwrap();
        let second = load_or_generate_secrets(&data_dir).unwrap();
        assert_eq!(
            first.secret_key.expose_secret(),
            second.secret_key.expose_secret()
        );
        let files: Vec<_> = std::fs::read_dir(&data_dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(files, [SECRETS_FILE]);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_them() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        load_or_generate_secrets(&data_dir).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&data_dir), mode(&data_dir.join(SECRETS_FILE))),
            (0o700, 0o600)
        );
    }

    #[test]
    fn two_that_start_at_once_agree() {
        let folder = tempfile::tempdir().unwrap();
        let start = std::sync::Barrier::new(8);
        let keys: Vec<String> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        load_or_generate_secrets(folder.path())
                            .unwrap()
                            .secret_key
                            .expose_secret()
                            .to_owned()
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }

    #[test]
    fn a_spoilt_file_is_an_error_that_tells_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(SECRETS_FILE), r#"{"SECRET_KEY": "canary""#).unwrap();
        let error = load_or_generate_secrets(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("remove it") && !error.contains("canary"),
            "{error}"
        );
    }
}
