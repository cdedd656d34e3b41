//! Limit of HTTP/2 control frames (RFC 9113 §4.1): a connection that sends too many of them for its requests
//! is closed (decision 24).
//!
//! Each frame costs work, and most kinds request nothing: SETTINGS and PING are answered, WINDOW_UPDATE and
//! PRIORITY are recorded, empty DATA wakes a handler. A real client sends a few for each request. So a
//! request, its bytes and the bytes of its answer earn control frames, and each control frame spends one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::events::{ListenerEvent, ListenerEvents, ShedReason};

/// The connection preface of a client (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length of a frame header in bytes (RFC 9113 §4.1).
const FRAME_HEADER_LEN: usize = 9;
// Frame types and the flag of RFC 9113 §6.1 and §6.2.
const FRAME_TYPE_DATA: u8 = 0;
const FRAME_TYPE_HEADERS: u8 = 1;
const FLAG_END_STREAM: u8 = 1;

/// Control frames that a connection may send before its first request, and the most that it can accumulate.
const MAX_CONTROL_FRAMES: u32 = 2_000;
/// Control frames that a connection earns each second, for pings and the like of an idle connection.
const CONTROL_FRAMES_PER_SECOND: u32 = 100;
/// Control frames that one request or one DATA frame earns. Clients send one or two WINDOW_UPDATE and at most
/// one PING for each frame that they receive.
const CONTROL_FRAMES_PER_PAYLOAD_FRAME: u32 = 8;
/// Bytes of answers that earn one control frame: a client acknowledges what it reads.
const SENT_BYTES_PER_CONTROL_FRAME: usize = 2_048;

/// Stream whose frames are counted as they are read.
pub(crate) struct FrameMeter<S> {
    inner: S,
    parse_state: FrameParseState,
    budget: ControlFrameBudget,
    events: &'static dyn ListenerEvents,
}

/// State of the parser: the part that the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameParseState {
    /// Connection preface, and the number of its bytes that were received.
    Preface(usize),
    /// Frame header, and the number of its bytes that were received.
    Header([u8; FRAME_HEADER_LEN], usize),
    /// Frame payload, and the number of its bytes that are left.
    Payload(usize),
    /// HTTP/1, which has no frames.
    NotHttp2,
}

/// Control frames that a connection may still send.
#[derive(Debug)]
struct ControlFrameBudget {
    remaining: u32,
    /// Bytes of answers that have earned nothing yet.
    uncredited_bytes: usize,
    refilled_at: Instant,
}

impl<S> FrameMeter<S> {
    pub(crate) fn new(inner: S, events: &'static dyn ListenerEvents) -> Self {
        Self {
            inner,
            parse_state: FrameParseState::Preface(0),
            budget: ControlFrameBudget::new(Instant::now()),
            events,
        }
    }

    /// Counts the frames that begin in `bytes`. Returns `false` if there are too many.
    fn count_frames(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((&byte, rest)) = bytes.split_first() {
            match &mut self.parse_state {
                FrameParseState::NotHttp2 => return true,
                // Byte by byte: a header may be split over two reads.
                FrameParseState::Preface(received) => {
                    let expected = PREFACE.get(*received) == Some(&byte);
                    *received += 1;
                    self.parse_state = match (expected, *received == PREFACE.len()) {
                        (false, _) => FrameParseState::NotHttp2,
                        (true, true) => FrameParseState::Header([0; FRAME_HEADER_LEN], 0),
                        (true, false) => FrameParseState::Preface(*received),
                    };
                    bytes = rest;
                }
                // Skipped in one step, however long it is.
                FrameParseState::Payload(left) => {
                    let skipped = bytes.len().min(*left);
                    *left -= skipped;
                    if *left == 0 {
                        self.parse_state = FrameParseState::Header([0; FRAME_HEADER_LEN], 0);
                    }
                    bytes = bytes.get(skipped..).unwrap_or_default();
                }
                FrameParseState::Header(header, received) => {
                    if let Some(slot) = header.get_mut(*received) {
                        *slot = byte;
                    }
                    *received += 1;
                    if *received == FRAME_HEADER_LEN {
                        let frame = FrameHeader::parse(*header);
                        self.parse_state = frame.next_state();
                        if !self.budget.try_spend(frame) {
                            return false;
                        }
                    }
                    bytes = rest;
                }
            }
        }
        true
    }
}

/// Frame header, without the stream id.
#[derive(Clone, Copy, Debug)]
struct FrameHeader {
    length: usize,
    kind: u8,
    flags: u8,
}

impl FrameHeader {
    fn parse([a, b, c, kind, flags, ..]: [u8; FRAME_HEADER_LEN]) -> Self {
        // 24 bits, big-endian (RFC 9113 §4.1).
        let length = (usize::from(a) << 16) | (usize::from(b) << 8) | usize::from(c);
        Self { length, kind, flags }
    }

    fn next_state(self) -> FrameParseState {
        match self.length {
            0 => FrameParseState::Header([0; FRAME_HEADER_LEN], 0),
            length => FrameParseState::Payload(length),
        }
    }

    /// Returns `true` for a frame with a request, a part of its body, or its end.
    fn is_payload(self) -> bool {
        match self.kind {
            FRAME_TYPE_HEADERS => true,
            // An empty DATA frame that does not end the body carries nothing.
            FRAME_TYPE_DATA => self.length > 0 || self.flags & FLAG_END_STREAM != 0,
            _ => false,
        }
    }
}

impl ControlFrameBudget {
    fn new(now: Instant) -> Self {
        Self {
            remaining: MAX_CONTROL_FRAMES,
            uncredited_bytes: 0,
            refilled_at: now,
        }
    }

    /// Spends or earns for a frame. Returns `false` if nothing remains.
    fn try_spend(&mut self, frame: FrameHeader) -> bool {
        if frame.is_payload() {
            self.remaining = (self.remaining + CONTROL_FRAMES_PER_PAYLOAD_FRAME).min(MAX_CONTROL_FRAMES);
            return true;
        }
        if self.remaining == 0 {
            self.refill(Instant::now());
        }
        match self.remaining.checked_sub(1) {
            Some(left) => self.remaining = left,
            None => return false,
        }
        true
    }

    /// Earns for bytes of answers that the client accepted.
    fn credit_sent_bytes(&mut self, bytes: usize) {
        self.uncredited_bytes += bytes;
        if self.uncredited_bytes >= SENT_BYTES_PER_CONTROL_FRAME {
            let frames = u32::try_from(self.uncredited_bytes / SENT_BYTES_PER_CONTROL_FRAME)
                .unwrap_or(MAX_CONTROL_FRAMES);
            self.remaining = self.remaining.saturating_add(frames).min(MAX_CONTROL_FRAMES);
            self.uncredited_bytes %= SENT_BYTES_PER_CONTROL_FRAME;
        }
    }

    /// Earns for the time since the last refill. Called only when nothing remains, so that busy connections
    /// read no clock.
    fn refill(&mut self, now: Instant) {
        let seconds = now.duration_since(self.refilled_at).as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0..=MAX_CONTROL_FRAMES"
        )]
        let earned =
            (seconds * f64::from(CONTROL_FRAMES_PER_SECOND)).clamp(0.0, f64::from(MAX_CONTROL_FRAMES)) as u32;
        // `refilled_at` stays if less than one frame is earned: its fraction would be lost each time.
        if earned > 0 {
            self.remaining = (self.remaining + earned).min(MAX_CONTROL_FRAMES);
            self.refilled_at = now;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameMeter<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
        if this.parse_state != FrameParseState::NotHttp2
            && !this.count_frames(buffer.filled().get(before..).unwrap_or_default())
        {
            let shed = ListenerEvent::ConnectionShed(ShedReason::ControlFrames);
            this.events.record(shed);
            return Poll::Ready(Err(io::Error::other(
                "too many control frames for the requests of the connection",
            )));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrameMeter<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = ready!(Pin::new(&mut this.inner).poll_write(cx, bytes))?;
        this.budget.credit_sent_bytes(sent);
        Poll::Ready(Ok(sent))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, slices))?;
        this.budget.credit_sent_bytes(sent);
        Poll::Ready(Ok(sent))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
