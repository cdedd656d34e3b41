//! Programs that load the servers from their own core.

pub(super) mod check_request;
pub(super) mod client;
pub(crate) mod drive;
pub(super) mod wrk;

/// Result of a load, as its client saw it.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoadResult {
    pub(super) requests: f64,
    pub(super) per_second: f64,
    /// Microseconds.
    pub(super) p50: f64,
    /// Microseconds.
    pub(super) p99: f64,
}
