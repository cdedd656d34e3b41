//! The Unix socket: whose file it is while the gateway runs, who may open it, and that it is gone afterwards.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: u32 = 1024;

/// Why a Unix socket cannot be listened at.
#[derive(Debug, thiserror::Error)]
pub enum SocketFault {
    /// A living process answers there.
    #[error("another program listens at {0}: stop it, or choose another path")]
    Taken(PathBuf),
    /// Something else has that name; it is not ours to remove.
    #[error("{0} is there already, and is no socket")]
    NoSocket(PathBuf),
    /// The operating system refused.
    #[error("{} cannot be listened at: {source}", .path.display())]
    Refused {
        /// The socket's path.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// A socket that is listened at. Its file is removed when it is dropped, unless another process has put its own there.
#[derive(Debug)]
pub struct UnixDoor {
    listener: UnixListener,
    path: PathBuf,
    file: FileId,
}

impl UnixDoor {
    /// Listens at `path`; `mode` are the permissions of its file (`0o660`). A socket whose process is dead is replaced.
    ///
    /// Two gateways that start at the same moment with one path and different ports may both find it free, and the later
    /// one has it.
    ///
    /// # Errors
    /// A living process has it, it is no socket, or the operating system refuses.
    pub async fn open(path: &Path, mode: u32) -> Result<Self, SocketFault> {
        let refused = |source| SocketFault::Refused {
            path: path.to_owned(),
            source,
        };
        make_way(path).await?;
        let socket = UnixSocket::new_stream().map_err(refused)?;
        socket.bind(path).map_err(refused)?;
        // Until it listens nobody can connect, so the permissions are right from the first moment.
        let listener = fs::set_permissions(path, Permissions::from_mode(mode))
            .and_then(|()| socket.listen(BACKLOG))
            .and_then(|listener| Ok((listener, FileId::of(&fs::symlink_metadata(path)?))));
        match listener {
            Ok((listener, file)) => Ok(Self {
                listener,
                path: path.to_owned(),
                file,
            }),
            Err(source) => {
                let _ = fs::remove_file(path);
                Err(refused(source))
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        self.listener.poll_accept(cx).map_ok(|(socket, _)| socket)
    }
}

impl Drop for UnixDoor {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| FileId::of(&found) == self.file);
        if ours && let Err(fault) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %fault, "the socket's file stays behind");
        }
    }
}

/// Which file a name means.
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

/// Removes what a dead process left at `path`.
async fn make_way(path: &Path) -> Result<(), SocketFault> {
    let refused = |source| SocketFault::Refused {
        path: path.to_owned(),
        source,
    };
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(refused(fault)),
    };
    if !found.file_type().is_socket() {
        return Err(SocketFault::NoSocket(path.to_owned()));
    }
    match UnixStream::connect(path).await {
        // A full queue is a living process too.
        Ok(_) => Err(SocketFault::Taken(path.to_owned())),
        Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => Err(SocketFault::Taken(path.to_owned())),
        Err(fault) if fault.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "replaces the socket of a process that is no more");
            fs::remove_file(path).map_err(refused)
        }
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(fault) => Err(refused(fault)),
    }
}
