//! Sources of settings: layers of raw texts. The layer nearest to the operator wins.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::dotenv;
use super::faults::{SettingFault, SettingWarning};
use super::reference::{SettingDoc, ValueExposure, find_setting};
use super::spelling;
use crate::file_modes::{WORLD_ANY_ACCESS, permitted_mode};
use crate::files::read_regular_text;

/// Maximum length of a file that `NAME_FILE` names, in bytes.
const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;
/// Maximum length of `.env`, in bytes.
const MAX_DOTENV_BYTES: u64 = 1024 * 1024;

/// Names in the environment up to this length are not compared with the names of settings.
const MAX_UNCHECKED_NAME_LENGTH: usize = 6;

/// Origin of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingOrigin {
    /// The default of the setting.
    Default,
    /// A flag of the command.
    CommandLine,
    /// The process environment.
    Environment,
    /// The `.env` file in the working directory.
    #[serde(rename = ".env")]
    DotEnv,
    /// The file that `NAME_FILE` points to.
    File,
    /// Generated in development, kept in `DATA_DIR`.
    Generated,
}

impl SettingOrigin {
    /// Word that `check` shows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::CommandLine => "command line",
            Self::Environment => "environment",
            Self::DotEnv => ".env",
            Self::File => "file",
            Self::Generated => "generated",
        }
    }
}

/// Raw texts of settings. Every text is kept as a secret, because a secret may stand under a wrong name.
#[derive(Debug, Clone)]
pub struct SettingsSource {
    /// All settings. Other names are ignored.
    pub(crate) reference: &'static [SettingDoc],
    /// The layer nearest to the operator comes first.
    layers: Vec<(SettingOrigin, BTreeMap<String, SecretString>)>,
    defaults: BTreeMap<String, SecretString>,
    pub(crate) faults: Vec<SettingFault>,
    pub(crate) warnings: Vec<SettingWarning>,
    /// Names that look like misspelt settings. They are also among the warnings.
    pub(crate) hints: Vec<SettingWarning>,
}

/// Raw value of one setting.
#[derive(Debug, Clone)]
pub(crate) enum RawSetting {
    Unset,
    Value(SecretString, SettingOrigin),
    Faulty(SettingFault),
}

impl SettingsSource {
    /// Creates a source without values for these settings.
    pub(crate) fn empty(reference: &'static [SettingDoc]) -> Self {
        Self {
            reference,
            layers: Vec::new(),
            defaults: BTreeMap::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// Adds these values as an environment, without a check of their names.
    pub(crate) fn push_values(&mut self, values: BTreeMap<String, String>) {
        self.layers
            .push((SettingOrigin::Environment, into_secrets(values)));
    }

    /// Adds defaults. They apply to a setting that neither the operator nor a file sets.
    #[must_use]
    pub fn with_defaults(mut self, values: BTreeMap<String, String>) -> Self {
        self.defaults.extend(into_secrets(values));
        self
    }

    /// Adds the flags of a command, which win over everything else.
    #[must_use]
    pub fn with_overrides(mut self, values: BTreeMap<String, String>) -> Self {
        self.layers
            .insert(0, (SettingOrigin::CommandLine, into_secrets(values)));
        self
    }

    /// Adds a `.env` file below what was added before.
    pub(crate) fn push_dotenv_file(&mut self, path: &Path) {
        // Only the working directory is searched, never its parents: the file would be someone else's.
        match read_regular_text(path, MAX_DOTENV_BYTES) {
            Ok(text) => {
                self.push_dotenv(&text);
                // After reading: whether it matters depends on the secrets in it.
                self.warn_if_world_readable(path);
            }
            Err(fault) if fault.is_absent() => {}
            Err(fault) => self.faults.push(SettingFault {
                name: ".env".to_owned(),
                problem: format!("the file exists but {fault}"),
                remedy: "make it a UTF-8 text file that this user can read, or remove it".to_owned(),
            }),
        }
    }

    /// Adds the variables that are settings. The others may be secrets of other programs.
    pub(crate) fn push_environment(&mut self, vars: impl IntoIterator<Item = (OsString, OsString)>) {
        let mut ours = BTreeMap::new();
        for (name, value) in vars {
            // A name that is not UTF-8 cannot be a setting's.
            let Ok(name) = name.into_string() else { continue };
            if !self.is_setting_name(&name) {
                // Short names are similar to many, and an environment contains many that are not the
                // gateway's.
                if name.len() > MAX_UNCHECKED_NAME_LENGTH {
                    self.warn_if_misspelt(&name);
                }
                continue;
            }
            match value.into_string() {
                Ok(text) => _ = ours.insert(name, SecretString::from(text)),
                Err(_) => self.faults.push(SettingFault {
                    name,
                    problem: "the value is not UTF-8 text".to_owned(),
                    remedy: "set it again in a UTF-8 locale".to_owned(),
                }),
            }
        }
        self.layers.push((SettingOrigin::Environment, ours));
    }

    /// Adds the text of a `.env` file below what was added before.
    pub(crate) fn push_dotenv(&mut self, text: &str) {
        let file = dotenv::parse(text);
        for line in file.bad_lines {
            self.faults.push(SettingFault {
                name: ".env".to_owned(),
                problem: format!("line {line} is not NAME=value"),
                remedy:
                    "write NAME=value, put quotes around a value that spans lines, or start the line with #"
                        .to_owned(),
            });
        }
        let mut seen = BTreeSet::new();
        for (name, value) in &file.entries {
            if !seen.insert(name) {
                self.warn(name, "it is set twice in .env; the last value is used");
            }
            if find_setting(self.reference, name).is_some() && value.contains("${") {
                self.warn(
                    name,
                    "it contains ${…}, which is used literally: values in .env are not expanded",
                );
            }
            if !self.is_setting_name(name) {
                self.warn_if_misspelt(name);
            }
        }
        self.layers
            .push((SettingOrigin::DotEnv, into_secrets(file.entries)));
    }

    /// Warns of a name that is similar to that of a setting.
    fn warn_if_misspelt(&mut self, name: &str) {
        if let Some(meant) = spelling::nearest_setting(self.reference, name) {
            let message = format!("no setting has this name, so it is ignored; did you mean {meant}?");
            self.warn(name, &message);
            // Kept twice: warnings are not shown if there are faults, but the hint may explain one of them.
            self.hints.extend(self.warnings.last().cloned());
        }
    }

    /// Warns of a `.env` with secrets that every user of this machine can read.
    fn warn_if_world_readable(&mut self, dotenv: &Path) {
        let Some(mode) = permitted_mode(dotenv, WORLD_ANY_ACCESS) else {
            return;
        };
        // The last layer is the file's own.
        let holds_secret = self.layers.last().is_some_and(|(_, values)| {
            let given = values
                .iter()
                .filter(|(_, text)| !text.expose_secret().trim().is_empty());
            given
                .map(|(name, text)| (find_setting(self.reference, name), text))
                .any(|(doc, text)| match doc.map(|doc| doc.exposure) {
                    Some(ValueExposure::Secret) => true,
                    // A URL without an @ has no password.
                    Some(ValueExposure::Address) => text.expose_secret().contains('@'),
                    Some(ValueExposure::Public) | None => false,
                })
        });
        if holds_secret {
            let message = format!(
                "every user of this machine can read the secrets in it (mode {mode:04o}): chmod 600 .env"
            );
            self.warn(".env", &message);
        }
    }

    /// Returns whether the name is that of a setting, or of its file.
    fn is_setting_name(&self, name: &str) -> bool {
        self.reference.iter().any(|doc| {
            name.strip_prefix(doc.name)
                .is_some_and(|end| matches!(end, "" | "_FILE"))
        })
    }

    fn warn(&mut self, name: &str, message: &str) {
        self.warnings.push(SettingWarning {
            name: name.to_owned(),
            message: message.to_owned(),
        });
    }

    /// Returns the raw value of `name`, set directly or by `NAME_FILE`. An empty text counts as unset.
    pub(crate) fn raw_setting(&self, name: &str) -> RawSetting {
        let file_name = format!("{name}_FILE");
        match (self.first_layer_value(name), self.first_layer_value(&file_name)) {
            // A flag wins even if `NAME_FILE` is set: it is the more recent wish.
            (Some((text, SettingOrigin::CommandLine)), _) => {
                RawSetting::Value(text.clone(), SettingOrigin::CommandLine)
            }
            (Some(_), Some(_)) => RawSetting::Faulty(SettingFault {
                name: name.to_owned(),
                problem: format!("both {name} and {file_name} are set"),
                remedy: "set only one of them".to_owned(),
            }),
            (Some((text, origin)), None) => RawSetting::Value(text.clone(), origin),
            (None, Some((path, _))) => match read_secret_file(Path::new(path.expose_secret())) {
                Ok(text) => RawSetting::Value(text, SettingOrigin::File),
                Err(problem) => RawSetting::Faulty(SettingFault {
                    name: file_name,
                    problem,
                    remedy: "set it to the path of a readable text file that contains only the value"
                        .to_owned(),
                }),
            },
            (None, None) => match self
                .defaults
                .get(name)
                .filter(|text| !text.expose_secret().is_empty())
            {
                Some(text) => RawSetting::Value(text.clone(), SettingOrigin::Default),
                None => RawSetting::Unset,
            },
        }
    }

    /// Returns the value of the first layer that has the name. An empty text there hides the layers below it.
    fn first_layer_value(&self, name: &str) -> Option<(&SecretString, SettingOrigin)> {
        // The filter comes after the search, so that `PORT=` in the environment unsets the PORT of `.env`.
        self.layers
            .iter()
            .find_map(|(origin, values)| Some((values.get(name)?, *origin)))
            .filter(|(text, _)| !text.expose_secret().trim().is_empty())
    }
}

fn into_secrets(values: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, SecretString> {
    values
        .into_iter()
        .map(|(name, value)| (name, SecretString::from(value)))
        .collect()
}

/// Reads a secret's file without the line break that editors put at its end. The error never quotes the
/// content.
fn read_secret_file(path: &Path) -> Result<SecretString, String> {
    let path_text = path.display();
    let text =
        read_regular_text(path, MAX_SECRET_FILE_BYTES).map_err(|fault| format!("{path_text} {fault}"))?;
    // Only line breaks: spaces may be part of a secret.
    let value = text.trim_end_matches(['\r', '\n']);
    if value.trim().is_empty() {
        return Err(format!("{path_text} is empty"));
    }
    Ok(SecretString::from(value))
}
