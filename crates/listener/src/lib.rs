//! Listening sockets, the connections that they accept, and the limits of both.
//!
//! [`serve`] accepts connections at every [`Listener`] (TCP, TLS, Unix socket), and gives each request to a
//! [`RequestHandler`]. Before HTTP is parsed, a [`FastResponder`] may answer the bytes. The crate limits what
//! a client can hold ([`ServeLimits`]): slots, slow heads, unread answers, control frames of HTTP/2. At the
//! shutdown it lets the requests in progress end.
//!
//! Nothing here knows a route, a setting or a metric. The process passes values, and counts
//! [`ListenerEvents`]. It is the only crate that depends on hyper's server, on the TLS acceptor and on the
//! parser of HTTP/1 heads (decision 32).

mod accept;
mod activity;
mod client_stream;
mod connection;
mod events;
mod fast_path_stream;
mod frame_meter;
mod handler;
mod limits;
mod peer;
mod poll_on_wake;
mod request_head;
mod request_service;
mod slots;
mod sockets;
mod stream_executor;
mod tls;
mod unix_socket;

pub use accept::serve;
pub use events::{IgnoredEvents, ListenerEvent, ListenerEvents, ShedReason};
pub use handler::{BoxError, FastResponder, ReceiveInfo, RequestHandler, SharedBody, SlotKind};
pub use hyper::body::{Body, Incoming};
pub use limits::ServeLimits;
pub use peer::{PeerAddr, is_trusted_address};
pub use request_head::{FieldStorage, HeadField, ParsedHead, RequestHead, is_framing_header};
pub use slots::RESERVED_SLOTS;
pub use sockets::{Listener, ListenerSet, duplicate_listener};
pub use tls::{CertificateFault, ServerCertificate, TlsListener};
pub use unix_socket::{SocketFault, UnixSocketListener};
