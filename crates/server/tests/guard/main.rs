//! The guard library in applications of its own, beside a real gateway on a real Redis.
//!
//! The routes are those of the library's example, so that it is tested as it is shown.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod asking;
mod both;
mod discovered;
mod local;
mod parity;
mod world;

#[path = "../../../guard/examples/gateway.rs"]
#[expect(dead_code, reason = "the example's own main does not run here")]
mod documents;
