//! Reads settings out of a source one by one, keeps every fault, and remembers what it read for `check`.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::address::redacted;
use super::app::Environment;
use super::fault::{Fault, Warning, Wrong};
use super::generated::GeneratedSecrets;
use super::reference::{DefaultValue, Exposure, SettingDoc, find, position};
use super::source::{Given, Origin, Source};

/// The longest value that a fault repeats.
const LONGEST_ECHO: usize = 80;

/// One line of `check`: a setting as it is in force. A secret's value is not in here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingRow {
    /// The setting.
    pub name: &'static str,
    /// Its value, as far as it may be shown.
    pub value: String,
    /// Where the value came from.
    pub source: Origin,
    /// What it does.
    pub meaning: &'static str,
    /// The unit or form of the value.
    pub unit: &'static str,
}

/// The reading in progress.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    source: &'a Source,
    generated: Option<&'a GeneratedSecrets>,
    /// A secret was missing that development makes by itself.
    pub(super) wants_generated: bool,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Warning>,
    pub(super) rows: Vec<SettingRow>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a Source, generated: Option<&'a GeneratedSecrets>) -> Self {
        Self {
            source,
            generated,
            wants_generated: false,
            faults: source.faults.clone(),
            warnings: source.warnings.clone(),
            rows: Vec::new(),
        }
    }

    /// The setting's value or its default; `None` only after a fault was noted.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let before = self.faults.len();
        let value = self.optional(name, parse);
        if value.is_none() && self.faults.len() == before {
            self.missing(name, &format!("set {name}"));
        }
        value
    }

    /// The setting's value, or what the reference gives as its default, or `None`; also `None` after a fault.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.take(name, parse).ok().flatten()
    }

    /// Like [`Self::optional`], but a fault can be told from an unset setting.
    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Result<Option<T>, Noted> {
        let Some(doc) = find(name) else {
            self.fault(
                name,
                "the reference does not know this setting",
                "report this as a defect",
            );
            return Err(Noted);
        };
        let text = match (self.source.given(name), doc.default) {
            (Given::Faulty(fault), _) => {
                self.faults.push(fault);
                return Err(Noted);
            }
            (Given::Value(text, origin), _) => {
                self.row(doc, shown(doc, text.expose_secret()), origin);
                text
            }
            (Given::Unset, DefaultValue::Value(text)) => {
                self.row(doc, text.to_owned(), Origin::Default);
                SecretString::from(text)
            }
            (Given::Unset, DefaultValue::Unset(_)) => {
                self.row(doc, doc.default.to_string(), Origin::Default);
                return Ok(None);
            }
        };
        let text = text.expose_secret();
        let outcome = parse(if doc.exposure == Exposure::Secret {
            text
        } else {
            text.trim()
        });
        outcome.map(Some).map_err(|wrong| {
            let subject = if doc.exposure == Exposure::Public {
                echo(text)
            } else {
                "the value".to_owned()
            };
            self.fault(name, &format!("{subject} {}", wrong.problem), &wrong.remedy);
            Noted
        })
    }

    /// Whether the operator, not a default, gave the setting.
    pub(super) fn is_given(&self, name: &str) -> bool {
        !matches!(self.source.given(name), Given::Unset)
    }

    /// A secret that development makes by itself and every other environment must be given. While none was made yet
    /// it is `None` without a fault.
    pub(super) fn secret_or_generated<T>(
        &mut self,
        name: &'static str,
        environment: Environment,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        match self.take(name, &parse) {
            Ok(Some(secret)) => Some(secret),
            Ok(None) if environment == Environment::Development => {
                let secret = self.generated_secret(name)?;
                match parse(secret.expose_secret()) {
                    Ok(secret) => Some(secret),
                    Err(wrong) => {
                        self.fault(
                            name,
                            &format!("the one in DATA_DIR {}", wrong.problem),
                            &wrong.remedy,
                        );
                        None
                    }
                }
            }
            Ok(None) => {
                let remedy = format!("make one with `maxlab-auth keygen` and set {name} or {name}_FILE");
                self.missing(name, &remedy);
                None
            }
            Err(Noted) => None,
        }
    }

    fn generated_secret(&mut self, name: &'static str) -> Option<SecretString> {
        let Some(secret) = self.generated.and_then(|secrets| secrets.named(name)) else {
            self.wants_generated = true;
            return None;
        };
        if let Some(row) = self.rows.iter_mut().find(|row| row.name == name) {
            row.source = Origin::Generated;
            "(set)".clone_into(&mut row.value);
        }
        self.warn(
            name,
            "not set: one was made for development and is kept in DATA_DIR",
        );
        Some(secret)
    }

    pub(super) fn missing(&mut self, name: &str, remedy: &str) {
        self.fault(name, "it is not set", remedy);
    }

    pub(super) fn fault(&mut self, name: &str, problem: &str, remedy: &str) {
        self.faults.push(Fault {
            name: name.to_owned(),
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        });
    }

    pub(super) fn warn(&mut self, name: &str, message: &str) {
        self.warnings.push(Warning {
            name: name.to_owned(),
            message: message.to_owned(),
        });
    }

    /// A fault in production, a warning elsewhere.
    pub(super) fn object(&mut self, environment: Environment, name: &str, problem: &str, remedy: &str) {
        if environment == Environment::Production {
            self.fault(name, problem, remedy);
        } else {
            self.warn(name, &format!("{problem}; {remedy} (production refuses it)"));
        }
    }

    /// Puts everything into the order of the reference.
    pub(super) fn sort(&mut self) {
        self.faults.sort_by_key(|Fault { name, .. }| {
            position(name).or_else(|| position(name.strip_suffix("_FILE")?))
        });
        self.rows.sort_by_key(|row| position(row.name));
    }

    fn row(&mut self, doc: &SettingDoc, value: String, source: Origin) {
        self.rows.push(SettingRow {
            name: doc.name,
            value,
            source,
            meaning: doc.meaning,
            unit: doc.unit,
        });
    }
}

/// Proof that the reader has noted a fault for what is missing here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted;

fn shown(doc: &SettingDoc, text: &str) -> String {
    match doc.exposure {
        Exposure::Public => text.trim().escape_debug().to_string(),
        Exposure::Address => redacted(text.trim()),
        Exposure::Secret => "(set)".to_owned(),
    }
}

/// The value as a fault repeats it: short, in quotes, control characters escaped.
fn echo(text: &str) -> String {
    match text.char_indices().nth(LONGEST_ECHO) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
