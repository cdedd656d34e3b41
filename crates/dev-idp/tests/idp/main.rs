//! The development authorization server, over HTTP, as clients, people and strangers meet it.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod authorize;
mod door;
mod metadata;
mod refresh;
mod restart;
mod revocation;
mod start;
mod token;
mod userinfo;
