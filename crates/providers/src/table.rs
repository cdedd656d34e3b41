//! Reader of TOML tables, which collects faults with their lines.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::ProviderFault;

/// Value with its place in the text.
pub(crate) type SpannedValue<'v> = Spanned<DeValue<'v>>;

/// Faults found so far, and the text that their places refer to.
#[derive(Debug)]
pub(crate) struct FaultList<'t> {
    text: &'t str,
    /// Provider that is read at the moment.
    pub(crate) provider: Option<String>,
    pub(crate) faults: Vec<ProviderFault>,
}

impl<'t> FaultList<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            provider: None,
            faults: Vec::new(),
        }
    }

    pub(crate) fn report(&mut self, span: &Range<usize>, problem: impl Into<String>, remedy: &str) {
        // Bytes, because a span counts bytes and may end within a character.
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        self.faults.push(ProviderFault {
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            provider: self.provider.clone(),
            problem: problem.into(),
            remedy: remedy.to_owned(),
        });
    }
}

/// Table whose keys are read one by one.
#[derive(Debug)]
pub(crate) struct TableReader<'v> {
    table: &'v DeTable<'v>,
    pub(crate) span: Range<usize>,
    /// Path of the table within a provider, ending in a dot: `claims.`, or empty.
    prefix: &'static str,
}

impl<'v> TableReader<'v> {
    pub(crate) fn new(table: &'v DeTable<'v>, span: Range<usize>, prefix: &'static str) -> Self {
        Self { table, span, prefix }
    }

    /// Reports keys that are not in `known`, with the nearest known one.
    pub(crate) fn refuse_unknown(&self, known: &[&str], faults: &mut FaultList<'_>) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let remedy = format!("use one of {}", known.join(", "));
                faults.report(&key.span(), format!("unknown key {}{name}", self.prefix), &remedy);
            }
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'v SpannedValue<'v>> {
        self.table.get(key)
    }

    /// Returns the place of a key's value, or of the table.
    pub(crate) fn span_of(&self, key: &str) -> Range<usize> {
        self.get(key).map_or(self.span.clone(), Spanned::span)
    }

    /// Reads a text that is not empty. `None` if it is absent, or after a fault.
    pub(crate) fn text(&self, key: &str, faults: &mut FaultList<'_>) -> Option<String> {
        let value = self.get(key)?;
        let text = value.get_ref().as_str().map(str::trim);
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            let problem = format!("{}{key} is not a text, or empty", self.prefix);
            faults.report(&value.span(), problem, &format!("write {key} = \"…\""));
            return None;
        };
        Some(text.to_owned())
    }

    /// Reads a text or a list of texts. Empty if it is absent, or after a fault.
    pub(crate) fn texts(&self, key: &str, faults: &mut FaultList<'_>) -> Vec<String> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let single = std::slice::from_ref(value);
        let items = value.get_ref().as_array().map_or(single, |items| items.as_ref());
        let mut texts = Vec::new();
        for item in items {
            match item.get_ref().as_str().map(str::trim) {
                Some(text) if !text.is_empty() => texts.push(text.to_owned()),
                _ => {
                    let problem = format!(
                        "{}{key} contains something that is not a text, or empty",
                        self.prefix
                    );
                    faults.report(&item.span(), problem, &format!("write {key} = [\"…\", \"…\"]"));
                }
            }
        }
        texts
    }

    /// Reads a text and converts it. A problem is reported with `remedy`.
    pub(crate) fn parsed<T>(
        &self,
        key: &str,
        remedy: &str,
        faults: &mut FaultList<'_>,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(key, faults)?;
        let value = parse(&text);
        if value.is_none() {
            let problem = format!("{}{key} = {text:?} cannot be used", self.prefix);
            faults.report(&self.span_of(key), problem, remedy);
        }
        value
    }

    /// Reads a table below this one. `None` if it is absent, or after a fault.
    pub(crate) fn table(
        &self,
        key: &'static str,
        prefix: &'static str,
        faults: &mut FaultList<'_>,
    ) -> Option<TableReader<'v>> {
        let value = self.get(key)?;
        let Some(table) = value.get_ref().as_table() else {
            faults.report(
                &value.span(),
                format!("{key} is not a table"),
                &format!("write {prefix}<name> = …"),
            );
            return None;
        };
        Some(TableReader::new(table, value.span(), prefix))
    }
}
