//! Bodies of the fuzz targets. Each takes untrusted bytes, and panics if a property does not hold.
//!
//! They are plain functions, so that a test can run them over the seeds without libFuzzer.

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
