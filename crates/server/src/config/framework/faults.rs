//! Faults of settings, worded so that an operator can fix them. Never contain a secret.

use std::fmt;

/// Fault of one setting, which stops the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFault {
    /// Name of the setting, or `.env` for the file itself.
    pub name: String,
    /// Problem. Contains a value only if that value is not a secret.
    pub problem: String,
    /// How to fix it.
    pub remedy: String,
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    {}", self.name, self.problem, self.remedy)
    }
}

/// All faults, in the order of the reference. Displayed as one paragraph each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingFaults {
    faults: Vec<SettingFault>,
    /// Names that look like misspelt settings. Often one of them is the reason for a fault.
    spelling_hints: Vec<SettingWarning>,
}

impl SettingFaults {
    /// Returns the faults one by one.
    pub fn iter(&self) -> impl Iterator<Item = &SettingFault> {
        self.faults.iter()
    }

    /// Returns names that look like misspelt settings.
    pub fn spelling_hints(&self) -> &[SettingWarning] {
        &self.spelling_hints
    }

    /// Adds hints.
    #[must_use]
    pub(crate) fn with_hints(mut self, hints: Vec<SettingWarning>) -> Self {
        self.spelling_hints = hints;
        self
    }

    /// Returns the number of faults.
    #[must_use]
    pub fn len(&self) -> usize {
        self.faults.len()
    }

    /// Returns whether there is no fault.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }
}

impl From<Vec<SettingFault>> for SettingFaults {
    fn from(faults: Vec<SettingFault>) -> Self {
        Self {
            faults,
            spelling_hints: Vec::new(),
        }
    }
}

impl fmt::Display for SettingFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.faults.len() {
            1 => writeln!(f, "1 setting is wrong:")?,
            count => writeln!(f, "{count} settings are wrong:")?,
        }
        self.faults
            .iter()
            .try_for_each(|fault| write!(f, "\n{fault}\n"))?;
        if !self.spelling_hints.is_empty() {
            writeln!(f, "\nNames that look misspelt:")?;
        }
        self.spelling_hints
            .iter()
            .try_for_each(|hint| writeln!(f, "  {hint}"))
    }
}

impl std::error::Error for SettingFaults {}

/// Note for the operator that does not stop the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingWarning {
    /// Name of the setting.
    pub name: String,
    /// Text of the note, and what to do about it.
    pub message: String,
}

impl fmt::Display for SettingWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)
    }
}

/// Reason why a text is not a value of its setting. The reader adds the name, and the text if it is not a
/// secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidValue {
    /// Problem, continuing a sentence that begins with the value: `is not a whole number`.
    pub(crate) problem: String,
    /// How to fix it.
    pub(crate) remedy: String,
}

impl InvalidValue {
    pub(crate) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}
