//! What is measured, each part by itself.

pub(super) mod alone;
pub(super) mod arriving;
pub(super) mod cached;
pub(super) mod doors;
pub(super) mod envoy;
pub(super) mod uncached;
