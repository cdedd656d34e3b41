//! Below HTTP: a request that is whole and can be answered at once is answered here, and never reaches hyper.
//!
//! # What keeps the two readers of one connection apart
//!
//! Two parsers that disagree on where a request ends are how requests are smuggled, so there is never a doubt whose bytes
//! they are. Bytes are looked at here only while none before them are in hyper's hands: at the beginning of a connection,
//! after requests that were answered here, and after an exchange with hyper that was given *exactly* one request (a
//! whole head by the parser that hyper itself uses, of a method and with fields that rule out a body and an upgrade), was
//! answered, and was flushed. Anything else (half a head, a body, two requests at once, HTTP/2) makes the connection
//! hyper's for good.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;
use crate::http::peer::PeerAddr;

/// From where a request came, and when. Clocks are looked at seldom: on this path a look is a part of the cost.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// From where.
    pub peer: PeerAddr,
    /// When its last byte was read.
    pub at: Instant,
}

/// What answers some requests at once.
pub trait Shortcut: Send + Sync {
    /// Answers the request that `bytes` begin with, if all of it is there, it has no body, and it can be answered without
    /// waiting for anything: appends the answer to `out` and says how long the request was. `None` leaves it to the router.
    fn answer(&self, bytes: &[u8], from: Arrived, out: &mut Vec<u8>) -> Option<usize>;

    /// Whether `bytes` may become a request that it answers.
    fn may_begin_with(&self, bytes: &[u8]) -> bool;
}

/// Requests longer than this are left to hyper.
const LONGEST: usize = 16 * 1024;
/// Requests with more fields than this are left to hyper.
pub(crate) const MOST_FIELDS: usize = 48;

thread_local! {
    /// What is read and written at once, for all connections of a thread: an idle connection holds no buffer.
    static DESK: RefCell<Desk> = RefCell::new(Desk {
        read: vec![0; LONGEST],
        out: Vec::with_capacity(LONGEST),
    });
}

struct Desk {
    read: Vec<u8>,
    out: Vec<u8>,
}

/// Whose the next bytes of the client are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// They begin a request.
    Ours,
    /// They begin a request once hyper has answered the one that it was given; so many had begun before.
    OursAfter(u64),
    /// Hyper's, for good.
    Theirs,
}

/// A connection whose shortest requests are answered below HTTP.
pub(super) struct Shortened<S> {
    inner: S,
    activity: Arc<Activity>,
    shortcut: Option<Arc<dyn Shortcut>>,
    peer: PeerAddr,
    next: Next,
    /// The beginning of a request that may be answered here.
    begun: Vec<u8>,
    /// What hyper has not taken yet.
    for_hyper: Vec<u8>,
    /// What the client has not taken yet.
    unsent: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shortened<S> {
    pub(super) fn new(
        inner: S,
        activity: Arc<Activity>,
        shortcut: Option<Arc<dyn Shortcut>>,
        peer: PeerAddr,
    ) -> Self {
        Self {
            inner,
            activity,
            next: if shortcut.is_some() {
                Next::Ours
            } else {
                Next::Theirs
            },
            shortcut,
            peer,
            begun: Vec::new(),
            for_hyper: Vec::new(),
            unsent: Vec::new(),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.unsent))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads what came, and answers what of it can be. Afterwards something may be there for hyper.
    fn poll_answer(&mut self, cx: &mut Context<'_>, desk: &mut Desk) -> Poll<io::Result<bool>> {
        let mut read = ReadBuf::new(&mut desk.read);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut read))?;
        let came = read.filled();
        if came.is_empty() {
            self.give_up(&[]);
            return Poll::Ready(Ok(false));
        }
        desk.out.clear();
        if self.begun.is_empty() {
            self.answer(came, &mut desk.out);
        } else {
            let mut bytes = std::mem::take(&mut self.begun);
            bytes.extend_from_slice(came);
            self.answer(&bytes, &mut desk.out);
        }
        if !desk.out.is_empty() {
            let sent = match Pin::new(&mut self.inner).poll_write(cx, &desk.out) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => 0,
            };
            self.unsent
                .extend_from_slice(desk.out.get(sent..).unwrap_or_default());
        }
        Poll::Ready(Ok(true))
    }

    fn answer(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        // The last answer of a connection says that it is the last, which is hyper's to do.
        let shortcut = self.shortcut.clone().filter(|_| !self.activity.is_draining());
        let Some(shortcut) = shortcut else {
            self.activity.received();
            return self.give_up(bytes);
        };
        let from = Arrived {
            peer: self.peer,
            at: Instant::now(),
        };
        let all = bytes.len();
        while let Some(length) = shortcut.answer(bytes, from, out) {
            bytes = bytes.get(length..).unwrap_or_default();
        }
        if bytes.len() < all {
            self.activity.answered(from.at.into());
        }
        if bytes.is_empty() {
            return;
        }
        self.activity.received();
        match length_without_body(bytes) {
            Head::Whole(length) if length == bytes.len() => {
                self.next = Next::OursAfter(self.activity.begun());
                self.for_hyper.extend_from_slice(bytes);
            }
            Head::Half if bytes.len() < LONGEST && shortcut.may_begin_with(bytes) => {
                self.begun.extend_from_slice(bytes);
            }
            Head::Whole(_) | Head::Half | Head::Other => self.give_up(bytes),
        }
    }

    fn give_up(&mut self, bytes: &[u8]) {
        self.next = Next::Theirs;
        self.for_hyper.append(&mut self.begun);
        self.for_hyper.extend_from_slice(bytes);
    }

    fn deliver(&mut self, buffer: &mut ReadBuf<'_>) {
        let fits = self.for_hyper.len().min(buffer.remaining());
        buffer.put_slice(self.for_hyper.get(..fits).unwrap_or_default());
        self.for_hyper.drain(..fits);
        if self.for_hyper.is_empty() {
            self.for_hyper = Vec::new();
        }
    }
}

/// What bytes at the beginning of a request are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// They begin with a whole request of this length, which has no body and leaves the connection as it is.
    Whole(usize),
    /// More is to come.
    Half,
    /// Something else.
    Other,
}

fn length_without_body(bytes: &[u8]) -> Head {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Head::Half,
        Err(_) => return Head::Other,
    };
    let plain = bytes.first().is_some_and(u8::is_ascii_uppercase)
        && matches!(request.method, Some("GET" | "HEAD"))
        && request.version == Some(1)
        && !request.headers.iter().any(|field| frames(field.name));
    if plain { Head::Whole(length) } else { Head::Other }
}

/// Whether a field has a say in where a request ends, or in what follows it.
pub(crate) fn frames(name: &str) -> bool {
    const FRAMING: [&str; 7] = [
        "content-length",
        "transfer-encoding",
        "upgrade",
        "expect",
        "te",
        "trailer",
        "http2-settings",
    ];
    FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing))
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Shortened<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            ready!(this.poll_send(cx))?;
            if !this.for_hyper.is_empty() {
                this.deliver(buffer);
                return Poll::Ready(Ok(()));
            }
            if this.next != Next::Ours {
                let before = buffer.filled().len();
                ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
                if buffer.filled().len() > before {
                    this.activity.received();
                    this.next = Next::Theirs;
                }
                return Poll::Ready(Ok(()));
            }
            let more = DESK.with_borrow_mut(|desk| this.poll_answer(cx, desk));
            if !ready!(more)? && this.for_hyper.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Shortened<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// Hyper flushes when it has handed over all that it had to say.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        ready!(Pin::new(&mut this.inner).poll_flush(cx))?;
        if let Next::OursAfter(before) = this.next
            && this.for_hyper.is_empty()
            && this.activity.has_ended_one_since(before)
        {
            this.next = Next::Ours;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.next = Next::Theirs;
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
