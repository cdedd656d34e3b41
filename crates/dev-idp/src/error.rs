//! Why the server does not start, or stopped.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A reason for the development authorization server not to run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevIdpError {
    /// The environment says production, where well-known passwords must never be.
    #[error(
        "the development authorization server refuses ENVIRONMENT=production: its passwords are public; \
         point EXTERNAL_AUTH_URL at a real authorization server instead"
    )]
    Production,
    /// The listener can be reached from other machines.
    #[error(
        "the development authorization server listens on loopback only, not on {0}; bind 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// A setting that cannot be used; the text names it and says how to mend it.
    #[error("development authorization server: {0}")]
    Setting(String),
    /// Another server already uses the same data folder.
    #[error("{} is in use by another development authorization server; stop it or choose another folder", .0.display())]
    InUse(PathBuf),
    /// A file of the data folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// A file of the data folder holds something that this server did not write.
    #[error("{}: {reason}; remove the file to start afresh (tokens issued so far stop working)", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Reason why the file cannot be used.
        reason: String,
    },
    /// The operating system gave no random bytes, or no key could be made of them.
    #[error("cryptography failed: {0}")]
    Crypto(&'static str),
    /// The socket failed.
    #[error("serving failed: {0}")]
    Serve(#[source] io::Error),
}
