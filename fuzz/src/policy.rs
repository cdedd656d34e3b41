//! Policy files: every fault has its line, and what parses answers every request. A line `#? GET host /path` in the file asks
//! about one.

use maxlab_auth_core::guard::Admin;
use maxlab_auth_core::policy::{Asked, Policy};

/// Asked of every policy.
const ALWAYS: [(&str, &str, &str); 4] = [
    ("GET", "a.example", "/"),
    ("POST", "b.a.example", "/admin/x"),
    ("HEAD", "[::1]", "/files/a.css"),
    ("DELETE", "127.0.0.1", "/a/b/c/d/"),
];

/// The body of the target.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let admin = Admin {
        roles: vec!["admin".to_owned()],
    };
    match Policy::parse(text, &admin) {
        Ok(policy) => {
            let own = text.lines().filter_map(question).take(8);
            for (method, host, target) in ALWAYS.into_iter().chain(own) {
                answers(&policy, method, host, target);
            }
        }
        Err(faults) => {
            assert!(faults.iter().count() > 0);
            let lines = text.split('\n').count();
            for fault in faults.iter() {
                // The reader of TOML does not say where its limit of nesting was passed.
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

/// There is one answer, the rule it names stands in the file, and no more is said of a request that is known in part.
fn answers(policy: &Policy, method: &str, host: &str, target: &str) {
    let Ok(asked) = Asked::read(Some(method), Some(host), Some(target.as_bytes())) else {
        return;
    };
    let ruled = |asked: &Asked<'_>| {
        policy
            .rule_for(asked)
            .map(|ruling| ruling.rule.map(|rule| rule.number))
    };
    let whole = ruled(&asked).expect("everything is known");
    assert!(whole.is_none_or(|number| policy.rules().iter().any(|rule| rule.number == number)));
    let (method, host, target) = (Some(method), Some(host), Some(target.as_bytes()));
    // A target that is a whole URL tells the host by itself.
    for (method, host, target) in [(None, host, target), (method, None, target), (method, host, None)] {
        let part = Asked::read(method, host, target).expect("less than what was read");
        if let Ok(said) = ruled(&part) {
            assert_eq!(said, whole, "{method:?} {host:?}: decided without knowing");
        }
    }
}
