//! Faults in a providers file, each with its place and with advice.

use std::fmt;

/// One fault in a providers file. Contains no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderFault {
    /// Line, from 1.
    pub line: usize,
    /// Id of the provider, or its number in the file if the id is missing. `None` outside of a provider.
    pub provider: Option<String>,
    /// Description of the fault.
    pub problem: String,
    /// Advice for fixing it.
    pub remedy: String,
}

impl fmt::Display for ProviderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(provider) = &self.provider {
            write!(f, " (provider {provider})")?;
        }
        write!(f, ": {}; {}", self.problem, self.remedy)
    }
}

/// All faults in a providers file, in the order of its lines. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderFaults(Vec<ProviderFault>);

impl ProviderFaults {
    /// Sorts faults by line. Returns `None` without a fault.
    pub(crate) fn from_unsorted(mut faults: Vec<ProviderFault>) -> Option<Self> {
        // Found key by key, and what two providers have in common after everything else.
        faults.sort_by_key(|fault| fault.line);
        (!faults.is_empty()).then_some(Self(faults))
    }

    /// Iterates over the faults.
    pub fn iter(&self) -> impl Iterator<Item = &ProviderFault> {
        self.0.iter()
    }
}

impl fmt::Display for ProviderFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ProviderFault::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ProviderFaults {}
