//! Where connections come from: TCP, TLS or a Unix socket, and the socket that each gives.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::unix::UnixDoor;
use crate::http::peer::PeerAddr;

/// One place to listen at.
pub enum Listener {
    /// HTTP over TCP.
    Tcp(TcpListener),
    /// HTTP over TLS.
    Tls(TcpListener, TlsAcceptor),
    /// HTTP over a Unix socket.
    Unix(UnixDoor),
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(listener) => f.debug_tuple("Tcp").field(listener).finish(),
            Self::Tls(listener, _) => f.debug_tuple("Tls").field(listener).finish_non_exhaustive(),
            Self::Unix(door) => f.debug_tuple("Unix").field(door).finish(),
        }
    }
}

impl Listener {
    fn address(&self) -> io::Result<String> {
        match self {
            Self::Tcp(listener) => Ok(listener.local_addr()?.to_string()),
            Self::Tls(listener, _) => Ok(format!("{} (TLS)", listener.local_addr()?)),
            Self::Unix(door) => Ok(format!("unix:{}", door.path().display())),
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Arrival>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map_ok(|(socket, peer)| {
                let _ = socket.set_nodelay(true);
                Arrival {
                    socket: Accepted::Ready(Socket::Tcp(socket)),
                    peer: PeerAddr::Tcp(peer),
                }
            }),
            Self::Tls(listener, acceptor) => listener.poll_accept(cx).map_ok(|(socket, peer)| {
                let _ = socket.set_nodelay(true);
                Arrival {
                    socket: Accepted::Tls(socket, acceptor.clone()),
                    peer: PeerAddr::Tcp(peer),
                }
            }),
            Self::Unix(door) => door.poll_accept(cx).map_ok(|socket| Arrival {
                socket: Accepted::Ready(Socket::Unix(socket)),
                peer: PeerAddr::Unix,
            }),
        }
    }
}

/// All places to listen at. They are one to the accept loop, so that its limits hold for them together.
#[derive(Debug)]
pub struct Listeners {
    all: Vec<Listener>,
    /// Where the next look begins, so that a busy listener does not keep another from being heard.
    next: AtomicUsize,
}

impl From<TcpListener> for Listeners {
    fn from(listener: TcpListener) -> Self {
        vec![Listener::Tcp(listener)].into()
    }
}

impl From<Vec<Listener>> for Listeners {
    fn from(all: Vec<Listener>) -> Self {
        Self {
            all,
            next: AtomicUsize::new(0),
        }
    }
}

impl Listeners {
    /// Where they listen, for a reader.
    pub(super) fn addresses(&self) -> io::Result<Vec<String>> {
        self.all.iter().map(Listener::address).collect()
    }

    /// The next connection at any of them. Nothing is lost when the wait is given up.
    pub(super) async fn accept(&self) -> io::Result<Arrival> {
        std::future::poll_fn(|cx| {
            let first = self.next.fetch_add(1, Ordering::Relaxed);
            let count = self.all.len();
            (0..count)
                .filter_map(|offset| self.all.get(first.wrapping_add(offset) % count))
                .map(|listener| listener.poll_accept(cx))
                .find(Poll::is_ready)
                .unwrap_or(Poll::Pending)
        })
        .await
    }
}

/// A connection as it was accepted.
pub(super) struct Arrival {
    pub(super) socket: Accepted,
    pub(super) peer: PeerAddr,
}

/// A client's socket, or what first has to become one.
pub(super) enum Accepted {
    Ready(Socket),
    /// The handshake is still to come. It takes as long as the client likes, so it is the connection's own affair.
    Tls(TcpStream, TlsAcceptor),
}

/// A client's socket. One type for every kind, so that what is built on it is compiled once.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// The socket behind, whichever it is, as something that is read and written.
macro_rules! each {
    ($socket:expr, $inner:ident => $do:expr) => {
        match $socket {
            Socket::Tcp($inner) => $do,
            Socket::Tls($inner) => $do,
            Socket::Unix($inner) => $do,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, socket => socket.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_shutdown(cx))
    }
}
