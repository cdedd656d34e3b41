//! What is wrong with a policy file, said so that a person can mend it.

use std::fmt;

/// One thing wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    /// The line, from 1, where that is known.
    pub line: Option<usize>,
    /// The rule, from 1, if it is about one.
    pub rule: Option<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
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

/// Everything that is wrong with a policy file, in the order of its lines; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFaults(Vec<PolicyFault>);

impl PolicyFaults {
    /// The faults, by line; `None` where there is none.
    pub(super) fn of(mut faults: Vec<PolicyFault>) -> Option<Self> {
        faults.sort_by_key(|fault| (fault.line, fault.rule));
        (!faults.is_empty()).then_some(Self(faults))
    }

    /// The faults, one by one.
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
