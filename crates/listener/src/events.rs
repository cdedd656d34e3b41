//! Events of connections, from which the process makes its metrics.

use std::fmt::Debug;

/// Limit that closed a connection, refused it, or had it answered 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShedReason {
    /// Idle connection, closed in favour of a new one.
    Idle,
    /// New connection, refused because its address has its share.
    Address,
    /// New connection, answered from the reserve because all others are busy.
    Busy,
    /// Connection with too many HTTP/2 control frames for its requests.
    ControlFrames,
    /// Answer that was refused because too many bytes of earlier ones are unread.
    Unread,
}

impl ShedReason {
    /// All reasons.
    pub const ALL: [Self; 5] = [
        Self::Idle,
        Self::Address,
        Self::Busy,
        Self::ControlFrames,
        Self::Unread,
    ];

    /// Returns the reason as the value of a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Address => "address",
            Self::Busy => "busy",
            Self::ControlFrames => "control_frames",
            Self::Unread => "unread",
        }
    }
}

/// Something that happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerEvent {
    /// Connection that was accepted and has a slot.
    ConnectionOpened,
    /// End of a connection that was opened.
    ConnectionClosed,
    /// Connection that met a limit.
    ConnectionShed(ShedReason),
    /// TLS handshake that failed.
    HandshakeFailed,
    /// Answer that was dropped because its client did not read it in time.
    AnswerAbandoned,
}

/// Receiver of the events. It must not block.
///
/// No event is reported for a request, so the fast path calls no receiver.
pub trait ListenerEvents: Debug + Send + Sync {
    /// Takes one event.
    fn record(&self, event: ListenerEvent);
}

/// Receiver that drops every event.
#[derive(Clone, Copy, Debug, Default)]
pub struct IgnoredEvents;

impl ListenerEvents for IgnoredEvents {
    fn record(&self, _: ListenerEvent) {}
}

/// Guard of an open connection: reports its begin, and its end when it is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(&'static dyn ListenerEvents);

impl OpenConnection {
    pub(crate) fn report(events: &'static dyn ListenerEvents) -> Self {
        events.record(ListenerEvent::ConnectionOpened);
        Self(events)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.record(ListenerEvent::ConnectionClosed);
    }
}
