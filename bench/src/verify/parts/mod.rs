//! Parts of the benchmark, one file each.

pub(super) mod arriving;
pub(super) mod cached;
pub(super) mod envoy;
pub(super) mod oauth2_proxy;
pub(super) mod sessions;
pub(super) mod standalone;
pub(super) mod transports;
pub(super) mod uncached;
