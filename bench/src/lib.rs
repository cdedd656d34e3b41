//! Common parts of several measurements: tokens and sessions of usual size, bulk revocations, and the hot path in this
//! process.

pub mod bulk_revocations;
pub mod hot_path;
pub mod sessions;
pub mod tokens;
