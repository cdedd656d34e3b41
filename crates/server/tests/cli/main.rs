//! The command line as people and scripts use it: the real binary, on private ports and in folders of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod beside;
mod check;
mod check_token;
mod cut_offs;
mod descriptors;
mod dev;
mod guard_config;
mod help;
mod journals;
mod log_reader;
mod policy;
mod private_ca;
mod private_files;
mod revoke;
mod serve;
mod signals;
mod snapshots;
mod tool;
