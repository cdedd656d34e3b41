//! Check of file modes: finds files that hold secrets and that other users of the machine can read or replace.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::config::{DatabaseUrl, Environment, Settings};

/// Files that contain secrets in plain text.
const SECRET_NAMES: [&str; 3] = ["identity-key", "secrets.json", ".env"];
/// Suffixes of database files, which contain sessions (sealed), revocations and the audit log.
const DATABASE_SUFFIXES: [&str; 3] = [".db", ".db-wal", ".db-shm"];
/// Mode bits of any access by group or others.
const OTHERS_ANY_ACCESS: u32 = 0o077;
/// Mode bits of any access by others. The group is left out: it may be the group of the service.
pub(crate) const WORLD_ANY_ACCESS: u32 = 0o007;
/// Mode bits of write access by group or others.
const OTHERS_WRITE_ACCESS: u32 = 0o022;

/// A file or folder that other users may access.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LooseMode {
    path: PathBuf,
    mode: u32,
    remedy_mode: u32,
}

impl fmt::Display for LooseMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            mode,
            remedy_mode,
        } = self;
        let path = path.display();
        write!(
            f,
            "{path} is open to other users of this machine (mode {mode:04o}): run `chmod {remedy_mode:o} '{path}'`"
        )
    }
}

/// Logs files in `DATA_DIR`, and the SQLite file, that other users can read or replace.
///
/// # Errors
/// In production, if there is such a file.
pub(crate) fn refuse_loose_modes(settings: &Settings) -> anyhow::Result<()> {
    let mut loose = loose_modes(&settings.app.data_dir)?;
    if let DatabaseUrl::Sqlite(path) = &settings.stores.database {
        // DATABASE_URL may point outside DATA_DIR. Inside, the file was found already.
        let known = loose.iter().any(|found| found.path == *path);
        loose.extend(if known {
            None
        } else {
            loose_mode(path, OTHERS_ANY_ACCESS, 0o600)
        });
    }
    if settings.app.environment == Environment::Production && !loose.is_empty() {
        let lines: Vec<_> = loose.iter().map(LooseMode::to_string).collect();
        bail!("DATA_DIR: {}", lines.join("\n    "));
    }
    for found in &loose {
        tracing::warn!(path = %found.path.display(), fault = %found, "file mode too open, refused in production");
    }
    Ok(())
}

/// Returns the loose modes in this folder, sorted by path; none if the folder does not exist.
fn loose_modes(folder: &Path) -> io::Result<Vec<LooseMode>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        // The first start creates it, with a private mode.
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    // Others may list the folder. With write access they could replace its files.
    let mut loose = Vec::from_iter(loose_mode(folder, OTHERS_WRITE_ACCESS, 0o700));
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if SECRET_NAMES.contains(&name) || DATABASE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
            loose.extend(loose_mode(&entry.path(), OTHERS_ANY_ACCESS, 0o600));
        }
    }
    // A folder's order is arbitrary. The report is the same every time.
    loose.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(loose)
}

fn loose_mode(path: &Path, forbidden: u32, remedy_mode: u32) -> Option<LooseMode> {
    permitted_mode(path, forbidden).map(|mode| LooseMode {
        path: path.to_owned(),
        mode,
        remedy_mode,
    })
}

/// Returns the mode bits of a path if they permit something that is forbidden. `None` if they do not, or if the
/// path does not exist.
pub(crate) fn permitted_mode(path: &Path, forbidden: u32) -> Option<u32> {
    // A file that has just been removed, as SQLite's own are at times, permits nothing. A path that cannot be
    // read is reported by the reader that needs it.
    let mode = std::fs::metadata(path).ok()?.mode() & 0o7777;
    (mode & forbidden != 0).then_some(mode)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn w11_files_that_others_can_read_and_folders_that_they_can_write_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str, mode| {
            let path = folder.path().join(name);
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        };
        let names = [
            "identity-key",
            "secrets.json",
            "store.db",
            "store.db-wal",
            "instance.lock",
            "notes",
        ];
        for name in names {
            write(folder.path().join(name), "").unwrap();
            mode(name, 0o600);
        }
        let found = || -> Vec<String> {
            let loose = loose_modes(folder.path()).unwrap();
            let name = |found: &LooseMode| {
                found
                    .path
                    .strip_prefix(folder.path())
                    .unwrap()
                    .display()
                    .to_string()
            };
            loose.iter().map(name).collect()
        };
        assert_eq!(found(), [""; 0]);
        names.iter().for_each(|name| mode(name, 0o644));
        assert_eq!(
            found(),
            ["identity-key", "secrets.json", "store.db", "store.db-wal"]
        );
        mode("secrets.json", 0o600);
        mode("identity-key", 0o640);
        mode("", 0o777);
        assert_eq!(found(), ["", "identity-key", "store.db", "store.db-wal"]);
        let text = loose_modes(folder.path()).unwrap()[1].to_string();
        assert!(
            text.contains("mode 0640") && text.contains("chmod 600 '"),
            "{text}"
        );
        assert_eq!(loose_modes(&folder.path().join("absent")).unwrap(), []);
        let world = |name: &str| permitted_mode(&folder.path().join(name), WORLD_ANY_ACCESS);
        assert_eq!(world("identity-key"), None, "the group's rights are no fault");
        assert_eq!(world("store.db"), Some(0o644));
        assert_eq!(world("absent"), None);
    }
}
