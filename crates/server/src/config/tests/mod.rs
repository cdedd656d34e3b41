//! Tests of the settings as a whole: values of correct texts, and faults of wrong ones.

mod auth_server;
mod canary;
mod faults;
mod forward_auth;
mod guide;
mod limits;
mod listen;
mod production;
mod sources;
mod values;

use std::collections::BTreeMap;

use super::{SettingFaults, SettingWarning, Settings, SettingsSource};

/// A Fernet key (the example of the Fernet specification).
const FERNET_KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
/// A long enough key for anything else.
const LONG_KEY: &str = "an-unguessable-text-for-tests-of-48-bytes-length";

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Returns development settings with both secrets, so that none is generated on disk, and `pairs` on top.
fn development(pairs: &[(&str, &str)]) -> SettingsSource {
    let mut values = map(&[("SECRET_KEY", LONG_KEY), ("SESSION_ENCRYPTION_KEY", FERNET_KEY)]);
    values.extend(map(pairs));
    SettingsSource::from_map(values)
}

/// Returns production settings that start, and `pairs` on top.
fn production(pairs: &[(&str, &str)]) -> SettingsSource {
    let mut values = map(&[
        ("ENVIRONMENT", "production"),
        ("EXTERNAL_AUTH_URL", "https://auth.example.com"),
        ("SECRET_KEY", LONG_KEY),
        ("SESSION_ENCRYPTION_KEY", FERNET_KEY),
    ]);
    values.extend(map(pairs));
    SettingsSource::from_map(values)
}

fn load(source: &SettingsSource) -> (Settings, Vec<SettingWarning>) {
    Settings::load(source).unwrap_or_else(|faults| panic!("{faults}"))
}

fn settings(pairs: &[(&str, &str)]) -> Settings {
    load(&development(pairs)).0
}

fn faults(source: &SettingsSource) -> SettingFaults {
    match Settings::load(source) {
        Ok(_) => panic!("it was accepted"),
        Err(faults) => faults,
    }
}

/// Returns the names at fault, in order.
fn names(faults: &SettingFaults) -> Vec<String> {
    faults.iter().map(|fault| fault.name.clone()).collect()
}

fn warned_of(warnings: &[SettingWarning], name: &str) -> bool {
    warnings.iter().any(|warning| warning.name == name)
}
