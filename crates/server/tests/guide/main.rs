//! The guide's behaviour at the HTTP door, and its defects, each held by a test that names it.
//!
//! One module for each theme. Gateways run in the test's own process, on the embedded store and SQLite or on a real Redis
//! and PostgreSQL, against an authorization server that does as it is told.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod gateway;
mod issuer;
mod observe;

mod durable;
mod logout_all;
mod outage;
mod revocation;
mod session_ends;
mod session_life;
mod unsigned;
