//! Values of correct texts, and defaults.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use maxlab_auth_core::identity::VerificationSource::{
    Introspection, LocalJwt, OauthUserinfo, TraditionalAuth,
};
use maxlab_auth_jose::{Algorithm, TypRule};
use secrecy::ExposeSecret;

use super::*;
use crate::config::{
    DatabaseUrl, DefaultValue, Environment, JwtKeys, RedisNodes, RevocationReads, SiteData, StoreUrl,
    WorkspaceSource, reference,
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_service_has_its_defaults() {
    let app = settings(&[]).app;
    assert_eq!(
        (app.name.as_str(), app.debug, app.environment),
        ("MAX Lab", false, Environment::Development)
    );
    assert_eq!(
        (app.host.to_string().as_str(), app.port, app.max_connections),
        ("0.0.0.0", 8080, 10_000)
    );
    assert_eq!(
        (app.log_directives.as_str(), app.data_dir),
        ("info", PathBuf::from("./.maxlab-auth"))
    );
    assert_eq!(
        (app.header_timeout, app.body_timeout, app.shutdown_timeout),
        (seconds(10), seconds(15), seconds(20))
    );
    assert!(
        app.cors_origins.is_empty()
            && app.trusted_proxies.is_empty()
            && app.login_url.is_none()
            && app.metrics
    );
}

#[test]
fn the_other_sections_have_their_defaults() {
    let all = settings(&[("DATA_DIR", "/data")]);
    assert!(
        matches!(all.stores.database, DatabaseUrl::Sqlite(path) if path.as_os_str() == "/data/maxlab-auth.db")
    );
    assert!(matches!(all.stores.store, StoreUrl::Embedded));
    let upstream = all.upstream;
    assert_eq!(
        (upstream.external_auth_url.as_str(), upstream.timeout),
        ("http://localhost:8000/", seconds(10))
    );
    assert!(
        upstream.client.is_none() && upstream.introspection_clients.is_empty() && !upstream.allow_plaintext
    );
    assert!(upstream.allowed_redirect_uris.is_none() && upstream.allowed_client_ids.is_none());
    let verify = all.verify;
    assert_eq!(verify.layers, [OauthUserinfo, TraditionalAuth, LocalJwt]);
    assert_eq!(
        (verify.cache, verify.clock_skew, verify.lifetime_without_exp),
        (seconds(5), seconds(10), seconds(900))
    );
    assert_eq!(
        (verify.admin_roles, verify.workspace_source),
        (
            vec!["admin".to_owned(), "administrator".to_owned()],
            WorkspaceSource::Both
        )
    );
    assert_eq!(
        (verify.token_types, verify.issuer, verify.audiences.len()),
        (TypRule::Any, None, 0)
    );
    assert!(matches!(verify.keys, JwtKeys::Jwks { url: None, algorithms } if algorithms.len() == 10));
    assert!(verify.claims.user_id.is_empty() && verify.claims.roles.is_empty());
    assert_eq!(
        (all.revocation.reads, all.revocation.lease),
        (RevocationReads::Replica, seconds(5))
    );
    assert_eq!(all.revocation.retention, seconds(400 * 86_400));
    assert_eq!(
        (all.revocation.unproven_ttl, all.revocation.unproven_max),
        (seconds(600), 10_000)
    );
    let policy = all.session.policy;
    assert_eq!(
        (policy.idle_timeout, policy.max_lifetime, policy.max_per_user),
        (seconds(3600), seconds(86_400), 20)
    );
    assert!(!all.session.cookie_secure);
    assert_eq!(all.session.clear_site_data, [SiteData::Cache, SiteData::Storage]);
}

#[test]
fn small_values_are_legal() {
    let all = settings(&[
        ("SESSION_IDLE_SECONDS", "2"),
        ("VERIFY_CACHE_SECONDS", "0"),
        ("REVOCATION_LEASE_SECONDS", "1"),
        ("CLOCK_SKEW_SECONDS", "0"),
        ("REVOKE_UNPROVEN_SECONDS", "1"),
        ("REVOKE_UNPROVEN_MAX", "0"),
        ("UPSTREAM_TIMEOUT_SECONDS", "0.25"),
        ("PORT", "0"),
    ]);
    assert_eq!(
        (
            all.session.policy.idle_timeout,
            all.verify.cache,
            all.revocation.lease
        ),
        (seconds(2), seconds(0), seconds(1))
    );
    assert_eq!(
        (all.revocation.unproven_ttl, all.revocation.unproven_max),
        (seconds(1), 0)
    );
    assert_eq!(
        (all.verify.clock_skew, all.upstream.timeout, all.app.port),
        (seconds(0), Duration::from_millis(250), 0)
    );
}

#[test]
fn an_unverified_address_is_omitted_unless_it_is_to_be_sent() {
    use maxlab_auth_core::identity::UnverifiedEmailPolicy;
    assert_eq!(
        settings(&[]).verify.claims.unverified_email,
        UnverifiedEmailPolicy::Omit
    );
    let send = settings(&[("UNVERIFIED_EMAIL", "send")]);
    assert_eq!(send.verify.claims.unverified_email, UnverifiedEmailPolicy::Send);
}

#[test]
fn the_default_idle_life_gives_way_to_a_shorter_absolute_one() {
    let policy = settings(&[("SESSION_MAX_SECONDS", "3")]).session.policy;
    assert_eq!(
        (policy.idle_timeout, policy.max_lifetime),
        (seconds(3), seconds(3))
    );
}

#[test]
fn lists_are_json_or_commas() {
    for text in [
        "local_jwt,introspection",
        r#"["local_jwt", "introspection"]"#,
        " local_jwt , introspection ",
    ] {
        assert_eq!(
            settings(&[("VERIFY_LAYERS", text)]).verify.layers,
            [LocalJwt, Introspection],
            "{text}"
        );
    }
    let claims = settings(&[("CLAIM_ROLES", "https://example.com/roles, realm_access.roles")])
        .verify
        .claims;
    assert_eq!(claims.roles, ["https://example.com/roles", "realm_access.roles"]);
    let united = r"realm_access.roles + resource_access.com\.example\.app.roles";
    let claims = settings(&[("CLAIM_ROLES", united)]).verify.claims;
    assert_eq!(claims.roles, [united]);
    let app = settings(&[
        ("TRUSTED_PROXIES", "10.1.2.3/8, ::1"),
        ("CORS_ORIGINS", "https://B.example/,http://a:80"),
    ])
    .app;
    assert_eq!(
        app.trusted_proxies
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["10.0.0.0/8", "::1/128"]
    );
    assert_eq!(app.cors_origins, ["http://a", "https://b.example"]);
    let uris = settings(&[("ALLOWED_REDIRECT_URIS", "[]")])
        .upstream
        .allowed_redirect_uris;
    assert_eq!(uris, Some(vec![]));
}

#[test]
fn levels_are_pythons_or_tracings() {
    for (text, directives) in [
        ("INFO", "info"),
        ("WARNING", "warn"),
        ("critical", "error"),
        ("off", "off"),
        ("info,maxlab_auth=debug", "info,maxlab_auth=debug"),
    ] {
        assert_eq!(settings(&[("LOG_LEVEL", text)]).app.log_directives, directives);
    }
    assert_eq!(settings(&[("DEBUG", "true")]).app.log_directives, "debug");
    assert_eq!(
        settings(&[("DEBUG", "true"), ("LOG_LEVEL", "ERROR")])
            .app
            .log_directives,
        "error"
    );
}

#[test]
fn databases_are_known_by_their_scheme() {
    for (text, path) in [
        ("sqlite:///var/lib/a.db", "/var/lib/a.db"),
        ("sqlite://relative/a.db", "relative/a.db"),
        ("sqlite:a%20b.db?mode=rwc", "a b.db"),
    ] {
        let database = settings(&[("DATABASE_URL", text)]).stores.database;
        assert!(
            matches!(&database, DatabaseUrl::Sqlite(found) if found.as_os_str() == path),
            "{database:?}"
        );
    }
    for text in ["postgresql://u:p@h:5432/db?sslmode=require", "postgres:///db"] {
        let database = settings(&[("DATABASE_URL", text)]).stores.database;
        assert!(
            matches!(&database, DatabaseUrl::Postgres(url) if url.expose_secret() == text),
            "{database:?}"
        );
    }
}

#[test]
fn redis_addresses_are_taken_apart() {
    let store = |text| settings(&[("REDIS_URL", text)]).stores.store;
    assert!(
        matches!(store("redis://:pw@localhost/1"), StoreUrl::Redis { tls: false, url, .. } if url.expose_secret() == "redis://:pw@localhost/1")
    );
    assert!(matches!(
        store("rediss://cache.example"),
        StoreUrl::Redis { tls: true, .. }
    ));
    let StoreUrl::Sentinel(RedisNodes {
        nodes,
        service,
        database,
        username,
        password,
        sentinel_password: None,
        tls,
        ca_certificates: None,
    }) = store("rediss+sentinel://user:p%40ss@a:1,[::1]:2,c/main/3")
    else {
        panic!("no sentinel");
    };
    assert_eq!(
        nodes,
        [
            ("a".to_owned(), 1),
            ("[::1]".to_owned(), 2),
            ("c".to_owned(), 26379)
        ]
    );
    assert_eq!(
        (service.as_str(), database, username.as_deref(), tls),
        ("main", 3, Some("user"), true)
    );
    assert_eq!(password.unwrap().expose_secret(), "p@ss");
    let with_password = settings(&[
        ("REDIS_URL", "redis+sentinel://a,b/main"),
        ("REDIS_SENTINEL_PASSWORD", "other"),
    ]);
    let StoreUrl::Sentinel(RedisNodes {
        password: None,
        sentinel_password: Some(other),
        ..
    }) = with_password.stores.store
    else {
        panic!("no password of the Sentinels");
    };
    assert_eq!(other.expose_secret(), "other");
    let StoreUrl::Cluster(cluster) = store("redis+cluster://a,b:7001/") else {
        panic!("no cluster")
    };
    assert_eq!(cluster.nodes, [("a".to_owned(), 6379), ("b".to_owned(), 7001)]);
    assert!(cluster.password.is_none() && cluster.username.is_none() && !cluster.tls);
}

#[test]
fn clients_of_introspection_are_listed_or_the_gateways_own() {
    let clients = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let listed = settings(pairs).upstream.introspection_clients;
        listed
            .into_iter()
            .map(|client| (client.id, client.secret.expose_secret().to_owned()))
            .collect()
    };
    let pair = |id: &str, secret: &str| (id.to_owned(), secret.to_owned());
    assert_eq!(
        clients(&[("INTROSPECTION_CLIENTS", "id:se:cret, b:2")]),
        [pair("id", "se:cret"), pair("b", "2")]
    );
    let own = [("OAUTH_CLIENT_ID", "me"), ("OAUTH_CLIENT_SECRET", "mine")];
    assert_eq!(clients(&own), [pair("me", "mine")]);
    assert_eq!(clients(&own[..1]), []);
    assert_eq!(settings(&own).upstream.client.unwrap().id, "me");
}

#[test]
fn a_secret_and_a_key_set_choose_their_algorithms() {
    let keys = |pairs: &[(&str, &str)]| settings(pairs).verify.keys;
    let secret = ("JWT_SECRET_KEY", LONG_KEY);
    assert!(matches!(
        keys(&[secret]),
        JwtKeys::Secret {
            algorithm: Algorithm::HS256,
            ..
        }
    ));
    assert!(matches!(
        keys(&[secret, ("JWT_ALGORITHM", "HS384")]),
        JwtKeys::Secret {
            algorithm: Algorithm::HS384,
            ..
        }
    ));
    let JwtKeys::Jwks { url, algorithms } =
        keys(&[("JWKS_URL", "https://a/jwks"), ("JWT_ALGORITHM", "ES256,EdDSA")])
    else {
        panic!("no key set");
    };
    assert_eq!(
        (url.unwrap().as_str(), algorithms),
        ("https://a/jwks", vec![Algorithm::ES256, Algorithm::EdDSA])
    );
}

#[test]
fn an_hmac_algorithm_without_its_secret_is_ignored_and_said() {
    let (settings, warnings) = load(&development(&[("JWT_ALGORITHM", "HS256")]));
    let JwtKeys::Jwks { algorithms, .. } = settings.verify.keys else {
        panic!("no key set")
    };
    assert!(!algorithms.is_empty() && algorithms.iter().all(|algorithm| !algorithm.is_symmetric()));
    assert!(warned_of(&warnings, "JWT_ALGORITHM"));
}

#[test]
fn the_parser_and_the_reference_name_the_same_settings() {
    let read: Vec<&str> = settings(&[]).rows().iter().map(|row| row.name).collect();
    let documented: Vec<&str> = reference().iter().map(|doc| doc.name).collect();
    assert_eq!(read, documented);
    assert_eq!(
        documented.iter().collect::<BTreeSet<_>>().len(),
        documented.len(),
        "a name stands twice"
    );
}

#[test]
fn every_documented_default_is_what_the_parser_takes_when_it_is_written_out() {
    let unset = format!("{:?}", without_rows(&settings(&[])));
    for doc in reference() {
        assert!(!doc.meaning.is_empty() && !doc.unit.is_empty(), "{}", doc.name);
        if let DefaultValue::Value(text) = doc.default {
            let written = format!("{:?}", without_rows(&settings(&[(doc.name, text)])));
            assert_eq!(written, unset, "{}={text}", doc.name);
        }
    }
}

fn without_rows(settings: &Settings) -> Settings {
    Settings {
        rows: Vec::new(),
        ..settings.clone()
    }
}

#[test]
fn s11_journals_of_their_own_are_allowed_only_where_that_is_set() {
    for (text, allowed) in [(None, false), (Some("false"), false), (Some("true"), true)] {
        let set: Vec<_> = text
            .map(|text| ("ALLOW_OWN_JOURNALS", text))
            .into_iter()
            .collect();
        assert_eq!(settings(&set).stores.allow_own_journals, allowed, "{text:?}");
    }
}

#[test]
fn i14_sessions_are_in_sql_except_where_instances_have_databases_of_their_own() {
    let redis = ("REDIS_URL", "redis://localhost");
    let own = ("ALLOW_OWN_JOURNALS", "true");
    let postgres = ("DATABASE_URL", "postgresql://localhost/x");
    let place = |set: &[(&str, &str)]| settings(set).stores.sessions;
    for in_sql in [
        &[] as &[_],
        &[redis],
        &[own],
        &[redis, postgres],
        &[redis, postgres, own],
    ] {
        assert_eq!(place(in_sql), crate::config::SessionPlace::Sql, "{in_sql:?}");
    }
    assert_eq!(place(&[redis, own]), crate::config::SessionPlace::Redis);
    let asked = |word| ("SESSION_STORE", word);
    assert_eq!(
        place(&[redis, asked("redis")]),
        crate::config::SessionPlace::Redis
    );
    assert_eq!(
        place(&[redis, own, asked("sql")]),
        crate::config::SessionPlace::Sql
    );
}
