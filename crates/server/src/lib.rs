//! The authentication gateway, as a library so that tests can start it in their own process.

pub mod app;
pub mod background;
pub mod cli;
pub mod config;
pub mod http;
pub mod metrics;
pub mod observed;
pub mod policy;
pub mod telemetry;
pub mod tls;
pub mod upstream;
pub mod verifiers;
mod watched;
