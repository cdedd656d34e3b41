//! Stream below hyper: answers complete requests of the fast path, which then never reach hyper (decision
//! 14).
//!
//! # One owner for each byte
//!
//! If two parsers disagree on where a request ends, requests can be smuggled. So each byte has one owner.
//! Bytes are inspected here only while hyper holds none before them:
//!
//! * at the beginning of a connection,
//! * after requests that were answered here,
//! * after hyper was given *exactly* one request, has answered it and has flushed. The request is a complete
//!   head by the parser of hyper, with a method and fields that rule out a body and an upgrade.
//!
//! In any other case (half a head, a body, two requests at once, HTTP/2) the connection belongs to hyper for
//! good.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::activity::ConnectionActivity;
use crate::handler::{FastResponder, ReceiveInfo};
use crate::peer::PeerAddr;
use crate::request_head::{HeadStatus, classify_head};

/// Longest request in bytes. A longer one is left to hyper.
const MAX_REQUEST_LEN: usize = 16 * 1024;

thread_local! {
    /// Buffers for reading and writing, shared by all connections of a thread: an idle connection holds no
    /// buffer.
    static IO_BUFFERS: RefCell<IoBuffers> = RefCell::new(IoBuffers {
        read: vec![0; MAX_REQUEST_LEN],
        out: Vec::with_capacity(MAX_REQUEST_LEN),
    });
}

struct IoBuffers {
    read: Vec<u8>,
    out: Vec<u8>,
}

/// Owner of the next bytes of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ByteOwner {
    /// The fast path: the next byte begins a request.
    FastPath,
    /// The fast path, after hyper has answered the request that it was given. The number counts the exchanges
    /// before it.
    FastPathAfter(u64),
    /// hyper. The connection never returns to the fast path.
    Hyper,
}

/// Connection whose simple requests are answered below HTTP.
pub(crate) struct FastPathStream<S> {
    inner: S,
    activity: Arc<ConnectionActivity>,
    responder: Option<Arc<dyn FastResponder>>,
    peer: PeerAddr,
    next_owner: ByteOwner,
    /// Beginning of a request that may be answered here.
    partial_request: Vec<u8>,
    /// Bytes that hyper has not read yet.
    for_hyper: Vec<u8>,
    /// Bytes of answers that the socket has not accepted yet.
    unsent: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> FastPathStream<S> {
    pub(crate) fn new(
        inner: S,
        activity: Arc<ConnectionActivity>,
        responder: Option<Arc<dyn FastResponder>>,
        peer: PeerAddr,
    ) -> Self {
        Self {
            inner,
            activity,
            next_owner: if responder.is_some() {
                ByteOwner::FastPath
            } else {
                ByteOwner::Hyper
            },
            responder,
            peer,
            partial_request: Vec::new(),
            for_hyper: Vec::new(),
            unsent: Vec::new(),
        }
    }

    fn poll_flush_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.unsent))?;
            // The socket accepts nothing any more. Without this the loop would spin.
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads from the socket and answers the requests that can be answered. Other bytes are then in
    /// `for_hyper`. Returns `false` at the end of the stream.
    fn poll_fast_path(&mut self, cx: &mut Context<'_>, buffers: &mut IoBuffers) -> Poll<io::Result<bool>> {
        let mut read = ReadBuf::new(&mut buffers.read);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut read))?;
        let received = read.filled();
        if received.is_empty() {
            // hyper must see the end of the stream, and a partial request before it.
            self.hand_to_hyper(&[]);
            return Poll::Ready(Ok(false));
        }
        buffers.out.clear();
        if self.partial_request.is_empty() {
            self.respond(received, &mut buffers.out);
        } else {
            let mut bytes = std::mem::take(&mut self.partial_request);
            bytes.extend_from_slice(received);
            self.respond(&bytes, &mut buffers.out);
        }
        if !buffers.out.is_empty() {
            let sent = match Pin::new(&mut self.inner).poll_write(cx, &buffers.out) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => 0,
            };
            // Copied out of the shared buffer, which the next connection of this thread uses.
            self.unsent
                .extend_from_slice(buffers.out.get(sent..).unwrap_or_default());
        }
        Poll::Ready(Ok(true))
    }

    /// Answers the requests in `bytes` that the responder can answer, and assigns the rest to an owner.
    fn respond(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        // The last answer of a connection must say that it is the last. Only hyper does that.
        let responder = self.responder.clone().filter(|_| !self.activity.is_draining());
        let Some(responder) = responder else {
            self.activity.mark_received();
            return self.hand_to_hyper(bytes);
        };
        let from = ReceiveInfo {
            peer: self.peer,
            received_at: Instant::now(),
        };
        let received = bytes.len();
        // Pipelined requests are answered in their order, in one write.
        while let Some(length) = responder.try_respond(bytes, from, out) {
            bytes = bytes.get(length..).unwrap_or_default();
        }
        if bytes.len() < received {
            self.activity.mark_fast_answer(from.received_at.into());
        }
        if bytes.is_empty() {
            return;
        }
        self.activity.mark_received();
        match classify_head(bytes) {
            // Exactly one request, so that the bytes after hyper's answer begin a request again.
            HeadStatus::Complete(length) if length == bytes.len() => {
                self.next_owner = ByteOwner::FastPathAfter(self.activity.requests_begun());
                self.for_hyper.extend_from_slice(bytes);
            }
            HeadStatus::Partial if bytes.len() < MAX_REQUEST_LEN && responder.may_match(bytes) => {
                self.partial_request.extend_from_slice(bytes);
            }
            HeadStatus::Complete(_) | HeadStatus::Partial | HeadStatus::Unsupported => {
                self.hand_to_hyper(bytes);
            }
        }
    }

    fn hand_to_hyper(&mut self, bytes: &[u8]) {
        self.next_owner = ByteOwner::Hyper;
        self.for_hyper.append(&mut self.partial_request);
        self.for_hyper.extend_from_slice(bytes);
    }

    fn copy_to_hyper(&mut self, buffer: &mut ReadBuf<'_>) {
        let fits = self.for_hyper.len().min(buffer.remaining());
        buffer.put_slice(self.for_hyper.get(..fits).unwrap_or_default());
        self.for_hyper.drain(..fits);
        // Frees the memory: an idle connection holds no buffer.
        if self.for_hyper.is_empty() {
            self.for_hyper = Vec::new();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for FastPathStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            ready!(this.poll_flush_unsent(cx))?;
            if !this.for_hyper.is_empty() {
                this.copy_to_hyper(buffer);
                return Poll::Ready(Ok(()));
            }
            if this.next_owner != ByteOwner::FastPath {
                let before = buffer.filled().len();
                ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
                if buffer.filled().len() > before {
                    this.activity.mark_received();
                    // hyper reads before it has answered and flushed: it now holds bytes of a next request.
                    this.next_owner = ByteOwner::Hyper;
                }
                return Poll::Ready(Ok(()));
            }
            // The borrow ends before the next poll of any other stream, so the buffers are never borrowed
            // twice.
            let more = IO_BUFFERS.with_borrow_mut(|buffers| this.poll_fast_path(cx, buffers));
            if !ready!(more)? && this.for_hyper.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for FastPathStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_flush_unsent(cx))?;
        Pin::new(&mut this.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_flush_unsent(cx))?;
        Pin::new(&mut this.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    // hyper flushes after it has written a complete answer, so this is where the fast path can take over
    // again.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_flush_unsent(cx))?;
        ready!(Pin::new(&mut this.inner).poll_flush(cx))?;
        if let ByteOwner::FastPathAfter(before) = this.next_owner
            && this.for_hyper.is_empty()
            && this.activity.has_completed_one_since(before)
        {
            this.next_owner = ByteOwner::FastPath;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Nothing is answered after the close has begun.
        this.next_owner = ByteOwner::Hyper;
        ready!(this.poll_flush_unsent(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}
