//! Errors in a policy file, each with its place and with advice.

use std::fmt;

/// One error in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    /// Line, from 1, if it is known.
    pub line: Option<usize>,
    /// Number of the rule, from 1, if the error is in a rule.
    pub rule: Option<usize>,
    /// Description of the error.
    pub problem: String,
    /// Advice for fixing it.
    pub remedy: String,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.rule) {
            (Some(line), Some(rule)) => write!(f, "line {line} (rule {rule}): ")?,
            (Some(line), None) => write!(f, "line {line}: ")?,
            (None, Some(rule)) => write!(f, "rule {rule}: ")?,
            (None, None) => {}
        }
        write!(f, "{}; {}", self.problem, self.remedy)
    }
}

/// All errors in a policy file, in the order of its lines. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFaults(Vec<PolicyFault>);

impl PolicyFaults {
    /// Sorts errors by line. Returns `None` without an error.
    pub(super) fn from_unsorted(mut faults: Vec<PolicyFault>) -> Option<Self> {
        // Errors are found key by key, and unreachable rules after everything else.
        faults.sort_by_key(|fault| (fault.line, fault.rule));
        (!faults.is_empty()).then_some(Self(faults))
    }

    /// Iterates over the errors.
    pub fn iter(&self) -> impl Iterator<Item = &PolicyFault> {
        self.0.iter()
    }
}

impl fmt::Display for PolicyFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(PolicyFault::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for PolicyFaults {}
