//! Secrets that development makes for itself and finds again at the next start.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE;
use maxlab_auth_core::identity_token::SigningKeys;
use maxlab_auth_core::random;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// The file below `DATA_DIR`.
const FILE: &str = "secrets.json";
/// The file of the key that signs identities.
const SIGNING_KEY: &str = "identity-key";

/// What was made. It is written to one file, once.
#[derive(Debug, Clone)]
pub struct GeneratedSecrets {
    /// Stands in for `SECRET_KEY`.
    pub secret_key: SecretString,
    /// Stands in for `SESSION_ENCRYPTION_KEY`: one Fernet key.
    pub session_encryption_key: SecretString,
}

/// The file's form.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
struct Written {
    secret_key: String,
    session_encryption_key: String,
}

impl GeneratedSecrets {
    /// The secret that stands in for that setting.
    pub(super) fn named(&self, name: &str) -> Option<SecretString> {
        match name {
            "SECRET_KEY" => Some(self.secret_key.clone()),
            "SESSION_ENCRYPTION_KEY" => Some(self.session_encryption_key.clone()),
            _ => None,
        }
    }
}

/// The secrets in `data_dir`, made there if there are none. Whoever comes second takes what the first one wrote.
///
/// # Errors
/// The folder or the file cannot be written or read, or the file holds something else.
pub fn generated_secrets(data_dir: &Path) -> io::Result<GeneratedSecrets> {
    read(&kept(data_dir, FILE, || {
        let written = Written {
            secret_key: random_text::<32>()?,
            session_encryption_key: random_text::<32>()?,
        };
        Ok(serde_json::to_vec_pretty(&written)?)
    })?)
}

/// The key in `data_dir` that signs identities, made there if there is none.
///
/// # Errors
/// The folder or the file cannot be written or read, or the operating system gave no random bytes.
pub fn generated_signing_key(data_dir: &Path) -> io::Result<SecretString> {
    let path = kept(data_dir, SIGNING_KEY, || {
        let key = SigningKeys::generate().map_err(io::Error::other)?;
        Ok(format!("{}\n", key.expose_secret()).into_bytes())
    })?;
    std::fs::read_to_string(path).map(SecretString::from)
}

/// `N` new random bytes in url-safe base64; 32 make a Fernet key. It is a secret.
///
/// # Errors
/// The operating system gave no random bytes.
pub fn random_text<const N: usize>() -> io::Result<String> {
    let bytes = random::bytes::<N>().map_err(io::Error::other)?;
    Ok(BASE64_URL_SAFE.encode(bytes))
}

fn read(path: &Path) -> io::Result<GeneratedSecrets> {
    let written: Written = serde_json::from_str(&std::fs::read_to_string(path)?).map_err(|_| {
        let message = format!(
            "{} does not hold what was once written there; remove it to have new secrets made (sessions end then)",
            path.display()
        );
        io::Error::new(io::ErrorKind::InvalidData, message)
    })?;
    Ok(GeneratedSecrets {
        secret_key: written.secret_key.into(),
        session_encryption_key: written.session_encryption_key.into(),
    })
}

/// The path of a file in `data_dir`, which is made if it is not there.
fn kept(data_dir: &Path, name: &str, make: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<PathBuf> {
    let path = data_dir.join(name);
    if !path.try_exists()? {
        create_folder(data_dir)?;
        write_once(data_dir, name, &make()?)?;
    }
    Ok(path)
}

/// Writes a whole file under another name, then links it to its own: a link is made once, and never half.
fn write_once(data_dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let draft = data_dir.join(format!(".{name}.{}", uuid::Uuid::new_v4()));
    let outcome = private_file(&draft)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| std::fs::hard_link(&draft, data_dir.join(name)));
    std::fs::remove_file(&draft).or_else(absent_is_fine)?;
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => File::open(data_dir)?.sync_all(),
    }
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

/// A new file for this user's eyes only.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The data folder, for this user only where it is made here.
fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_second_start_finds_what_the_first_one_made() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("deep/data");
        let first = generated_secrets(&data_dir).unwrap();
        let second = generated_secrets(&data_dir).unwrap();
        assert_eq!(
            first.secret_key.expose_secret(),
            second.secret_key.expose_secret()
        );
        let files: Vec<_> = std::fs::read_dir(&data_dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(files, [FILE]);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_them() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        generated_secrets(&data_dir).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&data_dir), mode(&data_dir.join(FILE))), (0o700, 0o600));
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
                        generated_secrets(folder.path())
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
        std::fs::write(folder.path().join(FILE), r#"{"SECRET_KEY": "canary""#).unwrap();
        let error = generated_secrets(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("remove it") && !error.contains("canary"),
            "{error}"
        );
    }
}
