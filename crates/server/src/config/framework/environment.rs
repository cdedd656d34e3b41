//! Environment of the service, on which the rules of many settings depend.

use serde::Serialize;

/// Strictness of the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// A developer's machine. Missing secrets are generated, and http is accepted.
    Development,
    /// Complete like production, but weak values are only warnings.
    Staging,
    /// A missing or unsafe value stops the start.
    Production,
}

impl Environment {
    /// Word of the setting.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}
