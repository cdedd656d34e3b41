//! What a request needs before it may pass, by its host, path and method; and the one canonical form of each of these.
//!
//! A policy is an ordered list of rules, and the first that matches decides. What is compared is never the text that a
//! client sent but its canonical form ([`Asked::read`]), and a text that two servers could read in two ways has none: it
//! is refused before any rule is looked at.

mod asked;
mod fault;
mod file;
mod host;
mod path;
mod pattern;
mod rule;
#[cfg(test)]
mod tests;

pub use asked::{Asked, AskedFault};
pub use fault::{PolicyFault, PolicyFaults};
pub use host::{CanonicalHost, HostFault};
pub use path::{CanonicalPath, PathFault};
pub use pattern::{HostPattern, PathPattern, PatternFault};
pub use rule::{Access, Policy, Rule, Ruling, Untold};
