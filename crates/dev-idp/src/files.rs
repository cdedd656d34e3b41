//! Files of the data folder: private to their owner, and written so that a crash leaves the old or the new one whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use crate::error::DevIdpError;

/// How often, and how far apart, a folder that another server still holds is tried: the moment of a quick restart.
const LOCK_ATTEMPTS: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Options that open a file for its owner alone.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Creates the folder and holds it: the lock ends with the returned file.
pub(crate) fn hold_folder(folder: &Path) -> Result<File, DevIdpError> {
    fs::create_dir_all(folder).map_err(|source| fault(folder, source))?;
    let path = folder.join("lock");
    let file = private()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| fault(&path, source))?;
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(fs::TryLockError::Error(source)) => return Err(fault(&path, source)),
        }
    }
    Err(DevIdpError::InUse(folder.to_owned()))
}

/// The file's bytes, or `None` when there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, DevIdpError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(fault(path, source)),
    }
}

/// Replaces the file: a synced temporary one is renamed onto it, and the folder is synced.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), DevIdpError> {
    let temporary = path.with_extension("new");
    let written = || -> io::Result<()> {
        let mut file = private()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    written().map_err(|source| fault(path, source))
}

/// The file's bytes, made and written by `make` when there is no such file yet.
pub(crate) fn read_or_create(
    path: &Path,
    make: impl FnOnce() -> Result<Vec<u8>, DevIdpError>,
) -> Result<Vec<u8>, DevIdpError> {
    if let Some(bytes) = read(path)? {
        return Ok(bytes);
    }
    let bytes = make()?;
    replace(path, &bytes)?;
    Ok(bytes)
}

pub(crate) fn fault(path: &Path, source: io::Error) -> DevIdpError {
    DevIdpError::File {
        path: path.to_owned(),
        source,
    }
}
