//! Tests of the policy: what has one reading, which rule decides, what is said of a faulty file.

mod canonical;
mod files;
mod matching;
mod readings;

use super::{Access, Asked, Policy};
use crate::guard::Admin;

fn admin() -> Admin {
    Admin {
        roles: vec!["admin".into()],
    }
}

fn policy(text: &str) -> Policy {
    Policy::parse(text, &admin()).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The number of the rule that decides, 0 for the default, and what it asks for.
fn ruled(policy: &Policy, method: &str, host: &str, target: &str) -> (usize, String) {
    let asked = Asked::read(Some(method), Some(host), Some(target.as_bytes())).unwrap();
    let ruling = policy.rule_for(&asked).unwrap();
    (
        ruling.rule.map_or(0, |rule| rule.number),
        ruling.access.to_string(),
    )
}

fn is_public(access: &Access) -> bool {
    matches!(access, Access::Public)
}
