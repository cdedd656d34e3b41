//! Tests of the settings as a whole: what texts come to, and what is said of wrong ones.

mod canary;
mod faults;
mod forward_auth;
mod guide;
mod listen;
mod production;

mod sources;
mod values;

use std::collections::BTreeMap;

use super::{Faults, Settings, Source, Warning};

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

/// Development with both secrets given, so that nothing is made on disk; then `pairs` on top.
fn development(pairs: &[(&str, &str)]) -> Source {
    let mut values = map(&[("SECRET_KEY", LONG_KEY), ("SESSION_ENCRYPTION_KEY", FERNET_KEY)]);
    values.extend(map(pairs));
    Source::from_map(values)
}

/// A production that starts; then `pairs` on top.
fn production(pairs: &[(&str, &str)]) -> Source {
    let mut values = map(&[
        ("ENVIRONMENT", "production"),
        ("EXTERNAL_AUTH_URL", "https://auth.example.com"),
        ("SECRET_KEY", LONG_KEY),
        ("SESSION_ENCRYPTION_KEY", FERNET_KEY),
    ]);
    values.extend(map(pairs));
    Source::from_map(values)
}

fn load(source: &Source) -> (Settings, Vec<Warning>) {
    Settings::load(source).unwrap_or_else(|faults| panic!("{faults}"))
}

fn settings(pairs: &[(&str, &str)]) -> Settings {
    load(&development(pairs)).0
}

fn faults(source: &Source) -> Faults {
    match Settings::load(source) {
        Ok(_) => panic!("it was accepted"),
        Err(faults) => faults,
    }
}

/// The names at fault, in order.
fn names(faults: &Faults) -> Vec<String> {
    faults.iter().map(|fault| fault.name.clone()).collect()
}

fn warned_of(warnings: &[Warning], name: &str) -> bool {
    warnings.iter().any(|warning| warning.name == name)
}
