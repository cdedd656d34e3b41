//! The bodies of the fuzz targets: each takes bytes that a stranger could have sent, and panics where a promise breaks.
//!
//! They are plain functions, so that a test runs them over the seeds without libFuzzer.

#[cfg(feature = "server")]
pub mod cookie;
#[cfg(feature = "server")]
pub mod forwarded_headers;
mod hmac;
pub mod jwks;
pub mod path;
pub mod policy;
#[cfg(test)]
mod seeds;
pub mod token;
