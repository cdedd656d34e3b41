//! Unsafe settings: production refuses them, development accepts them.

use super::*;
use crate::config::{SettingOrigin, load_or_generate_secrets};
use secrecy::ExposeSecret;

#[test]
fn a_complete_production_starts_with_the_secure_cookie() {
    let (settings, _) = load(&production(&[]));
    assert!(settings.session.cookie_secure);
    assert!(settings.session.cookie_secure);
}

#[test]
fn what_is_missing_stops_the_start_at_once() {
    for environment in ["production", "staging"] {
        let faults = faults(&SettingsSource::from_map(map(&[("ENVIRONMENT", environment)])));
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
        ("DATABASE_URL", "postgresql://db.example/maxlab"),
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
fn n6_postgresql_on_another_machine_is_reached_by_tls_only() {
    for url in [
        "postgresql://u:p@127.0.0.1:5432/maxlab",
        "postgres://localhost/maxlab?sslmode=disable",
        "postgresql://[::1]/maxlab",
        "postgresql:///maxlab",
        "postgresql:///maxlab?host=/run/postgresql",
        "postgresql://%2Frun%2Fpostgresql/maxlab",
        "postgresql://db.example/maxlab?host=127.0.0.1",
        "postgresql://db.example/maxlab?sslmode=VERIFY-FULL",
        "postgresql://db.example/maxlab?sslmode=disable&sslmode=verify-full",
    ] {
        let (_, warnings) = load(&production(&[("DATABASE_URL", url)]));
        assert!(!warned_of(&warnings, "DATABASE_URL"), "{url}: {warnings:?}");
    }
    for url in [
        "postgresql://u:p@db.example:5432/maxlab",
        "postgres://10.0.0.5/maxlab?sslmode=disable",
        "postgresql://db.example/maxlab?sslmode=allow",
        "postgresql://db.example/maxlab?ssl-mode=prefer",
        "postgresql://db.example/maxlab?sslmode=verify-full&sslmode=prefer",
        "postgresql://localhost/maxlab?host=db.example",
        "postgresql://localhost/maxlab?hostaddr=10.0.0.5",
        "postgresql:///maxlab?host=/run/postgresql&host=db.example",
        "postgresql://localhost.example.com/maxlab",
    ] {
        let refused = faults(&production(&[("DATABASE_URL", url)]));
        assert_eq!(names(&refused), ["DATABASE_URL"], "{url}");
        let message = refused.to_string();
        assert!(
            message.contains("sslmode=verify-full") && message.contains("ALLOW_PLAINTEXT_UPSTREAM=true"),
            "{message}"
        );
        assert!(!message.contains("u:p"), "no password: {message}");
        let (_, warnings) = load(&production(&[
            ("DATABASE_URL", url),
            ("ALLOW_PLAINTEXT_UPSTREAM", "true"),
        ]));
        assert!(warned_of(&warnings, "DATABASE_URL"), "{url}");
        load(&development(&[("DATABASE_URL", url)]));
    }
    for mode in ["require", "verify-ca"] {
        let url = format!("postgresql://db.example/maxlab?sslmode={mode}");
        let (_, warnings) = load(&production(&[("DATABASE_URL", &url)]));
        assert!(
            warned_of(&warnings, "DATABASE_URL"),
            "{mode} does not check the host"
        );
        let (_, warnings) = load(&development(&[("DATABASE_URL", &url)]));
        assert!(!warned_of(&warnings, "DATABASE_URL"), "{mode}");
    }
    let wrong = faults(&production(&[(
        "DATABASE_URL",
        "postgresql://db.example/maxlab?sslmode=on",
    )]));
    assert!(
        wrong
            .to_string()
            .contains("sslmode that PostgreSQL does not have"),
        "{wrong}"
    );
}

#[test]
fn n7_a_range_that_trusts_the_internet_is_refused_in_production() {
    for list in [
        "0.0.0.0/0",
        "::/0",
        "10.0.0.7, 0.0.0.0/0",
        "0.0.0.0/1,128.0.0.0/1",
        "8.0.0.0/7",
        "12.0.0.0/8",
        "192.0.0.0/8",
        "172.0.0.0/8",
        "2000::/3",
        "2400::/12",
        "::ffff:0:0/96",
        "::ffff:12.0.0.0/104",
    ] {
        let refused = faults(&production(&[("TRUSTED_PROXIES", list)]));
        assert_eq!(names(&refused), ["TRUSTED_PROXIES"], "{list}");
        let (_, warnings) = load(&development(&[("TRUSTED_PROXIES", list)]));
        assert!(warned_of(&warnings, "TRUSTED_PROXIES"), "{list}");
    }
    for list in [
        "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,127.0.0.0/8,169.254.0.0/16",
        "fc00::/7,fe80::/10,::1",
        "::ffff:10.0.0.0/104",
        "104.16.0.0/13,173.245.48.0/20,2400:cb00::/32",
        "203.0.113.7,2001:db8::1",
    ] {
        let (_, warnings) = load(&production(&[("TRUSTED_PROXIES", list)]));
        assert!(!warned_of(&warnings, "TRUSTED_PROXIES"), "{list}: {warnings:?}");
    }
}

#[test]
fn what_leaves_a_door_ajar_is_warned_of() {
    let (_, warnings) = load(&production(&[("JWT_SECRET_KEY", LONG_KEY)]));
    for name in ["ALLOWED_REDIRECT_URIS", "JWT_AUDIENCE", "JWT_ISSUER"] {
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
    let source = SettingsSource::from_map(map(&[("DATA_DIR", data_dir.to_str().unwrap())]));
    let (first, warnings) = load(&source);
    let (second, _) = load(&source);
    assert!(warned_of(&warnings, "SECRET_KEY") && warned_of(&warnings, "SESSION_ENCRYPTION_KEY"));
    assert_eq!(
        first.session.secret_key.expose_secret(),
        second.session.secret_key.expose_secret()
    );
    let kept = load_or_generate_secrets(&data_dir).unwrap();
    assert_eq!(
        first.session.secret_key.expose_secret(),
        kept.secret_key.expose_secret()
    );
    for row in first
        .rows()
        .iter()
        .filter(|row| ["SECRET_KEY", "SESSION_ENCRYPTION_KEY"].contains(&row.name))
    {
        assert_eq!(
            (row.source, row.value.as_str()),
            (SettingOrigin::Generated, "(set)")
        );
    }
}

#[test]
fn a_given_secret_is_kept_beside_a_made_one() {
    let folder = tempfile::tempdir().unwrap();
    let source = SettingsSource::from_map(map(&[
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
    let source = SettingsSource::from_map(map(&[("DATA_DIR", data_dir.to_str().unwrap()), ("PORT", "x")]));
    assert_eq!(names(&faults(&source)), ["PORT"]);
    assert!(!data_dir.exists());
}

#[test]
fn a_data_folder_that_cannot_be_made_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let source = SettingsSource::from_map(map(&[("DATA_DIR", file.join("data").to_str().unwrap())]));
    assert_eq!(names(&faults(&source)), ["DATA_DIR"]);
}
