//! Sources of settings, and which of them wins.

use std::ffi::OsString;
use std::path::Path;

use secrecy::ExposeSecret;

use super::*;
use crate::config::{SettingOrigin, dev_defaults};

fn row(settings: &Settings, name: &str) -> (String, SettingOrigin) {
    let row = settings.rows().iter().find(|row| row.name == name).unwrap();
    (row.value.clone(), row.source)
}

/// Returns a source with an environment, and a `.env` file that contains both secrets.
fn source_of(vars: &[(&str, &str)], file: &str) -> SettingsSource {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    std::fs::write(
        &path,
        format!("SECRET_KEY={LONG_KEY}\nSESSION_ENCRYPTION_KEY={FERNET_KEY}\n{file}"),
    )
    .unwrap();
    SettingsSource::from_vars_and_dotenv(
        vars.iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value))),
        &path,
    )
}

#[test]
fn the_environment_wins_over_the_file_and_both_over_defaults() {
    let source = source_of(
        &[("PORT", "1"), ("UNRELATED", "x")],
        "PORT=2\nAPP_NAME=From the file\n",
    );
    let source = source.with_defaults(map(&[("PORT", "3"), ("APP_NAME", "d"), ("HOST", "127.0.0.1")]));
    let (settings, _) = load(&source);
    assert_eq!(
        row(&settings, "PORT"),
        ("1".to_owned(), SettingOrigin::Environment)
    );
    assert_eq!(
        row(&settings, "APP_NAME"),
        ("From the file".to_owned(), SettingOrigin::DotEnv)
    );
    assert_eq!(
        row(&settings, "HOST"),
        ("127.0.0.1".to_owned(), SettingOrigin::Default)
    );
    assert_eq!(
        row(&settings, "METRICS"),
        ("true".to_owned(), SettingOrigin::Default)
    );
    assert_eq!(
        (settings.app.port, settings.app.host.to_string().as_str()),
        (1, "127.0.0.1")
    );
}

#[test]
fn a_flag_wins_over_everything() {
    let source = source_of(&[("PORT", "1"), ("HOST_FILE", "/nowhere")], "");
    let (settings, _) = load(&source.with_overrides(map(&[("PORT", "9"), ("HOST", "::1")])));
    assert_eq!(
        row(&settings, "PORT"),
        ("9".to_owned(), SettingOrigin::CommandLine)
    );
    assert_eq!(settings.app.host.to_string(), "::1");
}

#[test]
fn an_empty_value_is_unset_and_hides_the_file_below() {
    let (settings, _) = load(&source_of(
        &[("PORT", ""), ("REDIS_URL", "  ")],
        "PORT=2\nREDIS_URL=redis://a\n",
    ));
    assert_eq!(settings.app.port, 8080);
    assert!(matches!(settings.stores.store, crate::config::StoreUrl::Embedded));
    let missing = production(&[("SECRET_KEY", ""), ("EXTERNAL_AUTH_URL", "")]);
    assert_eq!(names(&faults(&missing)), ["EXTERNAL_AUTH_URL", "SECRET_KEY"]);
}

#[test]
fn a_value_may_stand_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (key, port) = (path("key", &format!("{LONG_KEY}\r\n")), path("port", "81\n"));
    let (settings, _) = load(&SettingsSource::from_map(map(&[
        ("SECRET_KEY_FILE", &key),
        ("PORT_FILE", &port),
        ("SESSION_ENCRYPTION_KEY", FERNET_KEY),
    ])));
    assert_eq!(settings.session.secret_key.expose_secret(), LONG_KEY);
    assert_eq!(settings.app.port, 81);
    assert_eq!(
        row(&settings, "SECRET_KEY"),
        ("(set)".to_owned(), SettingOrigin::File)
    );
    for (name, text, words) in [
        ("empty", "\n", "is empty"),
        ("sample", "your-super-secret-key-here\n", "a sample value"),
        ("long", &"x".repeat(70_000), "longer than"),
    ] {
        let path = path(name, text);
        let mut values = map(&[("SESSION_ENCRYPTION_KEY", FERNET_KEY), ("SECRET_KEY_FILE", &path)]);
        values.extend(map(&[("PORT", "1")]));
        let message = faults(&SettingsSource::from_map(values)).to_string();
        assert!(
            message.starts_with("1 setting is wrong") && message.contains(words),
            "{message}"
        );
    }
}

#[test]
fn a_file_that_is_not_there_and_a_value_given_twice_are_faults() {
    let source = development(&[
        ("PORT_FILE", "/nowhere/port"),
        ("SECRET_KEY_FILE", "/nowhere/key"),
    ]);
    let faults = faults(&source);
    assert_eq!(names(&faults), ["PORT_FILE", "SECRET_KEY"]);
    let message = faults.to_string();
    assert!(
        message.contains("/nowhere/port cannot be opened")
            && message.contains("both SECRET_KEY and SECRET_KEY_FILE"),
        "{message}"
    );
}

#[test]
fn a_slip_is_warned_of_and_strangers_are_not() {
    let (_, warnings) = load(&source_of(
        &[("CORS_ORIGNS", "x")],
        "REDIS_UR=redis://a\nPOSTGRES_PASSWORD=x\nSECRET_KEY_FILE=\nPORT=1\nPORT=2\nAPP_NAME=${X}\n",
    ));
    let message_of = |name: &str| {
        warnings
            .iter()
            .find(|warning| warning.name == name)
            .map(|warning| warning.message.as_str())
    };
    assert!(
        message_of("REDIS_UR")
            .unwrap()
            .contains("did you mean REDIS_URL?")
    );
    assert!(message_of("PORT").unwrap().contains("set twice"));
    assert!(message_of("APP_NAME").unwrap().contains("not expanded"));
    assert!(
        message_of("CORS_ORIGNS")
            .unwrap()
            .contains("did you mean CORS_ORIGINS?")
    );
    for name in ["POSTGRES_PASSWORD", "SECRET_KEY_FILE"] {
        assert_eq!(message_of(name), None, "{name}");
    }
}

#[test]
fn a_missing_file_is_fine_and_an_unreadable_one_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let vars = || {
        map(&[("SECRET_KEY", LONG_KEY), ("SESSION_ENCRYPTION_KEY", FERNET_KEY)])
            .into_iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)))
    };
    load(&SettingsSource::from_vars_and_dotenv(
        vars(),
        &folder.path().join(".env"),
    ));
    assert_eq!(
        names(&faults(&SettingsSource::from_vars_and_dotenv(
            vars(),
            folder.path()
        ))),
        [".env"]
    );
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_text_is_a_fault_of_ours_only() {
    use std::os::unix::ffi::OsStringExt;
    let broken = OsString::from_vec(vec![0xff]);
    let vars = [
        ("APP_NAME".into(), broken.clone()),
        ("SOMEONE_ELSES".into(), broken.clone()),
        (broken.clone(), broken),
    ];
    let source = SettingsSource::from_vars_and_dotenv(vars, Path::new("/nowhere/.env"));
    let source = source.with_defaults(map(&[
        ("SECRET_KEY", LONG_KEY),
        ("SESSION_ENCRYPTION_KEY", FERNET_KEY),
    ]));
    assert_eq!(names(&faults(&source)), ["APP_NAME"]);
}

#[test]
fn dev_has_defaults_of_its_own_that_the_operator_may_change() {
    let (settings, _) = load(&development(&[("HOST", "0.0.0.0")]).with_defaults(dev_defaults(9000)));
    assert_eq!(
        settings.upstream.external_auth_url.as_str(),
        "http://localhost:9000/"
    );
    assert_eq!(settings.upstream.client.unwrap().id, "maxlab-dev");
    assert_eq!(
        settings.app.cors_origins,
        ["http://localhost:3000", "http://localhost:9000"]
    );
    assert_eq!(settings.app.host.to_string(), "0.0.0.0");
}

#[test]
fn n12_a_misspelt_name_is_hinted_at_beside_other_faults() {
    let vars = || {
        [
            ("EXTERNAL_AUTH_ULR", "https://auth.example.com"),
            ("ENVIRONMENT", "production"),
            ("HOSTT", "x"),
        ]
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    std::fs::write(&path, "TRUSTED_PROXY=10.0.0.7\n").unwrap();
    let found = faults(&SettingsSource::from_vars_and_dotenv(vars(), &path));
    assert!(
        found.iter().any(|fault| fault.name == "EXTERNAL_AUTH_URL"),
        "{found}"
    );
    let message = found.to_string();
    for (name, meant) in [
        ("EXTERNAL_AUTH_ULR", "EXTERNAL_AUTH_URL"),
        ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
    ] {
        assert!(
            message.contains(&format!("{name}: no setting has this name")),
            "{message}"
        );
        assert!(message.contains(&format!("did you mean {meant}?")), "{message}");
        assert!(
            found.spelling_hints().iter().any(|hint| hint.name == name),
            "{message}"
        );
    }
    assert!(
        !message.contains("HOSTT"),
        "a short name in the environment may belong to another program: {message}"
    );
    // The hint is a warning if there is no fault.
    let right =
        [("TRUSTED_PROXY", "10.0.0.7")].map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let (_, warnings) = load(&SettingsSource::from_vars_and_dotenv(
        right.into_iter().chain(complete()),
        Path::new("no-such-file"),
    ));
    assert!(warned_of(&warnings, "TRUSTED_PROXY"), "{warnings:?}");
}

fn complete() -> impl Iterator<Item = (OsString, OsString)> {
    [("SECRET_KEY", LONG_KEY), ("SESSION_ENCRYPTION_KEY", FERNET_KEY)]
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        .into_iter()
}
