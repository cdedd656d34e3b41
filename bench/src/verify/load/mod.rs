//! What loads the servers, from a core of its own.

pub(super) mod client;
pub(crate) mod drive;
pub(super) mod question;
pub(super) mod wrk;

/// What whoever loaded a server saw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) requests: f64,
    pub(super) per_second: f64,
    /// Microseconds.
    pub(super) p50: f64,
    /// Microseconds.
    pub(super) p99: f64,
}
