//! Unix socket: ownership of its file while the gateway runs, its permissions, and its removal afterwards.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Length of the kernel's queue of connections that are not accepted yet.
const LISTEN_BACKLOG: u32 = 1024;

/// Reason why the gateway cannot listen on a Unix socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketFault {
    /// Another running process listens on the path.
    #[error("another program listens on {0}: stop it, or choose another path")]
    InUse(PathBuf),
    /// The path is a file that is no socket, which the gateway must not remove.
    #[error("{0} exists and is not a socket: remove it, or choose another path")]
    NotASocket(PathBuf),
    /// The operating system refused.
    #[error("cannot listen on {}: {source}", .path.display())]
    Io {
        /// Path of the socket.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
}

/// Listening Unix socket. Its file is removed on drop, unless another process has replaced it.
#[derive(Debug)]
pub struct UnixSocketListener {
    listener: UnixListener,
    path: PathBuf,
    file: FileId,
}

impl UnixSocketListener {
    /// Listens on `path`. `mode` sets the permissions of the file (`0o660`). The socket of a process that has
    /// ended is replaced.
    ///
    /// If two gateways start at the same moment with one path, both may find it free. Then the later one gets
    /// the connections.
    ///
    /// # Errors
    /// A running process listens on the path, it is not a socket, or the operating system refuses.
    pub async fn bind(path: &Path, mode: u32) -> Result<Self, SocketFault> {
        let refused = |source| SocketFault::Io {
            path: path.to_owned(),
            source,
        };
        remove_stale_socket(path).await?;
        let socket = UnixSocket::new_stream().map_err(refused)?;
        socket.bind(path).map_err(refused)?;
        // Between `bind` and `listen` no client can connect, so the permissions apply to the first one too.
        let listener = fs::set_permissions(path, Permissions::from_mode(mode))
            .and_then(|()| socket.listen(LISTEN_BACKLOG))
            .and_then(|listener| Ok((listener, FileId::of(&fs::symlink_metadata(path)?))));
        match listener {
            Ok((listener, file)) => Ok(Self {
                listener,
                path: path.to_owned(),
                file,
            }),
            Err(source) => {
                // `bind` has created the file. The first error is the one to report.
                let _ = fs::remove_file(path);
                Err(refused(source))
            }
        }
    }

    /// Returns the path of the socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        self.listener.poll_accept(cx).map_ok(|(socket, _)| socket)
    }
}

impl Drop for UnixSocketListener {
    fn drop(&mut self) {
        // By device and inode: a newer gateway may have replaced the file under the same name.
        let is_own = fs::symlink_metadata(&self.path).is_ok_and(|found| FileId::of(&found) == self.file);
        if is_own && let Err(fault) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %fault, "socket file not removed");
        }
    }
}

/// Identity of a file, independent of its name.
#[derive(Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
        }
    }
}

/// Removes the socket of a process that has ended.
async fn remove_stale_socket(path: &Path) -> Result<(), SocketFault> {
    let refused = |source| SocketFault::Io {
        path: path.to_owned(),
        source,
    };
    // `symlink_metadata`: a symbolic link is not followed, and is no socket.
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(refused(fault)),
    };
    if !found.file_type().is_socket() {
        return Err(SocketFault::NotASocket(path.to_owned()));
    }
    // Only a connection shows whether a process still listens.
    match UnixStream::connect(path).await {
        Ok(_) => Err(SocketFault::InUse(path.to_owned())),
        // The queue is full, so a process listens.
        Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => Err(SocketFault::InUse(path.to_owned())),
        Err(fault) if fault.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "socket of an ended process replaced");
            fs::remove_file(path).map_err(refused)
        }
        // Its process removed the file meanwhile.
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(fault) => Err(refused(fault)),
    }
}
