//! Which process served this `DATA_DIR` before: if it is dead for sure, nobody need wait for its lease.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

const FILE: &str = "instance.lock";
/// No name is longer.
const LONGEST: u64 = 128;

/// The right to serve a data folder, which the system takes back when the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct Claim {
    _locked: File,
    predecessor: Option<String>,
}

impl Claim {
    /// Claims the folder for the instance of this name; `None` if another process serves it.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn take(folder: &Path, instance: &str) -> io::Result<Option<Self>> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(FILE))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(fault)) => return Err(fault),
        }
        let mut kept = String::new();
        (&mut file).take(LONGEST).read_to_string(&mut kept)?;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(instance.as_bytes())?;
        Ok(Some(Self {
            _locked: file,
            predecessor: Some(kept).filter(|name| !name.is_empty()),
        }))
    }

    /// The instance that served the folder before; it is dead.
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
        let first = Claim::take(folder.path(), "one").unwrap().unwrap();
        assert_eq!(first.predecessor(), None);
        assert!(Claim::take(folder.path(), "two").unwrap().is_none());
        drop(first);
        let next = Claim::take(folder.path(), "three").unwrap().unwrap();
        assert_eq!(next.predecessor(), Some("one"));
    }
}
