//! Production refuses what is unsafe; development makes do.

use super::*;
use crate::config::{Origin, generated_secrets};
use secrecy::ExposeSecret;

#[test]
fn a_complete_production_starts_with_the_secure_cookie() {
    let (settings, _) = load(&production(&[]));
    assert!(settings.session.cookie_secure);
    assert_eq!(settings.session.cookie_name(), "__Host-maxlab_session");
}

#[test]
fn what_is_missing_stops_the_start_at_once() {
    for environment in ["production", "staging"] {
        let faults = faults(&Source::from_map(map(&[("ENVIRONMENT", environment)])));
        assert_eq!(
            names(&faults),
            ["EXTERNAL_AUTH_URL", "SECRET_KEY", "SESSION_ENCRYPTION_KEY"],
            "{environment}"
        );
        assert!(
            faults.iter().all(|fault| fault.problem == "it is not set"),
            "{faults}"
        );
    }
}

#[test]
fn what_is_unsafe_is_refused_in_production_only() {
    let short = "31-bytes-are-one-byte-too-short";
    assert_eq!(short.len(), 31);
    for (name, text) in [
        ("DEBUG", "true"),
        ("SECRET_KEY", short),
        ("SESSION_COOKIE_SECURE", "false"),
    ] {
        assert_eq!(names(&faults(&production(&[(name, text)]))), [name]);
        load(&production(&[("ENVIRONMENT", "staging"), (name, text)]));
        load(&development(&[(name, text)]));
    }
    let (_, warnings) = load(&development(&[("SECRET_KEY", short)]));
    assert!(warned_of(&warnings, "SECRET_KEY"));
}

#[test]
fn plain_text_is_for_this_machine_only() {
    for (name, text) in [
        ("EXTERNAL_AUTH_URL", "http://localhost:8000"),
        ("EXTERNAL_AUTH_URL", "http://127.1.2.3:8000"),
        ("EXTERNAL_AUTH_URL", "http://[::1]:8000"),
        ("JWKS_URL", "http://localhost/jwks"),
        ("REDIS_URL", "redis://127.0.0.1:6379/0"),
        ("REDIS_URL", "redis://[::1]"),
        ("REDIS_URL", "rediss://redis.example"),
        ("REDIS_URL", "redis+sentinel://localhost,127.0.0.1/main"),
        ("REDIS_URL", "rediss+cluster://a,b"),
    ] {
        load(&production(&[(name, text)]));
    }
    for (name, text) in [
        ("EXTERNAL_AUTH_URL", "http://auth-server:8000"),
        ("EXTERNAL_AUTH_URL", "http://localhost.example.com"),
        ("EXTERNAL_AUTH_URL", "http://0.0.0.0:8000"),
        ("INTROSPECTION_URL", "http://10.0.0.1/introspect"),
        ("JWKS_URL", "http://10.0.0.1/jwks"),
        ("REDIS_URL", "redis://redis:6379/0"),
        ("REDIS_URL", "redis+sentinel://localhost,10.0.0.1/main"),
        ("REDIS_URL", "redis+cluster://a,b"),
    ] {
        let refused = faults(&production(&[(name, text)]));
        assert_eq!(names(&refused), [name], "{text}");
        assert!(
            refused.to_string().contains("ALLOW_PLAINTEXT_UPSTREAM=true"),
            "{refused}"
        );
        let (_, warnings) = load(&production(&[(name, text), ("ALLOW_PLAINTEXT_UPSTREAM", "true")]));
        assert!(warned_of(&warnings, name), "{text}");
        let (_, warnings) = load(&production(&[(name, text), ("ENVIRONMENT", "staging")]));
        assert!(warned_of(&warnings, name), "{text}");
        let (_, warnings) = load(&development(&[(name, text)]));
        assert!(!warned_of(&warnings, name), "{text}");
    }
}

#[test]
fn what_leaves_a_door_ajar_is_warned_of() {
    let (_, warnings) = load(&production(&[
        ("JWT_SECRET_KEY", LONG_KEY),
        ("TRUSTED_PROXIES", "0.0.0.0/0"),
    ]));
    for name in [
        "ALLOWED_REDIRECT_URIS",
        "JWT_AUDIENCE",
        "JWT_ISSUER",
        "TRUSTED_PROXIES",
    ] {
        assert!(warned_of(&warnings, name), "{name}: {warnings:?}");
    }
    let (_, warnings) = load(&production(&[
        ("ALLOWED_REDIRECT_URIS", "https://a/cb"),
        ("JWT_AUDIENCE", "gateway"),
        ("JWT_ISSUER", "https://auth.example.com"),
    ]));
    assert_eq!(warnings, []);
}

#[test]
fn development_makes_missing_secrets_once_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let source = Source::from_map(map(&[("DATA_DIR", data_dir.to_str().unwrap())]));
    let (first, warnings) = load(&source);
    let (second, _) = load(&source);
    assert!(warned_of(&warnings, "SECRET_KEY") && warned_of(&warnings, "SESSION_ENCRYPTION_KEY"));
    assert_eq!(
        first.session.secret_key.expose_secret(),
        second.session.secret_key.expose_secret()
    );
    let kept = generated_secrets(&data_dir).unwrap();
    assert_eq!(
        first.session.secret_key.expose_secret(),
        kept.secret_key.expose_secret()
    );
    for row in first
        .rows()
        .iter()
        .filter(|row| ["SECRET_KEY", "SESSION_ENCRYPTION_KEY"].contains(&row.name))
    {
        assert_eq!((row.source, row.value.as_str()), (Origin::Generated, "(set)"));
    }
}

#[test]
fn a_given_secret_is_kept_beside_a_made_one() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::from_map(map(&[
        ("DATA_DIR", folder.path().to_str().unwrap()),
        ("SECRET_KEY", LONG_KEY),
    ]));
    let (settings, warnings) = load(&source);
    assert_eq!(settings.session.secret_key.expose_secret(), LONG_KEY);
    assert!(!warned_of(&warnings, "SECRET_KEY") && warned_of(&warnings, "SESSION_ENCRYPTION_KEY"));
}

#[test]
fn nothing_is_made_while_something_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let source = Source::from_map(map(&[("DATA_DIR", data_dir.to_str().unwrap()), ("PORT", "x")]));
    assert_eq!(names(&faults(&source)), ["PORT"]);
    assert!(!data_dir.exists());
}

#[test]
fn a_data_folder_that_cannot_be_made_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let source = Source::from_map(map(&[("DATA_DIR", file.join("data").to_str().unwrap())]));
    assert_eq!(names(&faults(&source)), ["DATA_DIR"]);
}
