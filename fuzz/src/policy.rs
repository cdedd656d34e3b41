//! Policy files: every error has its line, and a policy without errors decides about every request. A line
//! `#? GET host /path` in the input adds a request.

use maxlab_auth_core::guard::Admin;
use maxlab_auth_core::policy::{AccessPolicy, PolicyRequest};

/// Requests for every policy.
const ALWAYS: [(&str, &str, &str); 4] = [
    ("GET", "a.example", "/"),
    ("POST", "b.a.example", "/admin/x"),
    ("HEAD", "[::1]", "/files/a.css"),
    ("DELETE", "127.0.0.1", "/a/b/c/d/"),
];

/// Body of the target.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let admin = Admin {
        roles: vec!["admin".to_owned()],
    };
    match AccessPolicy::parse(text, &admin) {
        Ok(policy) => {
            let requests = text.lines().filter_map(question).take(8);
            for (method, host, target) in ALWAYS.into_iter().chain(requests) {
                answers(&policy, method, host, target);
            }
        }
        Err(faults) => {
            assert!(faults.iter().count() > 0);
            let lines = text.split('\n').count();
            for fault in faults.iter() {
                // The TOML parser gives no place for its nesting limit.
                let Some(line) = fault.line else {
                    assert!(fault.problem.ends_with("recursion limit"), "no line: {fault}");
                    continue;
                };
                assert!((1..=lines).contains(&line), "line {line} of {lines}: {fault}");
                assert!(!fault.problem.is_empty() && !fault.remedy.is_empty());
                assert!(!fault.problem.contains('\n'), "{fault:?}");
            }
        }
    }
}

fn question(line: &str) -> Option<(&str, &str, &str)> {
    let mut words = line.strip_prefix("#? ")?.splitn(3, ' ');
    Some((words.next()?, words.next()?, words.next()?))
}

/// Checks that there is one decision, that its rule is in the file, and that a request with a missing
/// attribute gets the same decision or none.
fn answers(policy: &AccessPolicy, method: &str, host: &str, target: &str) {
    let Ok(request) = PolicyRequest::parse(Some(method), Some(host), Some(target.as_bytes())) else {
        return;
    };
    let rule_of = |request: &PolicyRequest<'_>| {
        policy
            .decide(request)
            .map(|decision| decision.rule.map(|rule| rule.number))
    };
    let whole = rule_of(&request).expect("no attribute is missing");
    assert!(whole.is_none_or(|number| policy.rules().iter().any(|rule| rule.number == number)));
    let (method, host, target) = (Some(method), Some(host), Some(target.as_bytes()));
    // A target that is a whole URL contains the host, so the second request may be complete too.
    for (method, host, target) in [(None, host, target), (method, None, target), (method, host, None)] {
        let part = PolicyRequest::parse(method, host, target).expect("a part of an accepted request");
        if let Ok(rule) = rule_of(&part) {
            assert_eq!(
                rule, whole,
                "{method:?} {host:?}: decided without a missing attribute"
            );
        }
    }
}
