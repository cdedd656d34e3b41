//! The one list of settings that exist: names, defaults, meanings. The parser, `check` and the docs all read it.

use std::fmt;
use std::sync::LazyLock;

use serde::Serialize;

use super::{app, forward_auth, listen, revocation, session, stores, upstream, verify};

/// What a setting is when nobody set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultValue {
    /// This text, read by the same parser as any other value.
    Value(&'static str),
    /// Nothing; the words say what happens then.
    Unset(&'static str),
}

impl fmt::Display for DefaultValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(text) => f.write_str(text),
            Self::Unset(words) => write!(f, "({words})"),
        }
    }
}

/// How much of a value may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exposure {
    /// All of it.
    Public,
    /// An address: all but the user name, the password and the query.
    Address,
    /// Nothing but that it is there.
    Secret,
}

/// One setting, as documentation shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SettingDoc {
    /// The name in the environment and in `.env`. `NAME_FILE` works for each.
    pub name: &'static str,
    /// What holds when it is not set.
    pub default: DefaultValue,
    /// What it does.
    pub meaning: &'static str,
    /// The unit or the form of its value: `seconds`, `list`, `URL`.
    pub unit: &'static str,
    /// How much of its value may be shown.
    pub exposure: Exposure,
}

impl SettingDoc {
    pub(super) const fn new(
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
            exposure: Exposure::Public,
        }
    }

    pub(super) const fn secret(self) -> Self {
        Self {
            exposure: Exposure::Secret,
            ..self
        }
    }

    pub(super) const fn address(self) -> Self {
        Self {
            exposure: Exposure::Address,
            ..self
        }
    }
}

static REFERENCE: LazyLock<Vec<SettingDoc>> = LazyLock::new(|| {
    [
        app::DOCS,
        listen::DOCS,
        stores::DOCS,
        upstream::DOCS,
        verify::DOCS,
        revocation::DOCS,
        session::DOCS,
        forward_auth::DOCS,
    ]
    .concat()
});

/// Every setting there is, by section.
#[must_use]
pub fn reference() -> &'static [SettingDoc] {
    &REFERENCE
}

/// The setting of that name.
pub(super) fn find(name: &str) -> Option<&'static SettingDoc> {
    reference().iter().find(|doc| doc.name == name)
}

/// Where the setting stands in the reference; strangers come first.
pub(super) fn position(name: &str) -> Option<usize> {
    reference().iter().position(|doc| doc.name == name)
}
