//! The command line as people and scripts use it: the real binary, on private ports and in folders of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod beside;
mod check;
mod dev;
mod help;
mod policy;
mod revoke;
mod serve;
mod tool;
