//! Redis and PostgreSQL with certificates of a private authority: refused until the authority is named.

use std::path::{Path, PathBuf};
use std::process::Command;

use maxlab_auth_testkit::servers::RedisOptions;
use maxlab_auth_testkit::{LyingAuthServer, PostgresServer, RedisServer, free_port};
use serde_json::Value;

use crate::tool::Tool;

/// An authority, and a server's certificate that it signed, made by openssl.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn make() -> Self {
        let made = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let script = "set -e
            key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
            openssl req -x509 $key -days 2 -subj /CN=Authority -keyout ca.key -out ca.pem \\
                -addext basicConstraints=critical,CA:TRUE
            openssl req $key -subj /CN=localhost -keyout server.key -out server.csr
            printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > extensions
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \\
                -extfile extensions -out server.pem
            chmod 755 . && chmod 644 *.pem";
        let ended = Command::new("bash")
            .args(["-c", script])
            .current_dir(made.folder.path())
            .output()
            .unwrap();
        assert!(ended.status.success(), "{ended:?}");
        made
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }
}

/// Status and detail of a component, as `check` reports it.
async fn checked(tool: &Tool, component: &str) -> (String, String) {
    let report = tool.run(&["check", "--json"]).await.json();
    let found = report["components"].as_array().unwrap().iter();
    let found: &Value = found.clone().find(|one| one["component"] == component).unwrap();
    let text = |name: &str| found[name].as_str().unwrap().to_owned();
    (text("status"), text("detail"))
}

#[tokio::test]
async fn f14_redis_with_a_private_authority() {
    let (server, authority) = (LyingAuthServer::start().await.unwrap(), Authority::make());
    let port = free_port();
    let options = RedisOptions::plain()
        .setting("tls-port", &port.to_string())
        .setting("tls-cert-file", &authority.text("server.pem"))
        .setting("tls-key-file", &authority.text("server.key"))
        .setting("tls-ca-cert-file", &authority.text("ca.pem"))
        .setting("tls-auth-clients", "no");
    let _redis = RedisServer::start_with(options).await.unwrap();
    let tool = || {
        Tool::new()
            .env("EXTERNAL_AUTH_URL", server.url())
            .env("REDIS_URL", format!("rediss://localhost:{port}/0"))
    };
    let (status, detail) = checked(&tool(), "store").await;
    assert_eq!(status, "unhealthy", "{detail}");
    for name in ["REDIS_CA_FILE", "SSL_CERT_FILE"] {
        let (status, detail) = checked(&tool().env(name, authority.text("ca.pem")), "store").await;
        assert_eq!(status, "healthy", "{name}: {detail}");
    }
    // The named authority and no other: a certificate that somebody else signed is refused.
    let other = Authority::make();
    let both = tool()
        .env("REDIS_CA_FILE", other.text("ca.pem"))
        .env("SSL_CERT_FILE", authority.text("ca.pem"));
    assert_eq!(checked(&both, "store").await.0, "unhealthy");
    for (file, problem) in [
        ("no-such-file", "cannot be read"),
        ("extensions", "contains no certificate"),
    ] {
        let refused = tool()
            .env("REDIS_CA_FILE", authority.text(file))
            .run(&["check"])
            .await;
        let text = refused.text();
        assert_ne!(refused.code, 0);
        assert!(text.contains("REDIS_CA_FILE") && text.contains(problem), "{text}");
    }
    let plain = tool()
        .env("REDIS_URL", "redis://localhost/0")
        .env("REDIS_CA_FILE", authority.text("ca.pem"));
    let text = plain.run(&["check"]).await.text();
    assert!(text.contains("does not use TLS"), "{text}");
}

/// Makes the server's process the owner of a file.
fn give_to_server(postgres: &PostgresServer, file: &Path) {
    let own = std::fs::metadata(format!("/proc/{}", postgres.pid().unwrap())).unwrap();
    let uid = std::os::unix::fs::MetadataExt::uid(&own);
    std::os::unix::fs::chown(file, Some(uid), None).unwrap();
}

#[tokio::test]
async fn f14_postgresql_with_a_private_authority() {
    let (server, authority) = (LyingAuthServer::start().await.unwrap(), Authority::make());
    let mut postgres = PostgresServer::start().await.unwrap();
    let url = postgres.create_database().await.unwrap();
    give_to_server(&postgres, &authority.file("server.key"));
    for (name, value) in [
        ("ssl_cert_file", authority.text("server.pem")),
        ("ssl_key_file", authority.text("server.key")),
        ("ssl", "on".to_owned()),
    ] {
        let set = format!("ALTER SYSTEM SET {name} = '{value}'");
        postgres.query(&url, &set).unwrap();
    }
    postgres.restart().await.unwrap();
    let url = format!("{}?sslmode=verify-full", url.replace("127.0.0.1", "localhost"));
    let tool = |url: &str| {
        Tool::new()
            .env("EXTERNAL_AUTH_URL", server.url())
            .env("DATABASE_URL", url)
    };
    let (status, detail) = checked(&tool(&url), "database").await;
    assert_eq!(status, "unhealthy", "{detail}");
    let by_url = format!("{url}&sslrootcert={}", authority.text("ca.pem"));
    let (status, detail) = checked(&tool(&by_url), "database").await;
    assert_eq!(status, "healthy", "sslrootcert: {detail}");
    let by_variable = tool(&url).env("SSL_CERT_FILE", authority.text("ca.pem"));
    let (status, detail) = checked(&by_variable, "database").await;
    assert_eq!(status, "healthy", "SSL_CERT_FILE: {detail}");
}
