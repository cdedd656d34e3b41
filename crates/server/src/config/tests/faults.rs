//! Faults: one wrong text for each rule, and the words that describe it.

use super::*;

/// Setting, wrong text, and words of the fault.
const WRONG: &[(&str, &str, &str)] = &[
    ("DEBUG", "perhaps", "neither true nor false"),
    (
        "ENVIRONMENT",
        "prod",
        "is none of development, staging, production",
    ),
    ("LOG_LEVEL", "VERBOSE", "neither a level"),
    ("LOG_LEVEL", "maxlab_auth=loud", "neither a level"),
    ("HOST", "example.com", "not an IP address"),
    ("PORT", "65536", "from 0 to 65535"),
    ("PORT", "http", "from 0 to 65535"),
    ("CORS_ORIGINS", "*", "contains *"),
    ("CORS_ORIGINS", r#"["https://a", "*"]"#, "contains *"),
    (
        "CORS_ORIGINS",
        "https://a/path",
        "not an origin (scheme://host:port)",
    ),
    ("CORS_ORIGINS", "[https://a]", "not a JSON list"),
    (
        "TRUSTED_PROXIES",
        "10.0.0.0/33",
        "neither an IP address nor a network",
    ),
    (
        "TRUSTED_PROXIES",
        "10.0.0.1, proxy",
        "neither an IP address nor a network",
    ),
    ("MAX_CONNECTIONS", "0", "from 1 to 1000000"),
    ("MAX_CONNECTIONS_PER_ADDRESS", "0", "from 1 to 1000000"),
    ("HEADER_TIMEOUT_SECONDS", "0", "from 0.1 to 600"),
    ("BODY_TIMEOUT_SECONDS", "NaN", "from 0.1 to 600"),
    ("SHUTDOWN_SECONDS", "-1", "from 0 to 600"),
    ("LOGIN_URL", "//evil.example", "neither an http(s) URL nor a path"),
    (
        "LOGIN_URL",
        "/\\evil.example",
        "neither an http(s) URL nor a path",
    ),
    (
        "LOGIN_URL",
        "javascript:alert(1)",
        "neither an http(s) URL nor a path",
    ),
    ("METRICS", "2", "neither true nor false"),
    (
        "CLEAR_SITE_DATA",
        "cache,history",
        "is none of cache, cookies, storage",
    ),
    (
        "CLEAR_SITE_DATA",
        "cache,none",
        "is none of cache, cookies, storage",
    ),
    ("CLEAR_SITE_DATA", "[]", "is an empty list"),
    (
        "DATABASE_URL",
        "mysql://a/b",
        "neither a postgresql:// nor a sqlite://",
    ),
    ("DATABASE_URL", "postgresql+asyncpg://a/b", "Python driver"),
    ("DATABASE_URL", "postgresql://a:port/b", "is not a URL"),
    ("DATABASE_URL", "sqlite://:memory:", "in memory"),
    ("DATABASE_URL", "sqlite://x?mode=memory", "in memory"),
    ("DATABASE_URL", "sqlite://x?cache=shared", "has parameters"),
    ("DATABASE_URL", "sqlite:///", "names no file"),
    ("REDIS_URL", "localhost:6379", "not a Redis URL"),
    ("REDIS_URL", "http://localhost", "not a Redis URL"),
    ("REDIS_URL", "redis://", "names no host"),
    ("REDIS_URL", "redis://a:port", "is not a URL"),
    ("REDIS_URL", "redis://a/main", "not a database number"),
    ("REDIS_URL", "redis+sentinel://a,b", "name the master"),
    ("REDIS_URL", "redis+sentinel://a:x/main", "not host:port"),
    ("REDIS_URL", "redis+sentinel://a,,b/main", "not host:port"),
    ("REDIS_URL", "redis+sentinel://a/main/x", "not a database number"),
    ("REDIS_URL", "redis+sentinel://a/main?x=1", "has parameters"),
    ("REDIS_URL", "redis+cluster://a,b/main", "one database only"),
    ("EXTERNAL_AUTH_URL", "auth.example.com", "not an absolute URL"),
    (
        "EXTERNAL_AUTH_URL",
        "ftp://a",
        "neither an https:// nor an http://",
    ),
    ("EXTERNAL_AUTH_URL", "https://u:p@a", "user name or a password"),
    ("EXTERNAL_AUTH_URL", "https://a?b=c", "has a query"),
    ("EXTERNAL_AUTH_URL", "https://a#b", "has a fragment"),
    ("ALLOW_PLAINTEXT_UPSTREAM", "sure", "neither true nor false"),
    ("ALLOW_OWN_JOURNALS", "ours", "neither true nor false"),
    ("SESSION_STORE", "memory", "is none of sql, redis"),
    ("SESSION_STORE", "redis", "REDIS_URL is not set"),
    ("OAUTH_CLIENT_SECRET", "change-me", "is a sample"),
    ("INTROSPECTION_URL", "/introspect", "not an absolute URL"),
    ("UPSTREAM_TIMEOUT_SECONDS", "0", "from 0.05 to 300"),
    ("UNVERIFIED_EMAIL", "yes", "omit"),
    ("ALLOWED_REDIRECT_URIS", "/callback", "not an absolute URI"),
    ("ALLOWED_REDIRECT_URIS", "https://a/cb#x", "has a fragment"),
    ("ALLOWED_REDIRECT_URIS", "https://*.a/cb", "compared exactly"),
    ("ALLOWED_REDIRECT_URIS", "javascript:alert(1)", "run or open"),
    // F23: a request may not name these, so they could never match.
    (
        "ALLOWED_REDIRECT_URIS",
        "https://u@a/cb",
        "a user name or a password",
    ),
    ("ALLOWED_REDIRECT_URIS", "https:a/cb", "has no host"),
    ("ALLOWED_REDIRECT_URIS", "https://a/c b", "percent-encoded"),
    ("ALLOWED_REDIRECT_URIS", "https://a/콜백", "percent-encoded"),
    (
        "ALLOWED_REDIRECT_URIS",
        "https://a/cb,https://a/cb",
        "one element twice",
    ),
    ("ALLOWED_CLIENT_IDS", "[]", "empty list"),
    (
        "INTROSPECTION_CLIENTS",
        "id",
        "not a list of id:secret (client 1)",
    ),
    (
        "INTROSPECTION_CLIENTS",
        "a:x,b:",
        "not a list of id:secret (client 2)",
    ),
    ("INTROSPECTION_CLIENTS", "a:x,a:y", "one client twice"),
    (
        "INTROSPECTION_CLIENTS",
        "a:your-secret",
        "sample secret (client 1)",
    ),
    ("VERIFY_LAYERS", ",", "empty list"),
    ("VERIFY_LAYERS", "userinfo", "not a layer"),
    ("VERIFY_LAYERS", "local_jwt,local_jwt", "one element twice"),
    ("VERIFY_CACHE_SECONDS", "301", "from 0 to 300"),
    ("VERIFY_CACHE_SECONDS", "0.5", "not a whole number"),
    ("JWKS_URL", "jwks.json", "not an absolute URL"),
    ("JWT_AUDIENCE", "[]", "empty list"),
    (
        "JWT_SECRET_KEY",
        "too-short",
        "has 9 bytes, and HS256 needs at least 32",
    ),
    ("JWT_SECRET_KEY", "your-jwt-secret-key", "a sample value"),
    ("JWT_ALGORITHM", "none", "not a known algorithm"),
    ("JWT_ALGORITHM", "hs256", "not a known algorithm"),
    ("JWT_ALGORITHM", "HS256,RS256", "mixes"),
    ("JWT_EXPIRE_MINUTES", "0", "from 1 to 43200"),
    ("JWT_TYPE", "JWT", "is none of any, at+jwt"),
    ("CLOCK_SKEW_SECONDS", "61", "from 0 to 60"),
    ("CLAIM_USER_ID", "a..b", "empty step"),
    ("CLAIM_ROLES", ".roles", "empty step"),
    ("CLAIM_SCOPE", "scope,scope", "one element twice"),
    ("CLAIM_ROLES", r"a\b", "a backslash that escapes nothing"),
    ("CLAIM_EMAIL", "mail + email", "only lists can"),
    ("ADMIN_ROLES", "[]", "empty list"),
    ("WORKSPACE_SOURCE", "ldap", "is none of claims, database, both"),
    ("REVOCATION_READS", "never", "is none of replica, direct"),
    ("REVOCATION_LEASE_SECONDS", "0", "from 1 to 300"),
    ("REVOCATION_RETENTION_DAYS", "0", "from 1 to 3650"),
    ("REVOKE_UNPROVEN_SECONDS", "0", "from 1 to 2592000"),
    ("REVOKE_UNPROVEN_MAX", "-1", "from 0 to 10000000"),
    ("SECRET_KEY", "CHANGE-ME", "a sample value"),
    ("SESSION_ENCRYPTION_KEY", "abc", "not a list of Fernet keys"),
    (
        "SESSION_ENCRYPTION_KEY",
        "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=,",
        "not a list of Fernet keys",
    ),
    ("SESSION_IDLE_SECONDS", "0", "from 1 to"),
    ("SESSION_IDLE_SECONDS", "86401", "longer than SESSION_MAX_SECONDS"),
    ("SESSION_MAX_SECONDS", "0", "from 1 to"),
    ("SESSION_MAX_PER_USER", "0", "from 1 to 10000"),
    ("SESSION_COOKIE_SECURE", "maybe", "neither true nor false"),
];

#[test]
fn each_wrong_text_is_one_fault_that_says_what_and_how() {
    for &(name, text, words) in WRONG {
        let faults = faults(&development(&[(name, text)]));
        assert_eq!(names(&faults), [name], "{name}={text}: {faults}");
        let fault = faults.iter().next().unwrap();
        assert!(fault.problem.contains(words), "{name}={text}: {fault}");
        assert!(!fault.remedy.is_empty(), "{name}={text}");
    }
}

#[test]
fn they_are_reported_all_at_once_in_the_order_of_the_reference() {
    let mut wrong: BTreeMap<&str, &str> = BTreeMap::new();
    for &(name, text, _) in WRONG {
        // The first changes how the others are read. The second is a fault of another setting, too.
        if !matches!(name, "ENVIRONMENT" | "OAUTH_CLIENT_SECRET") {
            wrong.entry(name).or_insert(text);
        }
    }
    let pairs: Vec<(&str, &str)> = wrong.iter().map(|(&name, &text)| (name, text)).collect();
    let found = names(&faults(&development(&pairs)));
    let expected: Vec<&str> = crate::config::reference()
        .iter()
        .map(|doc| doc.name)
        .filter(|name| wrong.contains_key(name))
        .collect();
    assert_eq!(found, expected);
    assert!(found.len() > 35, "{}", found.len());
}

#[test]
fn settings_that_contradict_each_other_are_faults() {
    for (pairs, name) in [
        (&[("OAUTH_CLIENT_SECRET", "a-secret")][..], "OAUTH_CLIENT_ID"),
        (
            &[("JWT_SECRET_KEY", LONG_KEY), ("JWKS_URL", "https://a/jwks")],
            "JWT_SECRET_KEY",
        ),
        (
            &[("JWT_SECRET_KEY", LONG_KEY), ("JWT_ALGORITHM", "RS256")],
            "JWT_ALGORITHM",
        ),
        (
            &[("JWT_SECRET_KEY", LONG_KEY), ("JWT_ALGORITHM", "HS256,HS384")],
            "JWT_ALGORITHM",
        ),
        (
            &[("JWT_SECRET_KEY", LONG_KEY), ("JWT_ALGORITHM", "HS512")],
            "JWT_SECRET_KEY",
        ),
        (
            &[("SESSION_IDLE_SECONDS", "11"), ("SESSION_MAX_SECONDS", "10")],
            "SESSION_IDLE_SECONDS",
        ),
    ] {
        assert_eq!(names(&faults(&development(pairs))), [name], "{pairs:?}");
    }
}

#[test]
fn a_fault_reads_as_a_paragraph() {
    let message = faults(&development(&[("PORT", "80a"), ("METRICS", "2")])).to_string();
    assert_eq!(
        message,
        "2 settings are wrong:\n\
         \nPORT: \"80a\" is not a whole number from 0 to 65535\n    write a number from 0 to 65535\n\
         \nMETRICS: \"2\" is neither true nor false\n    write true or false\n"
    );
}

#[test]
fn a_long_or_strange_value_is_repeated_short_and_escaped() {
    let text = format!("\u{1b}[31m{}", "é".repeat(500));
    let message = faults(&development(&[("PORT", &text)])).to_string();
    assert!(
        !message.contains('\u{1b}') && message.chars().count() < 300,
        "{message:?}"
    );
}
