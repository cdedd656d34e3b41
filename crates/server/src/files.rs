//! How the gateway opens files: only regular ones, without blocking, and private if it creates them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Mode of a file that only this user reads and writes.
const PRIVATE_FILE: u32 = 0o600;
/// Mode of a folder that only this user can enter.
const PRIVATE_FOLDER: u32 = 0o700;

/// Error of reading a file. The text continues a sentence that begins with the file's name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileFault {
    /// The operating system refused to open the file.
    #[error("cannot be opened: {0}")]
    OpenFailed(io::Error),
    /// The path names a pipe, a device, a socket or a folder.
    #[error("is not a regular file")]
    NotRegular,
    /// The file is longer than the limit, in bytes.
    #[error("is longer than {0} bytes")]
    TooLong(u64),
    /// Reading failed, or the content is not UTF-8.
    #[error("cannot be read: {0}")]
    ReadFailed(io::Error),
}

impl FileFault {
    /// Returns whether the file does not exist.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::OpenFailed(fault) if fault.kind() == io::ErrorKind::NotFound)
    }
}

impl From<FileFault> for io::Error {
    fn from(fault: FileFault) -> Self {
        match fault {
            FileFault::OpenFailed(fault) | FileFault::ReadFailed(fault) => fault,
            fault => Self::other(fault),
        }
    }
}

/// Returns the bytes of a regular file of at most `longest` bytes.
///
/// # Errors
/// See [`FileFault`].
pub(crate) fn read_regular(path: &Path, longest: u64) -> Result<Vec<u8>, FileFault> {
    // Without NONBLOCK, opening a pipe waits for its other end, and nothing could end that wait.
    // NOCTTY: a terminal must not become the controlling one of this process.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let file = File::from(opened.map_err(|errno| FileFault::OpenFailed(errno.into()))?);
    // The kind is asked of the open file, not of the path: the path may lead elsewhere by now.
    let kind = file.metadata().map_err(FileFault::ReadFailed)?;
    if !kind.is_file() {
        return Err(FileFault::NotRegular);
    }
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to see that the file is too long.
    file.take(longest + 1)
        .read_to_end(&mut bytes)
        .map_err(FileFault::ReadFailed)?;
    if bytes.len() as u64 > longest {
        return Err(FileFault::TooLong(longest));
    }
    Ok(bytes)
}

/// Returns the text of a regular file of at most `longest` bytes.
///
/// # Errors
/// See [`FileFault`].
pub(crate) fn read_regular_text(path: &Path, longest: u64) -> Result<String, FileFault> {
    let bytes = read_regular(path, longest)?;
    String::from_utf8(bytes).map_err(|_| {
        FileFault::ReadFailed(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
    })
}

/// Creates a file that only this user can read and write.
///
/// # Errors
/// The path exists, or the operating system refuses.
pub(crate) fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE_FILE)
        .open(path)
}

/// Creates a file that only this user can read and write, unless the path exists.
///
/// # Errors
/// The operating system refuses.
pub(crate) fn create_private_file_if_absent(path: &Path) -> io::Result<()> {
    match create_private_file(path) {
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome.map(drop),
    }
}

/// Creates a folder and its parents, which only this user can enter. An existing folder is left unchanged.
///
/// # Errors
/// The operating system refuses.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_FOLDER)
        .create(path)
}

/// Opens this process's own file for reading and writing, and creates it if it is absent.
///
/// Refuses anything that another user may have put in its place: a link to another file, or a pipe.
///
/// # Errors
/// The file is refused, or the operating system refuses.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    // NOFOLLOW refuses a symbolic link, NONBLOCK keeps a pipe from blocking the start.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(PRIVATE_FILE))?);
    let found = rustix::fs::fstat(&file)?;
    // A second name (hard link) means that the file may be someone else's.
    if !file.metadata()?.is_file() || found.st_nlink > 1 {
        return Err(io::Error::other(format!(
            "{} is not a regular file with one name",
            path.display()
        )));
    }
    // CREATE sets the mode of a new file only, and the umask may have changed it.
    rustix::fs::fchmod(&file, Mode::from_raw_mode(PRIVATE_FILE))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[test]
    fn w9_only_regular_files_are_read_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        for path in [&pipe, folder.path(), Path::new("/dev/zero")] {
            let fault = read_regular(path, 8).unwrap_err();
            assert_eq!(fault.to_string(), "is not a regular file", "{}", path.display());
        }
        let file = folder.path().join("file");
        assert!(read_regular(&file, 8).unwrap_err().is_absent());
        std::fs::write(&file, "12345678").unwrap();
        assert_eq!(read_regular_text(&file, 8).unwrap(), "12345678");
        assert!(matches!(read_regular(&file, 7), Err(FileFault::TooLong(7))));
        std::fs::write(&file, b"\xff").unwrap();
        assert!(read_regular_text(&file, 8).is_err());
    }

    #[test]
    fn w11_links_and_pipes_in_the_place_of_our_own_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [target, soft, hard] = ["target", "soft", "hard"].map(|name| folder.path().join(name));
        std::fs::write(&target, "precious").unwrap();
        symlink(&target, &soft).unwrap();
        open_private(&soft).unwrap_err();
        std::fs::hard_link(&target, &hard).unwrap();
        open_private(&hard).unwrap_err();
        assert_eq!(std::fs::read(&target).unwrap(), b"precious");
        let own = folder.path().join("own");
        std::fs::write(&own, "kept").unwrap();
        let file = open_private(&own).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read(&own).unwrap(), b"kept");
    }
}
