//! Listeners (TCP, TLS, Unix socket) and the sockets that they accept.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::peer::PeerAddr;
use crate::tls::TlsListener;
use crate::unix_socket::UnixSocketListener;

/// Listening socket.
#[derive(Debug)]
pub enum Listener {
    /// HTTP over TCP.
    Tcp(TcpListener),
    /// HTTP over TLS.
    Tls(TlsListener),
    /// HTTP over a Unix socket.
    Unix(UnixSocketListener),
}

impl Listener {
    /// Returns the address as text for a log line.
    pub(crate) fn display_address(&self) -> io::Result<String> {
        match self {
            Self::Tcp(listener) => Ok(listener.local_addr()?.to_string()),
            Self::Tls(tls) => Ok(format!("{} (TLS)", tls.listener.local_addr()?)),
            Self::Unix(listener) => Ok(format!("unix:{}", listener.path().display())),
        }
    }

    /// Accepts the next connection. Cancel safe: no connection is lost if the future is dropped.
    pub(crate) async fn accept(&self) -> io::Result<AcceptedConnection> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<AcceptedConnection>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map_ok(|(socket, peer)| {
                // Answers are small, and Nagle's algorithm would delay them. Without it the connection works
                // too.
                let _ = socket.set_nodelay(true);
                AcceptedConnection {
                    socket: PendingSocket::Ready(ClientSocket::Tcp(socket)),
                    peer: PeerAddr::Tcp(peer),
                }
            }),
            Self::Tls(tls) => tls.listener.poll_accept(cx).map_ok(|(socket, peer)| {
                let _ = socket.set_nodelay(true);
                AcceptedConnection {
                    socket: PendingSocket::Tls(socket, tls.acceptor.clone()),
                    peer: PeerAddr::Tcp(peer),
                }
            }),
            Self::Unix(listener) => listener.poll_accept(cx).map_ok(|socket| AcceptedConnection {
                socket: PendingSocket::Ready(ClientSocket::Unix(socket)),
                peer: PeerAddr::Unix,
            }),
        }
    }
}

/// All listeners of a server.
#[derive(Debug)]
pub struct ListenerSet(pub(crate) Vec<Listener>);

impl From<TcpListener> for ListenerSet {
    fn from(listener: TcpListener) -> Self {
        vec![Listener::Tcp(listener)].into()
    }
}

impl From<Vec<Listener>> for ListenerSet {
    fn from(all: Vec<Listener>) -> Self {
        Self(all)
    }
}

/// Returns a second handle on the same socket. Both share one queue of connections.
///
/// # Errors
/// The operating system refuses, or has no such handles.
#[cfg(unix)]
pub fn duplicate_listener(listener: &TcpListener) -> io::Result<TcpListener> {
    let socket = std::os::fd::AsFd::as_fd(listener).try_clone_to_owned()?;
    TcpListener::from_std(std::net::TcpListener::from(socket))
}

/// Returns a second handle on the same socket. Both share one queue of connections.
///
/// # Errors
/// Always: this system has no such handles.
#[cfg(not(unix))]
pub fn duplicate_listener(_: &TcpListener) -> io::Result<TcpListener> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Accepted connection.
pub(crate) struct AcceptedConnection {
    pub(crate) socket: PendingSocket,
    pub(crate) peer: PeerAddr,
}

/// Socket of a client, perhaps before its TLS handshake.
pub(crate) enum PendingSocket {
    Ready(ClientSocket),
    /// Before the handshake. A client can delay it, so the task of the connection does it and not the accept
    /// loop.
    Tls(TcpStream, TlsAcceptor),
}

/// Socket of a client. One type for all kinds, so that the code above it is compiled once.
#[derive(Debug)]
pub(crate) enum ClientSocket {
    Tcp(TcpStream),
    // Boxed: the TLS state is large, and every variant has the size of the largest.
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// Calls a method of the socket inside, whatever its kind is.
macro_rules! with_socket {
    ($socket:expr, $inner:ident => $do:expr) => {
        match $socket {
            ClientSocket::Tcp($inner) => $do,
            ClientSocket::Tls($inner) => $do,
            ClientSocket::Unix($inner) => $do,
        }
    };
}

impl AsyncRead for ClientSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        with_socket!(self.get_mut(), socket => Pin::new(socket).poll_read(cx, buffer))
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        with_socket!(self.get_mut(), socket => Pin::new(socket).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with_socket!(self.get_mut(), socket => Pin::new(socket).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        with_socket!(self, socket => socket.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_socket!(self.get_mut(), socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_socket!(self.get_mut(), socket => Pin::new(socket).poll_shutdown(cx))
    }
}
