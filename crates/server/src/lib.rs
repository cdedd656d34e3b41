//! The authentication gateway as a library, so that tests can start it in their own process.

pub mod app;
pub mod background;
mod change_detector;
pub mod cli;
pub mod config;
pub mod cutoff;
mod descriptors;
pub mod events;
mod file_modes;
mod files;
pub mod http;
pub mod metrics;
pub mod policy;
pub mod providers;
pub mod record;
pub mod redirect_uri;
pub mod telemetry;
pub mod tls;

pub use maxlab_auth_upstream as upstream;
