//! Traits of what answers: requests over HTTP, and bytes below it.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};

use crate::peer::PeerAddr;

/// Error of a body.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Slot of the connection that a request came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// A slot within the limits: the connection serves any number of requests.
    Regular,
    /// Slot of the reserve: all regular ones are busy. The connection is answered once, and the answer should
    /// be short.
    Reserve,
}

/// Handler of the requests of a server.
pub trait RequestHandler: Send + Sync + 'static {
    /// Body of an answer.
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static;
    /// Future of an answer.
    type Future: Future<Output = Result<Response<Self::Body>, Infallible>> + Send + 'static;

    /// Answers a request. Its extensions have the [`PeerAddr`] of the connection.
    fn respond(&self, request: Request<Incoming>, slot: SlotKind) -> Self::Future;

    /// Returns the answer to a client that has left too many answers unread. A body would be unread too.
    fn unread_limit_response() -> Response<Self::Body>;

    /// Returns the responder that is asked before HTTP is parsed. Connections of the reserve have none.
    fn fast_responder(&self) -> Option<Arc<dyn FastResponder>> {
        None
    }
}

/// Peer and time of a request. One clock reading serves all requests of a read, because on this path it is a
/// part of the cost.
#[derive(Clone, Copy, Debug)]
pub struct ReceiveInfo {
    /// Peer that sent the request.
    pub peer: PeerAddr,
    /// Time at which its last byte was read.
    pub received_at: Instant,
}

/// Responder that answers some requests without waiting.
pub trait FastResponder: Send + Sync {
    /// Answers the request at the beginning of `bytes`, if it is complete, has no body, and can be answered
    /// without waiting. Appends the answer to `out` and returns the length of the request in bytes. `None`
    /// leaves it to the [`RequestHandler`].
    fn try_respond(&self, bytes: &[u8], from: ReceiveInfo, out: &mut Vec<u8>) -> Option<usize>;

    /// Returns `true` if `bytes` may be the beginning of a request that this responder answers.
    fn may_match(&self, bytes: &[u8]) -> bool;
}

/// Extension of an answer whose body all its readers share. Unread, it takes no memory of its own.
#[derive(Clone, Copy, Debug)]
pub struct SharedBody;
