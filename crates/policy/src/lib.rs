//! Access policy by host, path and method, and the one canonical form of each of these.
//!
//! A policy is an ordered list of rules, and the first rule that matches decides. Rules never see the text
//! that a client sent, only its canonical form ([`PolicyRequest::parse`]). A text that two servers could read
//! differently has no canonical form: the request is refused before any rule is applied.

mod fault;
mod host;
mod parser;
mod path;
mod pattern;
mod request;
mod rule;

pub use fault::{PolicyFault, PolicyFaults};
pub use host::{CanonicalHost, HostFault};
pub use path::{CanonicalPath, PathFault};
pub use pattern::{HostPattern, PathPattern, PatternFault};
pub use request::{AmbiguousRequest, PolicyRequest, TargetUrl};
pub use rule::{
    AccessPolicy, AccessRequirement, MissingAttribute, PolicyDecision, PolicyRule, RuleRequirement,
};
