//! Where settings come from, before anything is made of them: layers of texts, the nearest to the operator wins.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::dotenv;
use super::fault::{Fault, Warning};
use super::reference::{find, reference};
use super::spelling;

/// A secret's file is read up to this many bytes; none is longer.
const LONGEST_FILE: u64 = 64 * 1024;

/// Where a setting's value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Nobody set it.
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
    /// Made in development, kept in `DATA_DIR`.
    Generated,
}

impl Origin {
    /// The word `check` shows.
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

/// The raw texts of settings. Every text is held as a secret, since a misplaced one may be.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The nearest to the operator first.
    layers: Vec<(Origin, BTreeMap<String, SecretString>)>,
    defaults: BTreeMap<String, SecretString>,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Warning>,
}

/// What a source says about one setting.
#[derive(Debug, Clone)]
pub(super) enum Given {
    Unset,
    Value(SecretString, Origin),
    Faulty(Fault),
}

impl Source {
    /// The process environment, and `.env` in the working directory below it. Nothing is changed in either.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::gather(std::env::vars_os(), Path::new(".env"))
    }

    /// These values as if they were the process environment, and no `.env`.
    #[must_use]
    pub fn from_map(values: BTreeMap<String, String>) -> Self {
        Self {
            layers: vec![(Origin::Environment, sealed(values))],
            ..Self::default()
        }
    }

    /// The text of a `.env` file, and no environment.
    #[must_use]
    pub fn from_dotenv(text: &str) -> Self {
        let mut source = Self::default();
        source.read_dotenv(text);
        source
    }

    /// The same source with other defaults below it: they hold where neither the operator nor a file said anything.
    #[must_use]
    pub fn with_defaults(mut self, values: BTreeMap<String, String>) -> Self {
        self.defaults.extend(sealed(values));
        self
    }

    /// The same source with a command's own flags above it.
    #[must_use]
    pub fn with_overrides(mut self, values: BTreeMap<String, String>) -> Self {
        self.layers.insert(0, (Origin::CommandLine, sealed(values)));
        self
    }

    pub(super) fn gather(vars: impl IntoIterator<Item = (OsString, OsString)>, dotenv: &Path) -> Self {
        let mut source = Self::default();
        source.read_environment(vars);
        match std::fs::read_to_string(dotenv) {
            Ok(text) => source.read_dotenv(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => source.faults.push(Fault {
                name: ".env".to_owned(),
                problem: format!("the file is there but cannot be read: {error}"),
                remedy: "give this user the right to read it as UTF-8 text, or move it away".to_owned(),
            }),
        }
        source
    }

    /// Keeps only what is ours: an environment holds much that is not.
    fn read_environment(&mut self, vars: impl IntoIterator<Item = (OsString, OsString)>) {
        let mut ours = BTreeMap::new();
        for (name, value) in vars {
            let Ok(name) = name.into_string() else { continue };
            if !is_known(&name) {
                continue;
            }
            match value.into_string() {
                Ok(text) => _ = ours.insert(name, SecretString::from(text)),
                Err(_) => self.faults.push(Fault {
                    name,
                    problem: "the value is not UTF-8 text".to_owned(),
                    remedy: "set it again in a UTF-8 locale".to_owned(),
                }),
            }
        }
        self.layers.push((Origin::Environment, ours));
    }

    fn read_dotenv(&mut self, text: &str) {
        let file = dotenv::parse(text);
        for line in file.bad_lines {
            self.faults.push(Fault {
                name: ".env".to_owned(),
                problem: format!("line {line} is not NAME=value"),
                remedy:
                    "write NAME=value, put quotes around a value that spans lines, or begin the line with #"
                        .to_owned(),
            });
        }
        let mut seen = BTreeSet::new();
        for (name, value) in &file.entries {
            if !seen.insert(name) {
                self.warn(name, "it is set twice in .env; the last one counts");
            }
            if find(name).is_some() && value.contains("${") {
                self.warn(
                    name,
                    "it holds ${…}, which is taken as it stands: .env values are not expanded",
                );
            }
            if let Some(meant) = spelling::nearest(name).filter(|_| !is_known(name)) {
                self.warn(
                    name,
                    &format!("no setting has this name, so it does nothing; was {meant} meant?"),
                );
            }
        }
        self.layers.push((Origin::DotEnv, sealed(file.entries)));
    }

    fn warn(&mut self, name: &str, message: &str) {
        self.warnings.push(Warning {
            name: name.to_owned(),
            message: message.to_owned(),
        });
    }

    /// What is said about `name`, directly or by `NAME_FILE`. An empty text is as good as none.
    pub(super) fn given(&self, name: &str) -> Given {
        let file_name = format!("{name}_FILE");
        match (self.nearest(name), self.nearest(&file_name)) {
            (Some((text, Origin::CommandLine)), _) => Given::Value(text.clone(), Origin::CommandLine),
            (Some(_), Some(_)) => Given::Faulty(Fault {
                name: name.to_owned(),
                problem: format!("both {name} and {file_name} are set"),
                remedy: "set one of them".to_owned(),
            }),
            (Some((text, origin)), None) => Given::Value(text.clone(), origin),
            (None, Some((path, _))) => match read_file(Path::new(path.expose_secret())) {
                Ok(text) => Given::Value(text, Origin::File),
                Err(problem) => Given::Faulty(Fault {
                    name: file_name,
                    problem,
                    remedy: "point it to a readable text file that holds the value alone".to_owned(),
                }),
            },
            (None, None) => match self
                .defaults
                .get(name)
                .filter(|text| !text.expose_secret().is_empty())
            {
                Some(text) => Given::Value(text.clone(), Origin::Default),
                None => Given::Unset,
            },
        }
    }

    /// The nearest layer that names it decides; it may decide for "unset" with an empty text.
    fn nearest(&self, name: &str) -> Option<(&SecretString, Origin)> {
        self.layers
            .iter()
            .find_map(|(origin, values)| Some((values.get(name)?, *origin)))
            .filter(|(text, _)| !text.expose_secret().trim().is_empty())
    }
}

fn is_known(name: &str) -> bool {
    reference().iter().any(|doc| {
        name.strip_prefix(doc.name)
            .is_some_and(|end| matches!(end, "" | "_FILE"))
    })
}

fn sealed(values: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, SecretString> {
    values
        .into_iter()
        .map(|(name, value)| (name, SecretString::from(value)))
        .collect()
}

/// The file's text without the newline that editors put at its end; the error says what is wrong, never what it holds.
fn read_file(path: &Path) -> Result<SecretString, String> {
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|error| format!("cannot open {shown}: {error}"))?;
    let mut text = String::new();
    file.take(LONGEST_FILE + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    if text.len() as u64 > LONGEST_FILE {
        return Err(format!("{shown} is longer than {LONGEST_FILE} bytes"));
    }
    let value = text.trim_end_matches(['\r', '\n']);
    if value.trim().is_empty() {
        return Err(format!("{shown} is empty"));
    }
    Ok(SecretString::from(value))
}
