//! Reader of single settings. Keeps every fault and warning, and the rows that `check` shows.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::address::{redacted, without_credentials};
use super::environment::Environment;
use super::faults::{InvalidValue, SettingFault, SettingWarning};
use super::reference::{DefaultValue, SettingDoc, ValueExposure, find_setting, reference_position};
use super::source::{RawSetting, SettingOrigin, SettingsSource};

/// Maximum length of a value that a fault quotes, in characters.
const MAX_QUOTED_CHARS: usize = 80;

/// Row of `check`: a setting as it is in force. Contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingRow {
    /// Name of the setting.
    pub name: &'static str,
    /// Value, as far as it may be shown.
    pub value: String,
    /// Origin of the value.
    pub source: SettingOrigin,
    /// Meaning of the setting.
    pub meaning: &'static str,
    /// Unit or form of the value.
    pub unit: &'static str,
}

/// Reading of the settings in progress.
#[derive(Debug)]
pub(crate) struct SettingsReader<'a> {
    source: &'a SettingsSource,
    /// Secrets that development has generated, by the name of the setting.
    generated: BTreeMap<&'static str, SecretString>,
    /// Set if a secret is missing that development generates.
    pub(crate) needs_generated: bool,
    pub(crate) faults: Vec<SettingFault>,
    pub(crate) warnings: Vec<SettingWarning>,
    pub(crate) rows: Vec<SettingRow>,
}

impl<'a> SettingsReader<'a> {
    pub(crate) fn new(source: &'a SettingsSource, generated: BTreeMap<&'static str, SecretString>) -> Self {
        Self {
            source,
            generated,
            needs_generated: false,
            faults: source.faults.clone(),
            warnings: source.warnings.clone(),
            rows: Vec::new(),
        }
    }

    /// Returns the value or the default. `None` only after a fault was recorded.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Option<T> {
        let before = self.faults.len();
        let value = self.optional(name, parse);
        // After a fault of its own the value is not missing but wrong: one fault is enough.
        if value.is_none() && self.faults.len() == before {
            self.missing(name, &format!("set {name}"));
        }
        value
    }

    /// Returns the value, or the default of the reference. `None` without either, and after a fault.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Option<T> {
        self.try_optional(name, parse).ok().flatten()
    }

    /// Returns the same as [`Self::optional`], but distinguishes a fault from an unset setting.
    pub(crate) fn try_optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Result<Option<T>, FaultRecorded> {
        let Some(doc) = find_setting(self.source.reference, name) else {
            self.fault(
                name,
                "the reference does not contain this setting",
                "report this as a bug",
            );
            return Err(FaultRecorded);
        };
        let text = match (self.source.raw_setting(name), doc.default) {
            (RawSetting::Faulty(fault), _) => {
                self.faults.push(fault);
                return Err(FaultRecorded);
            }
            // The row is added before parsing: `check` shows a wrong value, too.
            (RawSetting::Value(text, origin), _) => {
                self.push_row(doc, displayed_value(doc, text.expose_secret()), origin);
                text
            }
            // A default goes through the same parser, so the reference cannot contain a wrong one.
            (RawSetting::Unset, DefaultValue::Value(text)) => {
                self.push_row(doc, text.to_owned(), SettingOrigin::Default);
                SecretString::from(text)
            }
            (RawSetting::Unset, DefaultValue::Unset(_)) => {
                self.push_row(doc, doc.default.to_string(), SettingOrigin::Default);
                return Ok(None);
            }
        };
        let text = text.expose_secret();
        // Spaces at the ends of a secret are kept: they may be part of it.
        let outcome = parse(if doc.exposure == ValueExposure::Secret {
            text
        } else {
            text.trim()
        });
        outcome.map(Some).map_err(|wrong| {
            // Only a public value is quoted.
            let subject = if doc.exposure == ValueExposure::Public {
                quoted_value(text)
            } else {
                "the value".to_owned()
            };
            self.fault(name, &format!("{subject} {}", wrong.problem), &wrong.remedy);
            FaultRecorded
        })
    }

    /// Returns whether the operator set the setting, directly or in a file.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        !matches!(self.source.raw_setting(name), RawSetting::Unset)
    }

    /// Returns a secret that development generates. In other environments the operator must set it.
    ///
    /// Returns `None` without a fault while none is generated yet.
    pub(crate) fn secret_or_generated<T>(
        &mut self,
        name: &'static str,
        environment: Environment,
        parse: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Option<T> {
        match self.try_optional(name, &parse) {
            Ok(Some(secret)) => Some(secret),
            Ok(None) if environment == Environment::Development => {
                let secret = self.generated_secret(name)?;
                match parse(secret.expose_secret()) {
                    Ok(secret) => Some(secret),
                    Err(wrong) => {
                        self.fault(
                            name,
                            &format!("the generated one in DATA_DIR {}", wrong.problem),
                            &wrong.remedy,
                        );
                        None
                    }
                }
            }
            Ok(None) => {
                let remedy = format!("generate one with `maxlab-auth keygen` and set {name} or {name}_FILE");
                self.missing(name, &remedy);
                None
            }
            Err(FaultRecorded) => None,
        }
    }

    /// Returns the generated secret, or notes that one is needed.
    fn generated_secret(&mut self, name: &'static str) -> Option<SecretString> {
        let Some(secret) = self.generated.get(name).cloned() else {
            self.needs_generated = true;
            return None;
        };
        // `try_optional` has added a row without a value.
        if let Some(row) = self.rows.iter_mut().find(|row| row.name == name) {
            row.source = SettingOrigin::Generated;
            "(set)".clone_into(&mut row.value);
        }
        self.warn(
            name,
            "not set: one was generated for development and is kept in DATA_DIR",
        );
        Some(secret)
    }

    pub(crate) fn missing(&mut self, name: &str, remedy: &str) {
        self.fault(name, "it is not set", remedy);
    }

    pub(crate) fn fault(&mut self, name: &str, problem: &str, remedy: &str) {
        self.faults.push(SettingFault {
            name: name.to_owned(),
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        });
    }

    pub(crate) fn warn(&mut self, name: &str, message: &str) {
        self.warnings.push(SettingWarning {
            name: name.to_owned(),
            message: message.to_owned(),
        });
    }

    /// Records a fault in production, and a warning elsewhere.
    pub(crate) fn fault_in_production(
        &mut self,
        environment: Environment,
        name: &str,
        problem: &str,
        remedy: &str,
    ) {
        if environment == Environment::Production {
            self.fault(name, problem, remedy);
        } else {
            self.warn(name, &format!("{problem}; {remedy} (production refuses it)"));
        }
    }

    /// Sorts faults and rows into the order of the reference.
    pub(crate) fn sort_by_reference(&mut self) {
        let position = |name: &str| reference_position(self.source.reference, name);
        // Settings are not read in that order: some depend on others.
        self.faults.sort_by_key(|SettingFault { name, .. }| {
            position(name).or_else(|| position(name.strip_suffix("_FILE")?))
        });
        self.rows.sort_by_key(|row| position(row.name));
    }

    fn push_row(&mut self, doc: &SettingDoc, value: String, source: SettingOrigin) {
        self.rows.push(SettingRow {
            name: doc.name,
            value,
            source,
            meaning: doc.meaning,
            unit: doc.unit,
        });
    }
}

/// Proof that a fault was recorded for a missing value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FaultRecorded;

/// Returns the value as `check` shows it.
fn displayed_value(doc: &SettingDoc, text: &str) -> String {
    match doc.exposure {
        // A public setting may contain a URL by mistake, and the URL a password.
        ValueExposure::Public if text.contains("://") => {
            without_credentials(text.trim()).escape_debug().to_string()
        }
        ValueExposure::Public => text.trim().escape_debug().to_string(),
        ValueExposure::Address => redacted(text.trim()),
        ValueExposure::Secret => "(set)".to_owned(),
    }
}

/// Quotes a value for a fault: shortened, without credentials, control characters escaped.
fn quoted_value(text: &str) -> String {
    let text = &*without_credentials(text);
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
