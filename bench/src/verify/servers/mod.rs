//! Servers that are compared. Each is a process of its own on the servers' core.

pub(crate) mod bare;
pub(super) mod envoy;
pub(super) mod gateway;
pub(super) mod haproxy;
pub(super) mod nginx;
pub(super) mod oauth2_proxy;
pub(super) mod process;
