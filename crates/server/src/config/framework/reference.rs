//! Documentation of settings: names, defaults, meanings. `sections.rs` has the list of all of them, which is
//! passed to the source and the reader.

use std::fmt;

use serde::Serialize;

/// Value of a setting that the operator did not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultValue {
    /// This text, parsed like any other value.
    Value(&'static str),
    /// No value. The text says what happens then.
    Unset(&'static str),
}

impl fmt::Display for DefaultValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(text) => f.write_str(text),
            // In parentheses, so that it cannot be taken for a value.
            Self::Unset(words) => write!(f, "({words})"),
        }
    }
}

/// How much of a value may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueExposure {
    /// The whole value is shown.
    Public,
    /// A URL: everything except user name, password and query.
    Address,
    /// Only whether it is set.
    Secret,
}

/// Documentation of one setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SettingDoc {
    /// Name in the environment and in `.env`. `NAME_FILE` works for every setting.
    pub name: &'static str,
    /// Value if it is not set.
    pub default: DefaultValue,
    /// Meaning, in one or a few sentences.
    pub meaning: &'static str,
    /// Unit or form of the value: `seconds`, `list`, `URL`.
    pub unit: &'static str,
    /// How much of the value may be shown.
    pub exposure: ValueExposure,
}

impl SettingDoc {
    pub(crate) const fn new(
        name: &'static str,
        unit: &'static str,
        default: DefaultValue,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            default,
            meaning,
            unit,
            exposure: ValueExposure::Public,
        }
    }

    pub(crate) const fn secret(self) -> Self {
        Self {
            exposure: ValueExposure::Secret,
            ..self
        }
    }

    pub(crate) const fn address(self) -> Self {
        Self {
            exposure: ValueExposure::Address,
            ..self
        }
    }
}

/// Returns the setting with this name.
pub(crate) fn find_setting<'r>(reference: &'r [SettingDoc], name: &str) -> Option<&'r SettingDoc> {
    reference.iter().find(|doc| doc.name == name)
}

/// Returns the position of the setting in the reference. `None` sorts before all of them.
pub(crate) fn reference_position(reference: &[SettingDoc], name: &str) -> Option<usize> {
    reference.iter().position(|doc| doc.name == name)
}
