//! Lock on `DATA_DIR`. The process that gets it knows that its predecessor is dead, and that no revoke has to
//! wait for the predecessor's lease (docs/decisions/0012).

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::files::open_private;

/// Name of the locked file, which contains the name of the instance.
const LOCK_FILE: &str = "instance.lock";
/// Longest name of an instance, in bytes.
const MAX_INSTANCE_NAME_BYTES: u64 = 128;

/// Lock on a data folder. The operating system releases it when the process ends in any way.
#[derive(Debug)]
pub(crate) struct DataDirLock {
    // Never read: the lock lasts as long as the file is open.
    _locked_file: File,
    predecessor: Option<String>,
}

impl DataDirLock {
    /// Locks the folder for the instance of this name; `None` if another process has the lock.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub(crate) fn try_acquire(folder: &Path, instance: &str) -> io::Result<Option<Self>> {
        let mut file = open_private(&folder.join(LOCK_FILE))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(fault)) => return Err(fault),
        }
        let mut previous = String::new();
        (&mut file)
            .take(MAX_INSTANCE_NAME_BYTES)
            .read_to_string(&mut previous)?;
        // Read under the lock and only then replaced: the name of the predecessor is needed first.
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(instance.as_bytes())?;
        Ok(Some(Self {
            _locked_file: file,
            predecessor: Some(previous).filter(|name| !name.is_empty()),
        }))
    }

    /// Returns the name of the instance that had the lock before, which is dead.
    pub(crate) fn predecessor(&self) -> Option<&str> {
        self.predecessor.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_serves_and_the_next_learns_who_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDirLock::try_acquire(folder.path(), "one").unwrap().unwrap();
        assert_eq!(first.predecessor(), None);
        assert!(DataDirLock::try_acquire(folder.path(), "two").unwrap().is_none());
        drop(first);
        let next = DataDirLock::try_acquire(folder.path(), "three").unwrap().unwrap();
        assert_eq!(next.predecessor(), Some("one"));
    }
}
