//! Where texts come from, and which of them wins.

use std::ffi::OsString;
use std::path::Path;

use secrecy::ExposeSecret;

use super::*;
use crate::config::{Origin, dev_defaults};

fn row(settings: &Settings, name: &str) -> (String, Origin) {
    let row = settings.rows().iter().find(|row| row.name == name).unwrap();
    (row.value.clone(), row.source)
}

/// An environment and a `.env` file with both secrets in it.
fn gathered(vars: &[(&str, &str)], file: &str) -> Source {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    std::fs::write(
        &path,
        format!("SECRET_KEY={LONG_KEY}\nSESSION_ENCRYPTION_KEY={FERNET_KEY}\n{file}"),
    )
    .unwrap();
    Source::gather(
        vars.iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value))),
        &path,
    )
}

#[test]
fn the_environment_wins_over_the_file_and_both_over_defaults() {
    let source = gathered(
        &[("PORT", "1"), ("UNRELATED", "x")],
        "PORT=2\nAPP_NAME=From the file\n",
    );
    let source = source.with_defaults(map(&[("PORT", "3"), ("APP_NAME", "d"), ("HOST", "127.0.0.1")]));
    let (settings, _) = load(&source);
    assert_eq!(row(&settings, "PORT"), ("1".to_owned(), Origin::Environment));
    assert_eq!(
        row(&settings, "APP_NAME"),
        ("From the file".to_owned(), Origin::DotEnv)
    );
    assert_eq!(row(&settings, "HOST"), ("127.0.0.1".to_owned(), Origin::Default));
    assert_eq!(row(&settings, "METRICS"), ("true".to_owned(), Origin::Default));
    assert_eq!(
        (settings.app.port, settings.app.host.to_string().as_str()),
        (1, "127.0.0.1")
    );
}

#[test]
fn a_flag_wins_over_everything() {
    let source = gathered(&[("PORT", "1"), ("HOST_FILE", "/nowhere")], "");
    let (settings, _) = load(&source.with_overrides(map(&[("PORT", "9"), ("HOST", "::1")])));
    assert_eq!(row(&settings, "PORT"), ("9".to_owned(), Origin::CommandLine));
    assert_eq!(settings.app.host.to_string(), "::1");
}

#[test]
fn an_empty_value_is_unset_and_hides_the_file_below() {
    let (settings, _) = load(&gathered(
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
    let (settings, _) = load(&Source::from_map(map(&[
        ("SECRET_KEY_FILE", &key),
        ("PORT_FILE", &port),
        ("SESSION_ENCRYPTION_KEY", FERNET_KEY),
    ])));
    assert_eq!(settings.session.secret_key.expose_secret(), LONG_KEY);
    assert_eq!(settings.app.port, 81);
    assert_eq!(row(&settings, "SECRET_KEY"), ("(set)".to_owned(), Origin::File));
    for (name, text, words) in [
        ("empty", "\n", "is empty"),
        ("sample", "your-super-secret-key-here\n", "the guide's sample"),
        ("long", &"x".repeat(70_000), "longer than"),
    ] {
        let path = path(name, text);
        let mut values = map(&[("SESSION_ENCRYPTION_KEY", FERNET_KEY), ("SECRET_KEY_FILE", &path)]);
        values.extend(map(&[("PORT", "1")]));
        let said = faults(&Source::from_map(values)).to_string();
        assert!(
            said.starts_with("1 setting is wrong") && said.contains(words),
            "{said}"
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
    let said = faults.to_string();
    assert!(
        said.contains("cannot open /nowhere/port") && said.contains("both SECRET_KEY and SECRET_KEY_FILE"),
        "{said}"
    );
}

#[test]
fn a_slip_in_the_file_is_warned_of_and_strangers_are_not() {
    let (_, warnings) = load(&gathered(
        &[("CORS_ORIGNS", "x")],
        "REDIS_UR=redis://a\nPOSTGRES_PASSWORD=x\nSECRET_KEY_FILE=\nPORT=1\nPORT=2\nAPP_NAME=${X}\n",
    ));
    let said = |name: &str| {
        warnings
            .iter()
            .find(|warning| warning.name == name)
            .map(|warning| warning.message.as_str())
    };
    assert!(said("REDIS_UR").unwrap().contains("was REDIS_URL meant?"));
    assert!(said("PORT").unwrap().contains("set twice"));
    assert!(said("APP_NAME").unwrap().contains("not expanded"));
    for name in ["POSTGRES_PASSWORD", "SECRET_KEY_FILE", "CORS_ORIGNS"] {
        assert_eq!(said(name), None, "{name}");
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
    load(&Source::gather(vars(), &folder.path().join(".env")));
    assert_eq!(names(&faults(&Source::gather(vars(), folder.path()))), [".env"]);
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
    let source = Source::gather(vars, Path::new("/nowhere/.env"));
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
