//! Socket of a client: a write that the client does not accept times out, and a close waits so that the
//! client can read the answer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::activity::ConnectionActivity;
use crate::sockets::ClientSocket;

// Closing a socket with unread bytes resets it, and the client then loses the answer that says why (RFC 9112
// §9.6). So a closing connection is read for a while, and what is read is discarded.

/// Longest time for which a closing connection is read.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
/// Most bytes that are read from a closing connection.
const MAX_LINGER_BYTES: usize = 1024 * 1024;

/// One accepted connection.
#[derive(Debug)]
pub(crate) struct ClientStream {
    socket: ClientSocket,
    activity: Arc<ConnectionActivity>,
    /// Time for which the client may leave a write waiting.
    write_timeout: Duration,
    /// Set while a write waits.
    stall_timer: Option<Pin<Box<Sleep>>>,
    /// Set after the write side is closed.
    closing: Option<LingeringClose>,
}

#[derive(Debug)]
struct LingeringClose {
    deadline: Pin<Box<Sleep>>,
    bytes_left: usize,
}

impl ClientStream {
    pub(crate) fn new(
        socket: ClientSocket,
        activity: Arc<ConnectionActivity>,
        write_timeout: Duration,
    ) -> Self {
        Self {
            socket,
            activity,
            write_timeout,
            stall_timer: None,
            closing: None,
        }
    }

    /// Returns the outcome of a write, or an error if writes have been waiting for `write_timeout`.
    fn check_stalled<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stall_timer = None;
            return outcome;
        }
        // The timer starts with the first write that waits, so that a fast client costs none.
        let write_timeout = self.write_timeout;
        let stall_timer = self
            .stall_timer
            .get_or_insert_with(|| Box::pin(sleep(write_timeout)));
        ready!(stall_timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not read its answer",
        )))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.check_stalled(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.socket).poll_write_vectored(cx, slices);
        this.check_stalled(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.socket).poll_flush(cx);
        this.check_stalled(cx, outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let closing = match &mut this.closing {
            Some(closing) => closing,
            None => {
                ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
                // An evicted connection was idle, so no answer can be lost, and another one waits for its
                // slot.
                if this.activity.is_evicted() {
                    return Poll::Ready(Ok(()));
                }
                let deadline = Box::pin(sleep(LINGER_TIMEOUT));
                this.closing.insert(LingeringClose {
                    deadline,
                    bytes_left: MAX_LINGER_BYTES,
                })
            }
        };
        let mut discarded = [0; 4096];
        while closing.bytes_left > 0 {
            let mut buffer = ReadBuf::new(&mut discarded);
            match Pin::new(&mut this.socket).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    closing.bytes_left = closing.bytes_left.saturating_sub(buffer.filled().len());
                }
                // The client has closed its side too, or the socket failed: nothing is left to read.
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(closing.deadline.as_mut().poll(cx));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
