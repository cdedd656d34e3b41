//! Tests of the policy: canonical forms, decisions, and error reports.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod canonical;
mod files;
mod matching;
mod readings;

use maxlab_auth_core::guard::Admin;
use maxlab_auth_core::policy::{AccessPolicy, AccessRequirement, PolicyRequest};

fn admin() -> Admin {
    Admin {
        roles: vec!["admin".into()],
    }
}

fn policy(text: &str) -> AccessPolicy {
    AccessPolicy::parse(text, &admin()).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Returns the number of the rule that decides (0 for the default) and its requirement.
fn ruled(policy: &AccessPolicy, method: &str, host: &str, target: &str) -> (usize, String) {
    let request = PolicyRequest::parse(Some(method), Some(host), Some(target.as_bytes())).unwrap();
    let decision = policy.decide(&request).unwrap();
    (
        decision.rule.map_or(0, |rule| rule.number),
        decision.access.to_string(),
    )
}

fn is_public(access: &AccessRequirement) -> bool {
    matches!(access, AccessRequirement::Public)
}
